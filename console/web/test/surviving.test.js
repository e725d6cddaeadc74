// Journeys, stories, protected calls and rehearsed degradation, as a person
// uses them.
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { Mock, problem } from './mock.js'
import { kept, queue } from './queues.js'
import { traceID } from './telemetry.js'
import { base, launch, Visitor } from './visitor.js'

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Mock} */
let mock
/** @type {Visitor} */
let visitor
before(async () => { browser = await launch() })
after(() => browser?.close())
beforeEach(async () => {
  mock = await Mock.start(base)
  visitor = await Visitor.arrive(browser, mock.base)
})
afterEach(() => mock.stop())

const page = () => visitor.page
/** @param {string} path */
const answer = path => /** @type {any} */ (mock.answers[path])
const region = (/** @type {string} */ name) => page().getByRole('region', { name, exact: true })

test('journeys tell the run that failed, step by step, and older ones', async () => {
  await visitor.go('/journeys')
  await page().getByText('1 of 2 fail').waitFor()
  const steps = region('Steps of run r1')
  await steps.getByRole('row').filter({ hasText: 'pay' }).getByText('status 503, want 200, and 1 expectation more').waitFor()
  await steps.getByText('the bank does not answer').waitFor()
  await steps.getByRole('row').filter({ hasText: 'dispatched' }).getByText('not reached').waitFor()
  await region('Runs of buy-an-album').getByRole('link', { name: 'r0' }).click()
  await page().waitForURL('**/journeys?open=buy-an-album&run=r0')
  await region('Steps of run r0').waitFor()
  await page().getByRole('link', { name: 'look-around' }).click()
  await page().waitForURL('**/journeys?open=look-around')
  await region('Steps of run r2').waitFor()
  await visitor.go('/journeys')
  await page().getByRole('link', { name: 'its trace' }).click()
  await page().waitForURL('**/traces/aaaaaaaaaaaaaaaaaaaaaaaa00000001')
  visitor.expect(/Failed to load resource.*404/) // no such trace is kept
  await visitor.leave()
})

test('a journey is run now, and a refusal is told', async () => {
  visitor.expect(/Failed to load resource.*409/)
  await visitor.go('/journeys')
  const run = { journey: 'look-around', run: 'r9', owner: 'web', scheduled: false, start: new Date().toISOString(), seconds: 0.2, passed: true, steps: [{ step: 'home', request: 'GET /', status: 200, requests: 1, seconds: 0.2 }] }
  mock.changes['POST /v1/journeys/look-around/runs'] = { body: run }
  answer('/v1/journeys').journeys[1].runs.unshift(run)
  await page().getByRole('button', { name: 'Run look-around now' }).click()
  await page().waitForURL('**/journeys?open=look-around&run=r9')
  await page().getByText('look-around passed after 200 ms').waitFor()
  await region('Runs of look-around').getByRole('row').filter({ hasText: 'r9' }).getByText('by hand').waitFor()
  mock.changes['POST /v1/journeys/buy-an-album/runs'] = problem(409, 'probe-running', 'a run of buy-an-album goes on', 'wait for its end')
  await page().getByRole('button', { name: 'Run buy-an-album now' }).click()
  await page().getByRole('alert').getByText('a run of buy-an-album goes on').waitFor()
  await visitor.leave()
})

test('the palette leads from any ID to its story, and on to the span that is to blame', async () => {
  await visitor.go('/services')
  await page().keyboard.press('Control+k')
  await page().keyboard.type('order-7')
  await page().getByText('What happened: order-7').waitFor()
  await page().keyboard.press('Enter')
  await page().waitForURL('**/story/order-7')
  await page().getByText('the business key order.number').waitFor()
  await page().getByText('it failed in finance: charge the card').waitFor()
  const steps = page().locator('.story li')
  await visitor.counts(steps, 5)
  assert.match(await steps.nth(3).innerText(), /^\+2 s\s+handled\s+finance\s+order\.placed failed/)
  await page().getByRole('link', { name: 'Its span' }).click()
  await page().waitForURL(`**/traces/${traceID(0)}?span=000000000000000a`)
  await visitor.leave()
})

