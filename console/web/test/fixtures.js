// A system as the control API tells of it, with something wrong in every
// corner, so that each page has all that it can show.

import { calls, incoming } from './surviving.js'

/** @import * as api from '../src/api/types' */

const now = Date.now()
const ago = (/** @type {number} */ seconds) => new Date(now - seconds * 1000).toISOString()
const hours = 3600

/** @type {api.System} */
const system = {
  name: 'musiccorp', environment: 'local', revision: '4be1c0de9a7f', pid: 4100, guard: 4101, started: ago(3 * hours),
  root: '/home/ada/musiccorp', logs: '/home/ada/musiccorp/.plat/logs', gateways: [{ name: 'public', url: 'http://127.0.0.1:8000' }],
  api: 'http://127.0.0.1:8001', console: 'http://127.0.0.1:8001', access: 'observe', watch: true,
  doors: [{ name: 'dns', addr: '127.0.0.1:8600' }, { name: 'consul', addr: '127.0.0.1:8500' }],
  plan: { state: 'live', since: ago(600), findings: [
    { code: 'plan-unused-owner', severity: 'warning', file: 'plat.yaml', line: 7, column: 3, what: 'nobody is owned by marketing', remedy: 'take the owner out' },
  ] },
  warnings: [{ code: 'run-limits-unavailable', severity: 'warning', what: 'limits are not enforced', expected: 'this system has no writable cgroup', remedy: 'run plat where cgroups are delegated' }],
}

/** @type {(id: string, change?: Partial<api.Instance>) => api.Instance} */
const instance = (id, change) => ({
  id, pid: 4200 + id.length, addr: '127.0.0.1:20117', version: '1.4.0', state: 'ready', started: ago(2 * hours), restarts: 0, memory: 21 << 20,
  checks: [{ id: 'ready', status: 'passing', since: ago(2 * hours) }, { id: 'live', status: 'passing', since: ago(2 * hours) }], ...change,
})

/** @type {(name: string, change?: Partial<api.Service>) => api.Service} */
const service = (name, change) => ({
  name, owner: 'ordering', context: 'ordering', state: 'ready', desired: 1, ready: 1, restarts: 0, version: '1.4.0', settled: true,
  openapi: true, instances: [instance(`${name}-1`)], ...change,
})

/** @type {api.Service[]} */
const services = [
  service('catalog', { owner: 'catalogue', context: 'catalogue', about: 'Knows every album and its price.', url: 'http://127.0.0.1:8000/api/albums', desired: 3, ready: 3, override: true, instances: [instance('catalog-1'), instance('catalog-2'), instance('catalog-3', { version: '1.5.0' })] }),
  service('customer', { owner: 'ordering', about: 'Registers customers.', errors: { count: 4, last: ago(40), text: 'ERROR cannot reach the mail server' } }),
  service('finance', { owner: 'finance', context: 'finance', state: 'starting', ready: 0, settled: false, instances: [instance('finance-1', { state: 'starting', checks: [{ id: 'ready', status: 'critical', output: 'dial tcp 127.0.0.1:20119: connection refused', since: ago(3) }] })] }),
  service('legacy', { owner: '', context: '', outside: true, openapi: false, version: '', instances: [instance('legacy-a', { pid: 0, memory: 0, version: '' })] }),
  service('order', { about: 'Takes an order from basket to dispatch.', state: 'degraded', desired: 2, ready: 1, restarts: 3, instances: [instance('order-1', { restarts: 3, lastExit: 'exit status 2' }), instance('order-2', { state: 'unready', checks: [{ id: 'ready', status: 'critical', output: 'GET /health/ready answered 503', since: ago(20) }] })] }),
  service('recommendation', { owner: 'catalogue', context: 'catalogue', state: 'skipped', ready: 0, openapi: false, instances: [], version: '' }),
  service('warehouse', { owner: 'fulfilment', context: 'fulfilment', state: 'build-failed', ready: 0, instances: [], fault: { code: 'run-build-failed', severity: 'error', file: 'services/warehouse/main.go', line: 12, what: 'warehouse does not build', expected: 'go build answered exit status 1', remedy: 'mend the program; saving it builds it again' }, lastLines: ['./main.go:12:2: undefined: shelf'] }),
  service('web', { owner: 'web', context: 'shop', about: 'The website.', openapi: false, url: 'http://127.0.0.1:8000/' }),
]

