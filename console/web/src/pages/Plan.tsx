import { Stack } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { findingsQuery, planQuery, systemQuery } from '../api/queries'
import type { Finding, System } from '../api/types'
import { Copy } from '../parts/Copy'
import { FaultList } from '../parts/Faults'
import { FindingView } from '../parts/FindingView'
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
  return (
    <Page title="Plan">
      <Loaded query={system}>{data => <State system={data} />}</Loaded>
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
  const findings = plan.findings ?? []
  return (
    <Stack gap="sm">
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
      {findings.length > 0 ? <FaultList faults={findings} /> : <Mark tone="good">The files have no errors and no warnings.</Mark>}
      {system.warnings && system.warnings.length > 0 && <FaultList faults={system.warnings} />}
    </Stack>
  )
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
