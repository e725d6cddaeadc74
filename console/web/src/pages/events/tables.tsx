import type { Consumer, Stream, Violation } from '../../api/types'
import { type Column, DataTable } from '../../parts/DataTable'
import { count, size } from '../../parts/format'
import { Age } from '../../parts/time'
import { Go } from '../../parts/Go'

export function Streams({ streams }: { streams: Stream[] }) {
  return <DataTable label="Streams" columns={streamColumns} rows={streams} id={stream => stream.name} />
}

export function Consumers({ consumers }: { consumers: Consumer[] }) {
  return <DataTable label="Subscriptions" columns={consumerColumns} rows={consumers} id={consumer => `${consumer.stream} ${consumer.name}`} />
}

export function Violations({ violations }: { violations: Violation[] }) {
  return <DataTable label="Violations" columns={violationColumns} rows={violations} id={v => `${v.service} ${v.action} ${v.subject ?? ''}`} />
}

function ServiceLink({ name }: { name: string }) {
  return <Go to="/services/$name" params={{ name }}>{name}</Go>
}

const streamColumns: Column<Stream>[] = [
  { key: 'name', header: 'Stream', cell: stream => <b>{stream.name}</b> },
  { key: 'provider', header: 'Provider', from: 'sm', cell: stream => <ServiceLink name={stream.provider} /> },
  { key: 'events', header: 'Events', cell: stream => <span className="mono">{(stream.events ?? []).join(', ')}</span> },
  { key: 'messages', header: 'Messages', number: true, cell: stream => count(stream.messages) },
  { key: 'bytes', header: 'Size', from: 'sm', number: true, cell: stream => size(stream.bytes) },
  { key: 'last', header: 'Last', from: 'sm', number: true, cell: stream => <Age since={stream.last} ago /> },
]

const consumerColumns: Column<Consumer>[] = [
  { key: 'service', header: 'Service', cell: consumer => <ServiceLink name={consumer.service} /> },
  { key: 'event', header: 'Event', cell: consumer => <span className="mono">{consumer.event}</span> },
  { key: 'stream', header: 'Stream', from: 'md', cell: consumer => consumer.stream },
  { key: 'how', header: 'How', from: 'sm', cell: consumer => (consumer.push ? <>pushed to <span className="mono">{consumer.push}</span></> : 'pulls') },
  { key: 'lag', header: 'Lag', number: true, cell: consumer => (consumer.lag > 0 ? <b className="warn">{count(consumer.lag)}</b> : 0) },
  { key: 'unacked', header: 'In work', from: 'sm', number: true, cell: consumer => count(consumer.unacked) },
  { key: 'redelivered', header: 'Redelivered', from: 'sm', number: true, cell: consumer => count(consumer.redelivered) },
  { key: 'active', header: 'Active', from: 'md', number: true, cell: consumer => <Age since={consumer.active} ago never="not since plat started" /> },
]

const violationColumns: Column<Violation>[] = [
  { key: 'service', header: 'Service', cell: violation => <ServiceLink name={violation.service} /> },
  { key: 'action', header: 'Tried to', cell: violation => <>{violation.action} <span className="mono">{violation.subject}</span></> },
  { key: 'count', header: 'Times', number: true, cell: violation => count(violation.count) },
  { key: 'last', header: 'Last', number: true, cell: violation => <Age since={violation.last} ago /> },
]
