import type { LogRecord, Span, Trace } from '../../api/telemetry'

// Item is one row of the waterfall: a span, or a log record at its place.
export type Item = SpanItem | LogItem

export interface SpanItem {
  kind: 'span'
  id: string
  span: Span
  depth: number
  at: number // nanoseconds after the trace's start
  children: Item[]
  below: number // spans under it
  failedBelow: boolean
  parent: SpanItem | undefined
}

export interface LogItem {
  kind: 'log'
  id: string
  log: LogRecord
  depth: number
  at: number
  parent: SpanItem | undefined
}

export interface Model {
  roots: Item[]
  spans: SpanItem[] // as the waterfall has them, from above
  byID: Map<string, SpanItem>
  services: [string, number][] // with their spans, the most first
  length: number // nanoseconds
}

export type Only = 'errors' | 'critical' | undefined

// modelOf makes the tree of a trace. Nothing in it calls itself: a trace may
// be as deep as it is long.
export function modelOf(trace: Trace): Model {
  const zero = momentOf(trace.start)
  const after = (time: string) => since(zero, momentOf(time))
  const byID = new Map<string, SpanItem>()
  const all: SpanItem[] = (trace.spans ?? []).map(span => {
    const item: SpanItem = { kind: 'span', id: span.id, span, depth: 0, at: after(span.start), children: [], below: 0, failedBelow: false, parent: undefined }
    byID.set(span.id, item)
    return item
  })
  const roots: Item[] = []
  for (const item of all) {
    const parent = item.span.parent ? byID.get(item.span.parent) : undefined
    item.parent = parent && parent !== item ? parent : undefined
    ;(item.parent?.children ?? roots).push(item)
  }
  ;(trace.logs ?? []).forEach((log, index) => {
    const parent = log.spanId ? byID.get(log.spanId) : undefined
    ;(parent?.children ?? roots).push({ kind: 'log', id: `log ${index}`, log, depth: 0, at: after(log.time), parent })
  })
  const spans = ordered(roots)
  for (const item of spans.toReversed()) {
    if (!item.parent) continue
    item.parent.below += item.below + 1
    if (item.failedBelow || item.span.status === 'error') item.parent.failedBelow = true
  }
  const services = new Map<string, number>()
  for (const { span } of spans) services.set(span.service, (services.get(span.service) ?? 0) + 1)
  const end = Math.max(trace.duration, ...ends(spans))
  return { roots, spans, byID, services: [...services].sort(([, a], [, b]) => b - a), length: Math.max(1, end) }
}

function ends(spans: SpanItem[]): number[] {
  let last = 0
  for (const { at, span } of spans) last = Math.max(last, at + span.duration)
  return [last]
}

// ordered sorts the tree by time, notes depths and lists its spans.
function ordered(roots: Item[]): SpanItem[] {
  const found: SpanItem[] = []
  const seen = new Set<Item>()
  roots.sort(byTime)
  const stack = roots.toReversed()
  for (let item = stack.pop(); item; item = stack.pop()) {
    if (seen.has(item)) continue
    seen.add(item)
    item.depth = item.parent ? item.parent.depth + 1 : 0
    if (item.kind !== 'span') continue
    found.push(item)
    item.children.sort(byTime)
    for (let index = item.children.length - 1; index >= 0; index--) stack.push(item.children[index]!)
  }
  return found
}

const byTime = (a: Item, b: Item) => a.at - b.at

// shownOf lists the rows that are seen: not below what is closed, and of what
// is asked for alone what leads to it.
export function shownOf(model: Model, closed: ReadonlySet<string>, only: Only, logs: boolean): Item[] {
  const wanted = only ? leading(model, only) : undefined
  const rows: Item[] = []
  const stack = model.roots.toReversed()
  for (let item = stack.pop(); item; item = stack.pop()) {
    if (item.kind === 'log') {
      if (logs && !only) rows.push(item)
      continue
    }
    if (wanted && !wanted.has(item)) continue
    rows.push(item)
    if (closed.has(item.id)) continue
    for (let index = item.children.length - 1; index >= 0; index--) stack.push(item.children[index]!)
  }
  return rows
}

function leading(model: Model, only: Only): Set<SpanItem> {
  const wanted = new Set<SpanItem>()
  for (const item of model.spans) {
    if (only === 'errors' ? item.span.status !== 'error' : !item.span.critical) continue
    for (let up: SpanItem | undefined = item; up && !wanted.has(up); up = up.parent) wanted.add(up)
  }
  return wanted
}

// matchesOf finds the spans in which all words stand.
export function matchesOf(model: Model, text: string): Set<string> {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const found = new Set<string>()
  if (words.length === 0) return found
  for (const { id, span, children } of model.spans) {
    const inside = [span.service, span.name, span.statusMessage, span.id, ...Object.entries(span.attributes ?? {}).map(pair => pair.join('='))]
    for (const { name, attributes } of span.events ?? []) inside.push(name, ...Object.values(attributes ?? {}))
    for (const child of children) if (child.kind === 'log') inside.push(child.log.body)
    const all = inside.join('\n').toLowerCase()
    if (words.every(word => all.includes(word))) found.add(id)
  }
  return found
}

// A moment keeps its nanoseconds, which a Date does not.
interface Moment {
  seconds: number
  nanos: number
}

function momentOf(time: string): Moment {
  const [, fraction = ''] = /\.(\d{1,9})/.exec(time) ?? []
  return { seconds: Math.floor(Date.parse(time) / 1_000), nanos: Number(fraction.padEnd(9, '0')) }
}

function since(zero: Moment, { seconds, nanos }: Moment): number {
  return (seconds - zero.seconds) * 1e9 + nanos - zero.nanos
}
