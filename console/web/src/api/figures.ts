import { queryOptions } from '@tanstack/react-query'
import { now, over, type Sample, type Series, stepFor } from './prom'

// The figures of services and gateways, out of the series that plat writes.

export const refresh = 5_000 // milliseconds
const window = '1m'

// Figures are what one service or gateway does now.
export interface Figures {
  rate?: number // requests a second
  errors?: number // share of them, 0 to 1
  p95?: number // seconds
  cpu?: number // cores
  memory?: number // bytes
  inFlight?: number
  lag?: number // events that wait
}

export interface Now {
  by: Map<string, Figures>
  age?: number // seconds since plat wrote its series
}

const customers = 'synthetic!="true"'

// expressions are what the figures of services are, also for who asks on.
export function expressions(by: 'service' | 'gateway', of?: string, each: string = by) {
  const which = of === undefined ? (by === 'gateway' ? 'gateway!="",' : '') : `${by}="${of}",`
  const some = `{${which}${customers}}`
  const requests = `sum by (${each}) (rate(plat_requests_total${some}[${window}]))`
  const failed = `sum by (${each}) (rate(plat_requests_total{${which}${customers},code_class="5xx"}[${window}]))`
  const quantile = (q: number) => `histogram_quantile(${q}, sum by (${each}, le) (rate(plat_request_duration_seconds_bucket${some}[${window}])))`
  const own = of === undefined ? '' : `{${by}="${of}"}`
  return {
    rate: requests,
    errors: `(${failed} or ${requests} * 0) / (${requests} > 0)`,
    p50: quantile(0.5),
    p95: quantile(0.95),
    p99: quantile(0.99),
    cpu: `sum by (service) (rate(plat_process_cpu_seconds_total${own}[${window}]))`,
    memory: `sum by (service) (plat_process_memory_bytes${own})`,
    inFlight: `sum by (service) (plat_requests_in_flight${own})`,
    lag: `sum by (service) (plat_consumer_lag${own})`,
  }
}

const age = 'time() - max(timestamp(plat_instances))'

async function gather(by: 'service' | 'gateway', keys: (keyof Figures)[], signal: AbortSignal): Promise<Now> {
  const all = expressions(by)
  const answers = await Promise.all([now(age, signal), ...keys.map(key => now(all[key], signal))])
  const found = new Map<string, Figures>()
  keys.forEach((key, index) => {
    for (const { labels, value } of answers[index + 1] as Sample[]) {
      const name = labels[by]
      if (!name || Number.isNaN(value)) continue
      found.set(name, { ...found.get(name), [key]: value })
    }
  })
  return { by: found, age: answers[0]?.[0]?.value }
}

export const serviceFigures = queryOptions({
  queryKey: ['figures', 'service'],
  queryFn: ({ signal }) => gather('service', ['rate', 'errors', 'p95', 'cpu', 'memory', 'inFlight', 'lag'], signal),
  refetchInterval: refresh,
  staleTime: refresh,
  retry: false,
})

export const gatewayFigures = queryOptions({
  queryKey: ['figures', 'gateway'],
  queryFn: ({ signal }) => gather('gateway', ['rate', 'errors', 'p95'], signal),
  refetchInterval: refresh,
  staleTime: refresh,
  retry: false,
})

// Behind is what customers get of one service behind a gateway.
export interface Behind {
  gateway: string
  service: string
  errors?: number
  p95?: number
}

export const behindFigures = queryOptions({
  queryKey: ['figures', 'behind'],
  queryFn: async ({ signal }) => {
    const all = expressions('gateway', undefined, 'gateway, service')
    const found = new Map<string, Behind>()
    for (const key of ['errors', 'p95'] as const) {
      for (const { labels, value } of await now(all[key], signal)) {
        const { gateway = '', service = '' } = labels
        if (!Number.isNaN(value)) found.set(`${gateway} ${service}`, { ...found.get(`${gateway} ${service}`), gateway, service, [key]: value })
      }
    }
    return [...found.values()]
  },
  refetchInterval: refresh,
  staleTime: refresh,
  retry: false,
})

// lines asks for a figure of all services or gateways over a time.
export const lines = (key: string, expression: string, of: () => { from: number; to: number }, points = 60, every: number | false = 15_000) =>
  queryOptions({
    queryKey: ['lines', key, expression],
    queryFn: async ({ signal }) => {
      const { from, to } = of()
      const step = stepFor(from, to, points)
      return { from, to, step, series: await over(expression, from, to, step, signal) }
    },
    refetchInterval: every,
    staleTime: every === false ? Infinity : every,
    placeholderData: old => old,
    retry: false,
  })

// byLabel finds the line of a name.
export function byLabel(series: Series[] | undefined, label: string, name: string): Series | undefined {
  return series?.find(({ labels }) => labels[label] === name)
}