/** @type {api.Finding[]} */
const findings = [
  { id: 'undeclared-order-legacy', code: 'drift-undeclared-call', severity: 'warning', caller: 'order', callee: 'legacy', what: 'order calls legacy, which its declaration does not say', why: 'A call that nobody declared has no timeout, no owner who knows of it, and no place on the map.', remedy: 'plat plan add order consumes legacy', file: 'services/order/service.yaml', line: 14, patch: 'consumes:\n  services:\n    legacy: {}\n', count: 12, first: ago(2 * hours), last: ago(30), evidence: [{ id: '01J9Z2', time: ago(30), method: 'GET', path: '/stock/7', status: 200, correlationId: '5f2d0c1e' }] },
  { id: 'unused-web-customer', code: 'drift-unused-call', severity: 'warning', caller: 'web', callee: 'customer', what: 'web has not used customer since it was declared', why: 'A declaration that nobody needs gives rights away.', remedy: 'plat plan remove web consumes customer', file: 'services/web/service.yaml', line: 9, count: 0, evidence: [] },
]

/** @type {(from: string, to: string, change?: Partial<api.Edge>) => api.Edge} */
const edge = (from, to, change) => ({ from, to, kind: 'call', declared: true, declaredAt: ago(3 * hours), count: 120, errors: 0, first: ago(2 * hours), last: ago(10), ...change })

/** @type {(rate: number, errors: number, p95: number) => api.EdgeFigures} */
const figures = (rate, errors, p95) => {
  const window = { count: rate * 300, errors: Math.round(rate * 300 * errors), p50: p95 / 3, p95, p99: p95 * 1.4 }
  return { rate1: rate, rate5: rate, rate60: rate, last5: window, lastHour: window }
}

/** @type {api.SystemMap} */
const map = {
  since: ago(3 * hours),
  nodes: [
    { name: 'public', kind: 'gateway' },
    ...services.map(({ name, owner, context, state, outside }) => /** @type {api.MapNode} */ ({ name, kind: outside ? 'outside' : 'service', owner, context, state })),
    { name: 'stripe', kind: 'external', owner: 'finance' },
  ],
  edges: [
    edge('public', 'web', { kind: 'route', label: '/', figures: figures(38, 0, 0.08) }),
    edge('public', 'catalog', { kind: 'route', label: '/api/albums', count: 44 }),
    edge('web', 'catalog', { count: 1204 }),
    edge('web', 'order', { count: 77, errors: 2 }),
    edge('web', 'customer', { count: 0, first: undefined, last: undefined, finding: 'unused-web-customer' }),
    edge('order', 'catalog', { figures: figures(11, 0.02, 0.2) }),
    edge('order', 'customer'),
    edge('order', 'legacy', { declared: false, declaredAt: undefined, count: 12, finding: 'undeclared-order-legacy' }),
    edge('order', 'warehouse', { kind: 'event', label: 'order.placed', count: 0 }),
    edge('order', 'finance', { kind: 'event', label: 'order.placed', count: 0 }),
    edge('finance', 'order', { kind: 'event', label: 'payment.taken', count: 0 }),
    edge('warehouse', 'order', { kind: 'event', label: 'order.dispatched', count: 0 }),
    edge('finance', 'stripe', { count: 9, errors: 9 }),
    edge('order', 'finance', { figures: figures(3, 0.12, 2.4) }),
  ],
}

