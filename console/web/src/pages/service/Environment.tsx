import { useState } from 'react'
import type { Variable } from '../../api/types'
import { Copy } from '../../parts/Copy'
import { type Column, DataTable } from '../../parts/DataTable'
import { Nothing } from '../../parts/Page'
import { Search } from '../../parts/Search'

export function Environment({ variables }: { variables: Variable[] }) {
  const [filter, setFilter] = useState('')
  const rows = variables.filter(variable => `${variable.name} ${variable.value}`.toLowerCase().includes(filter.toLowerCase()))
  if (variables.length === 0) return <Nothing>plat gives its processes nothing: it does not run them.</Nothing>
  return (
    <>
      <div className="filters">
        <Search label="Filter variables" value={filter} onChange={setFilter} />
      </div>
      {rows.length === 0 ? <Nothing>No variable fits the filter.</Nothing> : <DataTable label="Environment" columns={columns} rows={rows} id={variable => variable.name} />}
    </>
  )
}

const columns: Column<Variable>[] = [
  { key: 'name', header: 'Name', cell: variable => <span className="mono">{variable.name}</span> },
  {
    key: 'value',
    header: 'Value',
    cell: variable => (
      <span className="mono">
        {variable.value} {!variable.secret && variable.value && <Copy value={variable.value} what="value" />}
      </span>
    ),
  },
  { key: 'source', header: 'Given by', from: 'sm', cell: variable => (variable.source === 'config' ? 'its configuration' : 'plat') },
  { key: 'secret', header: 'Secret', from: 'sm', cell: variable => (variable.secret ? 'secret' : '') },
]
