// recommendation learns from orders what is bought together. It owns the store
// "purchases", takes order.placed as CloudEvents that plat pushes to it, and
// calls nobody. It needs Node and no package.
import path from 'node:path'
import { createLog } from './log.js'
import { Purchases } from './purchases.js'
import { serve } from './server.js'

const quiet = 200 // ms that connections may still come after the signal
const patience = 8_000 // ms for the requests in flight, below plat's grace of 10 s

const log = createLog(process.env)

try {
  const purchases = await Purchases.open(storeOf(process.env), log)
  const server = await serve({ port: portOf(process.env), purchases, log })
  log.info('serving', { url: server.url, orders: purchases.size })

  let ending = false
  const end = async (signal: string) => {
    if (ending) process.exit(1) // told twice
    ending = true
    log.info('draining', { signal, in_flight: server.inFlight() })
    const whole = await server.drain(quiet, patience)
    await purchases.close()
    log.info('stopped', {})
    process.exit(whole ? 0 : 1)
  }
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
} catch (error) {
  log.error('service failed', { error: String(error) })
  process.exitCode = 1
}

function portOf(env: NodeJS.ProcessEnv): number {
  const text = env['PORT'] || '8080'
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65535) throw new Error(`PORT: ${JSON.stringify(text)} is wrong, expected a port`)
  return port
}

// storeOf is the file of the store. plat gives a place for a database; what is
// there is a file of JSON lines, named as one.
function storeOf(env: NodeJS.ProcessEnv): string {
  const place = env['PLAT_STORE_PURCHASES'] || 'recommendation-purchases.db'
  return path.join(path.dirname(place), `${path.basename(place, path.extname(place))}.jsonl`)
}
