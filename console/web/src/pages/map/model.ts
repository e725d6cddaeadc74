import type { Edge, EdgeKind, MapNode, SystemMap } from '../../api/types'
import { type Standing, standing } from '../../parts/Edges'

// Bundle is all that leads from one member to another: one line on the map.
export interface Bundle {
  id: string
  from: string
  to: string
  edges: Edge[]
  standing: Standing
}

export interface View {
  nodes: MapNode[]
  bundles: Bundle[]
}

export interface Choice {
  focus: string
  depth: Depth
  owner?: string
  context?: string
  kinds: ReadonlySet<EdgeKind>
}

export type Depth = '1' | '2' | 'all'

// choose takes out of the map what is to be shown: the focus with its
// neighbours, or everything, of an owner or a context.
export function choose(map: SystemMap, choice: Choice): View {
  const edges = (map.edges ?? []).filter(edge => choice.kinds.has(edge.kind))
  const near = choice.depth === 'all' ? undefined : neighbours(edges, choice.focus, Number(choice.depth))
  const nodes = (map.nodes ?? []).filter(node => {
    if (near && !near.has(node.name)) return false
    if (node.name === choice.focus && near) return true
    return (!choice.owner || node.owner === choice.owner) && (!choice.context || node.context === choice.context)
  })
  const names = new Set(nodes.map(node => node.name))
  return { nodes, bundles: bundles(edges.filter(edge => names.has(edge.from) && names.has(edge.to))) }
}

function neighbours(edges: Edge[], focus: string, depth: number): Set<string> {
  const beside = new Map<string, string[]>()
  const join = (a: string, b: string) => {
    const list = beside.get(a)
    if (list) list.push(b)
    else beside.set(a, [b])
  }
  for (const { from, to } of edges) {
    join(from, to)
    join(to, from)
  }
  const found = new Set([focus])
  let rim = [focus]
  for (let step = 0; step < depth; step++) {
    rim = rim.flatMap(name => beside.get(name) ?? []).filter(name => !found.has(name))
    for (const name of rim) found.add(name)
  }
  return found
}

// The standing of a bundle is that of its edge which needs a look most.
const gravity: Standing[] = ['undeclared', 'used', 'declared', 'unused']

function bundles(edges: Edge[]): Bundle[] {
  const found = new Map<string, Bundle>()
  for (const edge of edges) {
    const id = `${edge.from}~${edge.to}`
    const bundle = found.get(id) ?? { id, from: edge.from, to: edge.to, edges: [], standing: 'unused' }
    bundle.edges.push(edge)
    if (gravity.indexOf(standing(edge)) < gravity.indexOf(bundle.standing)) bundle.standing = standing(edge)
    found.set(id, bundle)
  }
  return [...found.values()]
}

// busiest is the member with the most edges: where the map opens.
export function busiest(map: SystemMap): string {
  const degree = new Map((map.nodes ?? []).map(node => [node.name, 0]))
  for (const { from, to } of map.edges ?? []) {
    for (const name of [from, to]) degree.set(name, (degree.get(name) ?? 0) + 1)
  }
  let best = ''
  for (const [name, edges] of degree) if (best === '' || edges > degree.get(best)!) best = name
  return best
}

// caption says in words what a bundle has.
export function caption({ edges }: Bundle): string {
  const [only] = edges
  if (edges.length === 1 && only?.label) return only.label
  const parts: string[] = []
  for (const [kind, one, many] of [['call', 'call', 'calls'], ['event', 'event', 'events'], ['route', 'route', 'routes']] as const) {
    const number = edges.filter(edge => edge.kind === kind).length
    if (number > 0) parts.push(number === 1 ? one : `${number} ${many}`)
  }
  return parts.join(', ')
}
