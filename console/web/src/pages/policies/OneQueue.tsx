import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import { type KeptCall, keptCallsQuery, type Queue } from '../../api/queues'
import { type Column, DataTable } from '../../parts/DataTable'
import { count, size } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Loaded, Nothing, Section } from '../../parts/Page'
import { Age } from '../../parts/time'
import { Drop, Retry } from './actions'
import { Why } from './Why'

const route = getRouteApi('/policies')
const most = 100 // of a queue's thousand

// OneQueue lists the calls of one queue: those that were given up, which want
// a decision, and those that wait.
export function OneQueue({ queue }: { queue: Queue }) {
  const name = `${queue.caller} → ${queue.service}`
  const here = useRef<HTMLDivElement>(null)
  useEffect(() => here.current?.scrollIntoView({ block: 'nearest' }), []) // many queues may stand above it
  return (
    <div ref={here} className="kept-open">
      {queue.dead > 0 && <Calls title={`Dead letters of ${name}`} queue={queue} dead />}
      {queue.waiting > 0 && <Calls title={`Waiting, ${name}`} queue={queue} />}
      {queue.waiting + queue.dead === 0 && (
        <Section title={name}>
          <Nothing>Nothing waits, and nothing was given up.</Nothing>
        </Section>
      )}
    </div>
  )
}

function Calls({ title, queue, dead = false }: { title: string; queue: Queue; dead?: boolean }) {
  const { call } = route.useSearch()
  const calls = useQuery(keptCallsQuery(queue, dead, most))
  const rows = (calls.data?.calls ?? []).filter(({ state }) => (state === 'dead') === dead) // those that wait come with the dead behind them
  const all = dead ? queue.dead : queue.waiting
  const first = rows[0]
  return (
    <Section
      title={title}
      actions={
        <>
          {rows.length > 0 && all > rows.length && <span className="dim">the first {count(rows.length)} of {count(all)}</span>}
          {dead && rows.length > 1 && <Retry calls={rows} what={all > rows.length ? `these ${count(rows.length)}` : `all ${count(rows.length)}`} />}
          {!dead && first && <Retry calls={[first]} what="now" />}
        </>
      }
    >
      <Loaded query={calls} rows={3}>
        {() => (rows.length === 0 ? <Nothing>Nothing any more.</Nothing> : <DataTable label={title} columns={dead ? letters : waiting} rows={rows} id={({ id }) => id} selected={call} />)}
      </Loaded>
    </Section>
  )
}

const request: Column<KeptCall> = {
  key: 'request',
  header: 'Request',
  cell: ({ id, request, why }) => (
    <>
      <Go to="/policies" search={old => ({ ...old, call: id })} className="mono path kept-cut" title={request} resetScroll={false}>
        {request}
      </Go>
      {why && <Why until="md">{why}</Why>}
    </>
  ),
}

const rest: Column<KeptCall>[] = [
  { key: 'kept', header: 'Kept', number: true, cell: ({ kept }) => <Age since={kept} ago /> },
  { key: 'tries', header: 'Tries', number: true, from: 'sm', cell: ({ tries }) => count(tries) },
  { key: 'why', header: 'Why it failed', from: 'md', cell: ({ why }) => why && <Why>{why}</Why> },
  { key: 'size', header: 'Size', number: true, from: 'lg', cell: call => size(call.size ?? 0) },
  { key: 'story', header: 'Story', from: 'sm', cell: ({ correlationId }) => correlationId && <Go to="/story/$id" params={{ id: correlationId }} className="nowrap">its story</Go> },
]

const letters: Column<KeptCall>[] = [
  request,
  ...rest,
  {
    key: 'do',
    header: 'Decide',
    cell: call => (
      <span className="kept-actions">
        <Retry calls={[call]} />
        <Drop call={call} />
      </span>
    ),
  },
]

const waiting: Column<KeptCall>[] = [{ key: 'position', header: 'No.', number: true, cell: ({ position }) => position }, request, ...rest, { key: 'do', header: 'Decide', cell: call => <Drop call={call} /> }]
