import { BaseEdge, type Edge, type EdgeProps } from '@xyflow/react'
import { nodeSize } from './layout'

export type LineEdge = Edge<{ way: { x: number; y: number }[] }, 'line'>

// Line leads from one member to another: curved between the columns, straight
// where it passes one.
export function Line({ id, sourceX, sourceY, targetX, targetY, data, label, markerEnd }: EdgeProps<LineEdge>) {
  const way = data?.way ?? []
  const half = (Math.sign(targetX - sourceX) * nodeSize.width) / 2
  const stops = [...way.map(({ x, y }) => ({ x: x - half, y, out: x + half })), { x: targetX, y: targetY, out: targetX }]
  let path = `M${sourceX} ${sourceY}`
  let from = { x: sourceX, y: sourceY }
  for (const { x, y, out } of stops) {
    const bend = (from.x + x) / 2
    path += `C${bend} ${from.y} ${bend} ${y} ${x} ${y}${out === x ? '' : `H${out}`}`
    from = { x: out, y }
  }
  // There is most room for words where the line passes a column.
  const words = way[Math.floor((way.length - 1) / 2)] ?? { x: (sourceX + targetX) / 2, y: (sourceY + targetY) / 2 }
  return <BaseEdge id={id} path={path} label={label} labelX={words.x} labelY={words.y} labelShowBg labelBgPadding={[4, 2]} labelBgBorderRadius={2} markerEnd={markerEnd} />
}
