import './policies/policies.css'
import { SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { policiesQuery } from '../api/queries'
import { type Column, DataTable } from '../parts/DataTable'
import { count, counted } from '../parts/format'
import { Go } from '../parts/Go'
import { Loaded, Nothing, Page } from '../parts/Page'
import { type Held, heldOf, policyColumns } from '../parts/policies'
import { Search } from '../parts/Search'
import { Mark } from '../parts/State'
import { KeptCalls } from './policies/KeptCalls'

const route = getRouteApi('/policies')
const late = 5 * 60_000 // milliseconds: what acted since then is shown, too

// Policies is what holds something back now, over all services, and why.
export function Policies() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const set = (change: Partial<typeof search>) => void navigate({ search: old => ({ ...old, ...change }), replace: true })
  const policies = useQuery(policiesQuery)
  const rows = heldOf(policies.data ?? [])
  const holding = rows.filter(({ holds }) => holds)
  return (
    <Page title="Policies" actions={policies.data && (holding.length > 0 ? <Mark tone="warn">{holding.length === 1 ? '1 policy holds' : `${count(holding.length)} policies hold`} something back</Mark> : <Mark tone="good">nothing is held back</Mark>)}>
      <Loaded query={policies}>
        {() => {
          const all = search.show === 'all'
          const acting = rows.filter(({ holds, acted }) => holds || Date.now() - Date.parse(acted ?? '') < late)
          const shown = (all ? rows : acting).filter(row => fits(row, search.q ?? ''))
          return (
            <>
              <div className="filters">
                <Search label="Filter policies" value={search.q ?? ''} onChange={q => set({ q: q || undefined })} />
                <SegmentedControl size="xs" aria-label="Which" value={all ? 'all' : 'acting'} onChange={show => set({ show: show === 'all' ? show : undefined })} data={[{ value: 'acting', label: `Acting (${count(acting.length)})` }, { value: 'all', label: `All (${count(rows.length)})` }]} />
              </div>
              {shown.length === 0 ? (
                <Nothing>{search.q ? 'No policy fits.' : `None of ${counted(rows.length, 'policy', 'policies')} holds anything back, and none acted in 5 minutes.`}</Nothing>
              ) : (
                <DataTable label="Policies" columns={columns} rows={shown} id={({ id }) => id} sort={search.sort ?? '-holds'} onSort={sort => set({ sort })} />
              )}
            </>
          )
        }}
      </Loaded>
      <KeptCalls />
    </Page>
  )
}

const columns: Column<Held>[] = [
  {
    key: 'service',
    header: 'Service',
    sort: ({ service }) => service,
    cell: ({ service, callee }) => (
      <>
        <Go to="/services/$name" params={{ name: service }} search={{ tab: 'calls' }} fw={600}>
          {service}
        </Go>
        <div className="until-sm dim small-text">{protects(callee)}</div>
      </>
    ),
  },
  { key: 'of', header: 'Protects', from: 'sm', sort: ({ callee }) => callee ?? '', cell: ({ callee }) => protects(callee) },
  ...policyColumns<Held>('xl').map((column): Column<Held> => (column.key === 'state' ? { ...column, key: 'holds', sort: ({ holds, acted }) => (holds ? Infinity : Date.parse(acted ?? '') || 0) } : column)),
]

const protects = (callee: string | undefined) => (callee ? `calls of ${callee}` : 'what it lets in')

function fits({ service, callee, policy, state, why }: Held, q: string): boolean {
  const text = [service, callee, policy, state, why].join(' ').toLowerCase()
  return q.toLowerCase().split(/\s+/).every(word => text.includes(word))
}
