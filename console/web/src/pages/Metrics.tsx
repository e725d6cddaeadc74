import './metrics/metrics.css'
import { ActionIcon, Button, SegmentedControl } from '@mantine/core'
import { IconPlus, IconTrash } from '@tabler/icons-react'
import { useQueries, useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { bounds, useRange } from '../app/range'
import { now, over, type Series, stepFor } from '../api/prom'
import { lacks } from '../api/telemetry'
import { Absent } from '../parts/Absent'
import { Chart, type Line } from '../parts/Chart'
import { Nothing, Page } from '../parts/Page'
import { RangePick } from '../parts/RangePick'
import { Editor } from './metrics/Editor'
import { metaQuery } from './metrics/meta'
import { Refusal } from './metrics/Refusal'
import { Values } from './metrics/Values'

const route = getRouteApi('/metrics')
const every = 10_000 // milliseconds
const mostLines = 200
const hues = ['#1c7ed6', '#c2660a', '#2f9e44', '#ae3ec9', '#0c8599', '#d6336c', '#7048e8', '#8a6d00', '#5c7cfa', '#8d6e63', '#66892b', '#c0504d']

const examples = [
  ['Requests a second of each service', 'sum by (service) (rate(plat_requests_total[1m]))'],
  ['95 of 100 requests are faster', 'histogram_quantile(0.95, sum by (service, le) (rate(plat_request_duration_seconds_bucket[5m])))'],
  ['Memory of the processes', 'sum by (service) (plat_process_memory_bytes)'],
  ['Events that wait', 'plat_consumer_lag'],
] as const

// Metrics asks for whatever the series have, in PromQL.
export function Metrics() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const { range, moving } = useRange()
  const expressions = (search.expr ?? '').split('\n')
  const asked = expressions.filter(text => text.trim() !== '')
  const table = search.view === 'table'
  const set = (change: { expr?: string; view?: string }) => void navigate({ search: old => ({ ...old, ...change }), replace: true })
  const put = (index: number, text: string | undefined) => set({ expr: expressions.flatMap((old, at) => (at === index ? (text === undefined ? [] : [text]) : [old])).join('\n') || undefined })
  const meta = useQuery(metaQuery)
  const answers = useQueries({
    queries: asked.map(expression => ({
      queryKey: ['metrics', expression, range, table],
      queryFn: async ({ signal }: { signal: AbortSignal }) => {
        const { from, to } = bounds(range)
        if (table) return { from, to, series: (await now(expression, signal, to)).map(({ labels, value }): Series => ({ labels, points: [[to / 1_000, value]] })) }
        return { from, to, series: await over(expression, from, to, stepFor(from, to, 240), signal) }
      },
      refetchInterval: moving ? every : (false as const),
      staleTime: moving ? every : Infinity,
      placeholderData: <T,>(old: T) => old,
      retry: false,
    })),
  })
  const absent = [meta.error, ...answers.map(({ error }) => error)].find(lacks)
  if (absent) {
    return (
      <Page title="Metrics">
        <Absent error={absent} what="metrics" />
      </Page>
    )
  }
  const found = answers.flatMap(({ data, isError }, index) => (isError ? [] : (data?.series ?? []).map(series => ({ series, expression: index }))))
  const lines = found.slice(0, mostLines).map(({ series, expression }, index): Line => ({ id: `${expression} ${nameOf(series)}`, name: nameOf(series) || asked[expression]!, colour: hues[index % hues.length]!, points: series.points }))
  const time = answers.find(({ data }) => data)?.data ?? bounds(range)
  return (
    <Page title="Metrics" actions={<RangePick />}>
      {expressions.map((expression, index) => {
        const answer = answers[asked.indexOf(expression)]
        return (
          <div key={index}>
            <div className="expression">
              <Editor first={index === 0} value={expression} meta={meta.data} onSubmit={text => put(index, text)} busy={answer?.isFetching ?? false} />
              {expressions.length > 1 && (
                <ActionIcon variant="default" size={34} aria-label="Take this expression away" onClick={() => put(index, undefined)}>
                  <IconTrash size={15} />
                </ActionIcon>
              )}
            </div>
            {answer?.isError && <Refusal expression={expression} error={answer.error} />}
          </div>
        )
      })}
      <div className="filters">
        <Button size="xs" variant="default" leftSection={<IconPlus size={14} />} onClick={() => set({ expr: `${search.expr ?? ''}\n` })}>
          Another expression
        </Button>
        <SegmentedControl size="xs" aria-label="Shown as" value={table ? 'table' : 'graph'} onChange={view => set({ view: view === 'table' ? view : undefined })} data={[{ value: 'graph', label: 'Graph' }, { value: 'table', label: 'Table' }]} />
      </div>
      {asked.length === 0 && (
        <Nothing>
          Write an expression of PromQL, or begin with one of these:
          <ul className="examples">
            {examples.map(([what, expression]) => (
              <li key={what}>
                <button type="button" className="link" onClick={() => set({ expr: expression })}>
                  {what}
                </button>
              </li>
            ))}
          </ul>
        </Nothing>
      )}
      {asked.length > 0 && found.length === 0 && answers.every(({ isSuccess }) => isSuccess) && <Nothing>No series fits.</Nothing>}
      {found.length > mostLines && <p className="dim small">The first {mostLines} of {found.length} series are shown.</p>}
      {lines.length > 0 && (table ? <Values lines={lines} /> : <Chart from={time.from} to={time.to} lines={lines} />)}
    </Page>
  )
}

// nameOf writes a series as PromQL does.
function nameOf({ labels }: Series): string {
  const { __name__: name = '', ...others } = labels
  const inside = Object.entries(others).map(([key, value]) => `${key}="${value}"`)
  return inside.length > 0 ? `${name}{${inside.join(', ')}}` : name
}
