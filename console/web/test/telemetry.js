// What a system did, as the control API tells of it: traces, one of them with
// as many spans as asked for, and log records without end.

/** @import * as api from '../src/api/telemetry' */

const services = ['web', 'order', 'catalog', 'finance', 'warehouse', 'customer']
const second = 1e9 // nanoseconds

/** @type {(seed: number) => () => number} */
function dice(seed) {
  let state = seed
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296
    return state / 4294967296
  }
}

const hex = (/** @type {number} */ n, /** @type {number} */ length) => n.toString(16).padStart(length, '0')
export const traceID = (/** @type {number} */ n) => hex(n + 1, 8).padStart(32, 'a')

/** @type {(size?: number) => api.Traces} */
export function traces(size = 60) {
  const roll = dice(7)
  const now = Date.now()
  return {
    traces: Array.from({ length: size }, (_, i) => {
      const slow = roll() < 0.1
      return {
        traceId: traceID(i), correlationId: `c-${i}`, root: ['GET /albums', 'POST /orders', 'GET /', 'POST /customers'][i % 4] ?? '', service: 'web',
        start: new Date(now - i * 12_000).toISOString(), duration: Math.round((slow ? 2 : 0.02 + roll() * 0.2) * second), spans: 4 + (i % 9), errors: i % 11 === 3 ? 2 : 0,
        services: { web: 2, order: 1 + (i % 4), catalog: 1, ...(slow ? { finance: 3 } : {}) },
      }
    }),
    more: size >= 100,
  }
}

// trace makes one of so many spans: each has up to six under it, finance is
// slow and fails at the end.
/** @type {(size?: number) => api.Trace} */
export function trace(size = 40) {
  const roll = dice(3)
  const begin = Date.now() - 60_000
  /** @type {api.Span[]} */
  const spans = []
  const at = (/** @type {number} */ ns) => new Date(begin + Math.floor(ns / 1e6)).toISOString().replace('Z', `${String(Math.floor(ns % 1e6)).padStart(6, '0')}Z`)
  for (let i = 0; i < size; i++) {
    const up = i === 0 ? undefined : Math.floor((i - 1) / 6)
    const parent = up === undefined ? undefined : spans[up]
    const whole = parent ? parent.duration : 2 * second
    const offset = parent ? Number(parent.attributes?.offset) + ((i - 1) % 6) * (whole / 7) : 0
    const last = i === size - 1
    spans.push({
      id: hex(i + 1, 16), traceId: traceID(0), parent: parent?.id, depth: 0, service: services[i % services.length] ?? '', instance: `${services[i % services.length]}-1`, version: '1.4.0',
      name: i === 0 ? 'POST /orders' : `operation ${i}`, kind: i % 2 ? 'client' : 'server', start: at(offset), duration: Math.round(i === 0 ? whole : whole / (7.5 + roll())),
      status: last ? 'error' : undefined, statusMessage: last ? 'the card was refused' : undefined, critical: i === 0 || i === 6 || i === 41 % size,
      attributes: { offset: String(offset), 'http.route': '/orders', 'order.number': String(i) },
      events: last ? [{ time: at(offset + 1e6), name: 'exception', attributes: { 'exception.message': 'card refused' } }] : undefined,
      links: i === 2 ? [{ traceId: traceID(5), spanId: hex(1, 16) }] : undefined,
    })
  }
  return {
    traceId: traceID(0), correlationId: 'c-0', start: at(0), duration: 2 * second, spans,
    logs: [
      { time: at(4e6), service: 'web', instance: 'web-1', severity: 'INFO', body: 'an order begins', traceId: traceID(0), spanId: hex(1, 16) },
      { time: at(900e6), service: 'finance', instance: 'finance-1', severity: 'ERROR', body: 'payment refused: the card was refused', traceId: traceID(0), spanId: hex(Math.min(size, 4), 16) },
    ],
    linked: [traceID(5), traceID(6)], warnings: ['the clock of warehouse differs by 12 ms'],
  }
}

const bodies = ['request answered', 'order placed', 'payment refused', 'stock is low', 'cache filled', 'mail sent']
const severities = /** @type {const} */ (['INFO', 'INFO', 'ERROR', 'WARN', 'DEBUG', 'INFO'])

// Logs are a million records, of which each is made when it is asked for.
export class Logs {
  constructor(total = 1_000_000) {
    this.total = total
    this.newest = Date.now()
  }