/** @type {api.Events} */
const events = {
  streams: [
    { name: 'order', provider: 'order', events: ['order.placed', 'order.dispatched'], messages: 1240, bytes: 812_000, last: ago(12) },
    { name: 'customer', provider: 'customer', events: ['customer.registered'], messages: 0, bytes: 0, last: '0001-01-01T00:00:00Z' },
  ],
  consumers: [
    { name: 'finance_order_placed', service: 'finance', event: 'order.placed', stream: 'order', lag: 31, unacked: 1, redelivered: 2, active: ago(300) },
    { name: 'warehouse_order_placed', service: 'warehouse', event: 'order.placed', stream: 'order', lag: 0, unacked: 0, redelivered: 0, push: '/events/order-placed', active: ago(12) },
  ],
  deadLetters: [
    { id: '1', event: 'order.placed', eventId: '0199a1f2-7c00-7000-8000-000000000001', service: 'finance', consumer: 'finance_order_placed', reason: 'the currency XXX is not known', deliveries: 6, time: ago(900), headers: { 'ce-type': 'order.placed', 'ce-source': '/services/order' }, data: { order: 7, total: '12.00', currency: 'XXX' } },
  ],
  dead: 1,
  orphans: ['stream basket'],
  violations: [{ service: 'web', action: 'publish', subject: 'order.placed', count: 2, last: ago(60) }],
  faults: [],
}

const html = `<html><head><style>h1 { color: #1864ab }</style><script>parent.document.title = 'taken over'</script></head>
<body style="font-family: sans-serif; background-image: url(http://tracker.example/ground.png)"><h1>Welcome, Ada</h1><p>Your account is ready.</p>
<img src="http://tracker.example/pixel.gif" alt="tracker"><a href="http://shop.example/">To the shop</a></body></html>`

/** @type {api.MailContent[]} */
const mails = [
  { id: 'm2', time: ago(50), from: 'shop@musiccorp.example', to: ['ada@example.com'], subject: 'Welcome to MusicCorp', size: 2210, headers: [{ name: 'From', value: 'MusicCorp <shop@musiccorp.example>' }, { name: 'Subject', value: 'Welcome to MusicCorp' }], text: 'Welcome, Ada.\nYour account is ready.', html, attachments: [{ name: 'terms.pdf', type: 'application/pdf', size: 48_000 }] },
  { id: 'm1', time: ago(4000), from: 'shop@musiccorp.example', to: ['grace@example.com'], subject: 'Your order is on its way', size: 900, headers: [], text: 'Your order is on its way.', attachments: [] },
]

/** @type {api.Declaration[]} */
const declarations = services.filter(each => !each.outside).map(({ name, owner, context, about }) => ({
  service: name, owner, context, about, dir: `services/${name}`, build: { go: '.' }, instances: 1, grace: '10s', start: '30s', http: { ready: '/health/ready', protocol: 'http' },
}))

/** @type {api.Plan} */
const plan = {
  system: 'musiccorp', environment: 'local', runtime: 'process', access: 'observe', revision: system.revision, owners: { ordering: {}, finance: {} }, services: declarations,
  external: [{ name: 'stripe', url: 'https://api.stripe.example', owner: 'finance' }],
  gateways: [{ name: 'public', routes: [{ path: '/', service: 'web' }, { path: '/api/albums', methods: ['GET'], service: 'catalog' }, { path: '/api/orders', service: 'order', priority: 'high', rate: { limit: 50 }, body: '64KiB' }] }],
}

/** @type {(service: api.Service) => api.Description} */
const describe = each => ({
  service: each,
  declaration: declarations.find(({ service: name }) => name === each.name) ?? null,
  file: each.outside ? undefined : `services/${each.name}/service.yaml`,
  routes: each.url ? [{ url: each.url }] : [],
  edges: (map.edges ?? []).filter(({ from, to }) => from === each.name || to === each.name),
  consumers: (events.consumers ?? []).filter(({ service: name }) => name === each.name),
  environment: each.outside ? [] : [
    { name: 'PORT', value: '20117', source: 'plat' },
    { name: 'PLAT_SERVICE', value: each.name, source: 'plat' },
    { name: 'PLAT_TOKEN', value: '••••', source: 'plat', secret: true },
    { name: 'CURRENCY', value: 'EUR', source: 'config' },
  ],
  calls: each.name === 'order' ? structuredClone(calls) : [], incoming,
  findings: findings.filter(({ caller, callee }) => caller === each.name || callee === each.name),
})

