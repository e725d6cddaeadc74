import type { CallState, PolicyState } from '../../api/types'
import { type Column, DataTable } from '../../parts/DataTable'
import { count } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Nothing, Section } from '../../parts/Page'
import { Mark } from '../../parts/State'
import { Age, known } from '../../parts/time'

// Calls tells how a service's calls of others are protected: each policy, how
// it stands, and why it last acted.
export function Calls({ name, calls }: { name: string; calls: CallState[] }) {
  if (calls.length === 0) return <Nothing>{name} calls nobody.</Nothing>
  return calls.map(call => (
    <Section
      key={call.service}
      title={`Calls of ${call.service}`}
      actions={
        <span>
          {call.declared ? <Mark tone="good">declared</Mark> : <Mark tone="warn">undeclared</Mark>}
          {', when it fails: '}
          <b>{call.onFailure}</b>
          {', '}
          <Go underline="always" to="/degradation" search={{ q: `${name} ${call.service}` }}>
            what customers see
          </Go>
        </span>
      }
    >
      <DataTable label={`Policies of ${name}'s calls of ${call.service}`} columns={columns} rows={call.policies ?? []} id={({ policy }) => policy} />
    </Section>
  ))
}

const columns: Column<PolicyState>[] = [
  { key: 'policy', header: 'Policy', cell: ({ policy }) => <b>{policy}</b> },
  { key: 'setting', header: 'The plan says', from: 'sm', cell: ({ setting }) => <div className="reason">{setting}</div> },
  {
    key: 'state',
    header: 'State',
    cell: ({ state, why }) => (
      <>
        <Standing state={state} />
        {why && <div className="until-md dim small-text">{why}</div>}
      </>
    ),
  },
  { key: 'count', header: 'Acted', number: true, cell: policy => count(policy.count) },
  { key: 'acted', header: 'Last', number: true, from: 'sm', cell: ({ acted }) => (known(acted) ? <Age since={acted} ago /> : <span className="dim">never</span>) },
  { key: 'why', header: 'Why', from: 'md', cell: ({ why }) => <div className="reason">{why}</div> },
]

// Standing has a sign where a policy holds something back.
function Standing({ state }: { state: string }) {
  if (/^open/.test(state)) return <Mark tone="bad">{state}</Mark>
  if (/^half-open|out of rotation|ejected/.test(state)) return <Mark tone="warn">{state}</Mark>
  return <span className="reason">{state}</span>
}
