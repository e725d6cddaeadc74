import './traces/traces.css'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { bounds, useRange } from '../app/range'
import { get } from '../api/client'
import type { Traces as Answer } from '../api/telemetry'
import { Absent } from '../parts/Absent'
import { useKeys } from '../parts/keys'
import { Loading, Nothing, Page } from '../parts/Page'
import { RangePick } from '../parts/RangePick'
import { wheres } from '../parts/where'
import { Form, type Search } from './traces/Form'
import { Results } from './traces/Results'
import { Scatter } from './traces/Scatter'
import { counted } from '../parts/format'

const route = getRouteApi('/traces')
const every = 10_000 // milliseconds

// Traces searches what customers' actions did.
export function Traces() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const set = (change: Search) => void navigate({ search: old => ({ ...old, row: undefined, ...change }), replace: true })
  const { range, moving } = useRange()
  const limit = Number(search.limit) || 100
  const { row: _, ...asked } = search
  const traces = useQuery({
    queryKey: ['traces', asked, range],
    queryFn: ({ signal }) => get<Answer>(`/v1/traces?${parameters(search, bounds(range), limit)}`, signal),
    placeholderData: old => old,
    refetchInterval: moving ? every : false,
    staleTime: moving ? every : Infinity,
  })
  const found = traces.data?.traces ?? []
  const at = found.findIndex(({ traceId }) => traceId === search.row)
  const step = (by: number) => {
    const next = found[Math.max(0, Math.min(found.length - 1, at + by))]
    if (next) void navigate({ search: old => ({ ...old, row: next.traceId }), replace: true })
  }
  const open = (id: string) => void navigate({ to: '/traces/$id', params: { id } })
  useKeys({ j: () => step(1), k: () => step(-1), Enter: () => found[at] && open(found[at].traceId) })
  return (
    <Page title="Traces" actions={<RangePick />}>
      <Form search={search} set={set} open={open} />
      {traces.isError && <Absent error={traces.error} what="traces" again={() => void traces.refetch()} />}
      {!traces.data && !traces.isError && <Loading />}
      {traces.data && found.length === 0 && <Nothing>No trace fits in this time.</Nothing>}
      {found.length > 0 && (
        <>
          <Scatter traces={found} range={range} chosen={search.row} open={open} />
          <p className="dim small">
            {counted(found.length, 'trace')}, the newest first{traces.data?.more && ', and there are more: '}
            {traces.data?.more && limit < 1_000 && (
              <button type="button" className="link" onClick={() => set({ limit: String(Math.min(1_000, limit * 3)) })}>
                show more
              </button>
            )}
          </p>
          <Results traces={found} chosen={search.row} />
        </>
      )}
    </Page>
  )
}

function parameters(search: Search, { from, to }: { from: number; to: number }, limit: number): URLSearchParams {
  const asked = new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString(), limit: String(limit) })
  for (const key of ['service', 'name', 'error', 'min', 'max', 'correlation'] as const) if (search[key]) asked.set(key, search[key])
  if (search.q) asked.set('text', search.q)
  for (const pair of wheres(search.where)) asked.append('where', pair)
  return asked
}
