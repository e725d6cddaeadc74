// The HTTP interface, on node:http alone.
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { purchaseOf, skuLength, skuPattern } from './event.js'
import type { Fields, Log } from './log.js'
import { Problem } from './problem.js'
import type { Purchases } from './purchases.js'

const mostBody = 1 << 20 // bytes, as plat's events have at most
const defaultLimit = 5
const mostLimit = 20

// Serving is what runs.
export interface Serving {
  url: string
  inFlight(): number
  // drain takes no more requests after a quiet time in ms, and waits with
  // patience for those in flight. It tells whether all were answered.
  drain(quiet: number, patience: number): Promise<boolean>
}

interface Options {
  port: number // 0: any
  purchases: Purchases
  log: Log
}

interface Answer {
  status: number
  headers?: Record<string, string>
  body?: unknown
}

type Handler = (url: URL, request: IncomingMessage, parameter: string) => Promise<Answer>

interface Route {
  method: string
  path: RegExp // with one group at most, the parameter
  handle: Handler
}

// serve listens and answers until it is drained.
export async function serve({ port, purchases, log }: Options): Promise<Serving> {
  let draining = false
  let inFlight = 0
  const routes = routesOf(purchases, () => draining)
  const server = createServer((request, response) => {
    inFlight++
    response.on('close', () => inFlight--)
    if (draining) response.setHeader('Connection', 'close')
    void answer(routes, request, response, log)
  })
  server.headersTimeout = 10_000
  server.requestTimeout = 30_000
  server.keepAliveTimeout = 120_000 // longer than plat keeps its connections
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const address = server.address() as AddressInfo // of a TCP listener
  return {
    url: `http://127.0.0.1:${address.port}`,
    inFlight: () => inFlight,
    async drain(quiet, patience) {
      draining = true
      await new Promise(resolve => setTimeout(resolve, quiet))
      return new Promise(resolve => {
        const late = setTimeout(() => { server.closeAllConnections(); resolve(false) }, patience)
        server.close(() => { clearTimeout(late); resolve(true) })
        server.closeIdleConnections()
      })
    },
  }
}

function routesOf(purchases: Purchases, draining: () => boolean): Route[] {
  return [
    { method: 'GET', path: /^\/health\/live$/, handle: async () => ({ status: 200, body: { status: 'live' } }) },
    {
      method: 'GET', path: /^\/health\/ready$/, handle: async () => {
        if (draining()) throw new Problem(503, 'it is draining')
        await purchases.together('', 0) // reads the store
        return { status: 200, body: { status: 'ready' } }
      },
    },
    { method: 'POST', path: /^\/events\/order-placed$/, handle: (_, request) => take(purchases, request) },
    { method: 'GET', path: /^\/api\/recommendations\/([^/]+)$/, handle: (url, _, sku) => recommend(purchases, url, sku) },
  ]
}

// take learns from an order. It answers when nothing can take the order away
// again.
async function take(purchases: Purchases, request: IncomingMessage): Promise<Answer> {
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) {
    throw new Problem(415, 'the event is not application/json, as CloudEvents in binary mode are here')
  }
  const purchase = purchaseOf(request.headers, await bodyOf(request))
  // What a test customer of plat's orders says nothing of what people like.
  if (!request.headers['plat-test']) await purchases.add(purchase)
  return { status: 204 }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  // Its end must not end the connection, on which the answer goes.
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += part.length
    if (size > mostBody) throw new Problem(413, `the body is over the limit of ${mostBody} bytes`, [], { Connection: 'close' })
    parts.push(part)
  }
  return Buffer.concat(parts)
}

// recommend lists what customers bought together with an album. Of an album
// that nobody knows that is nothing.
async function recommend(purchases: Purchases, url: URL, sku: string): Promise<Answer> {
  if (sku.length > skuLength || !skuPattern.test(sku)) {
    throw new Problem(422, 'validation failed', [{ location: 'path.sku', message: `expected a SKU of at most ${skuLength} characters` }])
  }
  const text = url.searchParams.get('limit') ?? String(defaultLimit)
  const limit = Number(text)
  if (!/^\d{1,3}$/.test(text) || limit < 1 || limit > mostLimit) {
    throw new Problem(422, 'validation failed', [{ location: 'query.limit', message: `expected a number from 1 to ${mostLimit}` }])
  }
  const albums = (await purchases.together(sku, limit)).map(({ sku, orders }) => ({
    _links: { album: { href: `/api/albums/${sku}` } }, sku, orders,
  }))
  const self = { href: `/api/recommendations/${sku}?limit=${limit}` }
  return { status: 200, body: { _links: { self }, sku, _embedded: { albums } } }
}

// answer finds the route, runs it and sends what comes of it.
async function answer(routes: Route[], request: IncomingMessage, response: ServerResponse, log: Log): Promise<void> {
  const work = workOf(request)
  const correlationId = work.correlation_id
  response.setHeader('X-Correlation-ID', correlationId)
  try {
    const { status, headers, body } = await dispatch(routes, request)
    send(response, status, { 'Content-Type': 'application/json', ...headers }, body === undefined ? undefined : JSON.stringify(body))
    if (request.method === 'POST') log.info('event taken', { ...work, event: request.headers['ce-id'] })
  } catch (error) {
    const known = error instanceof Problem
    const problem = known ? error : new Problem(500, 'an unforeseen error, see the log under the correlation ID')
    if (!known) log.error('request failed', { ...work, method: request.method, path: request.url, error: String(error) })
    else if (request.method === 'POST') log.warn('event refused', { ...work, event: request.headers['ce-id'], error: problem.message })
    send(response, problem.status, { 'Content-Type': 'application/problem+json', ...problem.headers }, problem.body(correlationId))
  }
  if (!request.complete) request.resume() // what nobody reads
}

async function dispatch(routes: Route[], request: IncomingMessage): Promise<Answer> {
  const url = new URL(request.url ?? '/', 'http://recommendation')
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const allowed: string[] = []
  for (const route of routes) {
    const match = route.path.exec(url.pathname)
    if (!match) continue
    if (route.method === method) return route.handle(url, request, decoded(match[1] ?? ''))
    allowed.push(route.method === 'GET' ? 'GET, HEAD' : route.method)
  }
  if (allowed.length > 0) throw new Problem(405, `${request.method} is not answered here`, [], { Allow: allowed.join(', ') })
  throw new Problem(404, `there is nothing at ${url.pathname}`)
}

function decoded(parameter: string): string {
  try {
    return decodeURIComponent(parameter)
  } catch {
    throw new Problem(400, 'the path is not encoded as paths are')
  }
}

function send(response: ServerResponse, status: number, headers: Record<string, string>, body?: string): void {
  if (body === undefined) {
    response.writeHead(status).end()
    return
  }
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body), 'X-Content-Type-Options': 'nosniff' })
  response.end(body) // which Node leaves out for HEAD
}

// workOf is the work that a request belongs to: the correlation ID that came
// with it or a new one, and the trace. They go into each line of the log that
// is about the request, and the ID into the answer.
function workOf(request: IncomingMessage): Fields & { correlation_id: string } {
  const given = request.headers['x-correlation-id'] ?? request.headers['ce-correlationid']
  const fit = typeof given === 'string' && /^[\x21-\x7e]{1,128}$/.test(given)
  const trace = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}/.exec(String(request.headers['traceparent'] ?? ''))
  return {
    correlation_id: fit ? given : randomUUID(),
    ...(trace ? { trace_id: trace[1], span_id: trace[2] } : {}),
  }
}
