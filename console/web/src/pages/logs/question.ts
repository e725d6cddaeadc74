import { wheres } from '../../parts/where'

export type Search = { [key in 'q' | 'service' | 'severity' | 'trace' | 'correlation' | 'where' | 'live' | 'open']?: string }

// parameters writes what is asked of the log records as the API takes it.
export function parameters(search: Search, time?: { from: number; to: number }, more: Record<string, string> = {}): URLSearchParams {
  const asked = new URLSearchParams()
  if (search.q) asked.set('text', search.q)
  for (const service of search.service?.split(',') ?? []) if (service) asked.append('service', service)
  for (const key of ['severity', 'trace', 'correlation'] as const) if (search[key]) asked.set(key, search[key])
  for (const pair of wheres(search.where)) asked.append('where', pair)
  if (time) {
    asked.set('from', new Date(time.from).toISOString())
    asked.set('to', new Date(time.to).toISOString())
  }
  for (const [key, value] of Object.entries(more)) if (value) asked.set(key, value)
  return asked
}

// What the severities look like; the gravest stands at the bottom of a bar.
export const severities = ['FATAL', 'ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE', 'other'] as const

export function gravityOf(severity: string | undefined): 'error' | 'warn' | undefined {
  if (severity === 'ERROR' || severity === 'FATAL') return 'error'
  return severity === 'WARN' ? 'warn' : undefined
}
