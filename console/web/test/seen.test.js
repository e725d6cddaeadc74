// Traces and log records as a person looks at them: large, and fluent all the
// same.
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { Mock, problem } from './mock.js'
import { trace, traceID } from './telemetry.js'
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
const address = () => new URL(page().url())

// fluent is the longest middle frame, in milliseconds, on the slowest machine
// that runs the tests; without windowing it would be seconds.
const fluent = 1_000

// pace is the middle length of a frame, in milliseconds, while something is
// done: single slow ones may be the machine's.
/** @type {(what: () => Promise<void>) => Promise<number>} */
async function pace(what) {
  await page().evaluate(() => {
    const seen = /** @type {any} */ (globalThis)
    seen.frames = []
    let last = performance.now()
    const tick = (/** @type {number} */ now) => {
      seen.frames?.push(now - last)
      last = now
      if (seen.frames) requestAnimationFrame(tick)
    }
    requestAnimationFrame(tick)
  })
  await what()
  return page().evaluate(() => {
    const seen = /** @type {any} */ (globalThis)
    const frames = seen.frames.sort((/** @type {number} */ a, /** @type {number} */ b) => a - b)
    seen.frames = undefined
    return frames[Math.floor(frames.length / 2)]
  })
}

test('traces are searched, seen at a glance and opened by key', async () => {
  await visitor.go('/traces')
  await page().getByText('60 traces, the newest first').waitFor()
  await visitor.counts(page().locator('.scatter .dot'), 60)
  await page().getByRole('checkbox', { name: 'With errors' }).check()
  await page().waitForURL('**/traces?error=true')
  await page().getByText('6 traces, the newest first').waitFor()
  await page().keyboard.press('j')
  await page().keyboard.press('j')
  await page().waitForFunction(() => new URLSearchParams(location.search).has('row'))
  await page().keyboard.press('Enter')
  await page().waitForURL(`**/traces/${traceID(14)}*`)
  await visitor.go('/traces')
  await page().keyboard.press('/')
  await page().keyboard.type(traceID(0))
  await page().keyboard.press('Enter')
  await page().waitForURL(`**/traces/${traceID(0)}*`)
  await page().getByRole('heading', { name: 'web: POST /orders' }).waitFor()
  visitor.expect(/404/)
  await visitor.leave()
})

test('a trace of 5,000 spans is walked by key, closed, searched and measured', async () => {
  mock.answers[`/v1/traces/${traceID(0)}`] = trace(5_000)
  await visitor.go(`/traces/${traceID(0)}`)
  const rows = page().getByRole('treeitem')
  await rows.first().waitFor()
  assert.ok((await rows.count()) < 80, 'only the rows that are seen are in the page')
  await page().getByText('5,002 rows of 5,000 spans').waitFor()
  const middle = await pace(async () => {
    await page().getByRole('tree').hover()
    for (let i = 0; i < 40; i++) await page().mouse.wheel(0, 1_500)
    await page().locator('#row-0').waitFor({ state: 'detached' })
  })
  assert.ok(middle < fluent, `a frame takes ${middle} ms while scrolling`)
  await page().waitForFunction(() => { // the wheel rolls out
    const seen = /** @type {any} */ (globalThis)
    const { scrollTop } = /** @type {Element} */ (document.querySelector('[role=tree]'))
    const still = seen.lastTop === scrollTop
    seen.lastTop = scrollTop
    return still
  }, undefined, { polling: 250 })
  await page().keyboard.press('e') // the next error, at the very end
  await page().getByRole('complementary', { name: 'Span' }).getByText('the card was refused').waitFor()
  assert.equal(address().searchParams.get('span'), (5_000).toString(16).padStart(16, '0'))
  await page().locator('[role=treeitem][aria-selected=true]').filter({ hasText: 'operation 4999' }).waitFor()
  await page().keyboard.press('ArrowLeft') // to its parent, which is closed by the next
  await page().keyboard.press('ArrowLeft')
  await page().locator('[role=treeitem][aria-selected=true][aria-expanded=false]').waitFor()
  await page().getByRole('searchbox').fill('operation 4321')
  await page().getByText('1 span (n, N)').waitFor()
  await page().keyboard.press('Escape')
  await page().getByRole('button', { name: 'Open all' }).click()
  await page().getByText('Critical path').click()
  await page().getByText('3 rows of 5,000 spans').waitFor()
  await page().reload()
  await page().getByText('3 rows of 5,000 spans').waitFor()
  await visitor.leave()
})

