import { IconAlertCircleFilled, IconChevronDown, IconChevronRight } from '@tabler/icons-react'
import { memo } from 'react'
import { colourOf } from '../../parts/colours'
import { duration } from '../../parts/format'
import { Inferred } from '../../parts/Inferred'
import type { Item, LogItem, SpanItem } from './model'
import type { Sight } from './Overview'

interface Props {
  item: Item
  index: number
  top: number
  height: number
  sight: Sight
  closed: boolean
  chosen: boolean
  found: boolean
  choose: (id: string | undefined) => void
  flip: (id: string) => void
}

const deepest = 24 // steps to the right; what is deeper stands below

// Row is a span with its bar, or a log record at its moment.
export const Row = memo(function Row(props: Props) {
  const { item, index, top, height, chosen, found, choose, flip } = props
  const failed = item.kind === 'span' ? item.span.status === 'error' : item.log.severity === 'ERROR' || item.log.severity === 'FATAL'
  return (
    <div
      id={`row-${index}`}
      role="treeitem"
      aria-level={item.depth + 1}
      aria-selected={chosen}
      aria-expanded={item.kind === 'span' && item.children.length > 0 ? !props.closed : undefined}
      className="span-row"
      data-found={found || undefined}
      data-failed={failed || undefined}
      style={{ transform: `translateY(${top}px)`, height }}
      onClick={() => choose(item.kind === 'span' ? item.id : item.parent?.id)}
      onDoubleClick={() => item.kind === 'span' && item.children.length > 0 && flip(item.id)}
    >
      <div className="span-name" style={{ paddingLeft: 4 + Math.min(item.depth, deepest) * 12 }}>
        {item.kind === 'span' ? <SpanName {...props} item={item} /> : <LogText item={item} />}
      </div>
      <div className="span-time">{item.kind === 'span' ? <Bar item={item} sight={props.sight} closed={props.closed} /> : <Moment item={item} sight={props.sight} />}</div>
    </div>
  )
})

function SpanName({ item, closed, flip }: Props & { item: SpanItem }) {
  const { span } = item
  const Sign = closed ? IconChevronRight : IconChevronDown
  return (
    <>
      {item.children.length > 0 ? (
        <span
          className="span-flip"
          onClick={event => {
            event.stopPropagation()
            flip(item.id)
          }}
        >
          <Sign size={13} aria-hidden />
        </span>
      ) : (
        <span className="span-flip" />
      )}
      <span className="chip" style={{ background: colourOf(span.service) }} aria-hidden />
      {span.status === 'error' && <IconAlertCircleFilled size={13} className="bad span-sign" aria-label="error" />}
      {closed && item.failedBelow && span.status !== 'error' && <IconAlertCircleFilled size={13} className="warn span-sign" aria-label="error below" />}
      <span className="span-text">
        <b>{span.service}</b> {span.name}
        {closed && <span className="dim"> +{item.below}</span>}
      </span>
    </>
  )
}

function Bar({ item: { span, at }, sight }: { item: SpanItem; sight: Sight; closed: boolean }) {
  const whole = sight.to - sight.from
  const [left, right] = [(at - sight.from) / whole, (at + span.duration - sight.from) / whole]
  if (right < 0 || left > 1) return <span className="span-away dim">{right < 0 ? '‹' : '›'}</span>
  const [begin, end] = [Math.max(0, left), Math.min(1, right)]
  const behind = end > 0.8 // no room for the length after the bar
  return (
    <>
      <span className="span-bar" data-critical={span.critical || undefined} style={{ left: `${begin * 100}%`, width: `${(end - begin) * 100}%`, background: colourOf(span.service) }} />
      {span.events?.map((event, index) => <Tick key={index} at={(Date.parse(event.time) - Date.parse(span.start)) * 1e6 + at} sight={sight} name={event.name} />)}
      <span className="span-length" style={behind ? { right: `${(1 - begin) * 100}%` } : { left: `${end * 100}%` }} data-behind={behind || undefined} data-inside={(behind && begin < 0.15) || undefined}>
        {duration(span.duration)}
      </span>
    </>
  )
}

function Tick({ at, sight, name }: { at: number; sight: Sight; name: string }) {
  const part = (at - sight.from) / (sight.to - sight.from)
  if (part < 0 || part > 1) return null
  return <span className="span-event" title={name} style={{ left: `${part * 100}%` }} />
}

function LogText({ item: { log } }: { item: LogItem }) {
  const tone = log.severity === 'ERROR' || log.severity === 'FATAL' ? 'bad' : log.severity === 'WARN' ? 'warn' : 'dim'
  return (
    <>
      <span className="span-flip" />
      <span className={`log-sign ${tone}`}>{log.severity?.toLowerCase() ?? 'log'}</span>
      <span className="span-text mono" title={log.body}>
        {log.body}
        <Inferred log={log} />
      </span>
    </>
  )
}

function Moment({ item: { at, log }, sight }: { item: LogItem; sight: Sight }) {
  const part = (at - sight.from) / (sight.to - sight.from)
  if (part < 0 || part > 1) return null
  return <span className="span-log" data-severity={log.severity} style={{ left: `${part * 100}%` }} />
}
