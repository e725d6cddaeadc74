// What the tests share: one Chromium, visitors, and what must hold on every
// page that they see.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { chromium } from 'playwright-core'

/** @import { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core' */

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

// base is where a plat serves the console.
export const base = (process.env.BASE_URL ?? '').replace(/\/$/, '')
assert.ok(base, 'BASE_URL must name where the console is')

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
}

// still tells, in the page, that nothing there moves but what moves for ever.
const still = () => document.getAnimations().every(each => each.playState !== 'running' || each.effect?.getComputedTiming().endTime === Infinity)

// Visitor is one person at one screen. Whatever goes wrong in the browser
// meanwhile is noted and fails the test in leave().
export class Visitor {
  /**
   * @param {Browser} browser
   * @param {string} at the origin of the console
   * @param {BrowserContextOptions} [options]
   */
  static async arrive(browser, at, options = {}) {
    const context = await browser.newContext({ baseURL: at, viewport: { width: 1440, height: 900 }, ...options })
    context.setDefaultTimeout(30_000) // a deadline, for machines that do much else meanwhile
    return new Visitor(context, await context.newPage(), at)
  }

  /**
   * @param {BrowserContext} context
   * @param {Page} page
   * @param {string} at
   */
  constructor(context, page, at) {
    this.context = context
    this.page = page
    /** @type {string[]} */
    this.complaints = []
    /** @type {RegExp[]} */
    this.expected = []
    page.on('pageerror', error => this.complaints.push(`script error: ${error.message}`))
    page.on('console', message => {
      if (message.type() === 'error') this.complaints.push(`console on ${new URL(page.url()).pathname}: ${message.text()} (${message.location().url})`)
    })
    const abroad = (/** @type {import('playwright-core').Request} */ request) => !request.url().startsWith(`${at}/`) && !/^(data|about|blob):/.test(request.url())
    page.on('response', response => {
      if (abroad(response.request())) this.complaints.push(`asked ${response.url()}`)
    })
    page.on('requestfailed', request => {
      const reason = request.failure()?.errorText ?? ''
      if (abroad(request) && !/csp/i.test(reason)) this.complaints.push(`asked ${request.url()}: ${reason}`)
    })
  }

  // expect lets this be complained of.
  /** @param {RegExp} complaint */
  expect(complaint) {
    this.expected.push(complaint)
  }

  // go opens a page and waits until it shows its heading and loads no more.
  /** @param {string} where */
  async go(where) {
    await this.page.goto(where)
    await this.settled()
  }

  async settled() {
    await this.page.locator('h1').first().waitFor()
    await this.page.waitForFunction(() => !document.querySelector('[aria-busy=true]'))
  }

  // counts waits until there are so many: what is in the URL may be in the page a
  // moment later.
  /**
   * @param {import('playwright-core').Locator} these
   * @param {number} want
   * @param {string} [why]
   */
  async counts(these, want, why) {
    let found = await these.count()
    for (const deadline = Date.now() + 30_000; found !== want && Date.now() < deadline; found = await these.count()) {
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    assert.equal(found, want, why)
  }

  // wear changes the scheme of colours and waits until the page is drawn in it.
  /** @param {'light' | 'dark'} scheme */
  async wear(scheme) {
    await this.page.emulateMedia({ colorScheme: scheme })
    await this.page.locator(`html[data-mantine-color-scheme=${scheme}]`).waitFor()
    await this.settled()
  }

  // inspect checks that the page fits the screen and shuts nobody out. Its
  // picture goes to the folder ARTIFACTS when it does not, or when PICTURES
  // asks for all of them.
  /** @param {string} name */
  async inspect(name) {
    if (process.env.PICTURES) await this.picture(name)
    try {
      await this.judge(name)
    } catch (error) {
      await this.picture(name)
      throw error
    }
  }

  /** @param {string} name */
  async picture(name) {
    if (!process.env.ARTIFACTS) return
    await mkdir(process.env.ARTIFACTS, { recursive: true })
    await this.page.screenshot({ path: path.join(process.env.ARTIFACTS, `${name}.png`) })
  }

  // judge takes what is wrong alone out of the page: to write down and carry
  // over all that is right took axe most of its time.
  /** @param {string} name */
  async judge(name) {
    const { page } = this
    await page.waitForFunction(still) // what fades in has its colours at the end
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    assert.ok(wide <= 0, `${name} is ${wide} pixels wider than the screen`)
    if (!await page.evaluate('"axe" in globalThis')) await page.evaluate(axe)
    /** @type {{ id: string, help: string, impact: string, nodes: { target: string[], html: string }[] }[]} */
    const violations = await page.evaluate(async () => (await /** @type {any} */ (globalThis).axe.run({ resultTypes: ['violations'] })).violations)
    const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    assert.deepEqual(grave.map(v => `${v.id}: ${v.help}: ${v.nodes.slice(0, 5).map(n => `${n.target} ${n.html.slice(0, 160)}`).join(' | ')}`), [], `${name} shuts people out`)
  }

  // photograph takes a picture for the documentation if SCREENSHOTS names a
  // folder.
  /** @param {string} name */
  async photograph(name) {
    if (!process.env.SCREENSHOTS) return
    await mkdir(process.env.SCREENSHOTS, { recursive: true })
    await this.page.mouse.move(0, 0)
    await this.page.screenshot({ path: path.join(process.env.SCREENSHOTS, `${name}.png`) })
  }

  async leave() {
    await this.context.close()
    assert.deepEqual(this.complaints.filter(complaint => !this.expected.some(pattern => pattern.test(complaint))), [])
  }
}
