import './degradation/degradation.css'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { type Promised, rehearsalQuery, type Verdict } from '../api/chaos'
import { Absent } from '../parts/Absent'
import { Choice } from '../parts/Choice'
import { type Column, DataTable } from '../parts/DataTable'
import { counted } from '../parts/format'
import { Go } from '../parts/Go'
import { Loading, Nothing, Page } from '../parts/Page'
import { Search } from '../parts/Search'
import { Mark } from '../parts/State'
import { Age, known } from '../parts/time'
import { PromiseView } from './degradation/PromiseView'
import { Rehearse, Running } from './degradation/Rehearse'
import { verdicts, VerdictMark } from './degradation/verdict'

const route = getRouteApi('/degradation')

const keyOf = ({ caller, dependency }: Promised) => `${caller}~${dependency}`

// Degradation is what customers see if a dependency dies: what the plan
// promises of each, and what a rehearsal saw.
export function Degradation() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const set = (change: Partial<typeof search>) => void navigate({ search: old => ({ ...old, ...change }), replace: true })
  const rehearsal = useQuery(rehearsalQuery)
  const all = rehearsal.data?.promises ?? []
  const shown = all.filter(promise => fits(promise, search.q ?? '') && (!search.verdict || search.verdict === promise.verdict || (search.verdict === 'stale' && promise.stale)))
  const open = all.find(promise => keyOf(promise) === search.open)
  return (
    <Page title="Degradation" actions={rehearsal.data && !rehearsal.isError && <Rehearse rehearsal={rehearsal.data} />}>
      {rehearsal.isError && <Absent error={rehearsal.error} what="rehearsals" again={() => void rehearsal.refetch()} />}
      {rehearsal.isPending && <Loading />}
      {rehearsal.data && (
        <>
          <Running rehearsal={rehearsal.data} />
          <Summary promises={all} />
          {all.length === 0 ? (
            <Nothing>No service declares a call of another, so nothing is promised.</Nothing>
          ) : (
            <>
              <div className="filters">
                <Search label="Filter promises" value={search.q ?? ''} onChange={q => set({ q: q || undefined })} />
                <Choice label="Verdict" value={search.verdict} values={['kept', 'false', 'not-rehearsed', 'stale']} onChange={verdict => set({ verdict })} />
              </div>
              {shown.length === 0 ? <Nothing>No promise fits.</Nothing> : <DataTable label="If it fails, customers see" columns={columns} rows={shown} id={keyOf} sort={search.sort} onSort={sort => set({ sort })} selected={search.open} />}
            </>
          )}
          {open && <PromiseView promise={open} />}
          {search.open !== undefined && !open && <Nothing>The live plan has no such call.</Nothing>}
        </>
      )}
    </Page>
  )
}

const columns: Column<Promised>[] = [
  {
    key: 'dependency',
    header: 'If it fails',
    sort: ({ dependency }) => dependency,
    cell: promise => (
      <Go to="/degradation" search={old => ({ ...old, open: keyOf(promise) })} fw={600}>
        {promise.dependency}
      </Go>
    ),
  },
  { key: 'caller', header: 'For', sort: ({ caller }) => caller, cell: ({ caller }) => caller },
  { key: 'sees', header: 'Customers see', cell: ({ verdict, sees, why }) => <div className="reason">{verdict === 'not-rehearsed' ? <span className="dim">nobody knows{why && `: ${why}`}</span> : sees}</div> },
  {
    key: 'promised',
    header: 'Promised',
    from: 'md',
    cell: ({ onFailure, optional }) => (
      <>
        {onFailure}
        {optional && ', optional'}
      </>
    ),
  },
  { key: 'verdict', header: 'Verdict', sort: ({ verdict }) => verdicts.indexOf(verdict), cell: promise => <VerdictMark verdict={promise.verdict} stale={promise.stale} /> },
  { key: 'at', header: 'Rehearsed', number: true, from: 'lg', cell: ({ at }) => (known(at) ? <Age since={at} ago /> : <span className="dim">never</span>) },
]

function Summary({ promises }: { promises: Promised[] }) {
  const of = (verdict: Verdict) => promises.filter(promise => promise.verdict === verdict && !promise.stale).length
  const stale = promises.filter(promise => promise.stale).length
  return (
    <p className="degradation-sum">
      {of('false') > 0 && <Mark tone="bad">{counted(of('false'), 'promise')} false</Mark>}
      {of('kept') > 0 && <Mark tone="good">{counted(of('kept'), 'promise')} kept</Mark>}
      {of('not-rehearsed') > 0 && <Mark tone="idle">{of('not-rehearsed')} not rehearsed</Mark>}
      {stale > 0 && <Mark tone="warn">{stale} out of date</Mark>}
    </p>
  )
}

function fits({ caller, dependency, onFailure, sees, why }: Promised, q: string): boolean {
  const text = [caller, dependency, onFailure, sees, why].join(' ').toLowerCase()
  return q.toLowerCase().split(/\s+/).every(word => text.includes(word))
}