test('an ID of which plat knows nothing says so, with the remedy', async () => {
  visitor.expect(/Failed to load resource.*404/)
  mock.answers['/v1/why/nothing-7'] = problem(404, 'no-such-finding', 'plat knows nothing of the ID nothing-7', 'what has just happened needs a second')
  await visitor.go('/story/nothing-7')
  await page().getByRole('alert').getByText('plat knows nothing of the ID nothing-7').waitFor()
  await page().getByText('Remedy: what has just happened needs a second').waitFor()
  await visitor.leave()
})

test('a service tells how its calls are protected, and why a policy acted', async () => {
  await visitor.go('/services/order')
  await page().getByRole('tab', { name: 'Calls' }).click()
  await page().waitForURL('**/services/order?tab=calls')
  const policies = region("Policies of order's calls of catalog")
  const breaker = policies.getByRole('row').filter({ hasText: 'breaker' })
  await breaker.getByText('open for 4s').waitFor()
  await breaker.getByRole('cell', { name: '12 of 20 calls failed', exact: true }).waitFor()
  const sign = (/** @type {string} */ policy) => policies.getByRole('row').filter({ hasText: policy }).locator('.state svg')
  await sign('ejection').and(page().locator('.warn')).waitFor() // catalog-2 is out
  await sign('adaptive').and(page().locator('.warn')).waitFor()
  assert.equal(await sign('bulkhead').count(), 0)
  const described = answer('/v1/services/order/description')
  described.calls[0].policies[2] = { ...described.calls[0].policies[2], state: 'closed, 0 of 20 failed', holds: false }
  mock.tell('services')
  await breaker.getByText('closed').waitFor()
  assert.equal(await sign('breaker').count(), 0)
  const gate = region('What order lets in')
  await gate.getByRole('row').filter({ hasText: 'shedding' }).getByText('64 of 64 inside, 12 wait').waitFor()
  await page().getByText('310 low (queue-full)').waitFor()
  await region('Routes to order').getByRole('row').filter({ hasText: '/api/orders' }).getByText('50 in 1s').waitFor()
  await page().getByRole('link', { name: 'what customers see' }).first().click()
  await page().waitForURL('**/degradation?q=order+catalog')
  await page().getByRole('row').filter({ hasText: 'a prompt 503' }).waitFor()
  await visitor.counts(page().getByRole('row'), 2)
  await visitor.leave()
})

test('what holds something back is on one page, and on the wall', async () => {
  await visitor.go('/policies')
  await page().getByText('4 policies hold something back').waitFor()
  const table = region('Policies')
  const row = (/** @type {string} */ policy) => table.getByRole('row').filter({ has: page().getByRole('cell', { name: policy, exact: true }) })
  await row('ejection').getByText('out: catalog-2').waitFor()
  await row('shedding').getByRole('cell', { name: 'what it lets in', exact: true }).waitFor()
  assert.equal(await row('bulkhead').count(), 0, 'it did nothing')
  await page().getByText('All (10)').click()
  await page().waitForURL('**/policies?show=all')
  await row('bulkhead').waitFor()
  await page().keyboard.press('/')
  await page().keyboard.type('web breaker')
  await row('breaker').getByText('closed').waitFor()
  await visitor.counts(table.getByRole('row'), 2)
  for (const { calls, incoming } of answer('/v1/policies').services) for (const policy of [...incoming, ...calls.flatMap((/** @type {any} */ call) => call.policies)]) policy.holds = false
  await page().getByText('nothing is held back').waitFor()
  await page().keyboard.press('Escape')
  await page().keyboard.press('Escape')
  await table.getByRole('row').filter({ hasText: 'calls of catalog' }).first().getByRole('link', { name: 'order' }).click()
  await page().waitForURL('**/services/order?tab=calls')
  await visitor.go('/')
  await page().getByRole('region', { name: 'Alerts' }).waitFor()
  assert.equal(await region('Held back').count(), 0)
  answer('/v1/policies').services[0].incoming[0].holds = true
  await region('Held back').getByRole('link', { name: 'order: what it lets in' }).waitFor()
  await visitor.leave()
})

