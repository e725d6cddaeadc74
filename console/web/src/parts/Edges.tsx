import type { Edge } from '../api/types'
import { count } from './format'
import { Mark } from './State'
import { Age, known } from './time'
import { Go } from './Go'

export type Standing = 'used' | 'unused' | 'undeclared' | 'declared'

// standing compares what the plan says of an edge with what was seen. Events
// are not counted on edges.
export function standing(edge: Edge): Standing {
  if (!edge.declared) return 'undeclared'
  if (edge.kind === 'event') return 'declared'
  return edge.count > 0 ? 'used' : 'unused'
}

export function StandingMark({ edge }: { edge: Edge }) {
  switch (standing(edge)) {
    case 'undeclared':
      return <Mark tone="warn">{edge.refused ? 'undeclared, refused' : 'undeclared'}</Mark>
    case 'unused':
      return (
        <Mark tone="idle">
          <span>
            never used{known(edge.declaredAt) && <> in <Age since={edge.declaredAt} /></>}
          </span>
        </Mark>
      )
    case 'used':
      return <Mark tone="good">used</Mark>
    case 'declared':
      return <Mark tone="good">declared</Mark>
  }
}

export function Uses({ edge }: { edge: Edge }) {
  return edge.kind === 'event' ? <span className="dim">not counted</span> : <>{count(edge.count)}</>
}

export function FindingLink({ id }: { id: string | undefined }) {
  if (!id) return null
  return (
    <Go to="/findings/$id" params={{ id: id }}>
      finding
    </Go>
  )
}
