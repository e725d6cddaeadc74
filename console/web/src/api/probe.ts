import { queryOptions } from '@tanstack/react-query'
import { get, send } from './client'

// What test customers do, as api/probe.go has it.

export interface Journey {
  journey: string
  owner: string
  about?: string
  gateway: string
  every?: string
  next?: string
  running: boolean
  passed: number
  failed: number
  skipped: number
  share?: number
  p95: number
  runs: JourneyRun[] | null
}

export interface JourneyRun {
  journey: string
  run: string
  scheduled: boolean
  start: string
  seconds: number
  passed: boolean
  traceId?: string
  steps: JourneyStep[] | null
}

export interface JourneyStep {
  step: string
  request?: string
  status?: number
  requests: number
  seconds: number
  correlationId?: string
  failure?: { code: string; what: string; body?: string; count: number }
}

// runJourney runs one now, and answers when it is done.
export async function runJourney(name: string): Promise<JourneyRun> {
  const answer = await send('POST', `/v1/journeys/${encodeURIComponent(name)}/runs`)
  return (await answer.json()) as JourneyRun
}

export const journeysQuery = queryOptions({
  queryKey: ['journeys'],
  queryFn: async ({ signal }) => (await get<{ journeys: Journey[] | null }>('/v1/journeys', signal)).journeys ?? [],
  refetchInterval: 5_000,
  retry: false,
})
