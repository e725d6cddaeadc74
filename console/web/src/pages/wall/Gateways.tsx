import { useQuery } from '@tanstack/react-query'
import { byLabel, expressions, lines, type Now } from '../../api/figures'
import type { Objective } from '../../api/objectives'
import type { System, SystemMap } from '../../api/types'
import { seconds, share, three } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Spark } from '../../parts/Spark'
import { Mark, type Tone } from '../../parts/State'
import { judge, limitOf, widest } from './verdict'

const past = 15 * 60_000
const lately = () => ({ from: Date.now() - past, to: Date.now() })
const words: Record<Tone, string> = { good: 'within objective', warn: 'near the limit', bad: 'beyond objective', idle: 'no objective', busy: '' }

// Gateways are what customers get, in large letters.
export function Gateways({ system, map, now, objectives, stale }: { system: System; map: SystemMap | undefined; now: Now | undefined; objectives: Objective[] | undefined; stale: boolean }) {
  const all = expressions('gateway')
  const rates = useQuery(lines('gateway rate', all.rate, lately)).data
  const errors = useQuery(lines('gateway errors', all.errors, lately)).data
  const slow = useQuery(lines('gateway p95', all.p95, lately)).data
  return (
    <div className="wall-gateways">
      {(system.gateways ?? []).map(({ name, url }) => {
        const figures = now?.by.get(name)
        const behind = (map?.edges ?? []).filter(({ from, kind }) => kind === 'route' && from === name).map(({ to }) => to)
        const limit = widest(behind.map(service => limitOf(objectives ?? [], service)))
        const busy = (figures?.rate ?? 0) > 0
        const line = (found: typeof rates, what: string, tone: 'busy' | 'bad' = 'busy') => <Spark points={byLabel(found?.series, 'gateway', name)?.points} from={found?.from ?? 0} to={found?.to ?? 1} width="100%" height={44} label={`${what} of ${name} in 15 minutes`} tone={tone} />
        return (
          <section key={name} className="panel wall-gateway" data-stale={stale || undefined} aria-label={`Gateway ${name}`}>
            <h2>
              {name} <span className="dim mono">{url}</span>
            </h2>
            <div className="wall-figures">
              <Figure name="requests/s" value={figures?.rate === undefined ? (now && !stale ? '0' : '–') : three(figures.rate)} line={line(rates, 'Requests')} />
              <Figure name="errors" judged={objectives !== undefined} value={busy ? share(figures?.errors ?? Number.NaN) : '–'} tone={busy && !stale ? judge(figures?.errors, limit.errors) : 'idle'} note={limit.errors === undefined ? undefined : `at most ${share(limit.errors)}`} line={line(errors, 'Errors', 'bad')} />
              <Figure name="95 of 100 within" judged={objectives !== undefined} value={busy && figures?.p95 !== undefined ? seconds(figures.p95) : '–'} tone={busy && !stale ? judge(figures?.p95, limit.slow) : 'idle'} note={limit.slow === undefined ? undefined : `at most ${seconds(limit.slow)}`} line={line(slow, 'Duration')} />
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

function Figure({ name, value, tone, note, line, judged = true }: { name: string; value: string; tone?: Tone; note?: string; line: React.ReactNode; judged?: boolean }) {
  return (
    <div className="wall-figure">
      <div className="dim">{name}</div>
      <div className={`wall-number ${tone && tone !== 'idle' ? tone : ''}`}>{value}</div>
      {line}
      <div className="wall-note">{tone && <Mark tone={tone}>{judged ? (tone === 'idle' && note ? 'not judged now' : words[tone]) : 'objectives not known'}{note && <span className="dim">, {note}</span>}</Mark>}</div>
    </div>
  )
}
