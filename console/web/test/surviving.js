// What the control API tells of failing on purpose, and of what is behind an ID.
import { traceID, traces } from './telemetry.js'

/** @import * as chaos from '../src/api/chaos' */
/** @import { Story } from '../src/api/telemetry' */
/** @import { CallState } from '../src/api/types' */

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
    service: 'catalog', declared: true, onFailure: 'last',
    policies: [
      { policy: 'timeout', setting: '200ms', state: 'in force', count: 3, acted: ago(45), why: 'no answer within 200ms' },
      { policy: 'retries', setting: '2 of idempotent requests, 10 % of all', state: 'in force', count: 5, acted: ago(45), why: 'sent again after 503' },
      { policy: 'breaker', setting: 'opens at 50 % of 20 calls', state: 'open for 4s', count: 1, acted: ago(3), why: '12 of 20 calls failed' },
      { policy: 'bulkhead', setting: '64 at once', state: '2 of 64 in use', count: 0 },
    ],
  },
  { service: 'legacy', declared: false, onFailure: 'fail', policies: [{ policy: 'timeout', setting: '1s', state: 'in force', count: 0 }] },
]

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
export const surviving = () => structuredClone({ '/v1/rehearsal': rehearsal, '/v1/chaos': chaosOf, '/v1/why/order-7': story })
