// What a person does with the console, against a control API that answers what
// the story needs.
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { Mock, problem } from './mock.js'
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
afterEach(async () => {
  await mock.stop()
})

/** @param {string} path */
const answer = path => /** @type {any} */ (mock.answers[path])
const page = () => visitor.page
/** @type {(name: string) => import('playwright-core').Locator} */
const row = name => page().getByRole('row').filter({ has: page().getByRole('link', { name, exact: true }) })

test('services are filtered, sorted and kept in the URL', async () => {
  await visitor.go('/services')
  await visitor.counts(page().getByRole('row'), 9)
  await page().keyboard.press('/')
  await page().keyboard.type('ordering degraded')
  await page().waitForURL('**/services?q=ordering+degraded')
  await visitor.counts(page().getByRole('row'), 2)
  await page().keyboard.press('Escape')
  await page().getByRole('button', { name: 'Restarts' }).click()
  await page().getByRole('button', { name: 'Restarts' }).click()
  await page().waitForURL('**/services?sort=-restarts')
  await page().reload()
  await visitor.settled()
  assert.match(await page().getByRole('row').nth(1).innerText(), /^order\b/)
  await page().getByRole('combobox', { name: 'Owner' }).click()
  await page().getByRole('option', { name: 'finance' }).click()
  await page().waitForURL('**owner=finance**')
  await visitor.counts(page().getByRole('row'), 2)
  await visitor.leave()
})

test('the error badge leads to the lines', async () => {
  await visitor.go('/services')
  await row('customer').getByRole('link', { name: '4 errors' }).click()
  await page().waitForURL('**/logs?service=customer&severity=ERROR')
  await page().getByText('No log record fits in this time.').waitFor() // customer sends mails alone, there
  await visitor.leave()
})

test('a change is seen without asking', async () => {
  await visitor.go('/services')
  await page().getByText('Live', { exact: true }).waitFor()
  answer('/v1/services').services[2].state = 'ready'
  mock.tell('services')
  await row('finance').getByText('ready', { exact: true }).waitFor()
  await visitor.leave()
})

test('while plat is gone the page says so, and comes back by itself', async () => {
  visitor.expect(/Failed to load resource/)
  await visitor.go('/services')
  await page().getByText('Live', { exact: true }).waitFor()
  const { port } = new URL(mock.base)
  await mock.stop()
  await page().getByRole('alert').filter({ hasText: 'plat does not answer' }).waitFor()
  await page().getByText('Not connected').waitFor()
  await visitor.counts(page().getByRole('row'), 9, 'what was known is still shown')
  mock = await Mock.start(base, Number(port))
  answer('/v1/services').services.pop()
  await page().getByText('Live', { exact: true }).waitFor()
  await row('web').waitFor({ state: 'detached' })
  await visitor.leave()
})

test('a browser without a session is told how to get one', async () => {
  visitor.expect(/Failed to load resource.*401/)
  for (const path of Object.keys(mock.answers)) mock.answers[path] = problem(401, 'unauthorized', 'the request has no bearer token')
  await page().goto('/services/order')
  await page().getByRole('heading', { name: 'This console needs a key' }).waitFor()
  await page().getByText('plat console', { exact: true }).waitFor()
  await visitor.inspect('needs-key')
  await visitor.leave()
})

test('a refused plan is announced on every page', async () => {
  answer('/v1/system').plan = { state: 'refused', since: new Date().toISOString(), findings: [{ code: 'plan-unknown-field', severity: 'error', file: 'services/order/service.yaml', line: 9, column: 3, what: 'unknown key consume', expected: 'consumes', remedy: 'write consumes' }] }
  await visitor.go('/mail')
  const banner = page().getByRole('alert').filter({ hasText: 'the last good plan stays live' })
  await banner.getByText('services/order/service.yaml:9:3').waitFor()
  await banner.getByRole('link', { name: '1 finding' }).click()
  await page().waitForURL('**/plan')
  await page().getByText('Remedy: write consumes').waitFor()
  await visitor.inspect('plan-refused')
  await visitor.leave()
})

test('a restart that fails shows what plat says', async () => {
  visitor.expect(/Failed to load resource.*500/)
  mock.changes['POST /v1/services/order/restart'] = problem(500, 'run-build-failed', 'order does not build', 'mend the program')
  await visitor.go('/services/order')
  await page().getByRole('button', { name: 'Restart' }).click()
  const dialog = page().getByRole('dialog')
  await dialog.getByRole('button', { name: 'Restart' }).click()
  await dialog.getByText('order does not build').waitFor()
  await dialog.getByText('Remedy: mend the program').waitFor()
  await dialog.getByText('plat explain run-build-failed').waitFor()
  await visitor.inspect('restart-failed')
  delete mock.changes['POST /v1/services/order/restart']
  await dialog.getByRole('button', { name: 'Restart' }).click()
  await page().getByText('order is restarted').waitFor()
  await visitor.leave()
})

