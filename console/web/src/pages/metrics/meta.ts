import { queryOptions } from '@tanstack/react-query'
import { ask } from '../../api/prom'

export interface Meta {
  names: string[]
  labels: string[]
  about: Record<string, { type: string; help: string }[]>
}

// metaQuery is what there is to ask for.
export const metaQuery = queryOptions({
  queryKey: ['metrics meta'],
  queryFn: async ({ signal }): Promise<Meta> => {
    const [names, labels, about] = await Promise.all([
      ask<string[]>('label/__name__/values', {}, signal),
      ask<string[]>('labels', {}, signal),
      ask<Meta['about']>('metadata', {}, signal).catch(() => ({})), // only helps
    ])
    return { names, labels: labels.filter(label => label !== '__name__'), about }
  },
  staleTime: 60_000,
  retry: false,
})

const functions = ['abs', 'absent', 'avg', 'avg_over_time', 'bottomk', 'ceil', 'changes', 'clamp_max', 'clamp_min', 'count', 'count_over_time', 'delta', 'deriv', 'floor', 'group', 'histogram_quantile', 'idelta', 'increase', 'irate', 'label_replace', 'last_over_time', 'max', 'max_over_time', 'min', 'min_over_time', 'predict_linear', 'quantile', 'quantile_over_time', 'rate', 'resets', 'round', 'sort', 'sort_desc', 'stddev', 'sum', 'sum_over_time', 'time', 'timestamp', 'topk', 'vector']

export interface Proposal {
  text: string
  about: string
}

const most = 12

// propose completes the word before the cursor: a label between braces and in
// by (…), else a function or a metric.
export function propose(before: string, meta: Meta | undefined): { word: string; proposals: Proposal[] } {
  const [word = ''] = /[a-zA-Z_:][\w:]*$/.exec(before) ?? []
  const ahead = before.slice(0, before.length - word.length)
  if (/"[^"]*$/.test(ahead.replace(/"[^"]*"/g, ''))) return { word, proposals: [] } // in a text
  const inside = /\{[^}]*$/.test(ahead) || /\b(by|without|on|ignoring)\s*\([^)]*$/.test(ahead)
  const all: Proposal[] = inside
    ? (meta?.labels ?? []).map(text => ({ text, about: 'label' }))
    : [...(meta?.names ?? []).map(text => ({ text, about: aboutOf(text, meta) })), ...functions.map(text => ({ text: `${text}(`, about: 'function' }))]
  if (word === '' && !inside) return { word, proposals: [] }
  const low = word.toLowerCase()
  const fitting = all.filter(({ text }) => text.toLowerCase().includes(low) && text !== word)
  const rank = ({ text }: Proposal) => (text.toLowerCase().startsWith(low) ? 0 : 1)
  return { word, proposals: fitting.sort((a, b) => rank(a) - rank(b) || a.text.localeCompare(b.text)).slice(0, most) }
}

function aboutOf(name: string, meta: Meta | undefined): string {
  const [about] = meta?.about[name] ?? meta?.about[name.replace(/_(bucket|sum|count|total)$/, '')] ?? []
  return about ? [about.type, about.help].filter(Boolean).join(': ') : ''
}
