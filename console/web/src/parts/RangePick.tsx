import { Button, Group, Popover, Stack, TextInput } from '@mantine/core'
import { IconChevronLeft, IconChevronRight, IconClock } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { between, bounds, lengthOf, type Range, useRange } from '../app/range'
import { writes } from './keys'

const lasts = [
  ['5m', '5 minutes'],
  ['15m', '15 minutes'],
  ['1h', 'hour'],
  ['3h', '3 hours'],
  ['12h', '12 hours'],
  ['1d', 'day'],
  ['7d', '7 days'],
] as const

// RangePick chooses the time that the page looks at; [ and ] move it.
export function RangePick() {
  const { range, setRange } = useRange()
  const [open, setOpen] = useState(false)
  const choose = (range: Range) => {
    setOpen(false)
    setRange(range)
  }
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return
      if (event.key !== '[' && event.key !== ']') return
      event.preventDefault()
      setRange(moved(range, event.key === '[' ? -1 : 1))
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [range, setRange])
  return (
    <Group gap={0} wrap="nowrap">
      <Button size="xs" px={6} variant="default" radius="4px 0 0 4px" aria-label="Earlier" title="Earlier ([)" onClick={() => setRange(moved(range, -1))}>
        <IconChevronLeft size={14} />
      </Button>
      <Popover opened={open} onChange={setOpen} position="bottom-end" withinPortal trapFocus transitionProps={{ duration: 0 }}>
        <Popover.Target>
          <Button size="xs" variant="default" radius={0} leftSection={<IconClock size={14} />} onClick={() => setOpen(!open)} aria-label={`Time: ${named(range)}`}>
            {named(range)}
          </Button>
        </Popover.Target>
        <Popover.Dropdown p="xs">
          <Stack gap={2}>
            {lasts.map(([from, label]) => (
              <Button key={from} size="compact-sm" variant={range.from === from ? 'light' : 'subtle'} justify="flex-start" onClick={() => choose({ from })}>
                Last {label}
              </Button>
            ))}
            <Custom range={range} choose={choose} />
          </Stack>
        </Popover.Dropdown>
      </Popover>
      <Button size="xs" px={6} variant="default" radius="0 4px 4px 0" aria-label="Later" title="Later (])" disabled={range.to === undefined} onClick={() => setRange(moved(range, 1))}>
        <IconChevronRight size={14} />
      </Button>
    </Group>
  )
}

function Custom({ range, choose }: { range: Range; choose: (range: Range) => void }) {
  const now = bounds(range)
  const [from, setFrom] = useState(local(now.from))
  const [to, setTo] = useState(local(now.to))
  const [begin, end] = [Date.parse(from), Date.parse(to)]
  return (
    <form
      onSubmit={event => {
        event.preventDefault()
        if (begin < end) choose(between(begin, end))
      }}
    >
      <Stack gap={6} mt={6}>
        <TextInput size="xs" type="datetime-local" step={1} label="From" value={from} onChange={event => setFrom(event.currentTarget.value)} />
        <TextInput size="xs" type="datetime-local" step={1} label="To" value={to} onChange={event => setTo(event.currentTarget.value)} error={begin < end ? undefined : 'Must be after from'} />
        <Button size="xs" type="submit" disabled={!(begin < end)}>
          Look at this time
        </Button>
      </Stack>
    </form>
  )
}

// moved is the range half its length away; one that would reach beyond now
// moves on again.
function moved(range: Range, direction: 1 | -1): Range {
  if (range.to === undefined && direction > 0) return range
  const { from, to } = bounds(range)
  const step = ((to - from) / 2) * direction
  if (to + step >= Date.now()) {
    const last = lasts.find(([each]) => Math.abs(lengthOf(each)! - (to - from)) < 5_000)
    if (last) return { from: last[0] }
  }
  return between(from + step, Math.min(to + step, Date.now()))
}

const days = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
const clock = (at: number) => new Date(at).toLocaleTimeString('en-GB')

function named(range: Range): string {
  if (range.to === undefined) return `Last ${lasts.find(([from]) => from === range.from)?.[1] ?? range.from}`
  const { from, to } = bounds(range)
  const [first, last] = [days.format(from), days.format(to)]
  return `${first} ${clock(from)} to ${first === last ? '' : `${last} `}${clock(to)}`
}

// local writes a moment as a field for date and time takes it.
function local(at: number): string {
  const date = new Date(at)
  return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}
