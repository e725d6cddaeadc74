import { Accordion, Stack } from '@mantine/core'
import { getRouteApi } from '@tanstack/react-router'
import type { DeadLetter } from '../../api/types'
import { counted, pretty } from '../../parts/format'
import { Age } from '../../parts/time'
import { Go } from '../../parts/Go'

const route = getRouteApi('/events')

// DeadLetters lists what consumers gave up; one is open, as the URL says.
export function DeadLetters({ letters }: { letters: DeadLetter[] }) {
  const { dead } = route.useSearch()
  const navigate = route.useNavigate()
  return (
    <Accordion variant="contained" order={3} value={dead ?? null} onChange={value => void navigate({ search: { dead: value ?? undefined }, replace: true, resetScroll: false })}>
      {letters.map(letter => (
        <Accordion.Item key={letter.id} value={letter.id}>
          <Accordion.Control>
            <span className="letter">
              <b className="mono">{letter.event}</b>
              <span>to {letter.service}</span>
              <span className="bad letter-reason">{letter.reason}</span>
              <span className="dim"><Age since={letter.time} ago /></span>
            </span>
          </Accordion.Control>
          <Accordion.Panel>{dead === letter.id && <Letter letter={letter} />}</Accordion.Panel>
        </Accordion.Item>
      ))}
    </Accordion>
  )
}

function Letter({ letter }: { letter: DeadLetter }) {
  return (
    <Stack gap="xs">
      <dl className="facts">
        <dt>Reason</dt>
        <dd>{letter.reason}</dd>
        <dt>Event ID</dt>
        <dd className="mono">
          <Go to="/logs" search={{ q: letter.eventId }}>{letter.eventId}</Go>
        </dd>
        <dt>Consumer</dt>
        <dd className="mono">{letter.consumer}</dd>
        <dt>Delivered</dt>
        <dd>{counted(letter.deliveries, 'time')}</dd>
        {Object.entries(letter.headers ?? {}).map(([name, value]) => (
          <Header key={name} name={name} value={value} />
        ))}
      </dl>
      <pre className="text" tabIndex={0} aria-label="Data">{pretty(letter.data)}</pre>
    </Stack>
  )
}

function Header({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt className="mono">{name}</dt>
      <dd className="mono">{value}</dd>
    </>
  )
}
