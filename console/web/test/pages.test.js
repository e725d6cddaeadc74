// Every page, with all that it can show, on a phone and on a desk, in the dark
// and in the light.
import { after, before, test } from 'node:test'
import { Mock } from './mock.js'
import { telemetry, traceID } from './telemetry.js'
import { base, launch, Visitor } from './visitor.js'

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Mock} */
let mock
before(async () => {
  browser = await launch()
  mock = await Mock.start(base)
  Object.assign(mock.answers, telemetry(2_000)) // records enough for any page
})
after(async () => {
  await browser?.close()
  await mock?.stop()
})

const pages = {
  wall: '/',
  alerts: '/alerts',
  'alerts-open': '/alerts?open=a1',
  objectives: '/alerts?tab=objectives',
  silences: '/alerts?tab=silences',
  services: '/services',
  'services-none': '/services?q=nothing-of-that-name',
  service: '/services/order',
  'service-failed': '/services/warehouse',
  'service-dependencies': '/services/order?tab=dependencies',
  'service-calls': '/services/order?tab=calls',
  'service-logs': '/services/order?tab=logs',
  'service-environment': '/services/order?tab=environment',
  'service-declaration': '/services/order?tab=declaration',
  'service-outside': '/services/legacy',
  'service-unknown': '/services/nobody',
  map: '/map',
  'map-all': '/map?depth=all',
  'map-edge': '/map?focus=order&edge=order~legacy',
  'map-as-map': '/map?view=map',
  'map-list': '/map?view=list&depth=all',
  traces: '/traces',
  'traces-none': '/traces?min=1s&error=true',
  trace: `/traces/${traceID(0)}`,
  'trace-span': `/traces/${traceID(0)}?span=0000000000000028&q=operation`,
  logs: '/logs',
  'logs-errors': '/logs?service=customer,order&severity=ERROR&where=order=1',
  metrics: '/metrics',
  'metrics-graph': `/metrics?expr=${encodeURIComponent('sum by (service) (rate(plat_requests_total[1m]))\nplat_consumer_lag')}`,
  'metrics-table': '/metrics?expr=plat_consumer_lag&view=table',
  'metrics-refused': `/metrics?expr=${encodeURIComponent('rate(]')}`,
  journeys: '/journeys',
  'journey-unknown': '/journeys?open=nobody',
  story: '/story/order-7',
  'story-none': '/story/nothing-7',
  policies: '/policies',
  'policies-all': '/policies?show=all',
  'policies-kept': '/policies?kept=order~finance&call=k3',
  cache: '/cache',
  'cache-why': `/cache?url=${encodeURIComponent('http://127.0.0.1:8000/api/albums')}&q=albums`,
  degradation: '/degradation',
  'degradation-false': '/degradation?open=order~warehouse',
  experiments: '/experiments',
  'experiment-steady': '/experiments?run=killed-order-1',
  events: '/events',
  'events-dead': '/events?dead=1',
  mail: '/mail',
  'mail-html': '/mail/m2',
  'mail-headers': '/mail/m2?part=headers',
  'mail-source': '/mail/m2?part=source',
  apis: '/apis',
  api: '/apis/catalog',
  plan: '/plan',
  'plan-service': '/plan?service=order',
  finding: '/findings/undeclared-order-legacy',
  'no-page': '/nowhere',
}

// A page is loaded once on a phone and once on a desk; there it changes its
// colours, and the desk its screen, as people do it.
const screens = /** @type {const} */ ({ phone: [[390, 'light'], [390, 'dark']], desk: [[1440, 'light'], [1440, 'dark'], [2560, 'dark']] })

for (const [screen, looks] of Object.entries(screens)) {
  test(`every page on a ${screen}`, { timeout: 300_000 }, async t => {
    const [[width]] = looks
    const visitor = await Visitor.arrive(browser, mock.base, { viewport: { width, height: 900 }, reducedMotion: 'reduce' })
    visitor.expect(/Failed to load resource.*40[04]/) // the service that is not there
    visitor.expect(/tracker\.example.*Content Security Policy/) // the mail tries
    visitor.expect(/inline style violates.*MailView/) // its styles, while they are read
    for (const [name, where] of Object.entries(pages)) {
      await t.test(name, async t => {
        await visitor.page.setViewportSize({ width, height: 900 })
        await visitor.page.emulateMedia({ colorScheme: 'light' })
        await visitor.go(where)
        for (const [width, scheme] of looks) {
          await t.test(`${scheme}, ${width} pixels wide`, async () => {
            await visitor.page.setViewportSize({ width, height: 900 })
            await visitor.wear(scheme)
            if (name.startsWith('map') && name !== 'map-list' && (width > 768 || name === 'map-as-map')) await visitor.page.locator('.react-flow__node').first().waitFor()
            if (name.includes('logs') && name !== 'logs-errors') await visitor.page.locator('.log-line').first().waitFor()
            if (name === 'api') await visitor.page.locator('.opblock').first().waitFor()
            await visitor.inspect(`${scheme}-${width}-${name}`)
          })
        }
      })
    }
    await visitor.leave()
  })
}
