import 'uplot/dist/uPlot.min.css'
import './chart.css'
import { useComputedColorScheme } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { useEffect, useMemo, useRef, useState } from 'react'
import uPlot from 'uplot'
import { between, useRange } from '../app/range'
import { three } from './format'

export interface Line {
  id: string
  name: string
  colour: string
  points: [number, number][]
}

// Chart draws lines over time. A stretch that is drawn over it becomes the
// page's time; a line is taken away, and alone, by its name.
export function Chart({ from, to, lines, height = 360 }: { from: number; to: number; lines: Line[]; height?: number }) {
  const { ref, width } = useElementSize()
  const holder = useRef<HTMLDivElement>(null)
  const scheme = useComputedColorScheme()
  const { setRange } = useRange()
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set())
  const [at, setAt] = useState<number>()
  const shown = useMemo(() => lines.filter(({ id }) => !hidden.has(id)), [lines, hidden])
  const data = useMemo(() => aligned(shown), [shown])
  useEffect(() => {
    if (width === 0) return
    const chart = new uPlot(options({ width, height, from, to, lines: shown, choose: (a, b) => setRange(between(a, b)), point: setAt }), data, holder.current!)
    return () => chart.destroy()
  }, [data, shown, width, height, from, to, scheme, setRange])
  const flip = (id: string, alone: boolean) => {
    if (alone) return setHidden(hidden.size === lines.length - 1 && !hidden.has(id) ? new Set() : new Set(lines.map(each => each.id).filter(other => other !== id)))
    setHidden(hidden.has(id) ? new Set([...hidden].filter(other => other !== id)) : new Set([...hidden, id]))
  }
  return (
    <div ref={ref} className="panel chart">
      <div ref={holder} role="img" aria-label={`${lines.length} lines over time`} />
      <ul className="chart-lines" aria-label="Lines">
        {lines.map(line => (
          <li key={line.id}>
            <button type="button" aria-pressed={!hidden.has(line.id)} title="Shift: this one alone" onClick={event => flip(line.id, event.shiftKey)}>
              <span className="chip" style={{ background: line.colour }} aria-hidden />
              <span className="mono">{line.name}</span>
              <b className="number">{three(valueAt(line, at))}</b>
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}

interface Wanted {
  width: number
  height: number
  from: number
  to: number
  lines: Line[]
  choose: (from: number, to: number) => void
  point: (at: number | undefined) => void
}

function options({ width, height, from, to, lines, choose, point }: Wanted): uPlot.Options {
  const style = getComputedStyle(document.documentElement)
  const stroke = style.getPropertyValue('--mantine-color-dimmed').trim()
  const grid = { stroke: style.getPropertyValue('--line').trim(), width: 1 }
  return {
    width: width - 4,
    height,
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
    scales: { x: { time: true, range: [from / 1_000, to / 1_000] }, y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.05 : 1] } },
    axes: [
      { stroke, grid, ticks: grid, size: 34, values: (_, splits) => splits.map(at => clock(at, to - from)) },
      { stroke, grid, ticks: grid, size: 64, values: (_, splits) => splits.map(short) },
    ],
    series: [{}, ...lines.map(({ name, colour }) => ({ label: name, stroke: colour, width: 1.5, spanGaps: false, points: { size: 4, fill: colour } }))],
    hooks: {
      setSelect: [
        chart => {
          const { left, width } = chart.select
          if (width > 4) choose(chart.posToVal(left, 'x') * 1_000, chart.posToVal(left + width, 'x') * 1_000)
        },
      ],
      setCursor: [chart => point(chart.cursor.idx == null ? undefined : chart.data[0][chart.cursor.idx])],
    },
  }
}

// aligned puts all lines on the same moments, with gaps where one has nothing.
function aligned(lines: Line[]): uPlot.AlignedData {
  const times = [...new Set(lines.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b)
  const place = new Map(times.map((at, index) => [at, index]))
  const rows = lines.map(({ points }) => {
    const row: (number | null)[] = Array.from(times, () => null)
    for (const [at, value] of points) row[place.get(at)!] = Number.isFinite(value) ? value : null
    return row
  })
  return [times, ...rows]
}

function valueAt({ points }: Line, at: number | undefined): number {
  const point = at === undefined ? points.at(-1) : points.find(([time]) => time === at)
  return point?.[1] ?? Number.NaN
}

function clock(at: number, length: number): string {
  const date = new Date(at * 1_000)
  if (length > 2 * 86_400_000) return date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
  return date.toLocaleTimeString('en-GB', length > 600_000 ? { hour: '2-digit', minute: '2-digit' } : {})
}

// short writes a large number with its letter, so that an axis holds it.
function short(value: number): string {
  for (const [size, letter] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const) if (Math.abs(value) >= size) return `${three(value / size)} ${letter}`
  return three(value)
}
