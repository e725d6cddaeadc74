import { send, Unreachable } from './client'
import type { LogLine } from './types'

// The most lines that a page keeps.
export const maxLines = 5_000

const flushEvery = 150 // milliseconds
const firstFlush = 20
const firstPause = 500
const longestPause = 10_000

export interface Entry {
  id: number
  line: LogLine
  level: Level
  message: string // the text, or the message of a line that is JSON
  fields: Record<string, unknown> | undefined // of a line that is JSON
}

export type Level = 'error' | 'warn' | 'info'

export interface LogQuery {
  services: string[]
  tail: number // last lines of each service
  errorsOf?: number // instead: errors alone, of so many past milliseconds
}

export interface LogState {
  entries: Entry[]
  dropped: number // the oldest, which had to make room
  state: 'loading' | 'following' | 'lost' | 'failed'
  error?: unknown
}

const empty: LogState = { entries: [], dropped: 0, state: 'loading' }

// LogFeed follows the lines of a query and keeps the last ones. When the
// stream breaks it starts anew.
export class LogFeed {
  private readonly query: LogQuery
  private readonly listeners = new Set<() => void>()
  private current: LogState = empty
  private waiting: Entry[] = []
  private next = 0
  private abort = new AbortController()
  private timer: number | undefined

  constructor(query: LogQuery) {
    this.query = query
  }

  readonly state = (): LogState => this.current

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
  }

  clear(): void {
    this.become({ ...this.current, entries: [], dropped: 0 })
  }

  private async run(signal: AbortSignal): Promise<void> {
    for (let pause = firstPause; !signal.aborted; pause = Math.min(pause * 2, longestPause)) {
      try {
        const response = await send('GET', `/v1/logs?${this.parameters()}`, { signal })
        this.waiting = []
        this.become({ ...empty, state: 'following' })
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
      this.flush()
      this.become({ ...this.current, state: 'lost' })
      await new Promise(resolve => setTimeout(resolve, pause))
    }
  }

  private parameters(): URLSearchParams {
    const { services, tail, errorsOf } = this.query
    const parameters = new URLSearchParams({ follow: 'true' })
    for (const service of services) parameters.append('service', service)
    if (errorsOf) parameters.set('since', new Date(Date.now() - errorsOf).toISOString())
    else parameters.set('tail', String(tail))
    return parameters
  }

  private async read(response: Response): Promise<void> {
    const text = response.body!.pipeThrough(new TextDecoderStream())
    let rest = ''
    for await (const chunk of text) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line) this.take(JSON.parse(line) as LogLine)
    }
  }

  private take(line: LogLine): void {
    const entry = entryOf(this.next++, line)
    if (this.query.errorsOf && entry.level !== 'error') return
    this.waiting.push(entry)
    if (this.waiting.length > 2 * maxLines) this.flush()
    this.timer ??= window.setTimeout(() => this.flush(), this.current.entries.length === 0 ? firstFlush : flushEvery)
  }

  private flush(): void {
    window.clearTimeout(this.timer)
    this.timer = undefined
    if (this.waiting.length === 0) return
    const all = this.current.entries.concat(this.waiting)
    this.waiting = []
    const over = Math.max(0, all.length - maxLines)
    this.become({ ...this.current, entries: over > 0 ? all.slice(over) : all, dropped: this.current.dropped + over })
  }

  private become(state: LogState): void {
    this.current = state
    for (const listener of this.listeners) listener()
  }
}

const words: Record<string, Level> = { error: 'error', err: 'error', fatal: 'error', panic: 'error', critical: 'error', warn: 'warn', warning: 'warn' }
const alarm = /\b(ERROR|FATAL|PANIC|panic:|CRITICAL)/

// pino and bunyan write levels as numbers.
const numbers: Record<number, Level> = { 40: 'warn', 50: 'error', 60: 'error' }

export function entryOf(id: number, line: LogLine): Entry {
  const fields = fieldsOf(line.text)
  if (!fields) {
    return { id, line, fields, message: line.text, level: line.stream === 'err' && alarm.test(line.text) ? 'error' : 'info' }
  }
  const level = fields.level ?? fields.severity ?? fields.lvl
  return {
    id,
    line,
    fields,
    message: String(fields.msg ?? fields.message ?? fields.event ?? line.text),
    level: (typeof level === 'number' ? numbers[level] : words[String(level).toLowerCase()]) ?? 'info',
  }
}

function fieldsOf(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined // looks like JSON, and is not
  }
}
