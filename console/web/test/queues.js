// What the control API tells of calls that are done later.

/** @import * as api from '../src/api/queues' */

const ago = (/** @type {number} */ seconds) => new Date(Date.now() - seconds * 1000).toISOString()

/** @type {(caller: string, service: string, change?: Partial<api.Queue>) => api.Queue} */
export const queue = (caller, service, change) => ({ caller, service, waiting: 0, dead: 0, bytes: 0, kept: 0, delivered: 0, died: 0, dropped: 0, refused: {}, tries: 0, ...change })

const away = '503 Service Unavailable: finance has no instance in rotation'

/** @type {(id: string, change?: Partial<api.KeptCall>) => api.KeptCall} */
export const kept = (id, change) => ({ id, caller: 'order', service: 'finance', state: 'waiting', request: 'POST /payments', size: 683, kept: ago(400), tries: 1, correlationId: 'order-7', ...change })

// queues are those of a system whose finance is away.
/** @returns {Record<string, unknown>} */
export function queues() {
  const calls = [
    kept('k1', { position: 1, tries: 34, why: away, next: ago(-9) }),
    kept('k2', { position: 2, kept: ago(300), request: 'DELETE /payments/7', correlationId: 'c-8' }),
    kept('k3', { state: 'dead', kept: ago(4000), request: 'POST /payments', why: 'refused for good: 422 Unprocessable Entity: the currency XXX is not known' }),
    kept('k4', { state: 'dead', kept: ago(90_000), request: 'PUT /payments/4711?of=2026-11', why: 'older than 1d: 500 Internal Server Error', tries: 5_760 }),
  ]
  /** @type {api.KeptCallContent} */
  const opened = { .../** @type {api.KeptCall} */ (calls[2]), header: { Authorization: ['••••'], 'Content-Type': ['application/json'], 'Idempotency-Key': ['"k3"'] }, body: '{"amount": 12, "currency": "XXX"}', encoding: 'text' }
  return {
    '/v1/queues': {
      damaged: 0,
      queues: [
        queue('notification', 'post-office'),
        queue('order', 'finance', { waiting: 2, dead: 2, bytes: 2_732, oldest: ago(400), next: ago(-9), request: 'POST /payments', tries: 34, why: away, kept: 1_204, delivered: 1_198, died: 2, dropped: 2, refused: { 'full': 0, 'too-large': 3, credentials: 1 } }),
        queue('order', 'finance', { test: true, kept: 4, delivered: 4 }),
      ],
    },
    '/v1/queues/calls': (/** @type {URLSearchParams} */ asked) => ({
      calls: calls.filter(({ caller, service, state, test = false }) => caller === asked.get('caller') && service === asked.get('service') && String(test) === asked.get('test') && (asked.get('dead') !== 'true' || state === 'dead')),
    }),
    '/v1/queues/calls/k3': opened,
    '/v1/queues/calls/done': { status: 200, body: { ...kept('done'), request: undefined, kept: undefined, state: 'delivered', status: 201, ended: ago(3), header: {}, body: '', encoding: 'text' } },
  }
}
