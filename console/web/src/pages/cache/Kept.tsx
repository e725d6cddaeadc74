import { useQueries } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useDeferredValue } from 'react'
import { type CacheEntry, cacheListQuery } from '../../api/cache'
import { type Column, DataTable } from '../../parts/DataTable'
import { Failure } from '../../parts/Faults'
import { count, seconds, size } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Loading, Nothing, Section } from '../../parts/Page'
import { Search } from '../../parts/Search'
import { Mark } from '../../parts/State'
import { Purge } from './Purge'

const route = getRouteApi('/cache')
const most = 200

interface Row extends CacheEntry {
  gateway: string
}

// Kept lists what the caches hold.
export function Kept({ gateways }: { gateways: string[] }) {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const set = (change: Partial<typeof search>) => void navigate({ search: old => ({ ...old, ...change }), replace: true })
  const q = useDeferredValue(search.q ?? '')
  const lists = useQueries({ queries: gateways.map(gateway => cacheListQuery(gateway, q, most)) })
  const failed = lists.find(({ isError }) => isError)
  const rows = lists.flatMap(({ data }, index) => (data?.entries ?? []).map((entry): Row => ({ ...entry, gateway: gateways[index]! })))
  const found = lists.reduce((sum, { data }) => sum + (data?.found ?? 0), 0)
  return (
    <Section title="What is kept" actions={<span className="dim">{found > rows.length ? `the latest ${count(rows.length)} of ${count(found)}` : count(found)}</span>}>
      <div className="filters">
        <Search label="A part of the URL, or a tag" value={search.q ?? ''} onChange={q => set({ q: q || undefined })} />
      </div>
      {failed && <Failure error={failed.error} again={() => void failed.refetch()} />}
      {lists.some(({ isPending }) => isPending) && <Loading />}
      {!failed && lists.every(({ data }) => data) && rows.length === 0 && <Nothing>{q ? 'Nothing that is kept fits.' : 'Nothing is kept yet.'}</Nothing>}
      {rows.length > 0 && <DataTable label="What is kept" columns={columns(gateways.length > 1, tag => set({ q: tag }))} rows={rows} id={({ url, gateway }) => `${gateway} ${url}`} sort={search.sort} onSort={sort => set({ sort })} selected={`${rows.find(({ url }) => url === search.url)?.gateway} ${search.url}`} />}
    </Section>
  )
}

const left = ({ latest: { lifetime, age } }: Row) => lifetime - age

const columns = (several: boolean, onTag: (tag: string) => void): Column<Row>[] => [
  {
    key: 'url',
    header: 'URL',
    sort: ({ url }) => url,
    cell: ({ url }) => (
      <Go to="/cache" search={old => ({ ...old, url, fields: undefined })} className="mono path" title="Why is it kept?">
        {url.replace(/^http:\/\//, '')}
      </Go>
    ),
  },
  ...(several ? [{ key: 'gateway', header: 'Gateway', from: 'md', sort: ({ gateway }: Row) => gateway, cell: ({ gateway }: Row) => gateway } as const] : []),
  { key: 'status', header: 'Status', number: true, from: 'md', sort: ({ latest }) => latest.status, cell: ({ latest }) => latest.status },
  { key: 'age', header: 'Age', number: true, from: 'sm', sort: ({ latest }) => latest.age, cell: ({ latest }) => seconds(Math.round(latest.age)) },
  { key: 'left', header: 'Fresh for', number: true, sort: left, cell: row => (left(row) > 0 ? seconds(Math.ceil(left(row))) : <Mark tone="warn">stale</Mark>) },
  { key: 'size', header: 'Size', number: true, sort: ({ bytes }) => bytes, cell: ({ bytes }) => size(bytes) },
  { key: 'variants', header: 'Variants', number: true, from: 'lg', sort: ({ variants }) => variants, cell: ({ variants }) => variants },
  {
    key: 'tags',
    header: 'Tags',
    from: 'md',
    cell: ({ latest }) =>
      latest.tags?.map(tag => (
        <button type="button" key={tag} className="cache-tag" onClick={() => onTag(tag)} title="What bears this tag">
          {tag}
        </button>
      )),
  },
  { key: 'purge', header: 'Out', cell: ({ url }) => <Purge url={url} small /> },
]
