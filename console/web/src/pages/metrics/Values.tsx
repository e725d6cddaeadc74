import { useState } from 'react'
import { type Column, DataTable } from '../../parts/DataTable'
import { three } from '../../parts/format'
import type { Line } from '../../parts/Chart'

const columns: Column<Line>[] = [
  { key: 'name', header: 'Series', sort: line => line.name, cell: line => <span className="mono path">{line.name}</span> },
  { key: 'value', header: 'Value', number: true, sort: line => line.points.at(-1)?.[1] ?? Number.NaN, cell: line => <span title={String(line.points.at(-1)?.[1])}>{three(line.points.at(-1)?.[1] ?? Number.NaN)}</span> },
]

// Values are what the series have now.
export function Values({ lines }: { lines: Line[] }) {
  const [sort, setSort] = useState('-value')
  return <DataTable label="Values" columns={columns} rows={lines} id={line => line.id} sort={sort} onSort={setSort} />
}
