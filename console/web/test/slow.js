// A slow payment provider under a bounded load: what a developer makes wrong
// with MusicCorp to see what plat shows of it.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

const root = path.resolve(import.meta.dirname, '../../..')

// slowDown lets MusicCorp's payment provider take so long, in the copy of its
// plan that runs. The function that it answers mends it.
/** @type {(system: string, latency: string) => Promise<() => Promise<void>>} */
export async function slowDown(system, latency) {
  const plan = path.join(system, 'plat.yaml')
  const before = await readFile(plan, 'utf8')
  const after = before.replace('  local: {}', `  local: {set: {finance: {config: {provider-latency: ${latency}}}}}`)
  assert.notEqual(after, before, 'the plan has an environment local to change')
  await writeFile(plan, after)
  return () => writeFile(plan, before)
}

// Load orders an album again and again, one after the other: at most one
// order a second, and sixty in all.
export class Load {
  /** @type {string[]} */
  orders = []
  #ends = false
  /** @type {Promise<void>} */
  #runs

  /** @param {string} shop the address of MusicCorp's gateway */
  constructor(shop) {
    this.#runs = this.#run(shop)
    this.#runs.catch(() => {}) // stop tells
  }

  /** @param {string} shop */
  async #run(shop) {
    const { id: customer } = await ask(`${shop}/api/customers`, { name: 'Grace', email: `grace.${crypto.randomUUID()}@example.com` })
    for (let n = 0; n < 60 && !this.#ends; n++) {
      const next = sleep(1_000)
      const { id } = await ask(`${shop}/api/orders`, { customer, lines: [{ sku: 'MC-0168', quantity: 1 }] })
      this.orders.push(id)
      await next
    }
  }

  // stop ends it, and fails when an order was not taken.
  async stop() {
    this.#ends = true
    await this.#runs
  }
}

/** @type {(url: string, body: object) => Promise<{id: string}>} */
async function ask(url, body) {
  const answer = await fetch(url, {
    method: 'POST', headers: { 'Content-Type': 'application/json', 'Idempotency-Key': crypto.randomUUID() },
    body: JSON.stringify(body), signal: AbortSignal.timeout(10_000),
  })
  assert.ok(answer.ok, `${url} answered ${answer.status}`)
  return /** @type {Promise<{id: string}>} */ (answer.json())
}

const sleep = (/** @type {number} */ ms) => new Promise(resolve => setTimeout(resolve, ms))

// until asks again and again, for a minute at most, until the answer will do.
/** @template T @param {string} what @param {() => Promise<T | undefined | false>} found @returns {Promise<T>} */
export async function until(what, found) {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(250)) {
    const answer = await found()
    if (answer) return answer
  }
  assert.fail(`waited a minute for ${what}`)
}

// plat runs the command line.
/** @param {string[]} args */
export async function plat(...args) {
  const { stdout } = await promisify(execFile)(path.join(root, 'bin/plat'), args, { timeout: 30_000 })
  return stdout
}
