import { Problem, Unreachable } from './client'

// The Prometheus HTTP API of plat, as far as the console asks it.

export type Labels = Record<string, string>

export interface Sample {
  labels: Labels
  value: number
}

export interface Series {
  labels: Labels
  points: [number, number][] // seconds, value
}

// Refused is what the metrics say to a question that they do not understand,
// or that is too large.
export class Refused extends Error {
  readonly kind: string

  constructor(kind: string, text: string) {
    super(text)
    this.kind = kind
  }
}

interface Answer<T> {
  status: 'success' | 'error'
  data: T
  errorType?: string
  error?: string
  warnings?: string[]
}

// ask sends a question; one that is long goes in the body.
export async function ask<T>(path: string, parameters: Record<string, string>, signal?: AbortSignal): Promise<T> {
  const query = new URLSearchParams(parameters)
  let response: Response
  try {
    response = await fetch(`/prometheus/api/v1/${path}?${query}`, { credentials: 'same-origin', signal })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new Unreachable()
  }
  const text = await response.text()
  const answer = read<T>(text)
  if (answer?.status === 'success') return answer.data
  if (answer?.status === 'error') throw new Refused(answer.errorType ?? '', answer.error ?? 'the metrics refuse this question')
  const status = response.ok ? 404 : response.status // the console's own page: nothing else answers there
  throw new Problem({ type: 'about:blank', status, code: status === 404 ? 'not-found' : '', title: `the metrics answered ${response.status}`, ...problemIn(text) })
}

function read<T>(text: string): Answer<T> | undefined {
  try {
    return JSON.parse(text) as Answer<T>
  } catch {
    return undefined
  }
}

function problemIn(text: string): { detail?: string; code?: string } {
  const body = read<unknown>(text) as { detail?: string; code?: string } | undefined
  return body?.code ? { detail: body.detail, code: body.code } : {}
}

interface Result {
  resultType: 'vector' | 'matrix' | 'scalar' | 'string'
  result: unknown
}

// now asks for the values of an expression at a moment; without one, now.
export async function now(expression: string, signal?: AbortSignal, time?: number): Promise<Sample[]> {
  const { resultType, result } = await ask<Result>('query', { query: expression, ...(time ? { time: String(time / 1_000) } : {}) }, signal)
  if (resultType === 'scalar') return [{ labels: {}, value: Number((result as [number, string])[1]) }]
  if (resultType === 'vector') return (result as { metric: Labels; value: [number, string] }[]).map(({ metric, value }) => ({ labels: metric, value: numberOf(value[1]) }))
  if (resultType === 'matrix') return (result as { metric: Labels; values: [number, string][] }[]).map(({ metric, values }) => ({ labels: metric, value: numberOf(values.at(-1)?.[1] ?? 'NaN') }))
  return []
}

// over asks for the values of an expression from one moment to another, in
// milliseconds. The points lie on whole steps, so that those of several
// expressions lie over one another.
export async function over(expression: string, from: number, to: number, step: number, signal?: AbortSignal): Promise<Series[]> {
  const { result } = await ask<Result>('query_range', { query: expression, start: String(Math.ceil(from / 1_000 / step) * step), end: String(Math.floor(to / 1_000 / step) * step), step: String(step) }, signal)
  return (result as { metric: Labels; values: [number, string][] }[]).map(({ metric, values }) => ({ labels: metric, points: values.map(([at, value]) => [at, numberOf(value)]) }))
}

// stepFor is the distance of points, in seconds, at which so many of them fill
// a time.
export function stepFor(from: number, to: number, points: number): number {
  const exact = (to - from) / 1_000 / points
  return [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400].find(step => step >= exact) ?? Math.ceil(exact)
}

function numberOf(text: string): number {
  if (text === '+Inf') return Infinity
  return text === '-Inf' ? -Infinity : Number(text)
}
