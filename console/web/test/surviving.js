// What the control API tells of failing on purpose, and of what is behind an ID.
import { traceID, traces } from './telemetry.js'

/** @import * as chaos from '../src/api/chaos' */
/** @import { Story } from '../src/api/telemetry' */
/** @import * as cache from '../src/api/cache' */
/** @import { CallState, PolicyState, ServicePolicies } from '../src/api/types' */

const ago = (/** @type {number} */ seconds) => new Date(Date.now() - seconds * 1000).toISOString()

/** @type {(way: string, change?: Partial<chaos.FailureWay>) => chaos.FailureWay} */
const way = (name, change) => ({ way: name, verdict: 'kept', played: 4, runs: [{ journey: 'buy-an-album', passed: true, start: ago(700), seconds: 0.4, traceId: traceID(0) }], ...change })

/** @type {chaos.Rehearsal} */
export const rehearsal = {
  state: 'done', started: ago(800), ended: ago(640), done: 12, total: 12,
  promises: [
    { caller: 'order', dependency: 'catalog', onFailure: 'fail', verdict: 'kept', sees: 'a prompt 503 at the step buy', ways: [way('answers 503'), way('does not answer')], at: ago(700), plan: '4be1c0de9a7f4be1', versions: { order: '1.4.0', catalog: '1.4.0' } },
    {
      caller: 'order', dependency: 'warehouse', onFailure: 'last', verdict: 'false', sees: '500 at the step basket', why: 'does not answer: the step basket answered 500', remedy: 'keep the last answer in order, or promise fail', at: ago(690), plan: '4be1c0de9a7f4be2', versions: { order: '1.4.0', warehouse: '1.4.0' },
      ways: [way('answers 503'), way('does not answer', { verdict: 'false', why: 'the step basket answered 500', runs: [{ journey: 'buy-an-album', passed: false, start: ago(690), seconds: 2.4, traceId: traceID(1), failed: { step: 'basket', request: 'GET /basket', status: 500, what: 'status 500, want 200', seconds: 1.2, correlationId: 'c-1' } }] })],
    },
    { caller: 'web', dependency: 'catalog', onFailure: 'degrade', optional: true, verdict: 'kept', sees: 'nothing of it', ways: [way('answers 503')], at: ago(90_000), plan: '4be1c0de9a7f4be3', versions: { web: '1.3.0' }, stale: 'web 1.4.0 runs now, 1.3.0 was rehearsed' },
    { caller: 'web', dependency: 'order', onFailure: 'fail', verdict: 'not-rehearsed', why: 'no journey leads to this call', ways: [], plan: '4be1c0de9a7f4be4', versions: {} },
  ],
}

/** @type {CallState[]} */
export const calls = [
  {
    service: 'catalog', declared: true, onFailure: 'last-good',
    policies: [
      { policy: 'timeout', setting: 'answer 200ms, connect 1s, in all 1m', state: '3 given up', count: 3, acted: ago(45), why: 'no answer within 200ms' },
      { policy: 'retries', setting: '2, of 20% of the calls', state: '5 made, 7 left', count: 5, acted: ago(45), why: 'sent again after 503' },
      { policy: 'breaker', setting: '50% of 20 calls in 10s, open 5s', state: 'open for 4s, 12 of 20 failed, 9 refused', count: 9, acted: ago(3), why: '12 of 20 calls failed', holds: true },
      { policy: 'bulkhead', setting: '100 at once, wait 50ms', state: '2 under way, 0 wait', count: 0 },
      { policy: 'adaptive', setting: 'down to 10', state: 'limit 40, usually 2.1ms', count: 0, acted: ago(20), why: 'lowered to 40: calls took 9ms', holds: true },
      { policy: 'ejection', setting: '5 failures in a row, at most half of the instances', state: 'out: catalog-2', count: 1, acted: ago(6), why: 'catalog-2 ejected for 10s: 5 failures in a row', holds: true },
    ],
  },
  { service: 'legacy', declared: false, onFailure: 'fail', policies: [{ policy: 'timeout', setting: '1s', state: '0 given up', count: 0 }] },
]

/** @type {PolicyState[]} */
export const incoming = [
  { policy: 'shedding', setting: '64 at once, 64 may wait 100ms', state: '64 of 64 inside, 12 wait', count: 310, acted: ago(1), why: 'turned away low: the queue is full', holds: true },
  { policy: 'rate', setting: 'each client of public GET /api/orders: 50 in 1s, 50 at once', state: '3 known, 0 forgotten early', count: 17 },
]

/** @type {ServicePolicies[]} */
const policies = [{ service: 'order', calls, incoming }, { service: 'web', calls: [{ service: 'order', declared: true, onFailure: 'fail', policies: [{ policy: 'breaker', setting: '50% of 20 calls in 10s, open 5s', state: 'closed, 0 of 31 failed', count: 0 }] }], incoming: [] }]

/** @type {(url: string, change?: Partial<cache.CacheEntry>, latest?: Partial<cache.CacheVariant>) => cache.CacheEntry} */
const entry = (url, change, latest) => ({ url, variants: 1, bytes: 1595, ...change, latest: { status: 200, chosen: false, bytes: 940, received: ago(32), age: 32, lifetime: 60, basis: 'max-age', staleIfError: 60, cacheControl: 'max-age=60', tags: ['albums'], ...latest } })

const at = 'http://127.0.0.1:8000/api/albums'

/** @type {cache.CacheEntry[]} */
const entries = [entry(at), entry(`${at}/MC-0001`, { variants: 2 }, { tags: ['albums', 'MC-0001'], age: 3 }), entry(`${at}?sort=newest&size=1`, { bytes: 2 << 20 }, { age: 75, tags: undefined })]

