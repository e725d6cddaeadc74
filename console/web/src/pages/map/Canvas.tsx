import '@xyflow/react/dist/style.css'
import './map.css'
import { useComputedColorScheme } from '@mantine/core'
import { Controls, MarkerType, ReactFlow, ReactFlowProvider, useReactFlow } from '@xyflow/react'
import { useEffect, useMemo, useState } from 'react'
import { Loading } from '../../parts/Page'
import { healthOf } from './health'
import { type Layout, nodeSize, type Placed, useLayout } from './layout'
import { Line, type LineEdge } from './Line'
import { Member, type MemberNode } from './Member'
import { type Bundle, caption, type View } from './model'

interface Props {
  view: View
  focus: string
  near: boolean // only what is near the focus is shown
  edge: string | undefined // the chosen one
  onFocus: (name: string) => void
  onEdge: (id: string) => void
}

const nodeTypes = { member: Member }
const edgeTypes = { line: Line }
const fewEdges = 24 // of which each has its caption on the map

export function Canvas(props: Props) {
  const placed = useLayout(props.view, gapFor(props.view))
  if (!placed) return <div className="canvas"><Loading rows={4} /></div>
  return (
    <div className="canvas" onKeyDown={event => event.key === 'Enter' && enter(event.target as Element, props)}>
      <ReactFlowProvider>
        <Graph {...props} placed={placed} />
      </ReactFlowProvider>
    </div>
  )
}

// gapFor is the room between the columns that the captions need.
function gapFor({ bundles }: View): number {
  if (bundles.length > fewEdges) return 76
  return Math.max(130, ...bundles.map(bundle => shown(bundle).length * 6.2 + 50))
}

// enter does with a key what a click does.
function enter(target: Element, { onFocus, onEdge }: Props) {
  const id = target.getAttribute('data-id')
  if (id === null) return
  if (target.matches('.react-flow__node')) onFocus(id)
  else if (target.matches('.react-flow__edge')) onEdge(id)
}

function Graph({ view, focus, near, edge, onFocus, onEdge, placed }: Props & { placed: Placed }) {
  const { layout, id } = placed
  const scheme = useComputedColorScheme()
  const [over, setOver] = useState<string>()
  const nodes = useMemo(() => view.nodes.map(node => memberOf(node, layout, focus)), [view, layout, focus])
  const edges = useMemo(() => view.bundles.map(bundle => lineOf(bundle, placed, { chosen: bundle.id === edge, over: bundle.id === over, captioned: view.bundles.length <= fewEdges, aside: near && bundle.from !== focus && bundle.to !== focus })), [view, placed, edge, over, near, focus])
  return (
    <ReactFlow
      nodes={nodes}
      edges={edges}
      nodeTypes={nodeTypes}
      edgeTypes={edgeTypes}
      colorMode={scheme}
      onlyRenderVisibleElements
      nodesDraggable={false}
      nodesConnectable={false}
      edgesReconnectable={false}
      deleteKeyCode={null}
      minZoom={0.1}
      maxZoom={1.6}
      onNodeClick={(_, node) => onFocus(node.id)}
      onEdgeClick={(_, line) => onEdge(line.id)}
      onEdgeMouseEnter={(_, line) => setOver(line.id)}
      onEdgeMouseLeave={() => setOver(undefined)}
      aria-label="Map of the system"
    >
      <Sight id={id} focus={focus} layout={layout} />
      <Controls showInteractive={false} />
    </ReactFlow>
  )
}

// Sight brings the graph into view when it is another one: whole while its
// names can be read, else around its focus. On a narrow screen neighbours that
// are cut off would be worse than small names.
function Sight({ id, focus, layout }: { id: string; focus: string; layout: Layout }) {
  const flow = useReactFlow()
  useEffect(() => {
    const bounds = flow.getNodesBounds(Object.keys(layout))
    const { clientWidth: width, clientHeight: height } = document.querySelector('.canvas')!
    const readable = width < 600 ? 0.35 : 0.65
    const margin = width < 600 ? 12 : 40
    const zoom = Math.min(1.1, (width - margin) / bounds.width, (height - margin) / bounds.height)
    const centre = layout[focus]
    if (zoom >= readable || !centre) void flow.setCenter(bounds.x + bounds.width / 2, bounds.y + bounds.height / 2, { zoom: Math.max(zoom, readable) })
    else void flow.setCenter(centre.x + nodeSize.width / 2, centre.y + nodeSize.height / 2, { zoom: readable })
  }, [flow, id, focus, layout])
  return null
}

function memberOf(node: View['nodes'][number], layout: Layout, focus: string): MemberNode {
  return {
    id: node.name,
    type: 'member',
    position: layout[node.name] ?? { x: 0, y: 0 },
    ...nodeSize,
    zIndex: 2,
    data: { node, focused: node.name === focus },
    ariaLabel: `${node.name}, ${node.kind}${node.state ? `, ${node.state}` : ''}`,
  }
}

// shown is what stands at a line: its caption, of which what is long loses
// its middle. The list and the details have it whole.
function shown(bundle: Bundle): string {
  const text = caption(bundle)
  const short = text.length > 40 ? `${text.slice(0, 19)}…${text.slice(-20)}` : text
  return bundle.standing === 'undeclared' ? `undeclared ${short}` : short
}

function lineOf(bundle: Bundle, { layout, ways }: Placed, { chosen, over, captioned, aside }: { chosen: boolean; over: boolean; captioned: boolean; aside: boolean }): LineEdge {
  const health = healthOf(bundle)
  const unwell = health?.tone === 'bad' || health?.tone === 'warn'
  const undeclared = bundle.standing === 'undeclared'
  const event = bundle.edges.every(edge => edge.kind === 'event')
  const text = shown(bundle)
  const captionOf = () => {
    if (health && (chosen || over)) return undeclared ? `${text}, ${health.text}` : health.text
    if (health?.tone === 'bad') return undeclared ? `undeclared, ${health.short}` : health.short
    return undeclared || chosen || over || (captioned && text !== 'call') ? text : undefined
  }
  const back = (layout[bundle.from]?.x ?? 0) > (layout[bundle.to]?.x ?? 0)
  return {
    id: bundle.id,
    type: 'line',
    data: { way: ways[bundle.id] ?? [] },
    source: bundle.from,
    target: bundle.to,
    sourceHandle: back ? 'back-out' : 'out',
    targetHandle: back ? 'back-in' : 'in',
    className: `line line-${bundle.standing}${chosen ? ' line-chosen' : ''}${event ? ' line-event' : ''}${unwell ? ` line-${health.tone}` : ''}${aside && !chosen && !unwell ? ' line-aside' : ''}`,
    label: captionOf(),
    zIndex: chosen || over || unwell ? 1 : 0, // its caption lies over the others
    markerEnd: { type: MarkerType.ArrowClosed, width: 13, height: 13, markerUnits: 'userSpaceOnUse', color: unwell ? `var(--${health.tone})` : `var(--line-${undeclared ? 'undeclared' : event ? 'event' : 'plain'})` },
    ariaLabel: `${bundle.from} to ${bundle.to}: ${caption(bundle)}, ${bundle.standing}${health ? `, ${health.text}` : ''}`,
  }
}

