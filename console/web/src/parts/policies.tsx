import type { CallState, PolicyState, ServicePolicies } from '../api/types'
import { count } from './format'
import { Mark } from './State'
import type { Column } from './DataTable'
import { Age, known } from './time'

// Standing is how a policy stands, with a sign where it holds something back.
export function Standing({ policy: { policy, state, holds } }: { policy: PolicyState }) {
  return <span className="reason">{holds ? <Mark tone={policy === 'breaker' && state.startsWith('open') ? 'bad' : 'warn'}>{state}</Mark> : state}</span>
}

// policyColumns are what every table of policies says of each.
export function policyColumns<T extends PolicyState>(setting: Column<T>['from'] = 'lg'): Column<T>[] {
  return [
    { key: 'policy', header: 'Policy', cell: ({ policy }) => <b>{policy}</b> },
    { key: 'setting', header: 'The plan says', from: setting, cell: ({ setting }) => <div className="reason">{setting}</div> },
    {
      key: 'state',
      header: 'State',
      cell: policy => (
        <>
          <Standing policy={policy} />
          {policy.why && <div className="until-md dim small-text">{policy.why}</div>}
        </>
      ),
    },
    { key: 'count', header: 'Acted', number: true, from: 'sm', cell: policy => count(policy.count) },
    { key: 'acted', header: 'Last', number: true, from: 'sm', cell: ({ acted }) => (known(acted) ? <Age since={acted} ago /> : <span className="dim">never</span>) },
    { key: 'why', header: 'Why', from: 'md', cell: ({ why }) => <div className="reason">{why}</div> },
  ]
}

// callOf names whom calls go to, and which instance makes them past plat's
// listener.
export const callOf = ({ service, by }: CallState) => (by ? `${service} by ${by}` : service)

// Held is one policy with what it protects.
export interface Held extends PolicyState {
  id: string
  service: string
  callee?: string // of the service's calls of it, see callOf; absent: of what is asked of the service
}

// heldOf lists all policies of all services.
export function heldOf(services: ServicePolicies[]): Held[] {
  return services.flatMap(({ service, calls, incoming }) => [
    ...incoming.map(policy => ({ ...policy, service, id: `${service} ${policy.policy} ${policy.setting}` })),
    ...calls.flatMap(call => (call.policies ?? []).map(policy => ({ ...policy, service, callee: callOf(call), id: `${service} ${callOf(call)} ${policy.policy}` }))),
  ])
}
