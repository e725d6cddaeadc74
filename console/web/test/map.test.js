// The map, small and large.
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { large } from './fixtures.js'
import { Mock } from './mock.js'
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
  await visitor.leave()
  await mock.stop()
})

const page = () => visitor.page
const nodes = () => page().locator('.react-flow__node')
const node = (/** @type {string} */ name) => nodes().filter({ hasText: name })

test('it opens on the busiest, with its neighbours', async () => {
  await visitor.go('/map')
  await node('order').locator('.member[data-focused]').waitFor()
  await visitor.counts(nodes(), 7)
  assert.equal(await node('stripe').count(), 0)
  await node('finance').click()
  await page().waitForURL('**/map?focus=finance')
  await node('stripe').waitFor()
  assert.equal(await node('catalog').count(), 0)
  await page().getByText('Two steps').click()
  await page().waitForURL('**depth=2**')
  await node('catalog').waitFor()
})

test('a line tells what is declared, what was used and what is wrong', async () => {
  await visitor.go('/map?focus=order')
  await page().locator('.react-flow__edge.line-undeclared').waitFor()
  await visitor.counts(page().locator('.react-flow__edge.line-unused'), 1)
  await page().locator('.react-flow__edge.line-undeclared .react-flow__edge-textbg').click()
  await page().waitForURL('**edge=order%7Elegacy')
  const side = page().getByRole('complementary', { name: 'Details' })
  await side.getByRole('heading', { name: 'order to legacy' }).waitFor()
  await side.getByText('12', { exact: true }).waitFor()
  await side.getByRole('link', { name: 'finding' }).click()
  await page().waitForURL('**/findings/undeclared-order-legacy')
})

test('events that wait make a line amber, then red', async () => {
  const map = /** @type {any} */ (mock.answers['/v1/map'])
  const edge = map.edges.find((/** @type {any} */ each) => each.from === 'order' && each.to === 'warehouse' && each.kind === 'event')
  const line = (/** @type {string} */ how) => page().locator(`.react-flow__edge${how}[aria-label^="order to warehouse"]`)
  Object.assign(edge, { fresh: 5, oldest: 2.4 })
  await visitor.go('/map?focus=order')
  await line('').waitFor({ state: 'attached' })
  assert.equal(await line('.line-warn').count() + await line('.line-bad').count(), 0)
  edge.oldest = 2.6
  mock.tell('map')
  await line('.line-warn').waitFor({ state: 'attached' })
  edge.oldest = 14.5
  mock.tell('map')
  await line('.line-bad').waitFor({ state: 'attached' })
  await line('').getByText('waits 14.5 s').waitFor()
  await visitor.inspect('map-late')
  await visitor.go('/map?focus=order&edge=order~warehouse')
  await page().getByRole('complementary', { name: 'Details' }).getByText('within 5 s').waitFor()
  await line('').getByText('waits 14.5 s').waitFor()
  await visitor.inspect('map-late-chosen')
})

test('kinds, owners and contexts are chosen', async () => {
  await visitor.go('/map?depth=all')
  await node('public').waitFor()
  await page().getByText('Events', { exact: true }).last().click()
  await page().waitForURL('**hide=event')
  await page().locator('.react-flow__edge.line-event').first().waitFor({ state: 'detached' })
  await visitor.go('/map?depth=all&context=catalogue')
  await node('recommendation').waitFor()
  assert.equal(await node('web').count(), 0)
})

test('it is there as a list', async () => {
  await visitor.go('/map?depth=all')
  await page().getByText('List', { exact: true }).click()
  await page().waitForURL('**view=list')
  await visitor.counts(page().getByRole('row'), 15)
  await page().getByRole('row').filter({ hasText: 'undeclared' }).getByRole('button', { name: 'legacy' }).click()
  await page().waitForURL('**focus=legacy**')
})