  /** @type {(n: number) => api.LogRecord} */
  record(n) {
    const kind = n % bodies.length
    const service = services[n % services.length] ?? ''
    return {
      time: new Date(this.newest - n * 0.9).toISOString(), service, instance: `${service}-1`, version: '1.4.0', stream: 'out', severity: severities[kind], body: `${bodies[kind]} ${n}`,
      ...(n % 3 === 0 ? { traceId: traceID(0), spanId: hex(1, 16), correlationId: 'c-0' } : {}), attributes: { 'http.route': n % 2 ? '/orders' : '/albums', order: String(n) },
    }
  }

  /** @type {(asked: URLSearchParams) => api.LogSearch} */
  search(asked) {
    const records = []
    const limit = Number(asked.get('limit') ?? 200)
    let n = Number(asked.get('before') ?? 0)
    for (; n < this.total && records.length < limit; n++) if (fits(this.record(n), asked)) records.push(this.record(n))
    return { records, more: n < this.total, before: String(n) }
  }

  /** @type {(asked: URLSearchParams) => api.LogOverview} */
  overview(asked) {
    const from = Date.parse(asked.get('from') ?? '')
    const length = Date.parse(asked.get('to') ?? '') - from
    return {
      from: new Date(from).toISOString(), step: Math.round((length / 60) * 1e6), total: this.total,
      buckets: Array.from({ length: 60 }, (_, i) => ({ counts: { INFO: 8_000 + 900 * Math.sin(i / 5), WARN: 2_600, ERROR: i === 40 ? 9_000 : 400, DEBUG: 2_700 } })),
      facets: [
        { key: 'service', values: services.map((value, i) => ({ value, count: 170_000 - i * 900 })) },
        { key: 'severity', values: [{ value: 'INFO', count: 500_000 }, { value: 'ERROR', count: 166_000 }, { value: 'WARN', count: 166_000 }, { value: 'DEBUG', count: 166_000 }] },
        { key: 'instance', values: [{ value: 'order-1', count: 169_100 }] },
        { key: 'http.route', values: [{ value: '/albums', count: 500_000 }, { value: '/orders', count: 500_000 }] },
      ],
    }
  }
}

/** @type {(record: api.LogRecord, key: string) => string | undefined} */
const valueOf = (record, key) => (key === 'service.instance.id' ? record.instance : record.attributes?.[key])

const order = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL']

/** @type {(record: api.LogRecord, asked: URLSearchParams) => boolean} */
function fits(record, asked) {
  const chosen = asked.getAll('service')
  if (chosen.length > 0 && !chosen.includes(record.service)) return false
  const least = asked.get('severity')
  if (least && order.indexOf(record.severity ?? '') < order.indexOf(least)) return false
  if (asked.getAll('where').some(pair => valueOf(record, pair.split('=')[0] ?? '') !== pair.slice(pair.indexOf('=') + 1))) return false
  if (asked.get('trace') && record.traceId !== asked.get('trace')) return false
  return (asked.get('text') ?? '').toLowerCase().split(/\s+/).every(word => record.body.toLowerCase().includes(word))
}

// telemetry is what the control API answers to GET, by path, with so many log
// records.
/** @type {(records?: number) => Record<string, unknown>} */
export function telemetry(records) {
  const logs = new Logs(records)
  return {
    '/v1/telemetry': { path: '/home/ada/musiccorp/.plat/telemetry', otlp: [{ protocol: 'grpc', url: 'http://127.0.0.1:4317' }], prometheus: 'http://127.0.0.1:8001/prometheus', jaeger: 'http://127.0.0.1:8001/jaeger', files: 3, bytes: 90 << 20, spans: 120_000, logs: 1_000_000, series: 4_200, lost: [], forwards: [] },
    '/v1/traces': (/** @type {URLSearchParams} */ asked) => select(traces(), asked),
    [`/v1/traces/${traceID(0)}`]: trace(),
    '/v1/logs/search': (/** @type {URLSearchParams} */ asked) => logs.search(asked),
    '/v1/logs/overview': (/** @type {URLSearchParams} */ asked) => logs.overview(asked),
  }
}

/** @type {(all: api.Traces, asked: URLSearchParams) => api.Traces} */
function select(all, asked) {
  return { ...all, traces: (all.traces ?? []).filter(each => (asked.get('error') !== 'true' || each.errors > 0) && (asked.get('min') !== '1s' || each.duration >= second)) }
}
