import { queryOptions } from '@tanstack/react-query'
import { change, get, send } from './client'
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

// Experiments: what may fail on purpose, and what was seen when it did.

export interface Chaos {
  experiments: Experiment[] | null
  findings: Fault[] | null
  reports: ChaosReport[] | null
  schedule: { on: boolean; until?: string; next: { experiment: string; at: string }[] | null; started: number; postponed: number; waits?: string }
}

export interface Experiment {
  experiment: string
  owner: string
  about?: string
  file: string
  journeys: string[] | null
  objectives?: string[]
  answers?: number
  duration: number // nanoseconds
  failures: number
  leastAnswers?: number
  every?: number
  faults: ChaosFault[] | null
  harms?: { do: 'kill' | 'pause'; service: string; instance?: string }[]
}

export interface ChaosFault {
  id: string
  kind: string
  delay?: number
  status?: number
  service?: string
  caller?: string
  instance?: string
  gateway?: string
  route?: string
  testCustomers: boolean
  share?: number
}

export interface ChaosReport {
  id: string
  experiment: Experiment
  state: 'running' | 'done' | 'stopped' | 'not-begun'
  phase?: 'before' | 'during' | 'after'
  verdict?: 'steady' | 'not-steady' | 'hurt' | 'unwell' | 'unclear'
  scheduled?: boolean
  started: string
  injected?: string
  undone?: string
  recovered?: string
  ended?: string
  why?: string[]
  fault?: Fault
  journeys: { journey: string; passed: number; failed: number; before: number; slowest: number; first?: CustomerRun }[] | null
  answers: { all: number; bad: number }
  played: Record<string, { played: number; examples?: { time: string; traceId?: string; correlationId: string; request: string }[] }> | null
  done?: { at: string; do: string; instance: string }[]
}

export const chaosQuery = queryOptions({
  queryKey: ['chaos'],
  queryFn: ({ signal }) => get<Chaos>('/v1/chaos', signal),
  refetchInterval: query => (query.state.data?.reports?.some(({ state }) => state === 'running') ? 1_000 : 5_000),
  retry: false,
})

// experiment starts one that lies beside the plan, and answers its report's ID.
export async function experiment(name: string): Promise<string> {
  const answer = await send('POST', '/v1/chaos/runs', { body: JSON.stringify({ name }), headers: { 'Content-Type': 'application/json' } })
  return ((await answer.json()) as { id: string }).id
}
