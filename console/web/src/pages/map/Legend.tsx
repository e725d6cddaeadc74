import type { ReactNode } from 'react'

const kinds = [
  { className: 'line', text: 'declared' },
  { className: 'line line-unused', text: 'declared, never used' },
  { className: 'line line-undeclared', text: 'undeclared' },
  { className: 'line line-event', text: 'events only' },
  { className: 'line line-warn', text: '1 % errors, 1 s, events nearly late' },
  { className: 'line line-bad', text: '5 % errors, 3 s, events late' },
]

export function Legend({ children }: { children: ReactNode }) {
  return (
    <div className="legend">
      <span>{children}</span>
      {kinds.map(({ className, text }) => (
        <span key={text}>
          <svg width="34" height="8" aria-hidden className={className}>
            <path className="react-flow__edge-path" d="M0 4H34" />
          </svg>
          {text}
        </span>
      ))}
    </div>
  )
}
