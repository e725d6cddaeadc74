import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { type Journey, journeysQuery } from '../api/probe'
import { Absent } from '../parts/Absent'
import { type Column, DataTable } from '../parts/DataTable'
import { seconds, share } from '../parts/format'
import { Go } from '../parts/Go'
import { Loading, Nothing, Page } from '../parts/Page'
import { Mark } from '../parts/State'
import { Age } from '../parts/time'
import { JourneyView } from './journeys/JourneyView'
import { RunNow } from './journeys/RunNow'

const route = getRouteApi('/journeys')

// Journeys is what test customers do through the gateways, and how it went.
export function Journeys() {
  const { open, run } = route.useSearch()
  const journeys = useQuery(journeysQuery)
  const all = journeys.data ?? []
  const failing = all.filter(fails).length
  const shown = open === undefined ? (all.find(fails) ?? all[0]) : all.find(({ journey }) => journey === open)
  return (
    <Page title="Journeys" actions={all.length > 0 && !journeys.isError && <Mark tone={failing > 0 ? 'bad' : 'good'}>{failing > 0 ? `${failing} of ${all.length} fail` : 'none fails'}</Mark>}>
      {journeys.isError && <Absent error={journeys.error} what="journeys" again={() => void journeys.refetch()} />}
      {journeys.isPending && <Loading />}
      {journeys.data && all.length === 0 && <Nothing>The plan declares no journey. One is written under journeys in plat.yaml; plat explain probe-unknown tells more.</Nothing>}
      {all.length > 0 && <DataTable label="Journeys" columns={columns} rows={all} id={({ journey }) => journey} selected={shown?.journey} />}
      {open !== undefined && journeys.data && !shown && all.length > 0 && <Nothing>The plan declares no journey {open}.</Nothing>}
      {shown && <JourneyView key={shown.journey} journey={shown} run={run} />}
    </Page>
  )
}

const fails = ({ runs }: Journey) => runs?.[0]?.passed === false

const columns: Column<Journey>[] = [
  {
    key: 'journey',
    header: 'Journey',
    cell: ({ journey, about }) => (
      <>
        <Go to="/journeys" search={{ open: journey }} fw={600}>
          {journey}
        </Go>
        {about && <div className="dim small-text">{about}</div>}
      </>
    ),
  },
  { key: 'last', header: 'Last run', cell: journey => <Last journey={journey} /> },
  { key: 'share', header: 'Passed', number: true, cell: ({ share: passed }) => (passed === undefined ? '' : share(passed)) },
  { key: 'p95', header: '95 of 100 within', number: true, from: 'md', cell: ({ p95 }) => (p95 > 0 ? seconds(p95) : '') },
  { key: 'every', header: 'Every', number: true, from: 'sm', cell: ({ every }) => every ?? <span className="dim">when asked</span> },
  { key: 'gateway', header: 'Gateway', from: 'lg', cell: ({ gateway }) => gateway },
  { key: 'owner', header: 'Owner', from: 'sm', cell: ({ owner }) => owner },
  { key: 'run', header: 'Now', cell: journey => <RunNow journey={journey} /> },
]

function Last({ journey: { runs, running } }: { journey: Journey }) {
  const last = runs?.[0]
  if (running) return <Mark tone="busy">runs</Mark>
  if (!last) return <Mark tone="idle">not run yet</Mark>
  return (
    <Mark tone={last.passed ? 'good' : 'bad'}>
      <span>
        {last.passed ? 'passed' : 'failed'} <Age since={last.start} ago />
      </span>
    </Mark>
  )
}