const openapi = {
  openapi: '3.1.0', info: { title: 'Catalog', version: '1.4.0' }, servers: [{ url: 'https://catalog.example/' }],
  paths: { '/albums': { get: { operationId: 'listAlbums', summary: 'List albums', responses: { 200: { description: 'The albums', content: { 'application/json': { schema: { type: 'array', items: { type: 'object', properties: { title: { type: 'string' } } } } } } } } } } },
}

/** @type {api.LogLine[]} */
export const lines = [
  { time: ago(30), service: 'catalog', instance: 'catalog-1', stream: 'out', text: JSON.stringify({ time: ago(30), level: 'INFO', msg: 'serving', service: 'catalog', addr: '127.0.0.1:20117' }) },
  { time: ago(20), service: 'order', instance: 'order-1', stream: 'plat', text: 'order-1 is ready after 312 ms' },
  { time: ago(10), service: 'customer', instance: 'customer-1', stream: 'err', text: 'ERROR cannot reach the mail server' },
  { time: ago(9), service: 'order', instance: 'order-1', stream: 'out', text: JSON.stringify({ level: 'ERROR', msg: 'payment refused', order: 7, correlation_id: '5f2d0c1e' }) },
]

// answers is what the control API answers to GET, by path.
/** @returns {Record<string, unknown>} */
export function answers() {
  /** @type {Record<string, unknown>} */
  const found = {
    '/v1/system': system,
    '/v1/services': { services },
    '/v1/plan': plan,
    '/v1/map': map,
    '/v1/findings': { findings },
    '/v1/events': events,
    '/v1/mail': { mails, dropped: 3 },
    '/v1/platform': { processes: [{ name: 'plat', pid: 4100, memory: 84 << 20, cpu: 12_400_000_000, started: ago(3 * hours) }, { name: 'guard', pid: 4101, memory: 15 << 20, cpu: 90_000_000, started: ago(3 * hours) }] },
    '/v1/services/catalog/openapi': openapi,
    '/v1/services/catalog/http/albums': [{ title: 'Kind of Blue' }],
  }
  for (const each of services) found[`/v1/services/${each.name}/description`] = describe(each)
  for (const finding of findings) found[`/v1/findings/${finding.id}`] = finding
  for (const mail of mails) {
    found[`/v1/mail/${mail.id}`] = mail
    found[`/v1/mail/${mail.id}/raw`] = `Subject: ${mail.subject}\r\n\r\n${mail.text}`
  }
  return structuredClone(found)
}

// large makes the map of a system with so many services, each of which uses a
// few of the others.
/** @type {(size: number) => api.SystemMap} */
export function large(size) {
  const name = (/** @type {number} */ i) => `service-${String(i).padStart(3, '0')}`
  const contexts = ['catalogue', 'ordering', 'finance', 'fulfilment', 'support', 'shop']
  /** @type {api.Edge[]} */
  const edges = []
  for (let i = 1; i < size; i++) {
    edges.push(edge(name(Math.floor(i / 3)), name(i)))
    if (i % 4 === 0) edges.push(edge(name(i), name((i * 7) % size), { count: 0, last: undefined }))
    if (i % 5 === 0) edges.push(edge(name(i), name((i * 3 + 1) % size), { kind: 'event', label: `thing-${i}.happened` }))
  }
  return {
    since: ago(hours),
    nodes: Array.from({ length: size }, (_, i) => ({ name: name(i), kind: 'service', owner: `team-${i % 9}`, context: contexts[i % contexts.length], state: 'ready' })),
    edges: edges.filter(({ from, to }) => from !== to),
  }
}
