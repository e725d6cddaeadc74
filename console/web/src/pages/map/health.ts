import type { Edge } from '../../api/types'
import { seconds, share, three } from '../../parts/format'
import type { Tone } from '../../parts/State'
import type { Bundle } from './model'

const failing = 0.05 // share of errors of 5 minutes
const shaky = 0.01
const slow = 1 // seconds that 95 of 100 took
const stuck = 3
const fewest = 5 // uses, before anything is said of them

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
// nothing was counted within 5 minutes.
export function healthOf({ edges }: Pick<Bundle, 'edges'>): Health | undefined {
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
