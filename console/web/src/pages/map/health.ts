import type { Edge } from '../../api/types'
import { seconds, share, three } from '../../parts/format'
import type { Tone } from '../../parts/State'
import type { Bundle } from './model'

const failing = 0.05 // share of errors of 5 minutes
const shaky = 0.01
const slow = 1 // seconds that 95 of 100 took
const stuck = 3
const fewest = 5 // uses, before anything is said of them
const patience = 300 // seconds that an event may wait where the plan says nothing

// Health is how an edge does of late: bad is the red edge.
export interface Health {
  tone: Tone
  rate: number // a second
  errors: number // share
  p95: number // seconds
  text: string
  short: string // what is worst of it
}

// healthOf sums up what leads from one member to another; undefined where
// nothing was counted within 5 minutes and no event waits for long.
export function healthOf({ edges }: Pick<Bundle, 'edges'>): Health | undefined {
  const [used, waits] = [useOf(edges), waitOf(edges)]
  if (!used || !waits) return used ?? waits
  const { tone, short } = gravity.indexOf(waits.tone) > gravity.indexOf(used.tone) ? waits : used
  return { ...used, tone, short, text: `${used.text}, ${waits.text}` }
}

const gravity: Tone[] = ['idle', 'good', 'warn', 'bad']

// waitOf is how late the oldest event is which is not handled: bad when it is
// later than the plan wants, shaky from half of that.
function waitOf(edges: Edge[]): Health | undefined {
  const worst = edges.reduce((most, { oldest = 0, fresh = patience }) => Math.max(most, oldest / fresh), 0)
  if (worst < 0.5) return undefined
  const oldest = Math.max(...edges.map(edge => edge.oldest ?? 0))
  const text = `waits ${seconds(oldest)}`
  return { tone: worst > 1 ? 'bad' : 'warn', rate: 0, errors: 0, p95: 0, text, short: text }
}

function useOf(edges: Edge[]): Health | undefined {
  const counted = edges.filter(({ figures }) => figures && figures.last5.count > 0)
  if (counted.length === 0) return undefined
  const sum = (of: (edge: Edge) => number) => counted.reduce((all, edge) => all + of(edge), 0)
  const count = sum(({ figures }) => figures!.last5.count)
  const errors = sum(({ figures }) => figures!.last5.errors) / count
  const p95 = Math.max(...counted.map(({ figures }) => figures!.last5.p95))
  const rate = sum(({ figures }) => figures!.rate1)
  const tone = toneOf(count, errors, p95)
  const parts = [`${three(rate)}/s`, ...(errors > 0 ? [`${share(errors)} errors`] : []), `p95 ${seconds(p95)}`]
  const short = errors >= shaky ? `${share(errors)} errors` : `p95 ${seconds(p95)}`
  return { tone, rate, errors, p95, text: parts.join(', '), short }
}

function toneOf(count: number, errors: number, p95: number): Tone {
  if (count < fewest) return errors > 0 ? 'warn' : 'idle'
  if (errors >= failing || p95 >= stuck) return 'bad'
  return errors >= shaky || p95 >= slow ? 'warn' : 'good'
}
