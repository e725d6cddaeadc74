import { queryOptions } from '@tanstack/react-query'
import { change, get } from './client'

// Objectives and alerts, as api/alerts.go has them.

export interface Objective {
  service: string
  owner: string
  name: string
  kind: 'availability' | 'latency' | 'freshness'
  state: 'kept' | 'burning' | 'alerting' | 'spent' | 'unknown'
  target: number // share that must be good, 0 to 1
  threshold?: number // seconds
  concurrent?: number
  event?: string
  window: number // seconds that were counted
  events: number
  bad: number
  met: number // share that was good
  left: number // of the error budget, 1 down to below 0
  burn: number // how many times too fast it goes now
  burnOver: number // seconds that now is
}

export interface Alert {
  id: string
  name: string
  state: 'firing' | 'silenced' | 'explained' | 'ended'
  severity: string
  service?: string
  owner?: string
  objective?: string
  summary: string
  description?: string
  runbook?: string
  query?: string
  traces?: string
  since: string
  until?: string
  value: number
  labels: Record<string, string> | null
  windows?: AlertWindow[]
  silences?: string[]
  explainedBy?: string[]
}

// AlertWindow is one window in which an objective's budget burns too fast.
export interface AlertWindow {
  over: string
  severity: string
  state: 'firing' | 'memory' | 'ended'
  value: number // share that was bad
  description?: string
  since: string
  until?: string
}

export interface Delivery {
  receiver: string
  delivered: number
  failed: number
  error?: string
  last?: string
}

export interface Alerts {
  alerts: Alert[] | null
  deliveries: Delivery[] | null
  dropped?: number
}

export interface Matcher {
  label: string
  value: string
  regex?: boolean
  not?: boolean
}

export interface Silence {
  id: string
  matchers: Matcher[] | null
  by: string
  reason: string
  starts: string
  ends: string
  active: boolean
}

const every = 5_000 // milliseconds

export const alertsQuery = queryOptions({
  queryKey: ['alerts'],
  queryFn: ({ signal }) => get<Alerts>('/v1/alerts', signal),
  refetchInterval: every,
  retry: false,
})

export const objectivesQuery = queryOptions({
  queryKey: ['objectives'],
  queryFn: async ({ signal }) => (await get<{ objectives: Objective[] | null }>('/v1/objectives', signal)).objectives ?? [],
  refetchInterval: 2 * every,
  retry: false,
})

export const silencesQuery = queryOptions({
  queryKey: ['silences'],
  queryFn: async ({ signal }) => (await get<{ silences: Silence[] | null }>('/v1/silences', signal)).silences ?? [],
  refetchInterval: 2 * every,
  retry: false,
})

// silence makes those that are like an alert quiet.
export function silence(alert: string, by: string, reason: string, ends: Date): Promise<void> {
  return change('POST', '/v1/silences', { alert, by, reason, ends: ends.toISOString() })
}

export function unsilence(id: string): Promise<void> {
  return change('DELETE', `/v1/silences/${encodeURIComponent(id)}`)
}
