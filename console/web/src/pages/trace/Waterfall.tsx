import { Button, Checkbox, Group, SegmentedControl } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { getRouteApi } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useCallback, useDeferredValue, useEffect, useMemo, useRef, useState } from 'react'
import { count, counted } from '../../parts/format'
import { useKeys } from '../../parts/keys'
import { Search } from '../../parts/Search'
import { Details } from './Details'
import { matchesOf, type Model, type Only, shownOf } from './model'
import { Overview, type Sight, Ticks } from './Overview'
import { Row } from './Row'
import { ServiceChip } from './ServiceChip'

const route = getRouteApi('/traces/$id')
const rowHeight = 26
const narrowHeight = 44

// Waterfall shows the spans of a trace by time, each under its parent. Only
// the rows that are seen are in the page.
export function Waterfall({ model }: { model: Model }) {
  const { q = '', span, only, logs } = route.useSearch()
  const navigate = route.useNavigate()
  const set = useCallback((change: Record<string, string | undefined>) => void navigate({ search: old => ({ ...old, ...change }), replace: true, resetScroll: false }), [navigate])
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set())
  const [sight, setSight] = useState<Sight>({ from: 0, to: model.length })
  const narrow = useMediaQuery('(max-width: 48em)', undefined, { getInitialValueInEffect: false }) ?? false
  const text = useDeferredValue(q)
  const matches = useMemo(() => matchesOf(model, text), [model, text])
  const rows = useMemo(() => shownOf(model, closed, only as Only, logs !== 'hide'), [model, closed, only, logs])
  const frame = useRef<HTMLDivElement>(null)
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => frame.current,
    estimateSize: () => (narrow ? narrowHeight : rowHeight),
    getItemKey: index => rows[index]!.id,
    overscan: 12,
  })
  useEffect(() => list.measure(), [narrow, list])
  const at = span ? rows.findIndex(({ id }) => id === span) : -1
  const reveal = useReveal(model, closed, setClosed)
  const choose = useCallback(
    (id: string | undefined) => {
      if (id) reveal(id)
      set({ span: id })
    },
    [reveal, set],
  )
  useEffect(() => {
    if (at >= 0) list.scrollToIndex(at, { align: 'auto' })
  }, [at, list])
  const flip = useCallback((id: string) => setClosed(old => (old.has(id) ? new Set([...old].filter(other => other !== id)) : new Set([...old, id]))), [])
  useKeysOf({ rows, at, model, matches, span, closed, choose, flip })
  const chosen = span ? model.byID.get(span) : undefined
  return (
    <>
      <div className="filters">
        <Search label="Find in this trace" value={q} onChange={q => set({ q: q || undefined })} />
        {q !== '' && <span className="dim small-text">{counted(matches.size, 'span')} {matches.size > 0 && '(n, N)'}</span>}
        <SegmentedControl
          size="xs"
          aria-label="Which spans"
          value={only ?? 'all'}
          onChange={value => set({ only: value === 'all' ? undefined : value })}
          data={[{ value: 'all', label: 'All spans' }, { value: 'critical', label: 'Critical path' }, { value: 'errors', label: 'Errors' }]}
        />
        <Checkbox size="xs" label="Log records" checked={logs !== 'hide'} onChange={event => set({ logs: event.currentTarget.checked ? undefined : 'hide' })} />
        <Group gap={6} ml="auto">
          {(sight.from > 0 || sight.to < model.length) && <Button size="xs" variant="default" onClick={() => setSight({ from: 0, to: model.length })}>Whole time</Button>}
          <Button size="xs" variant="default" onClick={() => setClosed(closed.size > 0 ? new Set() : closable(model))}>{closed.size > 0 ? 'Open all' : 'Close all'}</Button>
        </Group>
      </div>
      <div className="waterfall" data-details={chosen ? true : undefined}>
        <div className="panel waterfall-rows">
          <div className="waterfall-head">
            <Legend services={model.services} />
            <div>
              <Overview model={model} sight={sight} setSight={setSight} />
              <Ticks sight={sight} />
            </div>
          </div>
          <div ref={frame} className="waterfall-frame" role="tree" aria-label="Spans" tabIndex={0} aria-activedescendant={at >= 0 ? `row-${at}` : undefined}>
            {rows.length === 0 && <p className="dim waterfall-none">No such span.</p>}
            <div role="presentation" style={{ height: list.getTotalSize(), position: 'relative' }}>
              {list.getVirtualItems().map(({ index, key, start, size }) => {
                const item = rows[index]!
                return (
                  <Row key={key} item={item} index={index} top={start} height={size} sight={sight} closed={closed.has(item.id)} chosen={item.id === span} found={matches.has(item.id)} choose={choose} flip={flip} />
                )
              })}
            </div>
          </div>
          <div className="waterfall-foot dim">
            {counted(rows.length, 'row')} of {count(model.spans.length)} spans. j k: next, previous; ← →: close, open; n N: next, previous found; e: next error
          </div>
        </div>
        {chosen && <Details item={chosen} model={model} choose={choose} />}
      </div>
    </>
  )
}

