import { queryOptions } from '@tanstack/react-query'
import { change, get } from './client'
import type { Fault } from './types'

// What fails on purpose, and what customers see of it, as api/chaos.go has it.

export interface Rehearsal {
  state: 'never' | 'running' | 'done' | 'stopped' | 'not-begun'
  started?: string
  ended?: string
  now?: string
  done: number
  total: number
  fault?: Fault
  promises: Promised[] | null
}

export type Verdict = 'kept' | 'false' | 'not-rehearsed'

export interface Promised {
  caller: string
  dependency: string
  onFailure: string
  optional?: boolean
  verdict: Verdict
  sees?: string
  why?: string
  remedy?: string
  ways: FailureWay[] | null
  at?: string
  plan: string
  versions: Record<string, string> | null
  stale?: string
}

export interface FailureWay {
  way: string
  verdict: Verdict
  why?: string
  played: number
  runs: CustomerRun[] | null
}

export interface CustomerRun {
  journey: string
  passed: boolean
  start: string
  seconds: number
  traceId?: string
  failed?: { step: string; request?: string; status?: number; what: string; seconds: number; correlationId?: string }
}

export const rehearsalQuery = queryOptions({
  queryKey: ['rehearsal'],
  queryFn: ({ signal }) => get<Rehearsal>('/v1/rehearsal', signal),
  refetchInterval: query => (query.state.data?.state === 'running' ? 1_000 : 5_000),
  retry: false,
})

// rehearse begins a rehearsal, of all callers when it names none.
export const rehearse = (services: string[]) => change('POST', '/v1/rehearsal', services.length > 0 ? { services } : {})

// stopChaos ends what runs, and undoes it.
export const stopChaos = () => change('POST', '/v1/chaos/stop')
