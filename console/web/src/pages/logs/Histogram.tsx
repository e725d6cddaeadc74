import { between, type Range } from '../../app/range'
import type { LogOverview } from '../../api/telemetry'
import { Brush } from '../../parts/Brush'
import { count } from '../../parts/format'
import { severities } from './question'

const height = 72

// Histogram is how the records spread over the time; drawing over it narrows
// the time.
export function Histogram({ overview, zoom }: { overview: LogOverview; zoom: (range: Range) => void }) {
  const buckets = overview.buckets ?? []
  if (buckets.length === 0) return null
  const from = Date.parse(overview.from)
  const length = (buckets.length * overview.step) / 1e6
  const sums = buckets.map(({ counts }) => Object.values(counts ?? {}).reduce((sum, each) => sum + each, 0))
  const most = Math.max(1, ...sums)
  return (
    <div className="histogram panel">
      <Brush label="Draw over it to narrow the time" onChoose={(a, b) => zoom(between(from + a * length, from + b * length))}>
        <svg viewBox={`0 0 ${buckets.length} ${height}`} preserveAspectRatio="none" width="100%" height={height} role="img" aria-label={`${count(overview.total)} log records over time, at most ${count(most)} in one bar`}>
          {buckets.map(({ counts }, index) => {
            let top = height
            return severities.map(severity => {
              const tall = ((counts?.[severity] ?? 0) / most) * (height - 4)
              if (tall === 0) return null
              top -= Math.max(1, tall)
              return (
                <rect key={`${index} ${severity}`} x={index + 0.08} width={0.84} y={top} height={Math.max(1, tall)} data-severity={severity}>
                  <title>{`${clock(from + (index * overview.step) / 1e6)}: ${count(counts?.[severity] ?? 0)} ${severity}`}</title>
                </rect>
              )
            })
          })}
        </svg>
      </Brush>
      <div className="histogram-foot">
        <span>{clock(from)}</span>
        <span>
          {overview.partial ? 'more than ' : ''}
          {count(overview.total)} records
        </span>
        <span>{clock(from + length)}</span>
      </div>
    </div>
  )
}

const clock = (at: number) => new Date(at).toLocaleString('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' })