function Legend({ services }: { services: [string, number][] }) {
  return (
    <div className="legend-services">
      {services.slice(0, 12).map(([name, spans]) => (
        <span key={name} className="nowrap">
          <ServiceChip name={name} />
          {name} <span className="dim">{count(spans)}</span>
        </span>
      ))}
      {services.length > 12 && <span className="dim">and {services.length - 12} more</span>}
    </div>
  )
}

// useReveal opens what a span is hidden under.
function useReveal(model: Model, closed: ReadonlySet<string>, setClosed: (closed: ReadonlySet<string>) => void) {
  return useCallback(
    (id: string) => {
      const above = new Set<string>()
      for (let up = model.byID.get(id)?.parent; up; up = up.parent) if (closed.has(up.id)) above.add(up.id)
      if (above.size > 0) setClosed(new Set([...closed].filter(each => !above.has(each))))
    },
    [model, closed, setClosed],
  )
}

interface Hand {
  rows: ReturnType<typeof shownOf>
  at: number
  model: Model
  matches: Set<string>
  span: string | undefined
  closed: ReadonlySet<string>
  choose: (id: string | undefined) => void
  flip: (id: string) => void
}

function useKeysOf({ rows, at, model, matches, span, closed, choose, flip }: Hand) {
  const walk = (by: 1 | -1) => {
    for (let next = at + by; next >= 0 && next < rows.length; next += by) if (rows[next]!.kind === 'span') return choose(rows[next]!.id)
  }
  const seek = (by: 1 | -1, fits: (id: string, index: number) => boolean) => {
    const { spans } = model
    const from = spans.findIndex(({ id }) => id === span)
    for (let step = 1; step <= spans.length; step++) {
      const index = (((from < 0 && by < 0 ? 0 : from) + by * step) % spans.length + spans.length) % spans.length
      if (fits(spans[index]!.id, index)) return choose(spans[index]!.id)
    }
  }
  const failed = (_: string, index: number) => model.spans[index]!.span.status === 'error'
  const item = at >= 0 ? rows[at] : undefined
  const open = item?.kind === 'span' && item.children.length > 0 && !closed.has(item.id)
  useKeys({
    j: () => walk(1),
    ArrowDown: () => walk(1),
    k: () => walk(-1),
    ArrowUp: () => walk(-1),
    ArrowLeft: () => item && (open ? flip(item.id) : item.parent && choose(item.parent.id)),
    ArrowRight: () => item && closed.has(item.id) && flip(item.id),
    n: () => seek(1, id => matches.has(id)),
    N: () => seek(-1, id => matches.has(id)),
    e: () => seek(1, failed),
    E: () => seek(-1, failed),
    Escape: () => choose(undefined),
  })
}

function closable(model: Model): Set<string> {
  return new Set(model.spans.filter(({ children, depth }) => children.length > 0 && depth > 0).map(({ id }) => id))
}
