import { IconAlertTriangleFilled, IconCircleCheckFilled, IconCircleDashed, IconCircleMinus, IconCircleXFilled, IconProgress } from '@tabler/icons-react'

export type Tone = 'good' | 'bad' | 'warn' | 'busy' | 'idle'

const icons = { good: IconCircleCheckFilled, bad: IconCircleXFilled, warn: IconAlertTriangleFilled, busy: IconProgress, idle: IconCircleMinus }

const tones: Record<string, Tone> = {
  ready: 'good',
  passing: 'good',
  live: 'good',
  degraded: 'warn',
  unready: 'warn',
  warning: 'warn',
  'crash-looping': 'bad',
  'build-failed': 'bad',
  critical: 'bad',
  refused: 'bad',
  pending: 'busy',
  building: 'busy',
  starting: 'busy',
  stopping: 'busy',
}

export function toneOf(state: string): Tone {
  return tones[state] ?? 'idle'
}

// Mark is a sign with its word: colour never stands alone.
export function Mark({ tone, children }: { tone: Tone; children: React.ReactNode }) {
  const Icon = icons[tone]
  return (
    <span className="state">
      <Icon className={tone} size={15} aria-hidden />
      {children}
    </span>
  )
}

export function State({ state }: { state: string | undefined }) {
  if (!state)
    return (
      <span className="state dim">
        <IconCircleDashed size={15} aria-hidden />
        unknown
      </span>
    )
  return <Mark tone={toneOf(state)}>{state}</Mark>
}
