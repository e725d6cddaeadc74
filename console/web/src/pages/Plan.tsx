import { Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { findingsQuery, planQuery, servicesQuery, systemQuery } from '../api/queries'
import type { Fault, Finding, Service, System } from '../api/types'
import { Copy } from '../parts/Copy'
import { Failure, FaultList } from '../parts/Faults'
import { FindingView } from '../parts/FindingView'
import { counted } from '../parts/format'
import { Loaded, Page, Section } from '../parts/Page'
import { Mark } from '../parts/State'
import { Age } from '../parts/time'
import { Declarations } from './plan/Declarations'
import { Platform } from './plan/Platform'
import { Borders, Doors, Entrances } from './plan/tables'

export function Plan() {
  const system = useQuery(systemQuery)
  const plan = useQuery(planQuery)
  const findings = useQuery(findingsQuery)
  const services = useQuery(servicesQuery)
  return (
    <Page title="Plan">
      <Loaded query={system}>
        {data => (
          <>
            <State system={data} />
            <Section title="Files" actions={<Counts faults={data.plan.findings ?? []} />}>
              <Faults faults={data.plan.findings ?? []} none="The files have no errors and no warnings." />
            </Section>
            <Section title="Running" actions={<Counts faults={running(data, services.data)} />}>
              {services.isError && <Failure error={services.error} again={() => void services.refetch()} />}
              {services.data && <Faults faults={running(data, services.data)} none="What runs has no errors and no warnings." />}
            </Section>
          </>
        )}
      </Loaded>
      <Section title="Plan and reality">
        <Loaded query={findings} rows={2}>{data => <Findings findings={data} />}</Loaded>
      </Section>
      <Loaded query={plan}>
        {data => (
          <>
            <Section title="Services as they are resolved">
              <Declarations services={data.services ?? []} />
            </Section>
            <Entrances gateways={data.gateways ?? []} urls={system.data?.gateways ?? []} />
            <Borders external={data.external ?? []} />
          </>
        )}
      </Loaded>
      {system.data && <Doors doors={system.data.doors ?? []} />}
      <Section title="What plat itself costs">
        <Platform />
      </Section>
    </Page>
  )
}

function State({ system }: { system: System }) {
  const { plan } = system
  return (
    <dl className="facts">
      <dt>State</dt>
      <dd>
        {plan.state === 'live' ? <Mark tone="good">live</Mark> : <Mark tone="bad">refused: the last good plan stays live</Mark>} for <Age since={plan.since} />
      </dd>
      <dt>Folder</dt>
      <dd className="mono">
        {system.root}
        <Copy value={system.root} what="path" />
      </dd>
      <dt>Revision</dt>
      <dd className="mono">{system.revision}</dd>
      <dt>Environment</dt>
      <dd>{system.environment}</dd>
      <dt>Access</dt>
      <dd>{system.access === 'enforce' ? 'enforce: undeclared calls are refused and reported' : 'observe: undeclared calls are served and reported'}</dd>
      {system.only && system.only.length > 0 && (
        <>
          <dt>Started</dt>
          <dd>only {system.only.join(', ')}, with what they need</dd>
        </>
      )}
    </dl>
  )
}

// running is what is wrong with what runs: the services' own faults, then
// what plat noticed of them.
function running(system: System, services: Service[] = []): Fault[] {
  return [...services.flatMap(({ fault }) => fault ?? []), ...(system.warnings ?? [])]
}

function Counts({ faults }: { faults: Fault[] }) {
  const errors = faults.filter(({ severity }) => severity === 'error').length
  const parts = [errors > 0 && counted(errors, 'error'), faults.length > errors && counted(faults.length - errors, 'warning')].filter(Boolean)
  return <Text size="sm" c="dimmed">{parts.join(', ')}</Text>
}

// Faults are shown with the errors first.
function Faults({ faults, none }: { faults: Fault[]; none: string }) {
  if (faults.length === 0) return <Mark tone="good">{none}</Mark>
  return <FaultList faults={[...faults].sort((a, b) => Number(b.severity === 'error') - Number(a.severity === 'error'))} />
}

function Findings({ findings }: { findings: Finding[] }) {
  if (findings.length === 0) return <Mark tone="good">What was seen is what the plan declares.</Mark>
  return (
    <Stack gap="xs">
      {findings.map(finding => (
        <FindingView key={finding.id} finding={finding} />
      ))}
    </Stack>
  )
}