test('calls that are done later tell why they wait, are opened, retried and dropped', async () => {
  visitor.expect(/Failed to load resource.*404/) // what was dropped
  await visitor.go('/policies')
  const queues = region('Kept calls')
  await page().getByText('2 calls wait').waitFor()
  await page().getByText('2 dead letters').waitFor()
  const row = queues.getByRole('row').filter({ has: page().getByRole('link', { name: 'order → finance', exact: true }) })
  await row.getByText('no instance in rotation').filter({ visible: true }).waitFor()
  await row.getByText(/^in \d+ s$|^now$/).waitFor()
  await row.first().getByRole('link').click()
  await page().waitForURL('**/policies?kept=order%7Efinance')
  const dead = region('Dead letters of order → finance')
  const waiting = region('Waiting, order → finance')
  await waiting.getByRole('row').filter({ hasText: 'DELETE /payments/7' }).getByText('its story').waitFor()
  assert.equal(await waiting.getByText('refused for good').count(), 0)

  await dead.getByRole('link', { name: 'POST /payments' }).click()
  await page().waitForURL('**call=k3')
  const opened = page().getByRole('dialog', { name: 'POST /payments' })
  await opened.getByText('the currency XXX is not known').waitFor()
  await opened.getByText('••••').waitFor()
  await opened.getByText('"amount": 12').waitFor()
  await opened.getByRole('button', { name: 'Close' }).click()
  await opened.waitFor({ state: 'detached' })

  const dialog = page().getByRole('dialog')
  mock.changes['POST /v1/queues/calls/k3/retry'] = problem(503, 'event-unavailable', 'the store of the kept calls does not answer', 'try again')
  visitor.expect(/Failed to load resource.*503/)
  await dead.getByRole('button', { name: 'Retry POST /payments', exact: true }).click()
  await dialog.getByRole('button', { name: 'Retry' }).click()
  await dialog.getByText('the store of the kept calls does not answer').waitFor()
  mock.changes['POST /v1/queues/calls/k3/retry'] = { status: 204 }
  await dialog.getByRole('button', { name: 'Retry' }).click()
  await page().getByText('1 call retried').waitFor()
  await dialog.waitFor({ state: 'detached' })

  await page().getByRole('button', { name: 'Retry all 2 dead letters' }).click()
  await dialog.getByRole('button', { name: 'Retry' }).click()
  await page().getByText('2 calls retried').waitFor()
  await dialog.waitFor({ state: 'detached' })
  assert.deepEqual(mock.asked.filter(asked => asked.startsWith('POST')), [3, 3, 3, 4].map(n => `POST /v1/queues/calls/k${n}/retry`))

  await dead.getByRole('button', { name: 'Drop POST /payments', exact: true }).click()
  await dialog.getByText('There is no way back').waitFor()
  await dialog.getByRole('button', { name: 'Drop' }).click()
  await page().getByText('1 call dropped').waitFor()
  assert.ok(mock.asked.includes('DELETE /v1/queues/calls/k3'))
  await dialog.waitFor({ state: 'detached' })

  // All was done meanwhile.
  for (const each of answer('/v1/queues').queues) Object.assign(each, { waiting: 0, dead: 0, oldest: undefined, next: undefined, why: undefined })
  await page().getByText('nothing waits', { exact: true }).waitFor()
  await page().getByText('Nothing waits, and nothing was given up.').waitFor()
  await visitor.go('/policies?call=done')
  await page().getByRole('dialog', { name: 'Kept call' }).getByText('done, answered 201').waitFor()
  await visitor.leave()
})

