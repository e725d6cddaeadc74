import type { Verdict } from '../../api/chaos'
import { Mark, type Tone } from '../../parts/State'

// verdicts stand in the order in which they matter.
export const verdicts: Verdict[] = ['false', 'not-rehearsed', 'kept']

const tones: Record<Verdict, Tone> = { kept: 'good', false: 'bad', 'not-rehearsed': 'idle' }

// VerdictMark says what became of a promise; one that is out of date proves
// nothing of today.
export function VerdictMark({ verdict, stale }: { verdict: Verdict; stale?: string }) {
  const word = verdict === 'not-rehearsed' ? 'not rehearsed' : verdict
  if (!stale) return <Mark tone={tones[verdict]}>{word}</Mark>
  return (
    <>
      <Mark tone="warn">out of date</Mark>
      {verdict !== 'not-rehearsed' && <div className="dim small-text nowrap">was {word}</div>}
    </>
  )
}
