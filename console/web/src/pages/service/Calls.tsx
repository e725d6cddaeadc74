import { queueOf } from '../../api/queues'
import type { CallState, PolicyState } from '../../api/types'
import { DataTable } from '../../parts/DataTable'
import { Go } from '../../parts/Go'
import { Nothing, Section } from '../../parts/Page'
import { callOf, policyColumns } from '../../parts/policies'
import { Mark } from '../../parts/State'

const columns = policyColumns<PolicyState>()

// Calls tells how a service's calls of others are protected: each policy, how
// it stands, and why it last acted.
export function Calls({ name, calls }: { name: string; calls: CallState[] }) {
  if (calls.length === 0) return <Section title="Calls"><Nothing>{name} calls nobody.</Nothing></Section>
  return calls.map(call => (
    <Section
      key={callOf(call)}
      title={`Calls of ${callOf(call)}`}
      actions={
        <span>
          {call.declared ? <Mark tone="good">declared</Mark> : <Mark tone="warn">undeclared</Mark>}
          {', when it fails: '}
          <b>{call.onFailure}</b>
          {', '}
          <Go underline="always" to="/degradation" search={{ q: `${name} ${call.service}` }}>
            what customers see
          </Go>
          {call.onFailure === 'queue' && (
            <>
              {', '}
              <Go underline="always" to="/policies" search={{ kept: queueOf(name, call.service) }}>
                what is kept
              </Go>
            </>
          )}
        </span>
      }
    >
      <DataTable label={`Policies of ${name}'s calls of ${callOf(call)}`} columns={columns} rows={call.policies ?? []} id={({ policy }) => policy} />
    </Section>
  ))
}
