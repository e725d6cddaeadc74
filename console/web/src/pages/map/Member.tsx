import { IconCloud, IconDoorEnter, IconPlugConnected } from '@tabler/icons-react'
import { Handle, type Node, type NodeProps, Position } from '@xyflow/react'
import { memo } from 'react'
import type { MapNode } from '../../api/types'
import { State } from '../../parts/State'

export type MemberNode = Node<{ node: MapNode; focused: boolean }, 'member'>

// Where lines begin and end: those that lead to the right above those that
// lead back, so that two between the same members stay apart.
const ends = [
  { id: 'in', type: 'target', position: Position.Left, style: { top: '38%' } },
  { id: 'out', type: 'source', position: Position.Right, style: { top: '38%' } },
  { id: 'back-in', type: 'target', position: Position.Right, style: { top: '66%' } },
  { id: 'back-out', type: 'source', position: Position.Left, style: { top: '66%' } },
] as const

const signs = { service: undefined, external: IconCloud, outside: IconPlugConnected, gateway: IconDoorEnter }
const words = { service: '', external: 'external', outside: 'outside', gateway: 'gateway' }

// Member is one node: who it is, and how it is.
export const Member = memo(function Member({ data: { node, focused } }: NodeProps<MemberNode>) {
  const Sign = signs[node.kind]
  return (
    <div className={`member member-${node.kind}`} data-focused={focused || undefined} title={node.name}>
      {ends.map(end => (
        <Handle key={end.id} {...end} isConnectable={false} />
      ))}
      <div className="member-name">
        {Sign && <Sign size={14} aria-hidden />}
        {node.name}
      </div>
      <div className="member-more">{node.kind === 'service' ? <><State state={node.state} />{node.finding && ', by hand'}</> : [words[node.kind], node.owner].filter(Boolean).join(', ')}</div>
    </div>
  )
})
