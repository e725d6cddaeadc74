import { IconChevronDown, IconChevronRight } from '@tabler/icons-react'
import type { Entry } from '../api/logs'
import { pretty } from './format'
import { moment } from './time'

// What every line has, or what is shown otherwise.
const usual = new Set(['time', 'ts', 'timestamp', 'level', 'severity', 'lvl', 'msg', 'message', 'service', 'instance', 'pid', 'hostname', 'v', 'trace_id', 'span_id'])
const longest = 120 // of a field's value, in characters

// LogRow is one line; a line that is JSON shows its message and fields, and
// opens to the whole.
export function LogRow({ entry, open, flip }: { entry: Entry; open: boolean; flip: () => void }) {
  const { line, fields, level, message } = entry
  return (
    <>
      <time className="dim nowrap" dateTime={line.time} title={moment(line.time)}>
        {clock(line.time)}
      </time>
      <span className="who" title={`${line.instance || line.service}, ${outputs[line.stream]}`}>
        {line.instance || line.service}
        {line.stream === 'plat' && <span className="dim"> plat</span>}
      </span>
      <span className="what">
        {fields && (
          <button type="button" aria-expanded={open} aria-label="All fields" onClick={flip}>
            {open ? <IconChevronDown size={12} /> : <IconChevronRight size={12} />}
          </button>
        )}
        {level !== 'info' && <b className={level === 'error' ? 'bad' : 'warn'}>{level === 'error' ? 'error ' : 'warning '}</b>}
        {message}
        {fields && !open && <Fields fields={fields} />}
        {fields && open && <pre className="text">{pretty(fields)}</pre>}
      </span>
    </>
  )
}

const outputs = { out: 'standard output', err: 'standard error', plat: 'said by plat' }

function Fields({ fields }: { fields: Record<string, unknown> }) {
  return Object.entries(fields)
    .filter(([key]) => !usual.has(key))
    .map(([key, value]) => {
      const text = typeof value === 'string' ? value : JSON.stringify(value)
      return (
        <span key={key} className="field">
          {key}={text.length > longest ? `${text.slice(0, longest)}…` : text}
        </span>
      )
    })
}

function clock(time: string): string {
  const at = new Date(time)
  return `${at.toLocaleTimeString('en-GB')}.${String(at.getMilliseconds()).padStart(3, '0')}`
}
