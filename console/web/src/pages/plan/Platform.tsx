import { useQuery } from '@tanstack/react-query'
import { platformQuery } from '../../api/queries'
import type { Process } from '../../api/types'
import { type Column, DataTable } from '../../parts/DataTable'
import { size } from '../../parts/format'
import { Loaded, Nothing } from '../../parts/Page'
import { Age } from '../../parts/time'

export function Platform() {
  const platform = useQuery(platformQuery)
  return (
    <Loaded query={platform} rows={2}>
      {({ processes }) =>
        processes?.length ? <DataTable label="Processes of plat" columns={columns} rows={processes} id={process => String(process.pid)} /> : <Nothing>This system does not tell.</Nothing>
      }
    </Loaded>
  )
}

const columns: Column<Process>[] = [
  { key: 'name', header: 'Process', cell: process => <b>{process.name}</b> },
  { key: 'pid', header: 'PID', number: true, cell: process => process.pid },
  { key: 'memory', header: 'Memory', number: true, cell: process => size(process.memory) },
  { key: 'cpu', header: 'Processor time', number: true, cell: process => `${(process.cpu / 1e9).toFixed(1)} s` },
  { key: 'started', header: 'Uptime', from: 'sm', number: true, cell: process => <Age since={process.started} /> },
]
