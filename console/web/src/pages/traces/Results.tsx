import { useEffect, useRef } from 'react'
import type { TraceSummary } from '../../api/telemetry'
import { colourOf } from '../../parts/colours'
import { counted, duration } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Mark } from '../../parts/State'
import { Age } from '../../parts/time'

// Results lists traces, each with a bar as long as it took and one of what
// services its spans are of.
export function Results({ traces, chosen }: { traces: TraceSummary[]; chosen: string | undefined }) {
  const longest = Math.max(1, ...traces.map(({ duration }) => duration))
  return (
    <ol className="traces">
      {traces.map(trace => (
        <Result key={trace.traceId} trace={trace} longest={longest} chosen={trace.traceId === chosen} />
      ))}
    </ol>
  )
}

function Result({ trace, longest, chosen }: { trace: TraceSummary; longest: number; chosen: boolean }) {
  const row = useRef<HTMLLIElement>(null)
  useEffect(() => {
    if (chosen) row.current?.scrollIntoView({ block: 'nearest' })
  }, [chosen])
  return (
    <li ref={row} data-selected={chosen || undefined}>
      <div className="trace-name">
        <span className="chip" style={{ background: colourOf(trace.service) }} aria-hidden />
        <span className="dim">{trace.service}</span>{' '}
        <Go to="/traces/$id" params={{ id: trace.traceId }} fw={600}>
          {trace.root}
        </Go>
      </div>
      <div className="trace-time">
        <span className="number">{duration(trace.duration)}</span>
        <span className="length" aria-hidden>
          <span style={{ width: `${Math.max(0.5, (trace.duration / longest) * 100)}%` }} />
        </span>
      </div>
      <div className="trace-more">
        <Services services={trace.services ?? {}} />
        <span className="dim">{counted(trace.spans, 'span')}</span>
        {trace.errors > 0 && <Mark tone="bad">{counted(trace.errors, 'error')}</Mark>}
        <span className="dim trace-age">
          <Age since={trace.start} ago />
        </span>
      </div>
    </li>
  )
}

function Services({ services }: { services: Record<string, number> }) {
  const all = Object.entries(services).sort(([, a], [, b]) => b - a)
  const total = all.reduce((sum, [, spans]) => sum + spans, 0) || 1
  const title = all.map(([name, spans]) => `${name} ${spans}`).join(', ')
  return (
    <span className="shares" role="img" title={title} aria-label={`Spans by service: ${title}`}>
      {all.map(([name, spans]) => (
        <span key={name} style={{ width: `${(spans / total) * 100}%`, background: colourOf(name) }} />
      ))}
    </span>
  )
}
