import type { QueryClient } from '@tanstack/react-query'
import { affected } from './queries'
import type { Change, Topic } from './types'

export type Connection = 'connecting' | 'live' | 'lost'

const firstPause = 500
const longestPause = 10_000
const topics = Object.keys(affected) as Topic[]

// Live listens to what changes and makes the queries ask anew. It reconnects
// by itself, with growing pauses. A page that nobody sees does not listen,
// since browsers open six connections to one host at most, for all its pages.
export class Live {
  private readonly queries: QueryClient
  private readonly listeners = new Set<() => void>()
  private source: EventSource | undefined
  private timer: number | undefined
  private pause = firstPause
  private missed = false // changes, while nobody listened
  private connection: Connection = 'connecting'

  constructor(queries: QueryClient) {
    this.queries = queries
  }

  readonly state = (): Connection => this.connection

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  // start listens for as long as the page lives.
  start(): void {
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.close()
      else if (!this.source) {
        this.missed = true
        this.open()
      }
    })
    if (!document.hidden) this.open()
  }

  private open(): void {
    this.close()
    const source = new EventSource('/v1/changes')
    this.source = source
    source.onopen = () => {
      this.pause = firstPause
      this.become('live')
      if (this.missed) void this.queries.invalidateQueries()
      this.missed = false
    }
    source.onmessage = message => this.take(message.data)
    source.onerror = () => {
      this.close()
      this.missed = true
      this.become('lost')
      void this.queries.invalidateQueries({ queryKey: ['system'] }) // tells why: nobody there, or no key
      this.timer = window.setTimeout(() => this.open(), this.pause)
      this.pause = Math.min(this.pause * 2, longestPause)
    }
  }

  private close(): void {
    this.source?.close()
    this.source = undefined
    window.clearTimeout(this.timer)
  }

  private take(data: unknown): void {
    const stale = new Set(topicsOf(data).flatMap(topic => affected[topic] ?? []))
    for (const key of stale) void this.queries.invalidateQueries({ queryKey: [key] })
  }

  private become(connection: Connection): void {
    if (this.connection === connection) return
    this.connection = connection
    for (const listener of this.listeners) listener()
  }
}

// topicsOf takes a message that cannot be read as: anything may have changed.
function topicsOf(data: unknown): Topic[] {
  try {
    return (JSON.parse(String(data)) as Change).topics
  } catch {
    return topics
  }
}
