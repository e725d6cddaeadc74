import type { Check, Instance } from '../../api/types'
import { type Column, DataTable } from '../../parts/DataTable'
import { size } from '../../parts/format'
import { Mark, State, toneOf } from '../../parts/State'
import { Age } from '../../parts/time'

export function Instances({ instances }: { instances: Instance[] }) {
  return <DataTable label="Instances" columns={columns} rows={instances} id={instance => instance.id} />
}

const columns: Column<Instance>[] = [
  { key: 'id', header: 'Instance', cell: instance => <b id={instance.id}>{instance.id}</b> },
  { key: 'state', header: 'State', cell: instance => <State state={instance.state} /> },
  { key: 'checks', header: 'Checks', cell: instance => <Checks checks={instance.checks ?? []} /> },
  { key: 'version', header: 'Version', from: 'md', cell: instance => <span className="mono">{instance.version}</span> },
  { key: 'addr', header: 'Address', from: 'sm', cell: instance => <span className="mono">{instance.addr}</span> },
  { key: 'pid', header: 'PID', from: 'md', number: true, cell: instance => instance.pid || '' },
  { key: 'memory', header: 'Memory', from: 'sm', number: true, cell: instance => (instance.memory ? size(instance.memory) : '') },
  { key: 'uptime', header: 'Uptime', number: true, cell: instance => <Age since={instance.started} /> },
  { key: 'restarts', header: 'Restarts', from: 'sm', number: true, cell: instance => instance.restarts },
  { key: 'exit', header: 'Last exit', from: 'md', cell: instance => instance.lastExit },
]

function Checks({ checks }: { checks: Check[] }) {
  return checks.map(check => (
    <div key={check.id} title={check.output}>
      <Mark tone={toneOf(check.status)}>
        {check.id} {check.status}
      </Mark>
      {check.status !== 'passing' && check.output && <div className="dim">{check.output}</div>}
    </div>
  ))
}
