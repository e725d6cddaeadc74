import { Feed, type Following } from './feed'
import type { LogLine } from './types'

// The most lines that a page keeps.
export const maxLines = 5_000

const showEvery = 150 // milliseconds
const showFirst = 20

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

export interface LogState extends Following {
  entries: Entry[]
  dropped: number // the oldest, which had to make room
}

const empty: LogState = { entries: [], dropped: 0, state: 'loading' }

// LogFeed follows the lines of a query and keeps the last ones.
export class LogFeed extends Feed<LogState> {
  private readonly query: LogQuery
  private waiting: Entry[] = []
  private next = 0

  constructor(query: LogQuery) {
    super(empty)
    this.query = query
  }

  clear(): void {
    this.become({ ...this.current, entries: [], dropped: 0 })
  }

  protected path(): string {
    const { services, tail, errorsOf } = this.query
    const parameters = new URLSearchParams({ follow: 'true' })
    for (const service of services) parameters.append('service', service)
    if (errorsOf) parameters.set('since', new Date(Date.now() - errorsOf).toISOString())
    else parameters.set('tail', String(tail))
    return `/v1/logs?${parameters}`
  }

  // begun starts anew: the stream sends its last lines again.
  protected override begun(): LogState {
    this.waiting = []
    return empty
  }

  protected take(text: string): void {
    const entry = entryOf(this.next++, JSON.parse(text) as LogLine)
    if (this.query.errorsOf && entry.level !== 'error') return
    this.waiting.push(entry)
    if (this.waiting.length > 2 * maxLines) this.showWithin(0)
    else this.showWithin(this.current.entries.length === 0 ? showFirst : showEvery)
  }

  protected show(): void {
    if (this.waiting.length === 0) return
    const all = this.current.entries.concat(this.waiting)
    this.waiting = []
    const over = Math.max(0, all.length - maxLines)
    this.become({ ...this.current, entries: over > 0 ? all.slice(over) : all, dropped: this.current.dropped + over })
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
