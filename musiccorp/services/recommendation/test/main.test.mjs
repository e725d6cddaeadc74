import assert from 'node:assert/strict'
import { request } from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import { albums, folder, launch, push } from '../fixture/service.mjs'

test('the program serves, drains on SIGTERM and remembers', { timeout: 60_000 }, async t => {
  const store = path.join(await folder(t), 'purchases.db')
  const first = await launch(t, store)
  assert.equal((await fetch(`${first.url}/health/ready`)).status, 200)
  assert.equal((await push(first.url, ['A', 'B'])).status, 204)

  // An event whose body is still on its way when the end begins is taken.
  const { hostname, port } = new URL(first.url)
  const body = JSON.stringify({ lines: [{ sku: 'A' }, { sku: 'C' }] })
  const late = request({
    hostname, port, path: '/events/order-placed', method: 'POST', headers: {
      'content-type': 'application/json', 'content-length': body.length, 'ce-specversion': '1.0',
      'ce-type': 'order.placed', 'ce-source': '/services/order', 'ce-id': 'late',
    },
  })
  const answered = new Promise((resolve, reject) => late.on('response', resolve).on('error', reject))
  late.write(body.slice(0, 10))
  while ((await fetch(`${first.url}/health/live`)).status !== 200 || !late.socket?.bytesWritten) { /* until it has been sent */ }
  first.child.kill('SIGTERM')
  while (!first.lines.some(({ msg }) => msg === 'draining')) await new Promise(resolve => setTimeout(resolve, 5))
  late.end(body.slice(10))
  assert.equal((await answered).statusCode, 204)
  assert.deepEqual(await first.ended, { code: 0, signal: null })
  assert.equal(first.lines.at(-1).msg, 'stopped')
  for (const { level, service, instance } of first.lines) {
    assert.deepEqual({ level, service, instance }, { level: 'INFO', service: 'recommendation', instance: 'recommendation-1' })
  }

  const second = await launch(t, store)
  assert.deepEqual(await albums(second.url, 'A'), ['B:1', 'C:1'])
})

test('what was answered survives a kill', { timeout: 60_000 }, async t => {
  const store = path.join(await folder(t), 'purchases.db')
  const first = await launch(t, store)
  const answers = Array.from({ length: 50 }, () => push(first.url, ['A', 'B']).then(({ status }) => status, () => 0))
  await Promise.any(answers.map(async answer => assert.equal(await answer, 204)))
  first.child.kill('SIGKILL')
  const taken = (await Promise.all(answers)).filter(status => status === 204).length
  const second = await launch(t, store)
  const [album] = await albums(second.url, 'A')
  assert.ok(Number(album.split(':')[1]) >= taken, `${album}, but ${taken} were answered`)
})

test('a wrong environment is said in the log', { timeout: 60_000 }, async t => {
  for (const env of [{ PORT: 'http' }, { PORT: '65536' }, { PLAT_STORE_PURCHASES: '/nowhere/at/all.db' }]) {
    await assert.rejects(launch(t, path.join(await folder(t), 'purchases.db'), env), /ended with 1: .*service failed/)
  }
})
