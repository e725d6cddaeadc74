// The console of a plat that runs MusicCorp, as its user sees it. SESSION_URL
// is the address that opens it once (plat console prints it).
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { allowMore, Load, plat, refuseExtras, slowDown, until, visit } from './slow.js'
import { base, launch, Visitor } from './visitor.js'

/** @import { Alert } from '../src/api/objectives' */
/** @import { Chaos, Rehearsal } from '../src/api/chaos' */
/** @import { Events, System } from '../src/api/types' */

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

const region = (/** @type {string} */ name) => page().getByRole('region', { name, exact: true })

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

test('the cache tells what it keeps and why, and forgets it', { skip, timeout: 120_000 }, async () => {
  const { gateways } = await ask('/v1/system')
  const url = `${gateways[0].url}/api/albums?size=3`
  for (let n = 0; n < 5; n++) assert.equal((await fetch(url)).status, 200)
  await visitor.go(`/cache?q=size%3D3&url=${encodeURIComponent(url)}`)
  await page().getByRole('status').getByText('hit: fresh by max-age').waitFor()
  await region('What is kept').getByRole('link', { name: /size=3$/ }).waitFor()
  await region('Where it may be stuck').getByText('the gateway public').waitFor()
  await region('Cache of public').locator('dt:text("Fresh from here") + dd').getByText(/^[1-9]/).waitFor({ timeout: 60_000 })
  await region('Cache of public').locator('.chart-lines').getByText('Fresh from here').waitFor()
  await visitor.inspect('caching-cache')
  await visitor.photograph('caching-cache')
  await region('What is kept').getByRole('button', { name: /^Purge/ }).click()
  await page().getByRole('dialog').getByRole('button', { name: 'Purge' }).click()
  await page().getByText('1 answer purged').waitFor()
  await page().getByRole('status').getByText(/^miss: nothing is kept under this key/).waitFor()
  await region('What is kept').waitFor({ state: 'detached' })
})

test('a rehearsal fills the table, and what the plan changes is out of date', { skip, timeout: 240_000 }, async () => {
  /** @type {System} */
  const { root } = await ask('/v1/system')
  await until('finance to have caught up', async () => {
    /** @type {Events} */
    const { consumers } = await ask('/v1/events')
    return consumers?.every(({ service, lag, unacked }) => service !== 'finance' || lag + unacked === 0)
  }, 3)
  await visitor.go('/degradation')
  await page().getByRole('button', { name: 'Rehearse' }).click()
  const dialog = page().getByRole('dialog')
  await dialog.getByRole('combobox', { name: 'Callers' }).click()
  await page().getByRole('option', { name: 'web' }).click()
  await page().keyboard.press('Escape')
  await dialog.getByRole('button', { name: 'Rehearse' }).click()
  await page().getByText(/failures played$/).waitFor()
  await page().getByText('went to its end').waitFor({ timeout: 120_000 })
  const table = region('If it fails, customers see')
  const row = (/** @type {string} */ name) => table.getByRole('row').filter({ has: page().getByRole('link', { name, exact: true }) }).filter({ hasText: 'web' })
  /** @type {Rehearsal} */
  const { promises } = await ask('/v1/rehearsal')
  for (const { caller, dependency, verdict } of promises ?? []) {
    if (caller !== 'web') continue
    assert.notEqual(verdict, 'not-rehearsed', dependency)
    await row(dependency).getByText(verdict, { exact: true }).waitFor()
  }
  await table.getByRole('row').filter({ hasText: 'order' }).filter({ hasText: 'not rehearsed' }).first().waitFor()
  await visitor.inspect('rehearsing-table')
  await visitor.photograph('rehearsing-table')
  const takeBack = await allowMore(root)
  try {
    await row('recommendation').getByText('out of date').waitFor({ timeout: 60_000 })
    assert.equal(await row('catalog').getByText('out of date').count(), 0, 'nothing changed there')
  } finally {
    await takeBack()
  }
})

test('an experiment is run from its page, seen where it acts, and reported', { skip, timeout: 240_000 }, async () => {
  /** @type {System} */
  const { root, gateways } = await ask('/v1/system')
  const name = await refuseExtras(root)
  const leave = visit(`${gateways?.[0]?.url}/albums/MC-0066`, 6) // a page with recommendations
  try {
    await visitor.go('/experiments')
    await page().getByRole('button', { name: `Run ${name}` }).click()
    await page().getByRole('dialog').getByRole('button', { name: 'Run', exact: true }).click()
    await page().waitForURL('**/experiments?run=*')
    const report = new URL(page().url()).searchParams.get('run')
    await page().getByRole('button', { name: `Stop ${name}` }).waitFor()
    await visitor.inspect('experiment-running')

    await page().keyboard.press('g')
    await page().keyboard.press('i')
    await page().waitForURL('**/policies')
    const breaker = region('Policies').getByRole('row').filter({ hasText: 'calls of recommendation' }).filter({ hasText: 'breaker' })
    await breaker.locator('.state').getByText(/^(open|half-open)/).waitFor()
    await visitor.inspect('surviving-policies')
    await visitor.photograph('surviving-policies')
    await breaker.getByRole('link', { name: 'web' }).click()
    await page().waitForURL('**/services/web?tab=calls')
    await region("Policies of web's calls of recommendation").getByRole('row').filter({ hasText: 'breaker' }).getByRole('cell', { name: /of \d+ calls failed/ }).waitFor()

    await visitor.go(`/experiments?run=${report}`)
    const ended = await until('the end of the experiment', async () => {
      /** @type {Chaos} */
      const { reports } = await ask('/v1/chaos')
      return reports?.find(({ id, state }) => id === report && state !== 'running')
    }, 3)
    const words = { steady: 'steady', 'not-steady': 'not steady', hurt: 'customers hurt', unwell: 'unwell afterwards', unclear: 'unclear' }
    assert.ok(ended.verdict, JSON.stringify(ended))
    await region('Reports').getByRole('row').filter({ hasText: name }).getByText(words[ended.verdict]).waitFor()
    await page().getByText(/played \d+ times/).first().waitFor()
    await region(`Journeys during ${name}`).getByText('browse').waitFor()
    await visitor.inspect('chaos-report')
    await visitor.photograph('chaos-report')
  } finally {
    await plat('chaos', 'stop', '-C', root).catch(() => {}) // it has ended, if all went well
    await leave()
  }
})

test('nothing was complained of', { skip }, async () => {
  visitor.expect(/inline style violates.*MailView/) // a mail's styles, while they are read
  await visitor.leave()
})
