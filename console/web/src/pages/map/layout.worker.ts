import dagre from '@dagrejs/dagre'
import type { Layout, Request, Ways } from './layout'

// Laying out hundreds of nodes takes long enough to be felt: it is done here,
// beside the page.
self.onmessage = ({ data: { id, nodes, edges, size, gap } }: MessageEvent<Request>) => {
  const graph = new dagre.graphlib.Graph()
  graph.setGraph({ rankdir: 'LR', nodesep: 18, edgesep: 12, ranksep: gap, ranker: nodes.length > 150 ? 'longest-path' : 'network-simplex' })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const name of nodes) graph.setNode(name, { ...size })
  for (const [from, to] of edges) if (from !== to) graph.setEdge(from, to)
  dagre.layout(graph)
  const layout: Layout = {}
  for (const name of nodes) {
    const { x, y } = graph.node(name) as { x: number; y: number }
    layout[name] = { x: x - size.width / 2, y: y - size.height / 2 }
  }
  // A line that passes a column of members has its own place there, so that it
  // runs between them, never behind one.
  const columns = new Set(nodes.map(name => Math.round(graph.node(name).x)))
  const ways: Ways = {}
  for (const [from, to] of edges) {
    if (from === to) continue
    const inside = (graph.edge(from, to) as { points: { x: number; y: number }[] }).points.slice(1, -1)
    ways[`${from}~${to}`] = inside.filter(({ x }) => columns.has(Math.round(x)))
  }
  self.postMessage({ id, layout, ways })
}
