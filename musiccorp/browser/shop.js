// What the tests share: one Chromium, visitors with their own cookies, and
// what must hold on every page that a visitor sees.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { chromium } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

// base is where the website is.
export const base = (process.env.BASE_URL ?? 'http://127.0.0.1:8000').replace(/\/$/, '')

// launch starts Chromium; close it at the end.
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
}

// until waits for what comes a moment later.
export async function until(what, condition) {
  for (const deadline = Date.now() + 60_000; !await condition();) {
    assert.ok(Date.now() < deadline, `waited a minute for ${what}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

// Visitor is one person at one screen. Whatever goes wrong in the browser
// meanwhile is noted and fails the test in leave().
export class Visitor {
  static async arrive(browser, options = {}) {
    const context = await browser.newContext({ baseURL: base, viewport: { width: 1280, height: 900 }, ...options })
    context.setDefaultTimeout(30_000) // a deadline, for machines that do much else meanwhile
    return new Visitor(context, await context.newPage(), options.javaScriptEnabled ?? true)
  }

  constructor(context, page, scripts) {
    this.context = context
    this.page = page
    this.scripts = scripts // whether the browser runs any
    this.complaints = []
    page.on('pageerror', error => this.complaints.push(`script error: ${error.message}`))
    page.on('console', message => {
      const expected = message.text().startsWith('Failed to load resource') // the pages that answer 4xx on purpose
      if (message.type() === 'error' && !expected) this.complaints.push(`console: ${message.text()}`)
    })
    page.on('response', response => {
      const resource = response.request().resourceType()
      if (resource !== 'document' && response.status() >= 400) this.complaints.push(`${resource} ${response.url()} answered ${response.status()}`)
    })
    page.on('request', request => {
      if (!request.url().startsWith(base + '/')) this.complaints.push(`asked ${request.url()}`)
    })
  }

  // go opens a page by its path and wants this status.
  async go(where, status = 200) {
    const response = await this.page.goto(where)
    assert.equal(response.status(), status, `${where} answered ${response.status()}`)
  }

  // inspect checks the page that is open. Its picture goes to the folder
  // ARTIFACTS when something is wrong, or when PICTURES asks for all of them.
  async inspect(name) {
    if (process.env.PICTURES) await this.picture(name)
    try {
      await this.judge(name)
    } catch (error) {
      await this.picture(name)
      throw error
    }
  }

  async picture(name) {
    if (!process.env.ARTIFACTS) return
    await mkdir(process.env.ARTIFACTS, { recursive: true })
    await this.page.screenshot({ path: path.join(process.env.ARTIFACTS, `${name}.png`), fullPage: true })
  }

  async judge(name) {
    const wide = await this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    assert.equal(wide, 0, `${name} is ${wide} pixels wider than the screen`)
    if (this.scripts) await this.judgeByScript(name)
  }

  // judgeByScript checks what only a script in the page can: that every
  // picture is one, and that axe finds nobody shut out.
  async judgeByScript(name) {
    const { page } = this
    await page.evaluate(() => Promise.all(Array.from(document.images, image => {
      image.loading = 'eager' // those further down, too
      return image.decode()
    })))
    await page.evaluate(axe)
    const violations = await page.evaluate(async () => (await globalThis.axe.run({ resultTypes: ['violations'] })).violations) // what is right is much
    const grave = violations.filter(v => v.impact === 'serious' || v.impact === 'critical')
    assert.deepEqual(grave.map(v => `${v.id}: ${v.help}: ${v.nodes.map(n => n.target).join(', ')}`), [], `${name} shuts people out`)
  }

  // register becomes a customer, with an address that nobody had before.
  async register(name) {
    const { page } = this
    await page.getByLabel('Name').fill(name)
    await page.getByLabel('E-mail').fill(`${name.toLowerCase()}.${crypto.randomUUID()}@example.com`)
    await page.getByRole('button', { name: 'Register' }).click()
  }

  // orderIs waits until the order on the page has come that far.
  async orderIs(text) {
    await this.page.getByRole('status').filter({ hasText: text }).waitFor()
  }

  // points waits until the visitor has such points, and says how many.
  async points(enough) {
    let points = 0
    await until('points', async () => {
      await this.go('/orders')
      const [line] = await this.page.locator('.points strong').allTextContents()
      points = Number(/^(\d+) points$/.exec(line ?? '')?.[1] ?? 0)
      return enough(points)
    })
    return points
  }

  async leave() {
    await this.context.close()
    assert.deepEqual(this.complaints, [])
  }
}
