import { useElementSize } from '@mantine/hooks'
import { useMemo } from 'react'
import { bounds, type Range } from '../../app/range'
import type { TraceSummary } from '../../api/telemetry'
import { duration } from '../../parts/format'

const height = 120
const left = 58
const bottom = 16

// Scatter sets traces out by when they began and how long they took, the
// latter on a scale of powers of ten. Errors are crosses.
export function Scatter({ traces, range, chosen, open }: { traces: TraceSummary[]; range: Range; chosen: string | undefined; open: (id: string) => void }) {
  const { ref, width } = useElementSize()
  const { from, to } = useMemo(() => bounds(range), [range, traces])
  const lengths = traces.map(trace => Math.max(1_000, trace.duration))
  const low = Math.floor(Math.log10(Math.min(...lengths)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...lengths))))
  const x = (at: number) => left + ((at - from) / (to - from)) * Math.max(0, width - left - 8)
  const y = (length: number) => 6 + (1 - (Math.log10(Math.max(1_000, length)) - low) / (high - low)) * (height - bottom - 10)
  const lines = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index))
  return (
    <div ref={ref} className="scatter panel">
      <svg width={width || '100%'} height={height} role="img" aria-label={`Duration over time of ${traces.length} traces, ${traces.filter(({ errors }) => errors > 0).length} with errors`}>
        {lines.map(length => (
          <g key={length}>
            <line x1={left} x2={width - 8} y1={y(length)} y2={y(length)} className="grid" />
            <text x={left - 6} y={y(length) + 4} textAnchor="end">
              {duration(length)}
            </text>
          </g>
        ))}
        <text x={left} y={height - 3}>
          {clock(from)}
        </text>
        <text x={width - 8} y={height - 3} textAnchor="end">
          {clock(to)}
        </text>
        {traces.map(trace => {
          const [cx, cy] = [x(Date.parse(trace.start)), y(trace.duration)]
          const about = `${trace.service}: ${trace.root}, ${duration(trace.duration)}${trace.errors > 0 ? `, ${trace.errors} errors` : ''}`
          return (
            <g key={trace.traceId} className={`dot${trace.traceId === chosen ? ' dot-chosen' : ''}`} onClick={() => open(trace.traceId)}>
              <title>{about}</title>
              {trace.errors > 0 ? (
                <path d={`M${cx - 4} ${cy - 4}l8 8m0 -8l-8 8`} className="dot-error" />
              ) : (
                <circle cx={cx} cy={cy} r={4} />
              )}
              <circle cx={cx} cy={cy} r={8} className="dot-reach" />
            </g>
          )
        })}
      </svg>
    </div>
  )
}

const clock = (at: number) => new Date(at).toLocaleString('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' })
