import { BaseEdge, type Edge, type EdgeProps } from '@xyflow/react'
import { nodeSize } from './layout'

export type LineEdge = Edge<{ way: { x: number; y: number }[] }, 'line'>

// Line leads from one member to another: curved between the columns, straight
// where it passes one.
export function Line({ id, sourceX, sourceY, targetX, targetY, data, label, markerEnd }: EdgeProps<LineEdge>) {
  const half = (Math.sign(targetX - sourceX) * nodeSize.width) / 2
  const stops = [{ x: sourceX, y: sourceY, out: sourceX }, ...(data?.way ?? []).map(({ x, y }) => ({ x: x - half, y, out: x + half })), { x: targetX, y: targetY, out: targetX }]
  let path = `M${sourceX} ${sourceY}`
  const middles: [number, number][] = []
  for (let index = 1; index < stops.length; index++) {
    const [from, to] = [stops[index - 1]!, stops[index]!]
    const middle = (from.out + to.x) / 2
    path += `C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}${to.out === to.x ? '' : `H${to.out}`}`
    middles.push([middle, (from.y + to.y) / 2])
  }
  const [labelX, labelY] = middles[Math.floor(middles.length / 2)]!
  return <BaseEdge id={id} path={path} label={label} labelX={labelX} labelY={labelY} labelShowBg labelBgPadding={[4, 2]} labelBgBorderRadius={2} markerEnd={markerEnd} />
}