test('without queues the page says how a call is kept, and damage is told', async () => {
  mock.answers['/v1/queues'] = { queues: [], damaged: 2 }
  await visitor.go('/policies')
  await page().getByText('No call is declared with').waitFor()
  await page().getByRole('alert').getByText('2 kept calls cannot be read').waitFor()
  await visitor.inspect('queues-none')
  await visitor.go('/policies?kept=order~nobody')
  await page().getByText('No calls are kept of order → nobody').waitFor()
  await visitor.leave()
})

test('a queue of many calls shows the first of them, and many queues are narrowed', async () => {
  const why = '503 Service Unavailable: ' + 'the-database-of-this-service-is-away '.repeat(8)
  const many = Array.from({ length: 60 }, (_, n) => queue(`caller-with-a-long-name-${n}`, 'finance', { waiting: n % 7 ? 0 : 900 + n, oldest: n % 7 ? undefined : new Date(Date.now() - 3e6).toISOString(), why: n % 7 ? undefined : why }))
  mock.answers['/v1/queues'] = { damaged: 0, queues: [...many, queue('order', 'finance', { waiting: 1_000, oldest: new Date(Date.now() - 9e6).toISOString(), why })] }
  mock.answers['/v1/queues/calls'] = (/** @type {URLSearchParams} */ asked) => {
    assert.equal(asked.get('limit'), '100')
    return { calls: Array.from({ length: 100 }, (_, n) => kept(`n${n}`, { position: n + 1, request: `POST /payments/of/a/very/long/path/${n}/${'x'.repeat(120)}` })), more: 900 }
  }
  await visitor.go('/policies?kept=order~finance')
  await page().getByText('the first 100 of 1,000').waitFor()
  assert.equal(await region('Kept calls').getByRole('row').count(), 62)
  await visitor.inspect('queues-many')
  await page().setViewportSize({ width: 390, height: 900 })
  await visitor.inspect('queues-many-phone')
  await page().setViewportSize({ width: 1440, height: 900 })
  await page().keyboard.press('/')
  await page().keyboard.type('name-49')
  await page().waitForFunction(() => document.querySelectorAll('[role=region][aria-label="Kept calls"] tbody tr').length === 1)
  await visitor.leave()
})

test('a cache tells how it helps, what it keeps, and why', async () => {
  await visitor.go('/')
  await page().keyboard.press('g')
  await page().keyboard.press('c')
  await page().waitForURL('**/cache')
  const cache = region('Cache of public')
  await cache.getByText('15.0 MiB').waitFor()
  await cache.getByText('80.8 %').waitFor() // 3,600 fresh and 180 stale of 4,680
  await cache.locator('.chart-lines').getByText('Passed on, a second').waitFor()
  const kept = region('What is kept')
  await kept.getByRole('row').filter({ hasText: 'sort=newest' }).getByText('stale').waitFor()
  await kept.getByRole('button', { name: 'MC-0001', exact: true }).click()
  await page().waitForURL('**/cache?q=MC-0001')
  await page().waitForFunction(() => document.querySelectorAll('[role=region][aria-label="What is kept"] tbody tr').length === 1)
  await kept.getByRole('link').click()
  await page().waitForURL(/url=.*MC-0001/)
  await page().getByRole('status').getByText('hit: fresh by max-age').waitFor()
  await region('Answers that are kept').getByRole('row').filter({ hasText: 'this one' }).getByText('Accept-Language: de').waitFor()
  await region('Where it may be stuck').getByText('plat cache purge').waitFor()
  Object.assign(answer('/v1/cache/why'), { verdict: 'miss', rule: 'the last answer was not kept: private', variants: [], places: [] })
  await page().getByLabel('URL, as a client uses it').fill('http://127.0.0.1:8000/orders')
  await page().keyboard.press('Enter')
  await page().getByRole('status').getByText('miss: the last answer was not kept: private').waitFor()
  await visitor.leave()
})

