import { useComputedColorScheme } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { useEffect, useRef } from 'react'
import { Brush } from '../../parts/Brush'
import { colourOf } from '../../parts/colours'
import { duration } from '../../parts/format'
import type { Model } from './model'

// Sight is the stretch of the trace that the rows show, in nanoseconds after
// its start.
export interface Sight {
  from: number
  to: number
}

const height = 36

// Overview is the whole trace, small; a stretch that is drawn over it becomes
// what the rows show.
export function Overview({ model, sight, setSight }: { model: Model; sight: Sight; setSight: (sight: Sight) => void }) {
  const { ref, width } = useElementSize()
  const canvas = useRef<HTMLCanvasElement>(null)
  const scheme = useComputedColorScheme()
  useEffect(() => draw(canvas.current!, model, width), [model, width, scheme])
  const part = (at: number) => `${(at / model.length) * 100}%`
  return (
    <Brush label="Draw over it to look closer" onChoose={(from, to) => setSight({ from: from * model.length, to: to * model.length })}>
      <div ref={ref} className="trace-overview">
        <canvas ref={canvas} style={{ width: '100%', height }} aria-hidden />
        <div className="trace-aside" style={{ left: 0, width: part(sight.from) }} />
        <div className="trace-aside" style={{ left: part(sight.to), right: 0 }} />
      </div>
    </Brush>
  )
}

function draw(canvas: HTMLCanvasElement, { spans, length }: Model, width: number) {
  const context = canvas.getContext('2d')
  if (!context || width === 0) return
  const scale = window.devicePixelRatio || 1
  canvas.width = width * scale
  canvas.height = height * scale
  context.scale(scale, scale)
  context.clearRect(0, 0, width, height)
  const line = Math.max(0.5, Math.min(3, height / spans.length))
  spans.forEach(({ span, at }, index) => {
    context.fillStyle = colourOf(span.service)
    context.fillRect((at / length) * width, (index / spans.length) * height, Math.max(1, (span.duration / length) * width), line)
  })
}

// Ticks are the moments above the rows.
export function Ticks({ sight }: { sight: Sight }) {
  return (
    <div className="trace-ticks" aria-hidden>
      {[0, 0.25, 0.5, 0.75, 1].map(part => (
        <span key={part} style={part === 1 ? { right: 0 } : { left: `${part * 100}%` }}>
          {duration(sight.from + (sight.to - sight.from) * part)}
        </span>
      ))}
    </div>
  )
}
