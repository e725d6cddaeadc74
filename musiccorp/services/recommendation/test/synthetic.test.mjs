import assert from 'node:assert/strict'
import { test } from 'node:test'
import { albums, push, start } from '../fixture/service.mjs'

test('what a test customer orders is taken, and not learnt from', async t => {
  const { url } = await start(t)
  assert.equal((await push(url, ['A', 'B'], { 'plat-test': '1.purchase.r1.1800000060.x' })).status, 204)
  assert.deepEqual(await albums(url, 'A'), [])
  assert.equal((await push(url, ['A', 'B'])).status, 204)
  assert.deepEqual(await albums(url, 'A'), ['B:1'])
})