test('a phone is shown the list, and a map that fits when it is asked for', async () => {
  await page().setViewportSize({ width: 390, height: 844 })
  await visitor.go('/map')
  await page().getByRole('table', { name: 'Edges' }).waitFor()
  assert.equal(await nodes().count(), 0)
  await page().getByText('Map', { exact: true }).last().click()
  await page().waitForURL('**view=map')
  await node('order').locator('.member[data-focused]').waitFor()
  await page().waitForFunction(() => {
    const frame = document.querySelector('.canvas')?.getBoundingClientRect()
    const shown = [...document.querySelectorAll('.react-flow__node')].map(each => each.getBoundingClientRect())
    return frame && shown.length === 7 && shown.every(each => each.left >= frame.left && each.right <= frame.right && each.top >= frame.top && each.bottom <= frame.bottom)
  })
  await visitor.inspect('map-phone')
})

test('a long label has its room, and loses its middle', async () => {
  const map = /** @type {any} */ (mock.answers['/v1/map'])
  const edge = (/** @type {string} */ to) => map.edges.find((/** @type {any} */ each) => each.from === 'public' && each.to === to)
  edge('web').label = 'shop.musiccorp.localhost/'
  edge('catalog').label = 'catalog.internal.shop.musiccorp.localhost/api/albums/of/the/year'
  await visitor.go('/map?focus=public')
  const line = page().locator('.react-flow__edge').filter({ hasText: 'shop.musiccorp.localhost/' }).filter({ hasNotText: '…' })
  await line.waitFor()
  await page().getByText('catalog.internal.sh…i/albums/of/the/year').waitFor()
  const label = await line.locator('.react-flow__edge-textbg').boundingBox()
  const ends = [await node('public').boundingBox(), await node('web').boundingBox()]
  assert.ok(label && ends[0] && ends[1] && label.x >= ends[0].x + ends[0].width && label.x + label.width <= ends[1].x, 'it stands between the two')
  await visitor.inspect('map-long-labels')
})

test('the keyboard walks over it', async () => {
  await visitor.go('/map?focus=order')
  await node('order').waitFor()
  await node('finance').focus()
  await page().keyboard.press('Enter')
  await page().waitForURL('**focus=finance**')
})

test('counts change without moving anything', async () => {
  await visitor.go('/map?focus=order&edge=web~order')
  const side = page().getByRole('complementary', { name: 'Details' })
  await side.getByText('77').waitFor()
  const before = await node('catalog').boundingBox()
  const map = /** @type {any} */ (mock.answers['/v1/map'])
  map.edges.find((/** @type {any} */ edge) => edge.from === 'web' && edge.to === 'order').count = 78
  mock.tell('map')
  await side.getByText('78').waitFor()
  assert.deepEqual(await node('catalog').boundingBox(), before)
})

for (const size of [60, 500]) {
  test(`${size} services: it renders, finds and stays small`, { timeout: 300_000 }, async () => {
    mock.answers['/v1/map'] = large(size)
    await visitor.go('/map')
    await nodes().first().waitFor()
    assert.ok(await nodes().count() <= 60, 'it opens on a part')
    await visitor.inspect(`map-${size}`)
    await page().getByText('All', { exact: true }).click()
    await page().getByText(`${size} members of ${size}`).waitFor()
    await nodes().first().waitFor({ timeout: 120_000 }) // to lay out 500 is work
    await visitor.inspect(`map-${size}-all`)
    const elements = await page().locator('.canvas *').count()
    assert.ok(elements < 12_000, `the map has ${elements} elements`)
    const last = `service-${String(size - 1).padStart(3, '0')}`
    await page().keyboard.press('/')
    await page().keyboard.type(last)
    await page().getByRole('option', { name: last }).and(page().locator('[data-combobox-selected]')).waitFor()
    await page().keyboard.press('Enter')
    await page().waitForURL(`**focus=${last}**`)
    await node(last).locator('.member[data-focused]').waitFor()
    const box = await node(last).boundingBox()
    assert.ok(box && box.x > 0 && box.x < 1440 && box.y > 0 && box.y < 900, 'what was found is in view')
  })
}
