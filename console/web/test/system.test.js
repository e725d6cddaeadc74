// The console of a plat that runs MusicCorp, as its user sees it. SESSION_URL
// is the address that opens it once (plat console prints it).
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Load, plat, slowDown, until } from './slow.js'
import { base, launch, Visitor } from './visitor.js'

/** @import { Alert } from '../src/api/objectives' */
/** @import { System } from '../src/api/types' */

const session = process.env.SESSION_URL
const skip = session ? false : 'SESSION_URL is not set'

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Visitor} */
let visitor
before(async () => {
  if (skip) return
  browser = await launch()
  visitor = await Visitor.arrive(browser, base, { viewport: { width: 1280, height: 800 } })
})
after(() => browser?.close())

const page = () => visitor.page

// shows waits until the page says this.
const shows = (/** @type {string | RegExp} */ text) => page().getByText(text).first().waitFor()

// ask asks the API what the page could ask.
const ask = (/** @type {string} */ path) => page().evaluate(path => fetch(path).then(answer => answer.json()), path)

test('the printed address opens the console, once', { skip }, async () => {
  await page().goto(String(session))
  await page().waitForURL(`${base}/`)
  await visitor.settled()
  const stranger = await Visitor.arrive(browser, base)
  stranger.expect(/Failed to load resource.*401/)
  await stranger.page.goto(String(session))
  await stranger.page.getByRole('heading', { name: 'This console needs a key' }).waitFor()
  await stranger.leave()
})

test('services are ready, and live', { skip, timeout: 120_000 }, async () => {
  await visitor.go('/services')
  await shows('Live')
  for (const name of ['catalog', 'customer', 'finance', 'order', 'warehouse', 'web']) {
    await page().getByRole('row').filter({ has: page().getByRole('link', { name, exact: true }) }).getByText('ready', { exact: true }).waitFor({ timeout: 60_000 })
  }
})

test('a customer registers and orders', { skip, timeout: 120_000 }, async () => {
  const { gateways } = await ask('/v1/system')
  const context = await browser.newContext({ baseURL: gateways[0].url })
  const shop = await context.newPage()
  await shop.goto('/albums/MC-0066')
  await shop.getByRole('button', { name: 'Add to basket' }).click()
  await shop.goto('/register?next=/checkout')
  await shop.getByLabel('Name').fill('Ada')
  await shop.getByLabel('E-mail').fill(`ada.${crypto.randomUUID()}@example.com`)
  await shop.getByRole('button', { name: 'Register' }).click()
  await shop.waitForURL('**/checkout')
  await shop.getByRole('button', { name: 'Place the order' }).click()
  await shop.getByRole('heading', { level: 1 }).waitFor()
  await context.close()
})

const pictured = new Set(['console-services', 'console-service', 'console-events'])

test('each page shows the system', { skip, timeout: 240_000 }, async t => {
  /** @type {[string, string, string | RegExp][]} */
  const pages = [
    ['console-services', '/services', /\d+ services, \d+ ready/],
    ['console-service', '/services/order', 'order-1'],
    ['console-dependencies', '/services/order?tab=dependencies', 'catalog'],
    ['console-environment', '/services/order?tab=environment', 'PLAT_SERVICE'],
    ['console-declaration', '/services/order?tab=declaration', '"service": "order"'],
    ['console-events', '/events', 'order.placed'],
    ['console-plan', '/plan', 'What plat itself costs'],
    ['console-apis', '/apis', 'catalog'],
  ]
  for (const [name, where, text] of pages) {
    await t.test(name, async () => {
      await visitor.go(where)
      await shows(text)
      await visitor.inspect(name)
      if (pictured.has(name)) await visitor.photograph(name)
    })
  }
})

test('the wall has the figures of the gateway', { skip, timeout: 120_000 }, async () => {
  await visitor.go('/')
  await page().getByRole('region', { name: 'Gateway public' }).locator('.wall-number').getByText(/[1-9].* (ms|s)$/).first().waitFor({ timeout: 60_000 })
  await page().getByRole('region', { name: 'Worst services' }).getByRole('link', { name: 'catalog' }).waitFor()
  await visitor.inspect('console-overview')
  await visitor.photograph('console-overview')
})

test('the order is one trace, from the page to the mail', { skip, timeout: 120_000 }, async () => {
  await visitor.go('/traces?service=finance')
  await page().locator('.traces a').first().waitFor({ timeout: 60_000 })
  await visitor.inspect('console-traces')
  await page().locator('.traces li').filter({ hasText: 'POST /' }).last().getByRole('link').click()
  await page().getByRole('treeitem').filter({ hasText: 'finance' }).first().waitFor()
  await page().getByRole('treeitem').filter({ hasText: 'order' }).first().click()
  await page().getByRole('complementary', { name: 'Span' }).getByRole('heading', { name: 'Attributes' }).waitFor()
  await visitor.inspect('console-trace')
  await visitor.photograph('console-trace')
})

test('log records are found, narrowed and followed', { skip }, async () => {
  await visitor.go('/logs')
  await page().locator('.log-line').first().waitFor()
  await page().locator('.histogram rect').first().waitFor()
  await page().getByRole('complementary', { name: 'Narrow by value' }).getByRole('button', { name: /^order/ }).first().click()
  await page().waitForURL('**service=order')
  await visitor.go('/logs?live=1')
  await shows('following')
  await visitor.inspect('console-logs')
  await visitor.photograph('console-logs')
})

test('metrics are drawn', { skip }, async () => {
  await visitor.go(`/metrics?expr=${encodeURIComponent('sum by (service) (rate(plat_requests_total[1m]))')}`)
  await page().locator('.chart-lines').getByText('service="catalog"').waitFor()
  await visitor.inspect('console-metrics')
  await visitor.photograph('console-metrics')
})

