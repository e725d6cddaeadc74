import { Anchor } from '@mantine/core'
import type { Edge } from '../../api/types'
import { type Column, DataTable } from '../../parts/DataTable'
import { FindingLink, StandingMark, Uses } from '../../parts/Edges'
import { count } from '../../parts/format'
import { Nothing } from '../../parts/Page'
import { Mark } from '../../parts/State'
import { healthOf } from './health'
import type { View } from './model'

// EdgeList is the map in words.
export function EdgeList({ view, onFocus, sort, onSort }: { view: View; onFocus: (name: string) => void; sort: string; onSort: (sort: string) => void }) {
  const edges = view.bundles.flatMap(bundle => bundle.edges)
  if (edges.length === 0) return <Nothing>No edge between what is shown.</Nothing>
  return <DataTable label="Edges" columns={columns(onFocus)} rows={edges} id={edge => `${edge.from} ${edge.to} ${edge.kind} ${edge.label ?? ''}`} sort={sort} onSort={onSort} />
}

const columns = (onFocus: (name: string) => void): Column<Edge>[] => [
  { key: 'from', header: 'From', sort: edge => edge.from, cell: edge => <Name name={edge.from} onFocus={onFocus} /> },
  { key: 'to', header: 'To', sort: edge => edge.to, cell: edge => <Name name={edge.to} onFocus={onFocus} /> },
  { key: 'kind', header: 'By', sort: edge => edge.kind, cell: edge => <>{edge.kind} {edge.label && <span className="mono path">{edge.label}</span>}</> },
  { key: 'plan', header: 'Plan', cell: edge => <StandingMark edge={edge} /> },
  { key: 'count', header: 'Uses', number: true, sort: edge => edge.count, cell: edge => <Uses edge={edge} /> },
  { key: 'now', header: 'Of late', from: 'md', sort: edge => healthOf({ edges: [edge] })?.rate ?? 0, cell: edge => <Late edge={edge} /> },
  { key: 'errors', header: 'Errors', from: 'sm', number: true, sort: edge => edge.errors, cell: edge => (edge.errors > 0 ? <span className="bad">{count(edge.errors)}</span> : '') },
  { key: 'finding', header: 'Finding', from: 'sm', cell: edge => <FindingLink id={edge.finding} /> },
]

function Name({ name, onFocus }: { name: string; onFocus: (name: string) => void }) {
  return (
    <Anchor component="button" type="button" size="sm" onClick={() => onFocus(name)}>
      {name}
    </Anchor>
  )
}

// Late is how an edge did within 5 minutes.
function Late({ edge }: { edge: Edge }) {
  const health = healthOf({ edges: [edge] })
  return health ? <Mark tone={health.tone}>{health.text}</Mark> : null
}
