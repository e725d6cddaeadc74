import type { Objective } from '../api/objectives'
import { seconds, share, three } from './format'
import { Mark, type Tone } from './State'

// promise says an objective in words.
export function promise({ kind, target, threshold, event }: Objective): string {
  const part = share(target)
  switch (kind) {
    case 'availability':
      return `${part} without errors`
    case 'latency':
      return `${part} within ${threshold === undefined ? '?' : seconds(threshold)}`
    case 'freshness':
      return `${event ?? 'events'} wait at most ${threshold === undefined ? '?' : seconds(threshold)}`
  }
}

// Budget is what is left of what may fail.
export function Budget({ objective: { left, state } }: { objective: Objective }) {
  if (state === 'unknown') return <span className="dim">nothing counted yet</span>
  const tone: Tone = left <= 0 ? 'bad' : state === 'burning' || state === 'alerting' || left < 0.25 ? 'warn' : 'good'
  return (
    <span className="budget">
      <Mark tone={tone}>
        {left <= 0 ? `spent${left < 0 ? `, ${three(1 - left)} times` : ''}` : share(left)}
        {(state === 'burning' || state === 'alerting') && left > 0 && `, ${state}`}
      </Mark>
      <span className="budget-bar" aria-hidden>
        <span className={tone} style={{ width: `${Math.max(0, Math.min(1, left)) * 100}%` }} />
      </span>
    </span>
  )
}
