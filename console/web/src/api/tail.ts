import { send, Unreachable } from './client'
import type { LogRecord } from './telemetry'

const flushEvery = 200 // milliseconds
const firstPause = 500
const longestPause = 10_000

// The most records that a live tail keeps.
export const mostLive = 5_000

export interface TailState {
  records: LogRecord[] // the newest first
  first: number // number of the newest, counted from the first that came
  dropped: number
  state: 'off' | 'following' | 'lost' | 'failed'
  error?: unknown
}

const empty: TailState = { records: [], first: 0, dropped: 0, state: 'off' }

// Tail gets the records of a question as they come, and keeps the last ones.
// When the stream breaks it starts anew, and says so.
export class Tail {
  private readonly question: string
  private readonly listeners = new Set<() => void>()
  private current: TailState = empty
  private waiting: LogRecord[] = []
  private abort = new AbortController()
  private timer: number | undefined

  constructor(question: string) {
    this.question = question
  }

  readonly state = (): TailState => this.current

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  open(): void {
    this.abort = new AbortController()
    void this.run(this.abort.signal)
  }

  close(): void {
    this.abort.abort()
    window.clearTimeout(this.timer)
    this.timer = undefined
    this.become({ ...this.current, state: 'off' })
  }

  private async run(signal: AbortSignal): Promise<void> {
    for (let pause = firstPause; !signal.aborted; pause = Math.min(pause * 2, longestPause)) {
      try {
        const response = await send('GET', `/v1/logs/stream?${this.question}`, { signal, headers: { Accept: 'text/event-stream' } })
        this.become({ ...this.current, state: 'following' })
        pause = firstPause
        await this.read(response)
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof Unreachable) && !(error instanceof TypeError)) {
          this.become({ ...this.current, state: 'failed', error })
          return
        }
      }
      if (signal.aborted) return
      this.become({ ...this.current, state: 'lost' })
      await new Promise(resolve => setTimeout(resolve, pause))
    }
  }

  // read takes server-sent events, each with one line of data.
  private async read(response: Response): Promise<void> {
    let rest = ''
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line.startsWith('data:')) this.take(line.slice(5))
    }
  }

  private take(data: string): void {
    const record = JSON.parse(data) as LogRecord
    if (!record.time) return // what the stream says of itself
    this.waiting.push(record)
    this.timer ??= window.setTimeout(() => this.flush(), flushEvery)
  }

  private flush(): void {
    this.timer = undefined
    const { records, first, dropped } = this.current
    const all = this.waiting.reverse().concat(records)
    const over = Math.max(0, all.length - mostLive)
    this.become({ ...this.current, records: over > 0 ? all.slice(0, mostLive) : all, first: first + this.waiting.length, dropped: dropped + over })
    this.waiting = []
  }

  private become(state: TailState): void {
    this.current = state
    for (const listener of this.listeners) listener()
  }
}
