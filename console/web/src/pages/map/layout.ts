import { useEffect, useMemo, useState } from 'react'
import type { View } from './model'

export type Layout = Record<string, { x: number; y: number }>

export interface Request {
  id: string
  nodes: string[]
  edges: [string, string][]
  size: { width: number; height: number }
  gap: number // between the columns
}

export const nodeSize = { width: 160, height: 46 }

// useLayout places a view's nodes. It works anew only when the graph is
// another one: counts and states may change without moving anything.
export function useLayout(view: View, gap: number): { layout: Layout; id: string } | undefined {
  const [placed, setPlaced] = useState<{ layout: Layout; id: string }>()
  const worker = useMemo(() => new Worker(new URL('./layout.worker.ts', import.meta.url), { type: 'module' }), [])
  useEffect(() => () => worker.terminate(), [worker])
  const nodes = view.nodes.map(node => node.name)
  const edges = view.bundles.map(({ from, to }): [string, string] => [from, to])
  const id = JSON.stringify([nodes, edges, gap])
  useEffect(() => {
    worker.onmessage = ({ data }: MessageEvent<{ id: string; layout: Layout }>) => {
      if (data.id === id) setPlaced(data)
    }
    const [nodes, edges, gap] = JSON.parse(id) as [string[], [string, string][], number]
    worker.postMessage({ id, nodes, edges, size: nodeSize, gap } satisfies Request)
  }, [worker, id])
  return placed?.id === id ? placed : undefined
}
