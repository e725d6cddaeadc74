import './logs.css'
import { ActionIcon, Button, Group, Tooltip } from '@mantine/core'
import { IconArrowBarDown, IconPlayerPause, IconPlayerPlay, IconTrash } from '@tabler/icons-react'
import { useVirtualizer } from '@tanstack/react-virtual'
import { type ReactNode, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { type Entry, LogFeed, type LogQuery, type LogState, maxLines } from '../api/logs'
import { Failure } from './Faults'
import { count, counted } from './format'
import { LogRow } from './LogRow'
import { Loading } from './Page'
import { Mark } from './State'

interface Props {
  query: LogQuery
  fits: (entry: Entry) => boolean
  filters?: ReactNode
}

// LogView follows the lines of a query. Pausing keeps what is shown, while
// what comes is still collected.
export function LogView({ query, fits, filters }: Props) {
  const { feed, state } = useFeed(query)
  const [paused, setPaused] = useState<LogState>()
  const shown = paused ?? state
  const entries = useMemo(() => shown.entries.filter(fits), [shown.entries, fits])
  return (
    <>
      <div className="filters">
        {filters}
        <Group gap={6} ml="auto">
          <Button
            size="xs"
            variant="default"
            leftSection={paused ? <IconPlayerPlay size={14} /> : <IconPlayerPause size={14} />}
            onClick={() => setPaused(paused ? undefined : state)}
          >
            {paused ? 'Go on' : 'Pause'}
          </Button>
          <Tooltip label="Clear what is shown here">
            <ActionIcon variant="default" size={30} onClick={() => feed.clear()} aria-label="Clear what is shown here">
              <IconTrash size={15} />
            </ActionIcon>
          </Tooltip>
        </Group>
      </div>
      <Lines state={shown} entries={entries} follow={!paused} />
      <div className="log-foot">
        <FeedMark state={state} paused={paused !== undefined} />
        <span>
          {counted(entries.length, 'line')}
          {entries.length !== shown.entries.length && ` of ${count(shown.entries.length)}`}
        </span>
        {shown.dropped > 0 && <span>{`${counted(shown.dropped, 'older line')} dropped: the last ${count(maxLines)} are kept here, all are in the log files`}</span>}
      </div>
    </>
  )
}

function useFeed(query: LogQuery) {
  const key = JSON.stringify(query)
  const feed = useMemo(() => new LogFeed(JSON.parse(key) as LogQuery), [key])
  useEffect(() => {
    feed.open()
    return () => feed.close()
  }, [feed])
  return { feed, state: useSyncExternalStore(feed.subscribe, feed.state) }
}

function FeedMark({ state, paused }: { state: LogState; paused: boolean }) {
  if (state.state === 'lost') return <Mark tone="bad">not connected, trying again</Mark>
  if (paused) return <Mark tone="idle">paused</Mark>
  if (state.state === 'following') return <Mark tone="good">following</Mark>
  return null
}

function Lines({ state, entries, follow }: { state: LogState; entries: Entry[]; follow: boolean }) {
  const frame = useRef<HTMLDivElement>(null)
  const [atEnd, setAtEnd] = useState(true)
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set())
  const list = useVirtualizer({
    count: entries.length,
    getScrollElement: () => frame.current,
    estimateSize: () => 19,
    getItemKey: index => entries[index]!.id,
    overscan: 20,
  })
  useEffect(() => {
    if (follow && atEnd && entries.length > 0) list.scrollToIndex(entries.length - 1, { align: 'end' })
  }, [entries, follow, atEnd, list])
  if (state.state === 'failed') return <Failure error={state.error} />
  if (state.state === 'loading') return <Loading rows={10} />
  const flip = (id: number) => setOpen(new Set(open.has(id) ? [...open].filter(other => other !== id) : [...open, id]))
  return (
    <div style={{ position: 'relative' }}>
      <div
        className="log"
        ref={frame}
        tabIndex={0}
        role="region"
        aria-label="Log lines"
        onScroll={({ currentTarget: box }) => setAtEnd(box.scrollHeight - box.scrollTop - box.clientHeight < 40)}
      >
        {entries.length === 0 && <p className="dim" style={{ padding: '0 10px' }}>{state.entries.length === 0 ? 'No line yet.' : 'No line fits.'}</p>}
        <div className="log-lines" style={{ height: list.getTotalSize() }}>
          {list.getVirtualItems().map(item => {
            const entry = entries[item.index]!
            return (
              <div
                key={item.key}
                ref={list.measureElement}
                data-index={item.index}
                className="log-line"
                data-level={entry.level}
                style={{ transform: `translateY(${item.start}px)` }}
              >
                <LogRow entry={entry} open={open.has(entry.id)} flip={() => flip(entry.id)} />
              </div>
            )
          })}
        </div>
      </div>
      {!atEnd && follow && (
        <Button
          size="compact-xs"
          leftSection={<IconArrowBarDown size={14} />}
          style={{ position: 'absolute', right: 20, bottom: 10 }}
          onClick={() => setAtEnd(true)}
        >
          Newest lines
        </Button>
      )}
    </div>
  )
}
