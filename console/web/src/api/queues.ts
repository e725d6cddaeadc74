import { queryOptions } from '@tanstack/react-query'
import { change, get } from './client'

// Calls that failed and are done later, as api/queue.go has them.

export interface Queues {
  queues: Queue[]
  damaged: number // kept calls that cannot be read
}

export interface Queue {
  caller: string
  service: string // that is called
  test?: boolean // it holds calls of test customers
  waiting: number
  dead: number
  bytes: number
  oldest?: string // when the first that waits was kept
  request?: string // of the first that waits
  kept: number // since plat started, as all that follows
  delivered: number
  died: number
  dropped: number
  refused: Record<string, number> // by reason
  tries: number // of the first that waits
  next?: string
  why?: string
}

export interface KeptCalls {
  calls: KeptCall[]
  more?: number // beyond the limit
}

export interface KeptCall {
  id: string
  caller: string
  service: string
  test?: boolean
  state: 'waiting' | 'dead' | 'delivered'
  position?: number // of one that waits, from 1
  request?: string // absent once it was done
  size?: number
  kept?: string
  tries: number
  next?: string
  why?: string
  correlationId?: string
  status?: number // of the answer, when it was delivered
  ended?: string
}

export interface KeptCallContent extends KeptCall {
  header: Record<string, string[]>
  body: string
  encoding: 'text' | 'base64'
  cut?: boolean
}

// queueOf names a queue in URLs.
export const queueOf = (caller: string, service: string, test?: boolean) => [caller, service, ...(test ? ['test'] : [])].join('~')

const every = 3_000 // milliseconds: how calls wait is no topic

export const queuesQuery = queryOptions({
  queryKey: ['queues'],
  queryFn: ({ signal }) => get<Queues>('/v1/queues', signal),
  refetchInterval: every,
})

export const keptCallsQuery = ({ caller, service, test = false }: Queue, dead: boolean, limit: number) =>
  queryOptions({
    queryKey: ['queues', 'calls', caller, service, test, dead, limit],
    queryFn: ({ signal }) => get<KeptCalls>(`/v1/queues/calls?${new URLSearchParams({ caller, service, test: String(test), dead: String(dead), limit: String(limit) })}`, signal),
    refetchInterval: every,
  })

export const keptCallQuery = (id: string) =>
  queryOptions({ queryKey: ['queues', 'call', id], queryFn: ({ signal }) => get<KeptCallContent>(`/v1/queues/calls/${encodeURIComponent(id)}`, signal), refetchInterval: every, retry: false })

export const retryKeptCall = (id: string) => change('POST', `/v1/queues/calls/${encodeURIComponent(id)}/retry`)

export const dropKeptCall = (id: string) => change('DELETE', `/v1/queues/calls/${encodeURIComponent(id)}`)
