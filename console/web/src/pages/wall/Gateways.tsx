import { useQuery } from '@tanstack/react-query'
import { behindFigures, byLabel, expressions, lines, type Now } from '../../api/figures'
import type { Objective } from '../../api/objectives'
import type { System } from '../../api/types'
import { seconds, share, three } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Spark } from '../../parts/Spark'
import { Mark, type Tone } from '../../parts/State'
import { type Judged, limitOf, worstBehind } from './verdict'

const past = 15 * 60_000
const lately = () => ({ from: Date.now() - past, to: Date.now() })
const words: Record<Tone, string> = { good: 'within objective', warn: 'near the limit', bad: 'beyond objective', idle: 'not judged now', busy: '' }

// Gateways are what customers get, in large letters.
export function Gateways({ system, now, objectives, stale }: { system: System; now: Now | undefined; objectives: Objective[] | undefined; stale: boolean }) {
  const all = expressions('gateway')
  const rates = useQuery(lines('gateway rate', all.rate, lately)).data
  const errors = useQuery(lines('gateway errors', all.errors, lately)).data
  const slow = useQuery(lines('gateway p95', all.p95, lately)).data
  const behind = useQuery(behindFigures).data ?? []
  return (
    <div className="wall-gateways">
      {(system.gateways ?? []).map(({ name, url }) => {
        const figures = now?.by.get(name)
        const busy = (figures?.rate ?? 0) > 0
        const own = busy && !stale ? behind.filter(({ gateway }) => gateway === name) : []
        const errorsOf = worstBehind(own.map(({ service, errors }) => ({ service, value: errors, limit: limitOf(objectives ?? [], service).errors })))
        const slowOf = worstBehind(own.map(({ service, p95 }) => ({ service, value: p95, limit: limitOf(objectives ?? [], service).slow })))
        const line = (found: typeof rates, what: string, tone: 'busy' | 'bad' = 'busy') => <Spark points={byLabel(found?.series, 'gateway', name)?.points} from={found?.from ?? 0} to={found?.to ?? 1} width="100%" height={44} label={`${what} of ${name} in 15 minutes`} tone={tone} />
        return (
          <section key={name} className="panel wall-gateway" data-stale={stale || undefined} aria-label={`Gateway ${name}`}>
            <h2>
              {name} <span className="dim mono">{url}</span>
            </h2>
            <div className="wall-figures">
              <Figure name="requests/s" value={figures?.rate === undefined ? (now && !stale ? '0' : '–') : three(figures.rate, 2)} line={line(rates, 'Requests')} />
              <Figure name="errors" judged={objectives !== undefined} value={busy ? share(figures?.errors ?? Number.NaN) : '–'} tone={errorsOf.tone} note={promised(errorsOf, share)} line={line(errors, 'Errors', 'bad')} />
              <Figure name="95 of 100 within" judged={objectives !== undefined} value={busy && figures?.p95 !== undefined ? seconds(figures.p95, 2) : '–'} tone={slowOf.tone} note={promised(slowOf, seconds)} line={line(slow, 'Duration')} />
            </div>
            <Go to="/traces" search={{ error: 'true' }} fz="sm">
              Traces with errors
            </Go>
          </section>
        )
      })}
    </div>
  )
}

// promised says whose promise decided, and what it is.
function promised({ service, limit }: Judged, write: (value: number) => string): string | undefined {
  return service !== undefined && limit !== undefined ? `${service}: at most ${write(limit)}` : undefined
}

function Figure({ name, value, tone, note, line, judged = true }: { name: string; value: string; tone?: Tone; note?: string; line: React.ReactNode; judged?: boolean }) {
  return (
    <div className="wall-figure">
      <div className="dim">{name}</div>
      <div className={`wall-number ${tone && tone !== 'idle' ? tone : ''}`}>{value}</div>
      {line}
      <div className="wall-note">{tone && <Mark tone={tone}>{judged ? words[tone] : 'objectives not known'}{note && <span className="dim">, {note}</span>}</Mark>}</div>
    </div>
  )
}
