import { IconChevronDown, IconChevronRight } from '@tabler/icons-react'
import { memo } from 'react'
import type { LogRecord } from '../../api/telemetry'
import { between } from '../../app/range'
import { Copy } from '../../parts/Copy'
import { Go } from '../../parts/Go'
import { Inferred } from '../../parts/Inferred'
import { moment } from '../../parts/time'
import { flip as narrow } from './Facets'
import type { Search } from './question'

const longest = 120 // of an attribute's value in the row, in characters
const mostInRow = 8

interface Props {
  record: LogRecord
  open: boolean
  flip: () => void
  search: Search
  set: (change: Search) => void
}

// Record is one log record; opened, it shows all that it has, and where it
// leads.
export const Record = memo(function Record({ record, open, flip, search, set }: Props) {
  const { severity } = record
  const Sign = open ? IconChevronDown : IconChevronRight
  return (
    <>
      <time className="dim nowrap" dateTime={record.time} title={moment(record.time)}>
        {clock(record.time)}
      </time>
      <span className="who" title={record.instance || record.service}>
        {record.instance || record.service}
      </span>
      <span className="what">
        <button type="button" aria-expanded={open} aria-label="All of this record" onClick={flip}>
          <Sign size={12} />
        </button>
        {severity && severity !== 'INFO' && <b className={tones[severity] ?? 'dim'}>{severity.toLowerCase()} </b>}
        {record.body}
        {!open && <Attributes of={record.attributes} />}
        {open && <Whole record={record} search={search} set={set} />}
      </span>
    </>
  )
})

const tones: { [severity: string]: string } = { FATAL: 'bad', ERROR: 'bad', WARN: 'warn' }

function Attributes({ of }: { of: LogRecord['attributes'] }) {
  return Object.entries(of ?? {})
    .slice(0, mostInRow)
    .map(([key, value]) => (
      <span key={key} className="field">
        {key}={value.length > longest ? `${value.slice(0, longest)}…` : value}
      </span>
    ))
}

function Whole({ record, search, set }: { record: LogRecord; search: Search; set: (change: Search) => void }) {
  const at = Date.parse(record.time)
  const around = between(at - 5 * 60_000, at + 5 * 60_000)
  const facts: [string, string | undefined][] = [
    ['service', record.service],
    ['severity', record.severity],
    ...Object.entries(record.attributes ?? {}).sort(([a], [b]) => a.localeCompare(b)),
  ]
  return (
    <div className="record">
      <div className="record-links">
        <span>{moment(record.time)}</span>
        {record.traceId && (
          <Go to="/traces/$id" params={{ id: record.traceId }} search={{ span: record.spanId }}>
            Its trace
          </Go>
        )}
        <Inferred log={record} />
        {record.traceId && <button type="button" className="link" onClick={() => set({ trace: record.traceId })}>Records of this trace</button>}
        {record.correlationId && <button type="button" className="link" onClick={() => set({ correlation: record.correlationId })}>Records of this correlation ID</button>}
        <Go to="/logs" search={{ service: record.service, ...around }}>
          {record.service} around then
        </Go>
        <span>
          <Copy value={JSON.stringify(record, null, 2)} what="record" />
        </span>
      </div>
      <dl className="facts">
        {record.version && (
          <>
            <dt>version</dt>
            <dd>{record.version}</dd>
          </>
        )}
        {record.traceId && (
          <>
            <dt>trace</dt>
            <dd>{record.traceId}</dd>
          </>
        )}
        {record.correlationId && (
          <>
            <dt>correlation</dt>
            <dd>{record.correlationId}</dd>
          </>
        )}
        {facts.map(
          ([key, value]) =>
            value !== undefined && (
              <div key={key} className="record-fact">
                <dt>{key}</dt>
                <dd>
                  {value}{' '}
                  <button type="button" className="link alike" aria-label={`Only ${key}=${value}`} onClick={() => set(narrow(search, key, value, false))}>
                    only these
                  </button>
                </dd>
              </div>
            ),
        )}
      </dl>
    </div>
  )
}

function clock(time: string): string {
  const at = new Date(time)
  return `${at.toLocaleTimeString('en-GB')}.${String(at.getMilliseconds()).padStart(3, '0')}`
}
