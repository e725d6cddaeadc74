import type { Fault, ProblemBody } from './types'

// Problem is an error as plat gives it.
export class Problem extends Error {
  readonly status: number
  readonly body: ProblemBody

  constructor(body: ProblemBody) {
    super(body.detail || body.title)
    this.status = body.status
    this.body = body
  }
}

// Unreachable says that plat does not answer at all.
export class Unreachable extends Error {
  constructor() {
    super('plat does not answer')
  }
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await send('GET', path, { signal })
  return (await response.json()) as T
}

export async function getText(path: string, signal?: AbortSignal): Promise<string> {
  const response = await send('GET', path, { signal })
  return response.text()
}

// change asks for something to be done; it ends when that is done.
export async function change(method: 'POST' | 'DELETE', path: string, body?: unknown): Promise<void> {
  await send(method, path, {
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: body === undefined ? undefined : { 'Content-Type': 'application/json' },
  })
}

// send throws a Problem for every status beyond 2xx, and Unreachable when
// nobody answers.
export async function send(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(path, { ...init, method, credentials: 'same-origin' })
  } catch (error) {
    if (init.signal?.aborted) throw error
    throw new Unreachable()
  }
  if (response.ok) return response
  throw await problemOf(response)
}

async function problemOf(response: Response): Promise<Problem> {
  const fallback: ProblemBody = {
    type: 'about:blank',
    title: `plat answered ${response.status} ${response.statusText}`.trim(),
    status: response.status,
    code: '',
  }
  if (!response.headers.get('Content-Type')?.includes('json')) return new Problem(fallback)
  try {
    return new Problem({ ...fallback, ...((await response.json()) as Partial<ProblemBody>) })
  } catch {
    return new Problem(fallback)
  }
}

// faultsOf lists what is wrong in one form, whatever the error is.
export function faultsOf(error: unknown): Fault[] {
  if (error instanceof Problem) {
    const { body } = error
    if (body.faults?.length) return body.faults
    return [{ code: body.code, severity: 'error', what: body.detail || body.title, remedy: body.remedy }]
  }
  if (error instanceof Unreachable) {
    return [{ code: 'unreachable', severity: 'error', what: 'plat does not answer', remedy: 'plat up starts it; .plat/plat.log tells how the last one ended' }]
  }
  return [{ code: '', severity: 'error', what: error instanceof Error ? error.message : String(error) }]
}

// lacksKey tells that the browser has no session.
export function lacksKey(error: unknown): boolean {
  return error instanceof Problem && error.status === 401
}
