import type { Figures } from '../../api/figures'
import type { Objective } from '../../api/objectives'
import type { Tone } from '../../parts/State'

// Limit is what somebody promised.
export interface Limit {
  errors?: number // share that may fail
  slow?: number // seconds that 95 of 100 requests may take
}

// limitOf reads a service's objectives. Of latencies, the one that is nearest
// to what is shown counts.
export function limitOf(objectives: Objective[], service: string): Limit {
  const own = objectives.filter(each => each.service === service)
  const errors = own.find(({ kind }) => kind === 'availability')
  const slow = own.filter(({ kind }) => kind === 'latency').toSorted((a, b) => Math.abs(a.target - 0.95) - Math.abs(b.target - 0.95))[0]
  return { errors: errors && 1 - errors.target, slow: slow?.threshold === undefined ? undefined : slow.threshold }
}

// judge compares a figure with its limit: bad beyond it, warn near it. What
// nobody promised is neither good nor bad, and so is what is not known.
export function judge(value: number | undefined, limit: number | undefined): Tone {
  if (value === undefined || limit === undefined || Number.isNaN(value)) return 'idle'
  if (value > limit) return 'bad'
  return value > limit * 0.75 ? 'warn' : 'good'
}

// Judged is the one of several services that is worst against its own promise.
export interface Judged {
  tone: Tone
  service?: string
  limit?: number
}

// worstBehind judges each service by what it promised itself: what one may do
// says nothing of another.
export function worstBehind(each: { service: string; value: number | undefined; limit: number | undefined }[]): Judged {
  let worst: Judged & { part: number } = { tone: 'idle', part: -1 }
  for (const { service, value, limit } of each) {
    const tone = judge(value, limit)
    if (tone === 'idle' || value === undefined || limit === undefined) continue
    const part = value === 0 ? 0 : value / limit
    if (part > worst.part) worst = { tone, service, limit, part }
  }
  return worst
}

export interface Worst {
  service: string
  figures: Figures
  limit: Limit
  score: number
}

// worstOf orders services by how far they are from what they promised; errors
// and slowness without a promise count less.
export function worstOf(by: Map<string, Figures>, objectives: Objective[]): Worst[] {
  return [...by]
    .filter(([, { rate }]) => (rate ?? 0) > 0)
    .map(([service, figures]) => {
      const limit = limitOf(objectives, service)
      const errors = (figures.errors ?? 0) / (limit.errors || 0.05)
      const slow = (figures.p95 ?? 0) / (limit.slow ?? 5)
      return { service, figures, limit, score: Math.max(errors, slow) }
    })
    .toSorted((a, b) => b.score - a.score)
}
