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

// refuseExtras lays an experiment beside the plan: for everybody, not for test
// customers alone, the website is refused its recommendations.
/** @type {(system: string) => Promise<string>} */
export async function refuseExtras(system) {
  const name = 'extras-refused'
  await writeFile(path.join(system, 'experiments', `${name}.yaml`), `plat: 1
experiment: ${name}
owner: website
about: The shop sells as ever while recommendations are refused for everybody.
steady: {journeys: [browse]}
faults: [{do: error, from: web, service: recommendation, status: 503, customers: all}]
duration: 20s
`)
  return name
}

// allowMore lets the website wait for its recommendations longer, which is
// another promise. The function that it answers takes it back.
/** @type {(system: string) => Promise<() => Promise<void>>} */
export async function allowMore(system) {
  const file = path.join(system, 'services/web/service.yaml')
  const before = await readFile(file, 'utf8')
  const after = before.replace('recommendation: {timeout: 100ms', 'recommendation: {timeout: 150ms')
  assert.notEqual(after, before, 'the website asks for recommendations')
  await writeFile(file, after)
  return () => writeFile(file, before)
}

// visit has so many people look at a page, again and again, until it is told to
// end. What they get is for others to judge.
/** @type {(url: string, people: number) => () => Promise<unknown>} */
export function visit(url, people) {
  let ends = false
  const all = Array.from({ length: people }, async () => {
    for (; !ends; await sleep(100)) await fetch(url, { signal: AbortSignal.timeout(10_000) }).then(answer => answer.arrayBuffer(), () => {})
  })
  return () => ((ends = true), Promise.all(all))
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

// until asks again and again, for so many minutes at most, until the answer will
// do.
/** @template T @param {string} what @param {() => Promise<T | undefined | false>} found @param {number} [minutes] @returns {Promise<T>} */
export async function until(what, found, minutes = 1) {
  for (const deadline = Date.now() + minutes * 60_000; Date.now() < deadline; await sleep(250)) {
    const answer = await found()
    if (answer) return answer
  }
  assert.fail(`waited ${minutes} min for ${what}`)
}

// plat runs the command line.
/** @param {string[]} args */
export async function plat(...args) {
  const { stdout } = await promisify(execFile)(path.join(root, 'bin/plat'), args, { timeout: 30_000 })
  return stdout
}