test('a service is scaled', async () => {
  await visitor.go('/services/order')
  await page().getByRole('button', { name: 'Scale' }).click()
  const dialog = page().getByRole('dialog')
  await dialog.getByRole('textbox', { name: 'Instances' }).fill('101')
  await dialog.getByText('A number from 0 to 100').waitFor()
  await dialog.getByRole('textbox', { name: 'Instances' }).fill('3')
  const request = page().waitForRequest(asked => asked.method() === 'POST')
  await dialog.getByRole('button', { name: 'Scale' }).click()
  assert.deepEqual((await request).postDataJSON(), { instances: 3 })
  await page().getByText('order has 3 instances').waitFor()
  await visitor.leave()
})

test('log lines are followed, paused, opened and bounded', async () => {
  await visitor.go('/services/order?tab=logs')
  await page().locator('.log-line').filter({ hasText: 'payment refused' }).waitFor()
  await visitor.counts(page().locator('.log-line'), 2)
  await page().locator('.log-line').filter({ hasText: 'payment refused' }).getByRole('button', { name: 'All fields' }).click()
  await page().getByText('"correlation_id": "5f2d0c1e"').waitFor()
  await page().getByRole('button', { name: 'Pause' }).click()
  mock.say('order', 'said while paused')
  await page().getByText('paused', { exact: true }).waitFor()
  assert.equal(await page().getByText('said while paused').count(), 0)
  await page().getByRole('button', { name: 'Go on' }).click()
  await page().getByText('said while paused').waitFor()
  for (let i = 0; i < 6000; i++) mock.say('order', `line ${i}`)
  await page().getByText('1,003 older lines dropped').waitFor()
  await page().getByText('line 5999', { exact: true }).waitFor()
  const shown = await page().locator('.log-line').count()
  assert.ok(shown < 150, `${shown} lines are in the page`)
  await visitor.leave()
})

test('the keyboard leads everywhere', async () => {
  await visitor.go('/services')
  for (const [keys, where] of /** @type {const} */ ([['go', '/'], ['gm', '/map'], ['gt', '/traces'], ['gl', '/logs'], ['gx', '/metrics'], ['gw', '/alerts'], ['gj', '/journeys'], ['gd', '/degradation'], ['gk', '/experiments'], ['ge', '/events'], ['gb', '/mail'], ['ga', '/apis'], ['gp', '/plan'], ['gs', '/services']])) {
    for (const key of keys) await page().keyboard.press(key)
    await page().waitForURL(`**${where}`)
  }
  await page().keyboard.press('?')
  await page().getByRole('dialog').getByText('Go to anything').waitFor()
  await visitor.inspect('keys')
  await page().keyboard.press('Escape')
  await page().keyboard.press('Control+k')
  await page().keyboard.type('warehouse') // at once
  assert.equal(await page().getByPlaceholder('Go to a page, a service, or an ID').inputValue(), 'warehouse')
  await page().getByText('Logs of warehouse').waitFor()
  await visitor.inspect('palette')
  await page().keyboard.press('Enter')
  await page().waitForURL('**/services/warehouse')
  await page().keyboard.press('Tab')
  await visitor.leave()
})

test('what follows Ctrl K at once is written into the palette', async () => {
  await visitor.go('/services')
  const focused = await page().evaluate(() => {
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', code: 'KeyK', ctrlKey: true, bubbles: true, cancelable: true }))
    return document.activeElement?.getAttribute('aria-label') // in the same task
  })
  assert.equal(focused, 'Go to a page, a service, or an ID')
  await page().keyboard.press('Escape')
  await page().getByPlaceholder('Go to a page, a service, or an ID').waitFor({ state: 'detached' })
  await page().getByRole('button', { name: 'Go to anything' }).click()
  await page().keyboard.type('fin')
  assert.equal(await page().getByPlaceholder('Go to a page, a service, or an ID').inputValue(), 'fin')
  await visitor.leave()
})

test('the plan tells files from what runs', async () => {
  answer('/v1/system').plan.findings = []
  await visitor.go('/plan')
  const part = (/** @type {string} */ name) => page().locator('section').filter({ has: page().getByRole('heading', { name, exact: true }) })
  await part('Files').getByText('The files have no errors and no warnings.').waitFor()
  await part('Running').getByText('1 error, 1 warning').waitFor()
  assert.match(await part('Running').locator('.fault').first().innerText(), /warehouse does not build/)
  assert.match(await part('Running').locator('.fault').last().innerText(), /limits are not enforced/)
  answer('/v1/system').plan.findings = [{ code: 'plan-unused-owner', severity: 'warning', what: 'nobody is owned by marketing' }, { code: 'plan-unknown-field', severity: 'error', what: 'unknown key consume' }]
  answer('/v1/system').warnings = []
  for (const service of answer('/v1/services').services) delete service.fault
  mock.tell('plan', 'services')
  await part('Files').getByText('1 error, 1 warning').waitFor()
  assert.match(await part('Files').locator('.fault').first().innerText(), /unknown key consume/)
  await part('Running').getByText('What runs has no errors and no warnings.').waitFor()
  await visitor.leave()
})

