import { Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { findingQuery } from '../api/queries'
import type { Evidence, Finding as Fact } from '../api/types'
import { Command } from '../parts/Copy'
import { type Column, DataTable } from '../parts/DataTable'
import { count } from '../parts/format'
import { Remedy } from '../parts/FindingView'
import { Loaded, Nothing, Page, Section } from '../parts/Page'
import { Mark } from '../parts/State'
import { Age } from '../parts/time'
import { Go } from '../parts/Go'

const route = getRouteApi('/findings/$id')

export function Finding() {
  const { id } = route.useParams()
  const finding = useQuery(findingQuery(id))
  return (
    <Page title={finding.data?.what ?? 'Finding'}>
      <Loaded query={finding}>{data => <Explained finding={data} />}</Loaded>
    </Page>
  )
}

function Explained({ finding }: { finding: Fact }) {
  return (
    <Stack gap="sm">
      <dl className="facts">
        <dt>Severity</dt>
        <dd>
          <Mark tone={finding.severity === 'error' ? 'bad' : 'warn'}>{finding.severity}</Mark>
        </dd>
        <dt>Caller</dt>
        <dd>
          <Go to="/services/$name" params={{ name: finding.caller }}>{finding.caller}</Go>
        </dd>
        <dt>Callee</dt>
        <dd>
          <Go to="/services/$name" params={{ name: finding.callee }}>{finding.callee}</Go>{' '}
          <Go to="/map" search={{ focus: finding.caller }}>on the map</Go>
        </dd>
        <dt>Calls</dt>
        <dd>
          {count(finding.count)}
          {finding.refused && ', refused'}
        </dd>
        <dt>First</dt>
        <dd><Age since={finding.first} ago /></dd>
        <dt>Last</dt>
        <dd><Age since={finding.last} ago /></dd>
        <dt>Code</dt>
        <dd><Command>{`plat explain ${finding.code}`}</Command></dd>
      </dl>
      <Text size="sm">{finding.why}</Text>
      <Section title="Remedy">
        <Remedy finding={finding} />
        {finding.patch && <pre className="text">{finding.patch}</pre>}
      </Section>
      <Section title="Evidence">
        {finding.evidence?.length ? (
          <DataTable label="Evidence" columns={columns} rows={finding.evidence} id={call => call.id} />
        ) : (
          <Nothing>No call was seen.</Nothing>
        )}
      </Section>
    </Stack>
  )
}

const columns: Column<Evidence>[] = [
  { key: 'time', header: 'When', cell: call => <Age since={call.time} ago /> },
  { key: 'call', header: 'Call', cell: call => <span className="mono">{`${call.method} ${call.path}`}</span> },
  { key: 'status', header: 'Status', number: true, cell: call => call.status },
  { key: 'correlation', header: 'Correlation ID', from: 'sm', cell: call => <Go to="/logs" search={{ q: call.correlationId }} className="mono">{call.correlationId}</Go> },
  { key: 'id', header: 'ID', from: 'md', cell: call => <Command>{`plat why ${call.id}`}</Command> },
]
