// Spark is a line without axes: how a figure went.
export function Spark({ points, from, to, width = 96, height = 22, label, tone = 'busy', most }: { points: [number, number][] | undefined; from: number; to: number; width?: number | string; height?: number; label: string; tone?: 'busy' | 'bad' | 'idle'; most?: number }) {
  const known = (points ?? []).filter(([, value]) => Number.isFinite(value))
  if (known.length < 2) return <svg width={width} height={height} role="img" aria-label={`${label}: no line yet`} className="spark" />
  const top = Math.max(most ?? 0, ...known.map(([, value]) => value)) || 1
  const x = (at: number) => ((at * 1_000 - from) / (to - from)) * 100
  const y = (value: number) => height - 2 - (value / top) * (height - 4)
  const line = known.map(([at, value], index) => `${index === 0 ? 'M' : 'L'}${x(at).toFixed(2)} ${y(value).toFixed(2)}`).join('')
  const area = `${line}L${x(known.at(-1)![0]).toFixed(2)} ${height}L${x(known[0]![0]).toFixed(2)} ${height}Z`
  return (
    <svg width={width} height={height} viewBox={`0 0 100 ${height}`} preserveAspectRatio="none" role="img" aria-label={label} className={`spark spark-${tone}`}>
      <path d={area} className="spark-area" />
      <path d={line} vectorEffect="non-scaling-stroke" className="spark-line" />
    </svg>
  )
}