test('a subscription without a delivery since the start says so', async () => {
  answer('/v1/events').consumers[0].active = undefined
  await visitor.go('/events')
  await page().getByRole('row').filter({ hasText: 'finance' }).getByText('not since plat started').waitFor()
  await visitor.leave()
})

test('a mail runs no script and loads nothing', async () => {
  visitor.expect(/tracker\.example.*Content Security Policy/)
  visitor.expect(/inline style violates.*MailView/) // its styles, while they are read
  await visitor.go('/mail')
  await page().getByRole('link', { name: 'Welcome to MusicCorp' }).click()
  await page().waitForURL('**/mail/m2')
  const frame = page().frameLocator('iframe.mail')
  await frame.getByRole('heading', { name: 'Welcome, Ada' }).waitFor()
  assert.equal(await frame.getByRole('heading').evaluate(node => getComputedStyle(node).color), 'rgb(24, 100, 171)', 'its own styles hold')
  assert.notEqual(await page().title(), 'taken over')
  assert.equal(await page().locator('iframe.mail').getAttribute('sandbox'), '')
  await page().getByRole('tab', { name: 'Source' }).click()
  await page().getByText('Subject: Welcome to MusicCorp').waitFor()
  await visitor.leave()
})

test('the mailbox is cleared', async () => {
  await visitor.go('/mail')
  await page().getByRole('button', { name: 'Clear' }).click()
  mock.answers['/v1/mail'] = { mails: [], dropped: 0 }
  await page().getByRole('dialog').getByRole('button', { name: 'Clear' }).click()
  await page().getByText('No service has sent a mail').waitFor()
  assert.ok(mock.asked.includes('DELETE /v1/mail'))
  await visitor.leave()
})

test('an API is tried through plat', async () => {
  await visitor.go('/apis')
  await page().getByRole('link', { name: 'catalog' }).click()
  await page().locator('.opblock-summary-control').first().click()
  await page().getByRole('button', { name: 'Try it out' }).click()
  await page().getByRole('button', { name: 'Execute' }).click()
  await page().getByText('Kind of Blue').first().waitFor()
  assert.ok(mock.asked.includes('GET /v1/services/catalog/http/albums'))
  await visitor.leave()
})

test('a dead letter, a finding and a declaration have their own addresses', async () => {
  await visitor.go('/events')
  await page().getByRole('button', { name: /order.placed/ }).click()
  await page().waitForURL('**/events?dead=1')
  await page().getByText('"currency": "XXX"').waitFor()
  await visitor.go('/plan?service=order')
  await page().getByText('"service": "order"').waitFor()
  await page().getByRole('link', { name: 'order calls legacy' }).click()
  await page().waitForURL('**/findings/undeclared-order-legacy')
  await page().getByText('plat plan add order consumes legacy').waitFor()
  await page().getByText('plat why 01J9Z2').waitFor()
  await visitor.leave()
})

test('an error is shown with its remedy, and asked again', async () => {
  visitor.expect(/Failed to load resource.*50[03]/)
  const good = mock.answers['/v1/events']
  mock.answers['/v1/events'] = problem(500, 'event-store-unreachable', 'the event store does not answer', 'plat doctor looks at it')
  await visitor.go('/events')
  await page().getByRole('alert').getByText('the event store does not answer').waitFor()
  await page().getByText('Remedy: plat doctor looks at it').waitFor()
  mock.answers['/v1/events'] = good
  await page().getByRole('button', { name: 'Try again' }).click()
  await page().getByRole('heading', { name: 'Subscriptions' }).waitFor()
  await visitor.leave()
})

test('an empty system is explained', async () => {
  answer('/v1/services').services = null
  mock.answers['/v1/events'] = { streams: null, consumers: null, deadLetters: null, dead: 0, orphans: null, violations: null, faults: null }
  mock.answers['/v1/mail'] = { mails: null, dropped: 0 }
  mock.answers['/v1/map'] = { since: new Date().toISOString(), nodes: null, edges: null }
  mock.answers['/v1/findings'] = { findings: null }
  for (const [where, text] of [['/services', 'The plan has no services'], ['/events', 'No service publishes events'], ['/mail', 'No service has sent a mail'], ['/map', 'The plan has no services yet'], ['/apis', 'No service has an OpenAPI document'], ['/plan', 'What was seen is what the plan declares']]) {
    await visitor.go(String(where))
    await page().getByText(String(text)).waitFor()
  }
  await visitor.leave()
})

test('the first page is small', async () => {
  await visitor.leave()
  visitor = await Visitor.arrive(browser, base)
  visitor.expect(/Failed to load resource|EventSource|MIME/) // no control API there, or no session
  await page().goto('/services')
  await page().locator('h1').waitFor()
  const bytes = await page().evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.js')).map(entry => /** @type {PerformanceResourceTiming} */ (entry).encodedBodySize))
  const total = bytes.reduce((sum, size) => sum + size, 0)
  assert.ok(total > 50_000 && total <= 400_000, `${total} bytes of script`)
  await visitor.leave()
})
