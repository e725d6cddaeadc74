// A Prometheus HTTP API that knows a few figures of the services and answers
// whatever is asked by the shape of the question.

const services = { web: 40, order: 12, catalog: 31, finance: 3, warehouse: 1, customer: 5 }
const refused = (/** @type {string} */ error) => ({ status: 400, body: { status: 'error', errorType: 'bad_data', error } })

/** @type {(data: unknown) => unknown} */
const good = data => ({ status: 'success', data })

/** @type {(expression: string) => { metric: Record<string, string>, at: (time: number) => number }[]} */
function read(expression) {
  if (/^time\(\)/.test(expression)) return [{ metric: {}, at: () => 3 }]
  if (/by \(gateway, service/.test(expression)) {
    // web promises 99.5 % without errors and answers 0.4 % with errors; catalog promises nothing
    const figure = (/** @type {string} */ name) => (/histogram_quantile/.test(expression) ? (name === 'web' ? 0.08 : 3) : name === 'web' ? 0.004 : 0.2)
    return ['web', 'catalog'].map(service => ({ metric: { gateway: 'public', service }, at: () => figure(service) }))
  }
  if (/plat_cache/.test(expression)) {
    const whole = /increase/.test(expression) ? 900 : 1
    return Object.entries({ hit: 4, stale: 0.2, miss: 1, refused: 0.1 }).map(([is, rate]) => ({ metric: { is }, at: () => rate * whole }))
  }
  if (/plat_shed/.test(expression)) return [{ metric: { priority: 'low', reason: 'queue-full' }, at: () => 310 }]
  /** @type {Record<string, number>} */
  const all = /gateway/.test(expression) && !/by \(service/.test(expression) ? { public: 52 } : services
  const by = all === services ? 'service' : 'gateway'
  const [, only] = new RegExp(`${by}="([^"]+)"`).exec(expression) ?? []
  const slow = (/** @type {string} */ name) => name === 'finance'
  return Object.entries(all).filter(([name]) => !only || only === name).map(([name, rate]) => ({
    metric: { [by]: name },
    at: time => {
      const wave = 1 + 0.3 * Math.sin(time / 120 + name.length)
      if (/histogram_quantile/.test(expression)) return (slow(name) ? 1.9 : 0.04) * wave * (expression.includes('0.99') ? 1.6 : expression.includes('0.5,') ? 0.4 : 1)
      if (/5xx/.test(expression)) return slow(name) ? 0.08 : name === 'order' ? 0.004 : 0
      if (/cpu/.test(expression)) return rate / 400
      if (/memory/.test(expression)) return (20 + rate) * 2 ** 20
      if (/in_flight/.test(expression)) return Math.round(rate / 10)
      if (/lag/.test(expression)) return slow(name) ? 31 : 0
      return rate * wave
    },
  }))
}

/** @type {(asked: URLSearchParams) => unknown} */
function query(asked) {
  const expression = asked.get('query') ?? ''
  if (expression.includes('rate(]')) return refused('1:6: parse error: unexpected right bracket \']\'')
  const time = Number(asked.get('time') ?? Date.now() / 1000)
  return good({ resultType: 'vector', result: read(expression).map(({ metric, at }) => ({ metric, value: [time, String(at(time))] })) })
}

/** @type {(asked: URLSearchParams) => unknown} */
function range(asked) {
  const expression = asked.get('query') ?? ''
  if (expression.includes('rate(]')) return refused('1:6: parse error: unexpected right bracket \']\'')
  const [start, end, step] = ['start', 'end', 'step'].map(key => Number(asked.get(key)))
  const times = Array.from({ length: Math.floor(((end ?? 0) - (start ?? 0)) / (step ?? 1)) + 1 }, (_, i) => (start ?? 0) + i * (step ?? 1))
  return good({ resultType: 'matrix', result: read(expression).map(({ metric, at }) => ({ metric, values: times.map(time => [time, String(at(time))]) })) })
}

// metrics is what /prometheus answers to GET, by path.
/** @returns {Record<string, unknown>} */
export function metrics() {
  const names = ['plat_requests_total', 'plat_request_duration_seconds_bucket', 'plat_requests_in_flight', 'plat_process_cpu_seconds_total', 'plat_process_memory_bytes', 'plat_consumer_lag', 'plat_instances', 'go_goroutines']
  return {
    '/prometheus/api/v1/query': query,
    '/prometheus/api/v1/query_range': range,
    '/prometheus/api/v1/label/__name__/values': good(names),
    '/prometheus/api/v1/labels': good(['__name__', 'service', 'caller', 'route', 'gateway', 'code_class', 'synthetic', 'instance', 'le']),
    '/prometheus/api/v1/metadata': good({ plat_requests_total: [{ type: 'counter', help: 'Requests that were answered.', unit: '' }] }),
  }
}

const ago = (/** @type {number} */ seconds) => new Date(Date.now() - seconds * 1000).toISOString()

/** @type {import('../src/api/objectives').Alert[]} */
export const alerts = [
  { id: 'a1', name: 'TooSlow', state: 'firing', severity: 'page', service: 'finance', owner: 'finance', objective: 'latency-p95', summary: 'finance answers 92% of requests slower than 300ms.', description: 'In the last 1m 46 of 50 requests took longer than 300ms.', query: 'plat_consumer_lag', runbook: 'plat explain TooSlow', traces: `/traces?service=finance&min=300ms&from=${encodeURIComponent(ago(300))}`, since: ago(95), value: 0.92, labels: { alertname: 'TooSlow', severity: 'page', service: 'finance' }, windows: [{ over: '1m', severity: 'page', state: 'firing', value: 0.92, since: ago(95) }, { over: '1h', severity: 'ticket', state: 'memory', value: 0.2, since: ago(95) }] },
  { id: 'a2', name: 'EventsWait', state: 'silenced', severity: 'ticket', service: 'finance', owner: 'finance', summary: '31 events wait for finance.', runbook: 'https://runbooks.example/events', since: ago(4000), value: 31, labels: { alertname: 'EventsWait' }, silences: ['s1'] },
  { id: 'a3', name: 'CrashLoop', state: 'ended', severity: 'page', service: 'warehouse', owner: 'fulfilment', summary: 'warehouse starts again and again.', since: ago(900), until: ago(300), value: 1, labels: { alertname: 'CrashLoop' } },
]

const counted = { window: 86_400, burnOver: 300 }

/** @type {import('../src/api/objectives').Objective[]} */
export const objectives = [
  { ...counted, service: 'finance', owner: 'finance', name: 'latency-p95', kind: 'latency', state: 'spent', target: 0.95, threshold: 0.3, events: 1000, bad: 800, met: 0.2, left: -3.2, burn: 16 },
  { ...counted, service: 'order', owner: 'ordering', name: 'availability', kind: 'availability', state: 'burning', target: 0.999, events: 10_000, bad: 9, met: 0.9991, left: 0.1, burn: 0.9 },
  { ...counted, service: 'web', owner: 'web', name: 'availability', kind: 'availability', state: 'kept', target: 0.995, events: 40_000, bad: 0, met: 1, left: 1, burn: 0 },
  { ...counted, service: 'web', owner: 'web', name: 'latency-p95', kind: 'latency', state: 'kept', target: 0.95, threshold: 0.3, events: 40_000, bad: 500, met: 0.9875, left: 0.75, burn: 0.25 },
  { ...counted, service: 'finance', owner: 'finance', name: 'fresh-order.placed', kind: 'freshness', state: 'unknown', target: 0.99, threshold: 30, event: 'order.placed', events: 0, bad: 0, met: 0, left: 0, burn: 0 },
]

/** @type {import('../src/api/probe').Journey[]} */
const journeys = [
  { journey: 'buy-an-album', owner: 'ordering', gateway: 'public', every: '30s', running: false, passed: 118, failed: 2, skipped: 0, share: 0.96, p95: 0.41, runs: [{ journey: 'buy-an-album', run: 'r1', scheduled: true, start: ago(12), seconds: 2.1, passed: false, traceId: 'aaaaaaaaaaaaaaaaaaaaaaaa00000001', steps: [{ step: 'basket', request: 'POST /basket', status: 200, requests: 1, seconds: 0.1, correlationId: 'r1' }, { step: 'pay', request: 'POST /checkout', status: 503, requests: 2, seconds: 2, correlationId: 'r1', failure: { code: 'probe-expectation', what: 'status 503, want 200', body: '{"title":"the bank does not answer"}', count: 2 } }, { step: 'dispatched', requests: 0, seconds: 0 }] }, { journey: 'buy-an-album', run: 'r0', scheduled: true, start: ago(42), seconds: 0.4, passed: true, steps: [{ step: 'basket', request: 'POST /basket', status: 200, requests: 1, seconds: 0.1 }] }] },
  { journey: 'look-around', owner: 'web', gateway: 'public', every: '30s', running: false, passed: 120, failed: 0, skipped: 0, share: 1, p95: 0.08, runs: [{ journey: 'look-around', run: 'r2', scheduled: true, start: ago(20), seconds: 0.1, passed: true, steps: [] }] },
]

// watch is what the control API answers of objectives, alerts and journeys.
/** @returns {Record<string, unknown>} */
export function watch() {
  return structuredClone({
    '/v1/alerts': { alerts, deliveries: [{ receiver: 'mail finance@musiccorp.example', delivered: 3, failed: 0 }] },
    '/v1/objectives': { objectives },
    '/v1/silences': { silences: [{ id: 's1', matchers: [{ label: 'alertname', value: 'EventsWait' }, { label: 'service', value: 'finance' }], by: 'ada', reason: 'the bank is being asked', starts: ago(600), ends: ago(-3000), active: true }] },
    '/v1/journeys': { journeys },
  })
}