test('a trace shows its log records where they were written, and leads to them', async () => {
  await visitor.go(`/traces/${traceID(0)}`)
  await page().getByRole('treeitem').filter({ hasText: 'payment refused: the card was refused' }).click()
  await page().getByRole('complementary', { name: 'Span' }).getByText('payment refused').waitFor()
  await page().getByRole('link', { name: '2 log records' }).click()
  await page().waitForURL(/\/logs\?.*trace=/)
  assert.equal(address().searchParams.get('trace'), traceID(0))
  await page().locator('.log-line').first().getByRole('button', { name: 'All of this record' }).click()
  await page().getByRole('link', { name: 'Its trace' }).click()
  await page().waitForURL(`**/traces/${traceID(0)}?**`)
  assert.equal(address().searchParams.get('span'), '0000000000000001')
  await visitor.leave()
})

test('a million log records are paged, narrowed and kept fluent', async () => {
  await visitor.go('/logs')
  await page().getByText('500 records here of 1,000,000').waitFor()
  const list = page().getByRole('region', { name: 'Log records' })
  const middle = await pace(async () => {
    await list.hover()
    for (let i = 0; i < 60; i++) await page().mouse.wheel(0, 1_200)
    await page().getByText(/[1-9],[05]00 records here of 1,000,000/).waitFor()
  })
  assert.ok(middle < fluent, `a frame takes ${middle} ms while scrolling`)
  assert.ok((await page().locator('.log-line').count()) < 150, 'only the rows that are seen are in the page')
  await page().getByRole('button', { name: /^order-1/ }).click()
  await page().waitForURL('**where=service.instance.id%3Dorder-1')
  await page().locator('.log-line').filter({ hasText: 'web-1' }).first().waitFor({ state: 'detached' })
  await page().locator('.log-line').filter({ hasText: 'order placed' }).first().waitFor()
  await page().getByRole('button', { name: /^order-1/ }).click()
  await page().getByRole('button', { name: /^finance/ }).click()
  await page().waitForURL('**service=finance')
  await page().locator('.log-line').filter({ hasText: 'web-1' }).waitFor({ state: 'detached' })
  await page().getByRole('button', { name: /^ERROR/ }).click()
  await page().getByText('No log record fits in this time.').waitFor() // finance writes warnings alone
  await page().getByRole('combobox', { name: 'Severity' }).click()
  await page().getByRole('option', { name: 'Warnings and worse' }).click()
  await page().locator('.log-line').filter({ hasText: 'stock is low' }).first().waitFor()
  await page().keyboard.press('Escape')
  await page().getByRole('heading', { name: 'Logs' }).click()
  await page().keyboard.press('j')
  await page().keyboard.press('Enter')
  await page().getByRole('button', { name: 'Only order=3', exact: true }).click()
  await page().waitForURL('**where=order%3D3')
  await page().getByText('1 record here').waitFor()
  await page().getByRole('button', { name: 'Without order=3' }).click()
  await page().getByText('500 records here').waitFor()
  await visitor.leave()
})

test('time is drawn over, moved by key and kept from page to page', async () => {
  await visitor.go('/logs')
  const box = await page().locator('.histogram .brush').boundingBox()
  assert.ok(box)
  await page().mouse.move(box.x + box.width * 0.5, box.y + 20)
  await page().mouse.down()
  await page().mouse.move(box.x + box.width * 0.75, box.y + 20, { steps: 4 })
  await page().mouse.up()
  await page().waitForFunction(() => new URLSearchParams(location.search).has('to'))
  const narrowed = address().searchParams
  const length = (/** @type {URLSearchParams} */ of) => Date.parse(of.get('to') ?? '') - Date.parse(of.get('from') ?? '')
  assert.ok(Math.abs(length(narrowed) - 225_000) < 5_000, `${length(narrowed)} ms of 900,000`)
  await page().keyboard.press('[')
  await page().waitForFunction(from => new URLSearchParams(location.search).get('from') !== from, narrowed.get('from'))
  const earlier = address().searchParams
  assert.ok(Date.parse(earlier.get('from') ?? '') < Date.parse(narrowed.get('from') ?? ''))
  await page().keyboard.press('g')
  await page().keyboard.press('t')
  await page().waitForURL('**/traces?**')
  assert.equal(address().searchParams.get('from'), earlier.get('from'))
  await page().getByRole('button', { name: /^Time/ }).click()
  await page().getByRole('button', { name: 'Last hour' }).click()
  await page().waitForURL('**/traces?from=1h')
  await visitor.leave()
})