test('what is kept is purged by URL and by tag, after a question', async () => {
  visitor.expect(/Failed to load resource.*422/)
  await visitor.go('/cache')
  await page().getByRole('button', { name: /^Purge .*MC-0001$/ }).click()
  const dialog = page().getByRole('dialog')
  await dialog.getByText('albums/MC-0001').waitFor()
  mock.changes['POST /v1/cache/purge'] = problem(422, 'gateway-bad-url', 'this is no URL that a gateway answers', 'write it as plat ps prints it')
  await dialog.getByRole('button', { name: 'Purge' }).click()
  await dialog.getByText('this is no URL that a gateway answers').waitFor()
  mock.changes['POST /v1/cache/purge'] = { body: { purged: 1 } }
  const byURL = page().waitForRequest(asked => asked.method() === 'POST')
  await dialog.getByRole('button', { name: 'Purge' }).click()
  assert.deepEqual((await byURL).postDataJSON(), { url: 'http://127.0.0.1:8000/api/albums/MC-0001' })
  await page().getByText('1 answer purged').waitFor()
  await page().getByRole('button', { name: 'Purge a tag' }).click()
  await dialog.getByLabel('Tag').fill('albums')
  const byTag = page().waitForRequest(asked => asked.method() === 'POST')
  await page().keyboard.press('Tab')
  await dialog.getByRole('button', { name: 'Purge' }).click()
  assert.deepEqual((await byTag).postDataJSON(), { tag: 'albums' })
  await visitor.leave()
})

test('without a cache the page says how to get one', async () => {
  answer('/v1/cache').caches = []
  await visitor.go('/cache')
  await page().getByText('No gateway has a cache').waitFor()
  await visitor.inspect('cache-none')
  await visitor.leave()
})

test('if a dependency dies, the table says what customers see, and what is out of date', async () => {
  await visitor.go('/degradation')
  await page().getByText('1 promise false').waitFor()
  await page().getByText('1 not rehearsed').waitFor()
  const table = region('If it fails, customers see')
  const row = (/** @type {RegExp} */ what) => table.getByRole('row').filter({ hasText: what })
  await row(/no journey leads/).getByText('not rehearsed').waitFor()
  assert.equal(await row(/no journey leads/).getByText('kept').count(), 0)
  assert.match(await row(/nothing of it/).innerText(), /out of date\s+was kept/)
  await row(/500 at the step basket/).getByRole('link', { name: 'warehouse' }).click()
  await page().waitForURL('**/degradation?open=order%7Ewarehouse')
  await page().getByText('keep the last answer in order, or promise fail').waitFor()
  await region('Customers while it does not answer').getByText('was stopped').waitFor()
  await page().reload()
  await region('Customers while it does not answer').getByText('status 500, want 200').waitFor()
  await page().getByRole('combobox', { name: 'Verdict' }).click()
  await page().getByRole('option', { name: 'stale' }).click()
  await page().waitForURL('**verdict=stale**')
  await row(/500 at the step basket/).waitFor({ state: 'detached' })
  await visitor.counts(table.getByRole('row'), 2)
  await visitor.leave()
})

test('a rehearsal is begun for some callers, watched, refused and stopped', async () => {
  visitor.expect(/Failed to load resource.*409/)
  await visitor.go('/degradation')
  await page().getByRole('button', { name: 'Rehearse' }).click()
  const dialog = page().getByRole('dialog')
  mock.changes['POST /v1/rehearsal'] = problem(409, 'chaos-running', 'an experiment runs already', 'wait for its end, or stop it')
  await dialog.getByRole('combobox', { name: 'Callers' }).click()
  await page().getByRole('option', { name: 'web' }).click()
  await page().keyboard.press('Escape')
  await visitor.inspect('rehearsing')
  const request = page().waitForRequest(asked => asked.method() === 'POST')
  await dialog.getByRole('button', { name: 'Rehearse' }).click()
  assert.deepEqual((await request).postDataJSON(), { services: ['web'] })
  await dialog.getByText('an experiment runs already').waitFor()
  mock.changes['POST /v1/rehearsal'] = { status: 202 }
  Object.assign(answer('/v1/rehearsal'), { state: 'running', now: 'catalog answers 503 to web', done: 3, total: 12 })
  await dialog.getByRole('button', { name: 'Rehearse' }).click()
  await page().getByText('3 of 12 failures played').waitFor()
  await page().getByText('catalog answers 503 to web').waitFor()
  Object.assign(answer('/v1/rehearsal'), { state: 'stopped' })
  mock.changes['POST /v1/chaos/stop'] = { status: 202 }
  await page().getByRole('button', { name: 'Stop' }).click()
  await page().getByText('was stopped before its end').waitFor()
  assert.ok(mock.asked.includes('POST /v1/chaos/stop'))
  await visitor.leave()
})

