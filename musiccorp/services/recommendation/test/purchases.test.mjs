import assert from 'node:assert/strict'
import { appendFile, open, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { Purchases } from '../dist/purchases.js'
import { folder, quiet } from '../fixture/service.mjs'

const skusOf = companions => companions.map(({ sku, orders }) => `${sku}:${orders}`)

test('purchases are there again after a restart', async t => {
  const file = path.join(await folder(t), 'purchases.jsonl')
  for (const known of [0, 1, 1]) {
    const purchases = await Purchases.open(file, quiet().log)
    assert.equal(purchases.size, known)
    assert.equal(await purchases.add({ event: 'e-1', skus: ['A', 'B'] }), known === 0)
    assert.deepEqual(skusOf(await purchases.together('A', 5)), ['B:1'])
    await purchases.close()
  }
  assert.equal((await stat(file)).mode & 0o777, 0o600)
})

test('a line that was not written to its end spoils no other', async t => {
  const file = path.join(await folder(t), 'purchases.jsonl')
  const first = await Purchases.open(file, quiet().log)
  await first.add({ event: 'e-1', skus: ['A', 'B'] })
  await first.close()
  await appendFile(file, '\n{"event":"e-2","skus":["A"')
  const { log, lines } = quiet()
  const second = await Purchases.open(file, log)
  assert.equal(await second.add({ event: 'e-2', skus: ['A', 'C'] }), true) // it was never answered for
  assert.deepEqual(skusOf(await second.together('A', 5)), ['B:1', 'C:1'])
  assert.equal(lines.filter(({ level }) => level === 'WARN').length, 1)
  await second.close()
})

test('lines that others wrote wrongly are left out', async t => {
  const file = path.join(await folder(t), 'purchases.jsonl')
  await appendFile(file, ['null', '7', '{}', '{"event":1,"skus":[]}', '{"event":"e","skus":"A"}', '{"event":"e","skus":[1]}', '{"event":"e-1","skus":["A","B"]}', ''].join('\n'))
  const { log, lines } = quiet()
  const purchases = await Purchases.open(file, log)
  assert.deepEqual(skusOf(await purchases.together('A', 5)), ['B:1'])
  assert.equal(lines.at(-1).spoilt, 6)
  await purchases.close()
})

test('two instances know what either was told', async t => {
  const file = path.join(await folder(t), 'purchases.jsonl')
  const both = [await Purchases.open(file, quiet().log), await Purchases.open(file, quiet().log)]
  await Promise.all(Array.from({ length: 100 }, (_, i) => both[i % 2].add({ event: `e-${i}`, skus: ['A', `B-${i % 3}`] })))
  await Promise.all(both.map(one => one.add({ event: 'same', skus: ['A', 'C'] })))
  for (const one of both) {
    assert.deepEqual(skusOf(await one.together('A', 5)), ['B-0:34', 'B-1:33', 'B-2:33', 'C:1'])
    await one.close()
  }
})

test('a big file is read whole', async t => {
  const file = path.join(await folder(t), 'purchases.jsonl')
  const lines = Array.from({ length: 5000 }, (_, i) => JSON.stringify({ event: `e-${i}`, skus: ['A', 'Ünïcode-' + 'x'.repeat(i % 90)] }))
  await appendFile(file, lines.join('\n') + '\n')
  const purchases = await Purchases.open(file, quiet().log)
  assert.equal(purchases.size, 5000)
  await purchases.close()
})

test('the oldest are forgotten when there are too many, in memory alone', { timeout: 60_000 }, async t => {
  const file = path.join(await folder(t), 'purchases.jsonl')
  const handle = await open(file, 'w')
  for (let begin = 0; begin < 100_001; begin += 10_000) {
    const count = Math.min(10_000, 100_001 - begin)
    await handle.write(Array.from({ length: count }, (_, i) => `{"event":"e-${begin + i}","skus":["A","${begin + i === 0 ? 'first' : 'B'}"]}\n`).join(''))
  }
  await handle.close()
  const purchases = await Purchases.open(file, quiet().log)
  assert.equal(purchases.size, 100_000)
  assert.deepEqual(skusOf(await purchases.together('A', 5)), ['B:100000'])
  assert.deepEqual(await purchases.together('first', 5), [])
  await purchases.close()
})

test('what cannot be written is not taken', async t => {
  const file = path.join(await folder(t), 'purchases.jsonl')
  const purchases = await Purchases.open(file, quiet().log)
  await purchases.close()
  await assert.rejects(purchases.add({ event: 'e-1', skus: ['A', 'B'] }))
  assert.equal(await readFile(file, 'utf8'), '')
})
