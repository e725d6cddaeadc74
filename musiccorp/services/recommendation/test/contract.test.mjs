// Holds api/openapi.json to what the service does, and dist/ to src/.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { upToDate } from '../build.mjs'
import { push, start } from '../fixture/service.mjs'

const document = JSON.parse(await readFile(new URL('../api/openapi.json', import.meta.url), 'utf8'))

const resolve = value => value.$ref
  ? resolve(value.$ref.slice(2).split('/').reduce((node, key) => node[key], document))
  : value

// fits fails unless the value is what the schema says, as far as the document
// uses JSON Schema.
function fits(schema, value, where = 'body') {
  const { type, required = [], properties = {}, items, minimum } = resolve(schema)
  const actual = Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value
  assert.equal(actual, type, where)
  if (type === 'object') {
    for (const name of required) assert.ok(name in value, `${where} has no ${name}`)
    for (const [name, member] of Object.entries(value)) {
      assert.ok(properties[name], `${where} has ${name}, which is not described`)
      fits(properties[name], member, `${where}.${name}`)
    }
  }
  if (items && type === 'array') value.forEach((item, i) => fits(items, item, `${where}[${i}]`))
  if (minimum !== undefined) assert.ok(value >= minimum, where)
}

const schemaOf = (path, method, status) => {
  const { responses } = document.paths[path][method]
  const [content] = Object.entries(resolve(responses[status] ?? responses.default).content)
  return { type: content[0], schema: content[1].schema }
}

test('the description is what is answered', async t => {
  const { url } = await start(t)
  await push(url, ['MC-0001', 'MC-0002', 'MC-0003'])
  for (const [path, status] of [['/api/recommendations/MC-0001', 200], ['/api/recommendations/MC-0009', 200], ['/api/recommendations/a.b?limit=x', 422]]) {
    const answer = await fetch(url + path)
    assert.equal(answer.status, status)
    const { type, schema } = schemaOf('/api/recommendations/{sku}', 'get', status)
    assert.equal(answer.headers.get('content-type'), type)
    fits(schema, await answer.json())
  }
  const refused = await push(url, ['not a SKU'])
  fits(schemaOf('/events/order-placed', 'post', refused.status).schema, await refused.json())
})

test('what is described is there, and what is there is described', async t => {
  const { url } = await start(t)
  for (const [path, methods] of Object.entries(document.paths)) {
    const answer = await fetch(url + path.replace('{sku}', 'A'), { method: 'PUT' })
    const allowed = answer.headers.get('allow').toLowerCase().split(', ').filter(method => method !== 'head')
    assert.deepEqual(allowed, Object.keys(methods), path)
  }
})

test('dist/ is built of src/', () => {
  assert.ok(upToDate(), 'it is not: run npm run build')
})