test('experiments tell what fails, what did not hold and the evidence', async () => {
  await visitor.go('/experiments')
  await page().getByText('experiments run by themselves').waitFor()
  await page().getByText('unknown key fault').waitFor()
  const known = region('Experiments').getByRole('row').filter({ hasText: 'slow-catalogue' })
  await known.getByText('latency 2 s of catalog asked by web for 50 % of the requests for test customers alone').waitFor()
  await known.getByText('customers hurt').waitFor()
  await page().getByText('35 of 640 requests at the entrances failed (5.5 %)').waitFor()
  await page().getByText('played 212 times').waitFor()
  await region('Journeys during slow-catalogue').getByText('album: status 504, want 200').waitFor()
  await region('Reports').getByRole('link', { name: 'killed-order' }).click()
  await page().waitForURL('**/experiments?run=killed-order-1')
  await page().getByText(/^kill order-1/).waitFor()
  await page().reload()
  await page().getByRole('heading', { name: 'Report of killed-order' }).waitFor()
  await visitor.leave()
})

test('an experiment is run, refused, watched and stopped', async () => {
  visitor.expect(/Failed to load resource.*409/)
  await visitor.go('/experiments')
  mock.changes['POST /v1/chaos/runs'] = problem(409, 'chaos-running', 'a rehearsal runs already', 'wait for its end, or stop it')
  await page().getByRole('button', { name: 'Run killed-order' }).click()
  const dialog = page().getByRole('dialog')
  const request = page().waitForRequest(asked => asked.method() === 'POST')
  await dialog.getByRole('button', { name: 'Run', exact: true }).click()
  assert.deepEqual((await request).postDataJSON(), { name: 'killed-order' })
  await dialog.getByText('a rehearsal runs already').waitFor()
  await visitor.inspect('experiment-refused')
  const all = answer('/v1/chaos')
  const { experiment } = all.reports[1]
  all.reports.unshift({ id: 'killed-order-2', experiment, state: 'running', phase: 'during', started: new Date().toISOString(), injected: new Date().toISOString(), answers: { all: 0, bad: 0 }, played: {}, journeys: [] })
  mock.changes['POST /v1/chaos/runs'] = { status: 202, body: { id: 'killed-order-2' } }
  await dialog.getByRole('button', { name: 'Run', exact: true }).click()
  await page().waitForURL('**/experiments?run=killed-order-2')
  await page().getByRole('heading', { name: 'Report of killed-order' }).waitFor()
  await region('Reports').getByText('lets things fail').waitFor()
  assert.ok(await page().getByRole('button', { name: 'Run slow-catalogue' }).isDisabled(), 'one at a time')
  Object.assign(all.reports[0], { state: 'stopped', phase: undefined, verdict: 'unclear', ended: new Date().toISOString() })
  mock.changes['POST /v1/chaos/stop'] = { status: 202 }
  await page().getByRole('button', { name: 'Stop killed-order' }).click()
  await region('Reports').getByText('unclear, stopped early').waitFor()
  assert.ok(mock.asked.includes('POST /v1/chaos/stop'))
  await visitor.leave()
})