/** @type {cache.CacheWhy} */
const why = {
  url: at, gateway: 'public', route: '/api/albums', service: 'catalog', key: at, verdict: 'hit', rule: 'fresh by max-age',
  variants: [{ ...entry(at).latest, chosen: true, vary: ['Accept-Language: de'] }, { ...entry(at).latest, received: ago(40), age: 40, vary: ['Accept-Language: (absent)'] }],
  places: [{ place: "the client's own cache", seconds: 28, undo: 'nothing from here; the client can reload, or the URL change' }, { place: 'shared caches outside plat', seconds: 28, undo: 'their own purge' }, { place: 'the gateway public', seconds: 28, stale: 60, undo: `plat cache purge ${at}` }],
}

const caches = [{ gateway: 'public', entries: 3, bytes: 15 << 20, memory: 16 << 20, hitRatio: 0.8, hits: 800, stale: 12, misses: 200, validated: 40, collapsed: 31, bypassed: 2, stored: 190, refused: 8, tooLarge: 1, evicted: 5, purged: 3, notFilled: 0 }]

/** @type {Story} */
const story = {
  id: 'order-7', is: 'key', key: 'order.number', traces: (traces().traces ?? []).slice(0, 2), verdict: 'it failed in finance: charge the card, the card was refused',
  culprit: { id: '000000000000000a', traceId: traceID(0), depth: 2, service: 'finance', name: 'charge the card', start: ago(58), duration: 900_000_000, status: 'error' },
  steps: [
    { time: ago(60), kind: 'request', service: 'web', text: 'POST /orders answered 201', traceId: traceID(0), spanId: '0000000000000001' },
    { time: ago(59.6), kind: 'call', service: 'order', text: 'asked catalog: GET /albums/7 answered 200', traceId: traceID(0), spanId: '0000000000000002' },
    { time: ago(59), kind: 'event', service: 'order', text: 'published order.placed', traceId: traceID(0), spanId: '0000000000000003' },
    { time: ago(58), kind: 'handled', service: 'finance', text: 'order.placed failed: the card was refused', failed: true, traceId: traceID(0), spanId: '000000000000000a' },
    { time: ago(57), kind: 'mail', service: 'customer', text: 'a mail to ada@example.com: Your card was refused' },
  ],
  warnings: ['the clock of warehouse differs by 12 ms'],
}

/** @type {(name: string, change?: Partial<chaos.Experiment>) => chaos.Experiment} */
const experiment = (name, change) => ({
  experiment: name, owner: 'ordering', file: `experiments/${name}.yaml`, journeys: ['buy-an-album'], answers: 0.99, duration: 60e9, failures: 2,
  faults: [{ id: 'f1', kind: 'latency', delay: 2e9, service: 'catalog', caller: 'web', testCustomers: true, share: 0.5 }], ...change,
})

const slow = experiment('slow-catalogue', { about: 'Is the page there when the catalogue takes its time?', every: 3600e9 })
const killed = experiment('killed-order', { faults: [], harms: [{ do: 'kill', service: 'order' }] })

/** @type {chaos.Chaos} */
export const chaosOf = {
  experiments: [slow, killed],
  findings: [{ code: 'chaos-file', severity: 'error', file: 'experiments/broken.yaml', line: 3, what: 'unknown key fault', expected: 'faults', remedy: 'write faults' }],
  reports: [
    {
      id: 'slow-catalogue-2', experiment: slow, state: 'done', verdict: 'hurt', scheduled: true, started: ago(600), injected: ago(590), undone: ago(560), recovered: ago(558), ended: ago(557),
      why: ['buy-an-album failed 3 times, 2 are allowed'], answers: { all: 640, bad: 35 }, played: { f1: { played: 212, examples: [{ time: ago(580), traceId: traceID(2), correlationId: 'c-2', request: 'GET /albums' }, { time: ago(579), correlationId: 'order-7', request: 'GET /albums/7' }] } },
      journeys: [{ journey: 'buy-an-album', passed: 4, failed: 3, before: 0.4, slowest: 2.6, first: { journey: 'buy-an-album', passed: false, start: ago(575), seconds: 2.1, traceId: traceID(3), failed: { step: 'album', request: 'GET /albums/7', status: 504, what: 'status 504, want 200', seconds: 1 } } }],
    },
    { id: 'killed-order-1', experiment: killed, state: 'done', verdict: 'steady', started: ago(4000), injected: ago(3990), undone: ago(3930), recovered: ago(3930), ended: ago(3929), answers: { all: 600, bad: 0 }, played: {}, journeys: [{ journey: 'buy-an-album', passed: 9, failed: 0, before: 0.4, slowest: 0.5 }], done: [{ at: ago(3980), do: 'kill', instance: 'order-1' }] },
  ],
  schedule: { on: true, until: ago(-7200), next: [{ experiment: 'slow-catalogue', at: ago(-3000) }], started: 4, postponed: 1 },
}

// surviving is what the control API answers to GET, by path.
/** @returns {Record<string, unknown>} */
export const surviving = () => ({
  ...structuredClone({ '/v1/rehearsal': rehearsal, '/v1/chaos': chaosOf, '/v1/why/order-7': story, '/v1/policies': { services: policies }, '/v1/cache': { caches }, '/v1/cache/why': why }),
  '/v1/cache/public/entries': (/** @type {URLSearchParams} */ asked) => {
    const q = asked.get('q') ?? ''
    const found = entries.filter(({ url, latest }) => url.includes(q) || latest.tags?.includes(q))
    return { found: found.length, entries: found }
  },
})
