import type { Objective } from '../../api/objectives'
import { Budget, promise } from '../../parts/Budget'
import { type Column, DataTable } from '../../parts/DataTable'
import { seconds, share, three } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Nothing } from '../../parts/Page'

// Objectives are what services promise, and how much of their error budgets
// is left.
export function Objectives({ objectives, sort, onSort }: { objectives: Objective[]; sort: string; onSort: (sort: string) => void }) {
  if (objectives.length === 0) return <Nothing>The plan declares no objective. A service&apos;s file may promise availability, latency and how fresh its events are.</Nothing>
  return <DataTable label="Objectives" columns={columns} rows={objectives} id={({ service, name }) => `${service} ${name}`} sort={sort} onSort={onSort} />
}

const columns: Column<Objective>[] = [
  {
    key: 'service',
    header: 'Service',
    sort: ({ service }) => service,
    cell: ({ service }) => (
      <Go to="/services/$name" params={{ name: service }} fw={600}>
        {service}
      </Go>
    ),
  },
  { key: 'objective', header: 'Objective', sort: ({ name }) => name, cell: objective => promise(objective) },
  { key: 'left', header: 'Error budget left', sort: ({ left, state }) => (state === 'unknown' ? 2 : left), cell: objective => <Budget objective={objective} /> },
  { key: 'burn', header: 'Burns', number: true, sort: ({ burn }) => -burn, cell: objective => <Burn objective={objective} /> },
  { key: 'events', header: 'Good', from: 'md', number: true, cell: ({ met, events }) => (events > 0 ? <>{share(met)}</> : '') },
  { key: 'owner', header: 'Owner', from: 'sm', sort: ({ owner }) => owner, cell: ({ owner }) => owner },
]

function Burn({ objective: { burn, burnOver, state } }: { objective: Objective }) {
  if (state === 'unknown') return null
  if (burn === 0) return <span className="dim">not at all</span>
  return (
    <span className={burn > 1 ? 'bad' : ''} title={`How many times as fast as the budget allows, over ${seconds(burnOver)}`}>
      {three(burn)} ×
    </span>
  )
}
