import { Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { eventsQuery } from '../api/queries'
import type { Events as State } from '../api/types'
import { FaultList } from '../parts/Faults'
import { counted } from '../parts/format'
import { Loaded, Nothing, Page, Section } from '../parts/Page'
import { DeadLetters } from './events/DeadLetters'
import { Consumers, Streams, Violations } from './events/tables'

export function Events() {
  const events = useQuery(eventsQuery)
  return (
    <Page title="Events">
      <Loaded query={events}>{data => <Parts events={data} />}</Loaded>
    </Page>
  )
}

function Parts({ events }: { events: State }) {
  const streams = events.streams ?? []
  const consumers = events.consumers ?? []
  const letters = events.deadLetters ?? []
  return (
    <Stack gap={0}>
      {events.refusing && (
        <div className="fault" role="alert">
          <span className="bad">Publishing is refused now:</span> {events.refusing}
        </div>
      )}
      {events.faults && events.faults.length > 0 && <FaultList faults={events.faults} />}
      <Section title="Streams">
        {streams.length ? <Streams streams={streams} /> : <Nothing>No service publishes events. provides.events in a service.yaml declares one.</Nothing>}
      </Section>
      <Section title="Subscriptions">
        {consumers.length ? <Consumers consumers={consumers} /> : <Nothing>No service consumes events.</Nothing>}
      </Section>
      <Section title="Dead letters" actions={<Text size="sm" c="dimmed">{kept(events.dead, letters.length)}</Text>}>
        {letters.length ? <DeadLetters letters={letters} /> : <Nothing>No event was given up.</Nothing>}
      </Section>
      {events.violations && events.violations.length > 0 && (
        <Section title="Violations">
          <Violations violations={events.violations} />
        </Section>
      )}
      {events.orphans && events.orphans.length > 0 && (
        <Section title="Orphans" actions={<Text size="sm" c="dimmed">kept, though the plan no longer declares them</Text>}>
          <ul className="mono" style={{ margin: 0 }}>
            {events.orphans.map(name => (
              <li key={name}>{name}</li>
            ))}
          </ul>
        </Section>
      )}
    </Stack>
  )
}

function kept(dead: number, shown: number): string {
  if (dead === 0) return ''
  return shown < dead ? `${counted(dead, 'dead letter')} kept, the newest ${shown} shown` : `${counted(dead, 'dead letter')} kept`
}