test('log records are followed as they come', async () => {
  await visitor.go('/logs')
  await page().getByRole('button', { name: 'Follow' }).click()
  await page().getByText('following', { exact: true }).waitFor()
  mock.record({ time: new Date().toISOString(), service: 'order', severity: 'ERROR', body: 'said just now' })
  await page().locator('.log-line').first().filter({ hasText: 'said just now' }).waitFor()
  for (let i = 0; i < 6_000; i++) mock.record({ time: new Date().toISOString(), service: 'order', body: `record ${i}` })
  await page().getByText('1,001 records dropped').waitFor()
  await page().getByRole('button', { name: 'Stop following' }).click()
  await visitor.leave()
})

test('a plat that keeps no telemetry says so, and follows the log files', async () => {
  visitor.expect(/Failed to load resource.*404/)
  for (const path of ['/v1/traces', '/v1/logs/search', '/v1/logs/overview']) delete mock.answers[path]
  await visitor.go('/traces')
  await page().getByText('This plat does not have traces.').waitFor()
  await visitor.go('/logs')
  await page().getByText('This plat does not search log records').waitFor()
  await page().locator('.log-line').filter({ hasText: 'payment refused' }).waitFor()
  await visitor.counts(page().locator('.log-line'), 4)
  await page().getByRole('searchbox').fill('refused')
  await page().getByText('1 line of 4').waitFor()
  await visitor.leave()
})

test('what the store says is shown at its place', async () => {
  visitor.expect(/Failed to load resource.*400/)
  mock.answers['/v1/traces'] = problem(400, 'telemetry-question', 'min is not a duration', 'write 100ms, or 2s')
  await visitor.go('/traces')
  await page().getByRole('alert').getByText('min is not a duration').waitFor()
  await page().getByText('Remedy: write 100ms, or 2s').waitFor()
  await visitor.leave()
})

test('metrics are asked for, completed, compared and refused at their place', async () => {
  visitor.expect(/Failed to load resource.*400/)
  await visitor.go('/metrics')
  await page().keyboard.press('/')
  await page().keyboard.type('plat_requests_t')
  await page().getByRole('option', { name: /plat_requests_total.*Requests that were answered/ }).waitFor()
  await page().keyboard.press('Tab')
  assert.equal(await page().getByRole('textbox', { name: 'Expression' }).inputValue(), 'plat_requests_total')
  await page().keyboard.press('Enter')
  await page().waitForURL('**expr=plat_requests_total')
  await page().locator('.chart canvas').waitFor()
  await visitor.counts(page().locator('.chart-lines li'), 6)
  await page().getByRole('button', { name: 'Another expression' }).click()
  await page().getByRole('textbox', { name: 'Expression' }).nth(1).fill('rate(]')
  await page().keyboard.press('Enter')
  await page().getByRole('alert').getByText('1:6: parse error').waitFor()
  assert.equal(await page().locator('.refusal mark').innerText(), ']')
  await page().getByText('Table').click()
  await page().getByRole('row').filter({ hasText: 'service="finance"' }).waitFor()
  await page().reload()
  await page().getByRole('row').filter({ hasText: 'service="finance"' }).waitFor()
  await visitor.leave()
})

