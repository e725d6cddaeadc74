import { Feed, type Following } from './feed'
import type { LogRecord } from './telemetry'

const showEvery = 200 // milliseconds

// The most records that a live tail keeps.
export const mostLive = 5_000

export interface TailState extends Following {
  records: LogRecord[] // the newest first
  first: number // number of the newest, counted from the first that came
  dropped: number
}

// Tail gets the records of a question as they come, and keeps the last ones.
export class Tail extends Feed<TailState> {
  private readonly question: string
  private waiting: LogRecord[] = []

  constructor(question: string) {
    super({ records: [], first: 0, dropped: 0, state: 'off' })
    this.question = question
  }

  protected path(): string {
    return `/v1/logs/stream?${this.question}`
  }

  // take gets server-sent events, each with one line of data.
  protected take(line: string): void {
    if (!line.startsWith('data:')) return
    const record = JSON.parse(line.slice(5)) as LogRecord
    if (!record.time) return // what the stream says of itself
    this.waiting.push(record)
    this.showWithin(this.waiting.length > 2 * mostLive ? 0 : showEvery)
  }

  protected show(): void {
    if (this.waiting.length === 0) return
    const { records, first, dropped } = this.current
    const came = this.waiting.length
    const all = this.waiting.reverse().concat(records)
    this.waiting = []
    const over = Math.max(0, all.length - mostLive)
    this.become({ ...this.current, records: over > 0 ? all.slice(0, mostLive) : all, first: first + came, dropped: dropped + over })
  }
}
