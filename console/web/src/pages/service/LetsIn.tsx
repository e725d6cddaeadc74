import { useQuery } from '@tanstack/react-query'
import { now } from '../../api/prom'
import { planQuery } from '../../api/queries'
import type { GatewayRoute, PolicyState } from '../../api/types'
import { type Column, DataTable } from '../../parts/DataTable'
import { count } from '../../parts/format'
import { Failure } from '../../parts/Faults'
import { Go } from '../../parts/Go'
import { Nothing, Section } from '../../parts/Page'
import { policyColumns } from '../../parts/policies'
import { Mark } from '../../parts/State'

const columns = policyColumns<PolicyState>()
const past = '15m'

// LetsIn tells what a service takes in: its places and its queue, which routes
// come first, how often each may ask, and what was turned away.
export function LetsIn({ name, incoming }: { name: string; incoming: PolicyState[] }) {
  const plan = useQuery(planQuery)
  const gateways = plan.data?.gateways ?? []
  const routes = gateways.flatMap(gateway => (gateway.routes ?? []).filter(({ service }) => service === name).map(route => ({ ...route, gateway: gateway.name })))
  return (
    <Section title="Lets in" actions={<TurnedAway name={name} />}>
      {incoming.length === 0 ? <Nothing>Nothing is asked of it through plat.</Nothing> : <DataTable label={`What ${name} lets in`} columns={columns} rows={incoming} id={({ policy, setting }) => `${policy} ${setting}`} />}
      {plan.isError && <Failure error={plan.error} again={() => void plan.refetch()} />}
      {routes.length > 0 && (
        <div className="below">
          <DataTable label={`Routes to ${name}`} columns={routeColumns} rows={routes} id={({ gateway, host = '', path, methods = [] }) => `${gateway} ${host}${path} ${methods.join()}`} />
        </div>
      )}
    </Section>
  )
}

// TurnedAway counts what was turned away of late, by priority and reason.
function TurnedAway({ name }: { name: string }) {
  const expression = `sum by (priority, reason) (increase(plat_shed_total{service=${JSON.stringify(name)}}[${past}])) > 0.5`
  const found = useQuery({ queryKey: ['shed', name], queryFn: ({ signal }) => now(expression, signal), refetchInterval: 10_000, retry: false })
  if (found.isError) return <span className="dim">what was turned away is not known without metrics</span>
  if (!found.data) return null
  if (found.data.length === 0) return <span className="dim">nothing was turned away in 15 minutes</span>
  return (
    <span>
      <Mark tone="warn">
        <Go underline="always" to="/metrics" search={{ expr: `sum by (priority, reason) (rate(plat_shed_total{service=${JSON.stringify(name)}}[1m]))` }}>
          turned away in 15 minutes
        </Go>
        : {found.data.map(({ labels, value }) => `${count(Math.round(value))} ${labels.priority} (${labels.reason})`).join(', ')}
      </Mark>
    </span>
  )
}

const routeColumns: Column<GatewayRoute & { gateway: string }>[] = [
  { key: 'route', header: 'Route', cell: ({ host = '', path, methods }) => <span className="mono">{[methods?.join(','), `${host}${path}`].filter(Boolean).join(' ')}</span> },
  { key: 'gateway', header: 'Gateway', from: 'sm', cell: ({ gateway }) => gateway },
  { key: 'priority', header: 'Priority', cell: ({ priority }) => priority ?? <span className="dim">normal</span> },
  { key: 'rate', header: 'Each client may ask', cell: ({ rate }) => (rate ? `${count(rate.limit)} in ${rate.per ?? '1s'}${rate.burst ? `, ${count(rate.burst)} at once` : ''}${rate.header ? `, told apart by ${rate.header}` : ''}` : <span className="dim">as often as it likes</span>) },
  { key: 'body', header: 'Body at most', from: 'sm', number: true, cell: ({ body }) => body ?? <span className="dim">as the gateway</span> },
]
