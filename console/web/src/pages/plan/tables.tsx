import type { Door, Gateway, Plan } from '../../api/types'
import { type Column, DataTable } from '../../parts/DataTable'
import { Nothing, Section } from '../../parts/Page'
import { Go } from '../../parts/Go'

interface Route {
  gateway: string
  host?: string
  path: string
  methods?: string[]
  service: string
}

// Entrances are the gateways with their routes.
export function Entrances({ gateways, urls }: { gateways: NonNullable<Plan['gateways']>; urls: Gateway[] }) {
  const routes = gateways.flatMap(({ name, routes }) => (routes ?? []).map((route): Route => ({ gateway: name, ...route })))
  return (
    <Section title="Gateways">
      {urls.length > 0 && (
        <p style={{ marginTop: 0, fontSize: 14 }}>
          {urls.map(({ name, url }) => (
            <span key={name}>
              {name} <a href={url} target="_blank" rel="noreferrer" className="mono">{url}</a>{' '}
            </span>
          ))}
        </p>
      )}
      {routes.length > 0 ? <DataTable label="Routes" columns={routeColumns} rows={routes} id={route => JSON.stringify(route)} /> : <Nothing>The plan opens no gateway.</Nothing>}
    </Section>
  )
}

const routeColumns: Column<Route>[] = [
  { key: 'gateway', header: 'Gateway', from: 'sm', cell: route => route.gateway },
  { key: 'path', header: 'Path', cell: route => <span className="mono">{`${route.host ?? ''}${route.path}`}</span> },
  { key: 'methods', header: 'Methods', cell: route => route.methods?.join(', ') ?? 'any' },
  { key: 'service', header: 'Service', cell: route => <Go to="/services/$name" params={{ name: route.service }}>{route.service}</Go> },
]

type External = NonNullable<Plan['external']>[number]

// Borders are the services that are not ours.
export function Borders({ external }: { external: External[] }) {
  if (external.length === 0) return null
  return (
    <Section title="External services">
      <DataTable label="External services" columns={externalColumns} rows={external} id={({ name }) => name} />
    </Section>
  )
}

const externalColumns: Column<External>[] = [
  { key: 'name', header: 'Name', cell: ({ name }) => <Go to="/map" search={{ focus: name }}>{name}</Go> },
  { key: 'url', header: 'Address', cell: ({ url, registered }) => <span className="mono">{registered ? `whoever is registered as ${registered}` : url}</span> },
  { key: 'owner', header: 'Owner', cell: ({ owner }) => owner },
]

export function Doors({ doors }: { doors: Door[] }) {
  return (
    <Section title="Doors">
      {doors.length > 0 ? <DataTable label="Doors" columns={doorColumns} rows={doors} id={({ name }) => name} /> : <Nothing>No compatibility listener is open: doors in plat.yaml names them (dns, consul).</Nothing>}
    </Section>
  )
}

const doorColumns: Column<Door>[] = [
  { key: 'name', header: 'Door', cell: ({ name }) => <b>{name}</b> },
  { key: 'addr', header: 'Address', cell: ({ addr }) => <span className="mono">{addr}</span> },
]
