// A Prometheus HTTP API that knows a few figures of the services and answers
// whatever is asked by the shape of the question.

const services = { web: 40, order: 12, catalog: 31, finance: 3, warehouse: 1, customer: 5 }
const refused = (/** @type {string} */ error) => ({ status: 400, body: { status: 'error', errorType: 'bad_data', error } })

/** @type {(data: unknown) => unknown} */
const good = data => ({ status: 'success', data })

/** @type {(expression: string) => { metric: Record<string, string>, at: (time: number) => number }[]} */
function read(expression) {
  if (/^time\(\)/.test(expression)) return [{ metric: {}, at: () => 3 }]
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
