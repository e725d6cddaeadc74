import '../parts/logs.css'
import './logs/logs.css'
import { getRouteApi } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { bounds, useRange } from '../app/range'
import { get } from '../api/client'
import { lacks, type LogOverview, type LogSearch } from '../api/telemetry'
import { Absent } from '../parts/Absent'
import { Loading, Nothing, Page } from '../parts/Page'
import { RangePick } from '../parts/RangePick'
import { Facets } from './logs/Facets'
import { Files } from './logs/Files'
import { Filters } from './logs/Filters'
import { Histogram } from './logs/Histogram'
import { parameters, type Search } from './logs/question'
import { Records } from './logs/Records'
import { useTail } from './logs/useTail'

const route = getRouteApi('/logs')
const pageOf = 500 // records
const mostPages = 100
const every = 15_000 // milliseconds, of the figures of a time that moves on

// Logs searches the log records of all services.
export function Logs() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const set = (change: Search) => void navigate({ search: old => ({ ...old, open: undefined, ...change }), replace: true })
  const { range, setRange, moving } = useRange()
  const [turn, setTurn] = useState(0) // of looking anew
  const { from, to, live, open, ...question } = search
  const key = JSON.stringify(question)
  const time = useMemo(() => bounds(range), [range, turn, key])
  const records = useInfiniteQuery({
    queryKey: ['log records', key, time],
    initialPageParam: '',
    queryFn: ({ signal, pageParam }) => get<LogSearch>(`/v1/logs/search?${parameters(question, time, { limit: String(pageOf), before: pageParam })}`, signal),
    getNextPageParam: (last, all) => (last.more && last.before && all.length < mostPages ? last.before : undefined),
    placeholderData: old => old,
    staleTime: Infinity,
    gcTime: 60_000,
  })
  const overview = useQuery({
    queryKey: ['log overview', key, range, turn],
    queryFn: ({ signal }) => get<LogOverview>(`/v1/logs/overview?${parameters(question, bounds(range))}`, signal),
    placeholderData: old => old,
    refetchInterval: moving ? every : false,
    staleTime: moving ? every : Infinity,
  })
  const tail = useTail(live === '1' ? parameters(question).toString() : undefined)
  const absent = lacks(records.error)
  const pages = records.data?.pages
  const older = useMemo(() => pages?.flatMap(page => page.records ?? []) ?? [], [pages])
  const more = pages?.at(-1)?.more ?? false
  return (
    <Page title="Logs" actions={absent ? undefined : <RangePick />}>
      {absent ? (
        <Files search={search} set={set} />
      ) : (
        <>
          <Filters search={search} set={set} refresh={() => setTurn(turn + 1)} moving={moving} tail={tail} />
          {overview.data && <Histogram overview={overview.data} zoom={setRange} />}
          {overview.isError && <Absent error={overview.error} what="counts of log records" />}
          {records.isError && <Absent error={records.error} what="log records" again={() => void records.refetch()} />}
          {records.isPending && <Loading rows={10} />}
          {pages && (
            <div className="found">
              <Facets facets={overview.data?.facets ?? []} search={search} set={set} />
              {older.length === 0 && tail.records.length === 0 ? (
                <Nothing>{live === '1' ? 'No log record yet; what comes is shown here.' : 'No log record fits in this time.'}</Nothing>
              ) : (
                <Records older={older} tail={tail} search={search} set={set} total={overview.data} more={more} full={pages.length >= mostPages} busy={records.isFetchingNextPage} next={records.hasNextPage && !records.isFetchingNextPage ? () => void records.fetchNextPage() : undefined} open={open} />
              )}
            </div>
          )}
        </>
      )}
    </Page>
  )
}
