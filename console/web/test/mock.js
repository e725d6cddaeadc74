// A control API that answers what a test wants, in front of the console as a
// plat serves it.
import { createServer } from 'node:http'
import { answers, lines } from './fixtures.js'
import { metrics, watch } from './metrics.js'
import { queues } from './queues.js'
import { surviving } from './surviving.js'
import { telemetry } from './telemetry.js'

/** @typedef {{ status?: number, body?: unknown }} Answer */

export class Mock {
  /**
   * @param {string} console where the console is served
   * @param {number} [port]
   */
  static async start(console, port = 0) {
    const mock = new Mock(console)
    await new Promise(resolve => mock.server.listen(port, '127.0.0.1', () => resolve(undefined)))
    return mock
  }

  /** @param {string} console */
  constructor(console) {
    this.console = console
    this.answers = { ...answers(), ...telemetry(), ...metrics(), ...watch(), ...surviving(), ...queues() }
    this.lines = lines
    /** @type {Record<string, Answer>} */
    this.changes = {} // answers to POST and DELETE, by method and path
    /** @type {string[]} */
    this.asked = []
    /** @type {Set<import('node:http').ServerResponse>} */
    this.listeners = new Set()
    /** @type {Set<import('node:http').ServerResponse>} */
    this.followers = new Set()
    /** @type {Set<import('node:http').ServerResponse>} */
    this.tails = new Set()
    this.server = createServer((request, response) => void this.answer(request, response).catch(error => response.destroy(error)))
  }

  get base() {
    const address = this.server.address()
    return typeof address === 'object' && address ? `http://127.0.0.1:${address.port}` : ''
  }

  async stop() {
    this.server.closeAllConnections()
    await new Promise(resolve => this.server.close(resolve))
  }

  /** @param {string[]} topics */
  tell(...topics) {
    for (const listener of this.listeners) listener.write(`data: ${JSON.stringify({ topics })}\n\n`)
  }

  // record sends a log record to those that follow records.
  /** @param {import('../src/api/telemetry').LogRecord} record */
  record(record) {
    for (const tail of this.tails) tail.write(`data: ${JSON.stringify(record)}\n\n`)
  }

  // say adds a line to the logs that are followed.
  /**
   * @param {string} service
   * @param {string} text
   */
  say(service, text) {
    for (const follower of this.followers) follower.write(`${JSON.stringify({ time: new Date(), service, instance: `${service}-1`, stream: 'out', text })}\n`)
  }

  /**
   * @param {import('node:http').IncomingMessage} request
   * @param {import('node:http').ServerResponse} response
   */
  async answer(request, response) {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.base)
    const call = `${request.method} ${pathname}`
    this.asked.push(call)
    if (!/^\/(v1|prometheus)\//.test(pathname)) return this.pass(request, response)
    if (pathname === '/v1/changes') return this.listen(response)
    if (pathname === '/v1/logs') return this.follow(request, response)
    if (pathname === '/v1/logs/stream' && this.answers['/v1/logs/search']) return this.stream(response)
    if (request.method !== 'GET') return this.send(response, this.changes[call] ?? { status: 204 })
    const found = this.answers[pathname]
    const body = typeof found === 'function' ? found(searchParams) : found
    if (body === undefined) return this.send(response, problem(404, 'not-found', `nothing at ${pathname}`))
    return this.send(response, isAnswer(body) ? body : { body })
  }

  /** @param {import('node:http').ServerResponse} response */
  listen(response) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    response.write(': here\n\n')
    this.listeners.add(response)
    response.on('close', () => this.listeners.delete(response))
  }

  /** @param {import('node:http').ServerResponse} response */
  stream(response) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    response.write(': here\n\n')
    this.tails.add(response)
    response.on('close', () => this.tails.delete(response))
  }

  /**
   * @param {import('node:http').IncomingMessage} request
   * @param {import('node:http').ServerResponse} response
   */
  follow(request, response) {
    const services = new URL(request.url ?? '/', this.base).searchParams.getAll('service')
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
    for (const line of this.lines) if (services.length === 0 || services.includes(line.service)) response.write(`${JSON.stringify(line)}\n`)
    this.followers.add(response)
    response.on('close', () => this.followers.delete(response))
  }

  /**
   * @param {import('node:http').IncomingMessage} request
   * @param {import('node:http').ServerResponse} response
   */
  async pass(request, response) {
    const url = this.console + request.url
    const { status, headers, body } = assets.get(url) ?? await fetched(url, request.headers.accept ?? '*/*')
    if (status === 200 && url.includes('/assets/')) assets.set(url, { status, headers, body })
    response.writeHead(status, headers)
    response.end(body)
  }

  /**
   * @param {import('node:http').ServerResponse} response
   * @param {Answer} answer
   */
  send(response, { status = 200, body }) {
    const type = status >= 400 ? 'application/problem+json' : typeof body === 'string' ? 'text/plain' : 'application/json'
    response.writeHead(status, { 'Content-Type': type })
    response.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body))
  }
}

// assets are those that plat has answered: their names change with them.
/** @type {Map<string, Awaited<ReturnType<typeof fetched>>>} */
const assets = new Map()

/** @type {(url: string, accept: string) => Promise<{ status: number, headers: Record<string, string>, body: Buffer }>} */
async function fetched(url, accept) {
  const answer = await fetch(url, { headers: { Accept: accept } })
  const headers = Object.fromEntries([...answer.headers].filter(([name]) => !['content-encoding', 'content-length', 'transfer-encoding', 'connection'].includes(name)))
  return { status: answer.status, headers, body: Buffer.from(await answer.arrayBuffer()) }
}

/** @type {(body: unknown) => body is Answer} */
function isAnswer(body) {
  return typeof body === 'object' && body !== null && 'status' in body && 'body' in body
}

/** @type {(status: number, code: string, detail: string, remedy?: string) => Required<Answer>} */
export function problem(status, code, detail, remedy) {
  return { status, body: { type: `urn:plat:fault:${code}`, title: code, status, detail, code, remedy, correlationId: 'c0ffee' } }
}
