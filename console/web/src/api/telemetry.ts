import { queryOptions } from '@tanstack/react-query'
import { get, Problem } from './client'
import type { Finding } from './types'

// The wire types of what was seen, as api/telemetry.go has them.

export interface Telemetry {
  path: string
  otlp: { protocol: string; url: string }[] | null
  prometheus: string
  jaeger: string
  files: number
  bytes: number
  spans: number
  logs: number
  oldest?: string
  series: number
  lost: { what: string; reason: string; count: number }[] | null
  diskFull?: boolean
  lostUntil?: string
  forwards: { url: string; sent: number; dropped: number; queued: number; error?: string }[] | null
}

export interface Traces {
  traces: TraceSummary[] | null
  more?: boolean
}

export interface TraceSummary {
  traceId: string
  correlationId?: string
  root: string
  service: string
  start: string
  duration: number
  spans: number
  errors: number
  services: Record<string, number> | null
}

export interface Trace {
  traceId: string
  correlationId?: string
  start: string
  duration: number
  spans: Span[] | null
  logs: LogRecord[] | null
  linked: string[] | null
  warnings: string[] | null
}

export interface Span {
  id: string
  traceId: string
  parent?: string
  depth: number
  service: string
  instance?: string
  version?: string
  name: string
  kind?: string
  start: string
  duration: number
  status?: 'ok' | 'error'
  statusMessage?: string
  critical?: boolean
  skew?: number
  attributes?: Record<string, string>
  events?: { time: string; name: string; attributes?: Record<string, string> }[]
  links?: { traceId: string; spanId: string }[]
}

export interface LogRecord {
  time: string
  service: string
  instance?: string
  version?: string
  stream?: 'out' | 'err' | 'plat'
  severity?: LogSeverity
  body: string
  traceId?: string
  spanId?: string
  correlationId?: string
  attributes?: Record<string, string>
  inferred?: boolean // names no trace: by instance and time
  oneOf?: number // traces that were under way there then
}

export type LogSeverity = 'TRACE' | 'DEBUG' | 'INFO' | 'WARN' | 'ERROR' | 'FATAL'

export interface LogSearch {
  records: LogRecord[] | null
  more?: boolean
  before?: string
}

export interface LogOverview {
  from: string
  step: number
  buckets: { counts: Record<string, number> | null }[] | null
  facets: Facet[] | null
  total: number
  partial?: boolean
}

export interface Facet {
  key: string
  values: { value: string; count: number }[] | null
}

export interface Story {
  id: string
  is: 'trace' | 'correlation' | 'event' | 'finding' | 'call' | 'key'
  key?: string
  finding?: Finding
  traces: TraceSummary[] | null
  steps: Step[] | null
  culprit?: Span
  verdict?: string // in words: who waits, where it failed, where the time went
  warnings: string[] | null
}

export interface Step {
  time: string
  kind: 'request' | 'call' | 'event' | 'handled' | 'mail' | 'log'
  service: string
  text: string
  failed?: boolean
  traceId?: string
  spanId?: string
}

export const telemetryQuery = queryOptions({ queryKey: ['telemetry'], queryFn: ({ signal }) => get<Telemetry>('/v1/telemetry', signal), refetchInterval: 10_000 })

export const traceQuery = (id: string) =>
  queryOptions({ queryKey: ['trace', id], queryFn: ({ signal }) => get<Trace>(`/v1/traces/${encodeURIComponent(id)}`, signal) })

export const storyQuery = (id: string) =>
  queryOptions({ queryKey: ['why', id], retry: false, queryFn: ({ signal }) => get<Story>(`/v1/why/${encodeURIComponent(id)}`, signal) })

// lacks tells that this plat has no such thing at all: an older one, or one
// that keeps no telemetry.
export function lacks(error: unknown): boolean {
  return error instanceof Problem && error.status === 404 && (error.body.code === 'not-found' || error.body.code === '')
}