test('the wall says what is wrong, whose it is, and never that all is well without data', async () => {
  visitor.expect(/Failed to load resource/)
  await visitor.go('/')
  const verdict = page().locator('.wall-verdict')
  await verdict.getByText('1 alert firing, 2 services beyond objective, 1 journey fails').waitFor()
  const gateway = page().getByRole('region', { name: 'Gateway public' })
  await gateway.getByText('near the limit, web: at most 0.5 %').waitFor()
  await gateway.getByText('within objective, web: at most 300 ms').waitFor()
  const alerts = page().getByRole('region', { name: 'Alerts' })
  await alerts.getByText('owner: finance').waitFor()
  await page().getByRole('region', { name: 'Worst services' }).getByRole('row').nth(1).filter({ hasText: 'finance' }).waitFor()
  await page().getByRole('region', { name: 'Journeys' }).getByText('pay: status 503, want 200').waitFor()
  mock.answers['/v1/alerts'] = { alerts: [], deliveries: [] }
  mock.answers['/v1/objectives'] = { objectives: [] }
  mock.answers['/v1/journeys'] = { journeys: [] }
  const { services } = /** @type {{ services: import('../src/api/types').Service[] }} */ (mock.answers['/v1/services'])
  for (const service of services) service.state = 'ready'
  mock.tell('services')
  await verdict.getByText('All is well').waitFor()
  const query = mock.answers['/prometheus/api/v1/query']
  mock.answers['/prometheus/api/v1/query'] = problem(500, 'telemetry-disk-full', 'nothing is kept now')
  await verdict.getByText('Not known: metrics missing').waitFor()
  mock.answers['/prometheus/api/v1/query'] = (/** @type {URLSearchParams} */ asked) => {
    if (!asked.get('query')?.startsWith('time()')) return /** @type {(asked: URLSearchParams) => unknown} */ (query)(asked)
    return { status: 'success', data: { resultType: 'vector', result: [{ metric: {}, value: [0, '95'] }] } }
  }
  await verdict.getByText(/Not known: the figures are \d+ s old/).waitFor()
  await visitor.leave()
})

test('an alert leads to its traces, and is silenced with a reason', async () => {
  await visitor.go('/')
  await page().getByRole('link', { name: 'finance: TooSlow' }).click()
  await page().waitForURL('**/alerts?open=a1')
  await page().getByText('In the last 1m 46 of 50 requests took longer').waitFor()
  await page().getByText('plat explain TooSlow').waitFor()
  assert.deepEqual(await page().getByRole('list', { name: 'Windows that show it' }).getByRole('listitem').allInnerTexts(), ['1m: 92 % bad, page', '1h: 20 % bad, ticket, still holds what is over'])
  await page().getByRole('button', { name: 'Silence' }).first().click()
  const dialog = page().getByRole('dialog')
  await dialog.getByLabel('Reason').fill('finance knows')
  await dialog.getByLabel('Who answers for it').fill('ada')
  await visitor.inspect('silencing')
  const request = page().waitForRequest(asked => asked.method() === 'POST')
  await dialog.getByRole('button', { name: 'Silence' }).click()
  const { ends, ...asked } = (await request).postDataJSON()
  assert.deepEqual(asked, { alert: 'a1', by: 'ada', reason: 'finance knows' })
  assert.ok(Math.abs(Date.parse(ends) - Date.now() - 3_600_000) < 60_000)
  await page().getByText('TooSlow is silenced').waitFor()
  await page().getByRole('link', { name: 'Example traces' }).click()
  await page().waitForURL('**/traces?service=finance&min=300ms&from=**')
  await visitor.leave()
})

test('a service shows what it does and what it promised', async () => {
  await visitor.go('/services')
  await page().getByRole('row').filter({ hasText: 'finance' }).getByText('8 %').waitFor()
  await page().getByRole('button', { name: 'Failed' }).click()
  await page().getByRole('button', { name: 'Failed' }).click()
  await page().waitForURL('**/services?sort=-failed')
  assert.match(await page().getByRole('row').nth(1).innerText(), /^finance/)
  await visitor.go('/services/order')
  await page().getByText('99.9 % without errors').waitFor()
  await page().getByText('10 %, burning').waitFor()
  await page().getByRole('link', { name: '95 of 100 within' }).click()
  await page().waitForURL('**/metrics?expr=histogram_quantile**')
  await visitor.leave()
})

test('the map has the red edge, with its figures and its traces', async () => {
  await visitor.go('/map?focus=order')
  await page().locator('.react-flow__edge.line-bad').getByText('12 % errors').waitFor()
  await page().locator('.react-flow__edge.line-bad .react-flow__edge-interaction').dispatchEvent('click')
  await page().waitForURL('**edge=order%7Efinance')
  await page().locator('.react-flow__edge.line-bad').getByText('3/s, 12 % errors, p95 2.4 s').waitFor()
  await page().getByRole('link', { name: 'with errors' }).click()
  await page().waitForURL('**/traces?service=finance&error=true')
  await visitor.leave()
})
