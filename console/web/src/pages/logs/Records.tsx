import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useMemo, useRef, useState } from 'react'
import { mostLive, type TailState } from '../../api/tail'
import type { LogOverview, LogRecord } from '../../api/telemetry'
import { count, counted } from '../../parts/format'
import { useKeys } from '../../parts/keys'
import type { Search } from './question'
import { Record } from './Record'

interface Props {
  older: LogRecord[]
  tail: TailState
  search: Search
  set: (change: Search) => void
  total: LogOverview | undefined
  more: boolean
  full: boolean // no further page is asked for
  busy: boolean
  next: (() => void) | undefined // asks for the page before the oldest
  open: string | undefined
}

const soon = 150 // rows before the end at which the next page is asked for

// Records lists log records, the newest first. Only the rows that are seen are
// in the page; older ones are asked for when they come near.
export function Records({ older, tail, search, set, total, more, full, busy, next, open }: Props) {
  const rows = useMemo(() => (tail.records.length > 0 ? tail.records.concat(older) : older), [tail.records, older])
  const frame = useRef<HTMLDivElement>(null)
  const [chosen, setChosen] = useState<number>()
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => frame.current,
    estimateSize: () => 20,
    getItemKey: index => (index < tail.records.length ? `live ${tail.first - index}` : index - tail.records.length),
    overscan: 20,
  })
  const items = list.getVirtualItems()
  const last = items.at(-1)?.index ?? 0
  useEffect(() => {
    if (next && last > rows.length - soon) next()
  }, [last, rows.length, next])
  const step = (by: number) => {
    const to = Math.max(0, Math.min(rows.length - 1, (chosen ?? -1) + by))
    setChosen(to)
    list.scrollToIndex(to, { align: 'auto' })
  }
  const flip = (row: LogRecord) => set({ open: open === idOf(row) ? undefined : idOf(row) })
  useKeys({ j: () => step(1), k: () => step(-1), Enter: () => chosen !== undefined && rows[chosen] && flip(rows[chosen]) })
  return (
    <div className="records">
      <div className="log" ref={frame} tabIndex={0} role="region" aria-label="Log records" aria-busy={busy && rows.length === 0}>
        <div className="log-lines" style={{ height: list.getTotalSize() }}>
          {items.map(({ index, key, start }) => {
            const row = rows[index]!
            return (
              <div key={key} ref={list.measureElement} data-index={index} className="log-line" data-level={levelOf(row)} data-chosen={index === chosen || undefined} style={{ transform: `translateY(${start}px)` }}>
                <Record record={row} open={open === idOf(row)} flip={() => flip(row)} search={search} set={set} />
              </div>
            )
          })}
        </div>
      </div>
      <div className="log-foot">
        <span>
          {counted(rows.length, 'record')} here{total && total.total > rows.length && ` of ${total.partial ? 'more than ' : ''}${count(total.total)}`}
        </span>
        {busy && <span>asking for older ones</span>}
        {full && more && <span>These are as many as one page holds: narrow the time to see older ones.</span>}
        {tail.dropped > 0 && <span>{counted(tail.dropped, 'record')} dropped: {count(mostLive)} are kept while following</span>}
      </div>
    </div>
  )
}

// A record has no ID of its own; who wrote it and when is one.
export function idOf(record: LogRecord): string {
  return `${record.time}~${record.instance || record.service}`
}

function levelOf({ severity }: LogRecord): string | undefined {
  if (severity === 'ERROR' || severity === 'FATAL') return 'error'
  return severity === 'WARN' ? 'warn' : undefined
}
