import { type PointerEvent, type ReactNode, useRef, useState } from 'react'

// Brush lets a stretch of what it frames be chosen with the pointer. onChoose
// gets its ends as parts of the width, from 0 to 1.
export function Brush({ children, onChoose, label }: { children: ReactNode; onChoose: (from: number, to: number) => void; label: string }) {
  const frame = useRef<HTMLDivElement>(null)
  const [stretch, setStretch] = useState<[number, number]>()
  const at = (event: PointerEvent) => {
    const { left, width } = frame.current!.getBoundingClientRect()
    return Math.max(0, Math.min(1, (event.clientX - left) / width))
  }
  const choose = () => {
    if (!stretch) return
    setStretch(undefined)
    const [from, to] = [Math.min(...stretch), Math.max(...stretch)]
    if (to - from > 0.004) onChoose(from, to)
  }
  return (
    <div
      ref={frame}
      className="brush"
      title={label}
      onPointerDown={event => {
        if (event.button !== 0) return
        event.currentTarget.setPointerCapture(event.pointerId)
        setStretch([at(event), at(event)])
      }}
      onPointerMove={event => stretch && setStretch([stretch[0], at(event)])}
      onPointerUp={choose}
      onPointerCancel={() => setStretch(undefined)}
    >
      {children}
      {stretch && <div className="brush-stretch" style={{ left: `${Math.min(...stretch) * 100}%`, width: `${Math.abs(stretch[1] - stretch[0]) * 100}%` }} />}
    </div>
  )
}
