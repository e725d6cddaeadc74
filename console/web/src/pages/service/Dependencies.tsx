import type { Description, Edge } from '../../api/types'
import { type Column, DataTable } from '../../parts/DataTable'
import { FindingLink, StandingMark, Uses } from '../../parts/Edges'
import { count } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Nothing, Section } from '../../parts/Page'
import { Age, known } from '../../parts/time'

export function Dependencies({ name, description }: { name: string; description: Description }) {
  const edges = description.edges ?? []
  return (
    <>
      <Direction title="It uses" empty="It uses nobody." other={edge => edge.to} edges={edges.filter(edge => edge.from === name)} />
      <Direction title="It is used by" empty="Nobody uses it." other={edge => edge.from} edges={edges.filter(edge => edge.to === name)} />
    </>
  )
}

function Direction({ title, empty, other, edges }: { title: string; empty: string; other: (edge: Edge) => string; edges: Edge[] }) {
  return (
    <Section title={title}>
      {edges.length === 0 ? (
        <Nothing>{empty}</Nothing>
      ) : (
        <DataTable label={title} columns={columns(other)} rows={edges} id={edge => `${edge.kind} ${other(edge)} ${edge.label ?? ''}`} />
      )}
    </Section>
  )
}

const columns = (other: (edge: Edge) => string): Column<Edge>[] => [
  {
    key: 'other',
    header: 'Name',
    cell: edge => (
      <Go to="/map" search={{ focus: other(edge) }} fw={600}>
        {other(edge)}
      </Go>
    ),
  },
  { key: 'kind', header: 'By', cell: edge => <>{edge.kind} <span className="mono">{edge.label}</span></> },
  { key: 'standing', header: 'Plan', cell: edge => <StandingMark edge={edge} /> },
  { key: 'count', header: 'Uses', number: true, cell: edge => <Uses edge={edge} /> },
  { key: 'errors', header: 'Errors', from: 'sm', number: true, cell: edge => (edge.errors > 0 ? <span className="bad">{count(edge.errors)}</span> : '') },
  { key: 'last', header: 'Last use', from: 'sm', number: true, cell: edge => (known(edge.last) ? <Age since={edge.last} ago /> : '') },
  { key: 'finding', header: 'Finding', cell: edge => <FindingLink id={edge.finding} /> },
]
