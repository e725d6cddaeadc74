import { useEffect, useState } from 'react'
import type { View } from './model'

export type Layout = Record<string, { x: number; y: number }>

// Ways are the places, by a line's ID, at which it passes columns of members.
export type Ways = Record<string, { x: number; y: number }[]>

export interface Placed {
  id: string
  layout: Layout
  ways: Ways
}

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
export function useLayout(view: View, gap: number): Placed | undefined {
  const [placed, setPlaced] = useState<Placed>()
  const [worker, setWorker] = useState<Worker>()
  useEffect(() => {
    const own = new Worker(new URL('./layout.worker.ts', import.meta.url), { type: 'module' })
    setWorker(own)
    return () => own.terminate()
  }, [])
  const nodes = view.nodes.map(node => node.name)
  const edges = view.bundles.map(({ from, to }): [string, string] => [from, to])
  const id = JSON.stringify([nodes, edges, gap])
  useEffect(() => {
    if (!worker) return
    worker.onmessage = ({ data }: MessageEvent<Placed>) => {
      if (data.id === id) setPlaced(data)
    }
    const [nodes, edges, gap] = JSON.parse(id) as [string[], [string, string][], number]
    worker.postMessage({ id, nodes, edges, size: nodeSize, gap } satisfies Request)
  }, [worker, id])
  return placed?.id === id ? placed : undefined
}
