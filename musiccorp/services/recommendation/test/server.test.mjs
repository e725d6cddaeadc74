import assert from 'node:assert/strict'
import { test } from 'node:test'
import { albums, push, start } from '../fixture/service.mjs'

test('what is bought together is recommended, the most frequent first', async t => {
  const { url } = await start(t)
  for (const skus of [['A', 'B'], ['A', 'B', 'C'], ['A', 'D', 'A'], ['B', 'C'], ['E']]) {
    assert.equal((await push(url, skus)).status, 204)
  }
  assert.deepEqual(await albums(url, 'A'), ['B:2', 'C:1', 'D:1'])
  assert.deepEqual(await albums(url, 'A', '?limit=1'), ['B:2'])
  assert.deepEqual(await albums(url, 'C'), ['B:2', 'A:1'])
  assert.deepEqual(await albums(url, 'E'), [])
  assert.deepEqual(await albums(url, 'nobody-knows'), [])
})

test('an event that comes again, even at the same time, counts once', async t => {
  const { url } = await start(t)
  const answers = await Promise.all(Array.from({ length: 20 }, () => push(url, ['A', 'B'], { 'ce-id': 'same' })))
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [204])
  await push(url, ['A', 'B'], { 'ce-id': 'same', 'ce-source': '/services/other' }) // another's ID
  assert.deepEqual(await albums(url, 'A'), ['B:2'])
})

test('what is no order.placed is refused with a problem', async t => {
  const { url, lines } = await start(t)
  const line = sku => JSON.stringify({ lines: [{ sku: 'A' }, { sku }] })
  for (const [status, detail, headers, body] of [
    [400, 'ce-id', { 'ce-id': null }],
    [400, 'ce-source', { 'ce-source': null }],
    [400, 'ce-type', { 'ce-type': 'order.cancelled' }],
    [400, 'ce-specversion', { 'ce-specversion': '0.3' }],
    [415, 'application/json', { 'content-type': 'text/plain' }],
    [400, 'not JSON', {}, '{'],
    [422, 'no lines', {}, 'null'],
    [422, 'no lines', {}, '[]'],
    [422, 'no lines', {}, '{"lines": []}'],
    [422, 'no lines', {}, JSON.stringify({ lines: Array(1001).fill({ sku: 'A' }) })],
    [422, 'without a SKU', {}, line('../etc')],
    [422, 'without a SKU', {}, line('A'.repeat(21))],
    [422, 'without a SKU', {}, line(7)],
    [422, 'without a SKU', {}, '{"lines": [null]}'],
    [413, 'over the limit', {}, 'x'.repeat((1 << 20) + 1)],
  ]) {
    const answer = await push(url, ['A', 'B'], { 'x-correlation-id': 'trail-7', ...headers }, body)
    const problem = await answer.json()
    assert.equal(answer.status, status, JSON.stringify(problem))
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
    assert.match(problem.detail, new RegExp(detail))
    assert.equal(problem.correlationId, 'trail-7')
    assert.equal(lines.at(-1).msg, 'event refused')
  }
  assert.deepEqual(await albums(url, 'A'), [])
})

test('the work that a request belongs to is in answer and log', async t => {
  const { url, lines } = await start(t)
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const answer = await push(url, ['A', 'B'], { 'x-correlation-id': 'trail-7', traceparent, 'ce-id': 'e-1' })
  assert.equal(answer.headers.get('x-correlation-id'), 'trail-7')
  const { time, ...line } = lines.at(-1)
  assert.ok(Date.now() - Date.parse(time) < 60_000)
  assert.deepEqual(line, {
    level: 'INFO', msg: 'event taken', service: 'recommendation', instance: 'recommendation', correlation_id: 'trail-7',
    trace_id: '0af7651916cd43dd8448eb211c80319c', span_id: 'b7ad6b7169203331', event: 'e-1',
  })
  const unfit = await push(url, ['A', 'B'], { 'ce-correlationid': 'trail-8' })
  assert.equal(unfit.headers.get('x-correlation-id'), 'trail-8')
  const made = await fetch(`${url}/health/live`, { headers: { 'x-correlation-id': 'a b' } })
  assert.match(made.headers.get('x-correlation-id'), /^[0-9a-f-]{36}$/)
})

test('mistakes in a request are named', async t => {
  const { url } = await start(t)
  for (const [method, path, status, location, header] of [
    ['GET', '/api/recommendations/..%2fetc', 422, 'path.sku'],
    ['GET', `/api/recommendations/${'A'.repeat(21)}`, 422, 'path.sku'],
    ['GET', '/api/recommendations/%zz', 400],
    ['GET', '/api/recommendations/A?limit=0', 422, 'query.limit'],
    ['GET', '/api/recommendations/A?limit=21', 422, 'query.limit'],
    ['GET', '/api/recommendations/A?limit=two', 422, 'query.limit'],
    ['GET', '/api/recommendations/', 404],
    ['GET', '/nowhere', 404],
    ['DELETE', '/api/recommendations/A', 405, undefined, ['allow', 'GET, HEAD']],
    ['GET', '/events/order-placed', 405, undefined, ['allow', 'POST']],
  ]) {
    const answer = await fetch(url + path, { method })
    const problem = await answer.json()
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(problem)}`)
    assert.equal(problem.errors?.[0].location, location)
    assert.equal(problem.correlationId, answer.headers.get('x-correlation-id'))
    if (header) assert.equal(answer.headers.get(header[0]), header[1])
  }
  const head = await fetch(`${url}/api/recommendations/A`, { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(await head.text(), '')
})