test('the map counts the calls', { skip }, async () => {
  await visitor.go('/map?focus=order')
  await page().locator('.react-flow__node').filter({ hasText: 'catalog' }).waitFor()
  await visitor.inspect('console-map')
  await visitor.photograph('console-map')
  await visitor.go('/map?focus=order&view=list')
  const row = page().getByRole('row').filter({ has: page().getByRole('button', { name: 'web' }) }).filter({ has: page().getByRole('button', { name: 'order' }) })
  assert.match(await row.first().innerText(), /call\s+used\s+[1-9]/)
})

test('the welcome mail is in the mailbox', { skip }, async () => {
  await visitor.go('/mail')
  await page().getByRole('row').nth(1).getByRole('link').click()
  await page().getByRole('tab', { name: 'Source' }).waitFor()
  await visitor.inspect('console-mail')
  await visitor.photograph('console-mail')
})

test('an API is tried through plat', { skip }, async () => {
  await visitor.go('/apis/catalog')
  await page().locator('.opblock-get').first().waitFor()
  await visitor.photograph('console-api')
  await page().locator('.opblock-get .opblock-summary-control').first().click()
  await page().getByRole('button', { name: 'Try it out' }).click()
  const answered = page().waitForResponse(response => response.url().includes('/v1/services/catalog/http/'))
  await page().getByRole('button', { name: 'Execute' }).click()
  assert.notEqual((await answered).status(), 401)
  await visitor.inspect('console-api')
})

test('a restart replaces the instances', { skip, timeout: 120_000 }, async () => {
  await visitor.go('/services/loyalty')
  const pid = await page().getByRole('row').nth(1).innerText()
  await page().getByRole('button', { name: 'Restart' }).click()
  await page().getByRole('dialog').getByRole('button', { name: 'Restart' }).click()
  await page().getByText('loyalty is restarted').waitFor({ timeout: 90_000 })
  await page().waitForFunction(before => /** @type {HTMLElement | undefined} */ (document.querySelectorAll('tr')[1])?.innerText !== before, pid)
})

test('a slow service is told with its owner, seen on the map and in its traces', { skip, timeout: 240_000 }, async t => {
  /** @type {System} */
  const { root, gateways } = await ask('/v1/system')
  const load = new Load(String(gateways?.[0]?.url))
  const map = await visitor.context.newPage()
  await map.goto('/map?focus=finance')
  await visitor.go('/')
  const { mend, began } = { mend: await slowDown(root, '4s'), began: Date.now() }
  const before = load.orders.length
  /** @type {<T>(what: string, comes: Promise<T>) => Promise<T>} */
  const timed = async (what, comes) => {
    const value = await comes
    t.diagnostic(`${what} after ${((Date.now() - began) / 1000).toFixed(1)} s`)
    return value
  }
  try {
    const fires = until('an alert of finance', async () => {
      /** @type {{alerts: Alert[]}} */
      const { alerts } = await ask('/v1/alerts')
      return alerts.find(({ state, service }) => state === 'firing' && service === 'finance')
    })
    const entry = page().getByRole('region', { name: 'Alerts' }).getByRole('listitem').filter({ hasText: 'finance: EventsLate' }).filter({ hasText: 'owner: finance' })
    const edge = map.locator('.react-flow__edge.line-event.line-bad[aria-label^="warehouse to finance"]')
    const [alert] = await Promise.all([
      timed('the alert', fires),
      timed('the wall', entry.first().waitFor({ timeout: 60_000 })),
      timed('the red edge', edge.waitFor({ timeout: 60_000, state: 'attached' })),
      timed('the trace', until('a slow trace', async () => (await ask('/v1/traces?service=finance&min=2s')).traces?.length > 0)),
    ])
    assert.equal(alert.owner, 'finance')
    await visitor.inspect('observing-wall')
    await visitor.photograph('observing-wall')

    await visitor.go('/map?focus=finance&edge=warehouse~finance')
    await page().locator('.react-flow__edge.line-bad[aria-label^="warehouse to finance"]').getByText(/^waits/).waitFor()
    await page().getByRole('complementary', { name: 'Details' }).getByText('Oldest').first().waitFor()
    await visitor.inspect('observing-map')
    await visitor.photograph('observing-map')

    assert.match(String(alert.traces), /^\/traces\?service=finance/)
    await visitor.go(String(alert.traces))
    await page().locator('.traces li').filter({ hasNotText: 'error' }).last().getByRole('link').click() // the first of those that only waited
    const slow = page().getByRole('treeitem').filter({ hasText: /^finance receive (stock\.reserved|order\.placed)/ }).filter({ hasText: /\d s$/ })
    await slow.first().click()
    await page().getByRole('complementary', { name: 'Span' }).getByRole('heading', { name: 'Attributes' }).waitFor()
    await visitor.inspect('observing-trace')
    await visitor.photograph('observing-trace')

    await timed('plat why', until('an order of which plat why names finance', async () => {
      for (const order of load.orders.slice(before)) {
        if (/most time went into finance: receive/.test(await plat('why', order, '-C', root))) return true
      }
    }))
    await visitor.go('/logs?q=payment')
    await page().locator('.log-line').first().waitFor()
    await visitor.inspect('observing-logs')
    await visitor.photograph('observing-logs')
  } finally {
    await mend()
    await map.close()
    await load.stop()
  }
})

test('nothing was complained of', { skip }, async () => {
  visitor.expect(/inline style violates.*MailView/) // a mail's styles, while they are read
  await visitor.leave()
})
