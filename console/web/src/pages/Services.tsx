import { Anchor, Text, VisuallyHidden } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useMemo } from 'react'
import { byLabel, expressions, type Figures, lines, serviceFigures } from '../api/figures'
import { servicesQuery } from '../api/queries'
import type { Service } from '../api/types'
import { Choice } from '../parts/Choice'
import { type Column, DataTable } from '../parts/DataTable'
import { count, counted, seconds, share, size, three } from '../parts/format'
import { Loaded, Nothing, Page } from '../parts/Page'
import { Search } from '../parts/Search'
import { Spark } from '../parts/Spark'
import { Mark, State, toneOf } from '../parts/State'
import { Age } from '../parts/time'
import { Go } from '../parts/Go'

const route = getRouteApi('/services')

type Filter = { q?: string; owner?: string; context?: string; state?: string }

export function Services() {
  const services = useQuery(servicesQuery)
  return (
    <Page title="Services" actions={services.data && <Summary services={services.data} />}>
      <Loaded query={services}>{all => <List all={all} />}</Loaded>
    </Page>
  )
}

function List({ all }: { all: Service[] }) {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const set = (change: Partial<typeof search>) => void navigate({ search: { ...search, ...change }, replace: true })
  const figures = useQuery(serviceFigures)
  const rates = useQuery(lines('service rates', expressions('service').rate, lately)).data
  const shown = useMemo(() => columnsOf(figures.data?.by, rates), [figures.data, rates])
  const rows = useMemo(() => all.filter(service => fits(service, search)), [all, search])
  if (all.length === 0) {
    return <Nothing>The plan has no services. A folder with a service.yaml that plat.yaml names makes one.</Nothing>
  }
  return (
    <>
      <div className="filters">
        <Search label="Filter services" value={search.q ?? ''} onChange={q => set({ q })} />
        <Choice label="Owner" values={all.map(service => service.owner)} value={search.owner} onChange={owner => set({ owner })} />
        <Choice label="Context" values={all.map(service => service.context)} value={search.context} onChange={context => set({ context })} />
        <Choice label="State" values={all.map(service => service.state)} value={search.state} onChange={state => set({ state })} />
      </div>
      {rows.length === 0 ? (
        <Nothing>No service fits the filter.</Nothing>
      ) : (
        <DataTable label="Services" columns={shown} rows={rows} id={service => service.name} sort={search.sort ?? 'name'} onSort={sort => set({ sort })} />
      )}
    </>
  )
}

function Summary({ services }: { services: Service[] }) {
  const settled = services.filter(service => toneOf(service.state) === 'good').length
  const failed = services.filter(service => ['bad', 'warn'].includes(toneOf(service.state))).length
  return (
    <Text size="sm" component="span" c="dimmed">
      {counted(services.length, 'service')}, {settled} ready{failed > 0 && `, ${failed} not well`}
    </Text>
  )
}

function fits(service: Service, { q, owner, context, state }: Filter): boolean {
  if (owner && service.owner !== owner) return false
  if (context && service.context !== context) return false
  if (state && service.state !== state) return false
  const words = (q ?? '').toLowerCase().split(/\s+/)
  const text = [service.name, service.owner, service.context, service.about, service.state, service.version].join(' ').toLowerCase()
  return words.every(word => text.includes(word))
}

const past = 15 * 60_000
const lately = () => ({ from: Date.now() - past, to: Date.now() })

type Lines = { from: number; to: number; series: Parameters<typeof byLabel>[0] } | undefined

// columnsOf puts what services do beside what they are, once it is known.
function columnsOf(by: Map<string, Figures> | undefined, rates: Lines): Column<Service>[] {
  if (!by) return columns
  const of = (service: Service) => by.get(service.name) ?? {}
  const figures: Column<Service>[] = [
    {
      key: 'rate',
      header: 'Requests/s',
      number: true,
      sort: service => of(service).rate ?? 0,
      cell: service => (
        <span className="spark-cell">
          <span className="from-md-inline">
            <Spark points={byLabel(rates?.series, 'service', service.name)?.points} from={rates?.from ?? 0} to={rates?.to ?? 1} width={72} height={18} label={`Requests of ${service.name} in 15 minutes`} />
          </span>
          {three(of(service).rate ?? 0)}
        </span>
      ),
    },
    { key: 'failed', header: 'Failed', number: true, sort: service => of(service).errors ?? 0, cell: service => <Failed figures={of(service)} /> },
    { key: 'p95', header: 'p95', from: 'sm', number: true, sort: service => of(service).p95 ?? 0, cell: service => (of(service).p95 === undefined ? '' : seconds(of(service).p95!)) },
    { key: 'saturation', header: 'CPU, memory', from: 'lg', number: true, sort: service => of(service).cpu ?? 0, cell: service => <Saturation figures={of(service)} /> },
  ]
  return [...columns.slice(0, 3), ...figures, ...columns.slice(3)]
}

function Failed({ figures: { rate, errors } }: { figures: Figures }) {
  if (!rate || errors === undefined) return null
  return <span className={errors >= 0.01 ? 'bad' : ''}>{share(errors)}</span>
}

function Saturation({ figures: { cpu, memory, inFlight } }: { figures: Figures }) {
  return (
    <span title={inFlight === undefined ? undefined : `${inFlight} requests in flight`}>
      {cpu !== undefined && `${three(cpu * 100, 2)} %`}
      {memory !== undefined && <span className="dim"> {size(memory)}</span>}
    </span>
  )
}

const columns: Column<Service>[] = [
  { key: 'name', header: 'Name', sort: service => service.name, cell: service => <Name service={service} /> },
  { key: 'state', header: 'State', sort: service => service.state, cell: service => <State state={service.state} /> },
  { key: 'ready', header: 'Ready', number: true, sort: service => service.ready, cell: service => <Ready service={service} /> },
  { key: 'errors', header: 'Errors', from: 'sm', number: true, sort: service => service.errors?.count ?? 0, cell: service => <Errors service={service} /> },
  { key: 'version', header: 'Version', from: 'xl', sort: service => service.version ?? '', cell: service => <span className="mono">{versions(service)}</span> },
  { key: 'owner', header: 'Owner', from: 'sm', sort: service => service.owner, cell: service => service.owner },
  { key: 'context', header: 'Context', from: 'xl', sort: service => service.context ?? '', cell: service => service.context },
  { key: 'uptime', header: 'Uptime', from: 'xl', number: true, sort: service => -Date.parse(oldest(service) ?? ''), cell: service => <Uptime service={service} /> },
  { key: 'restarts', header: 'Restarts', from: 'md', number: true, sort: service => service.restarts, cell: service => service.restarts },
  { key: 'url', header: 'Public path', from: 'xl', cell: service => <Address service={service} /> },
]

function Name({ service }: { service: Service }) {
  return (
    <>
      <Go to="/services/$name" params={{ name: service.name }} fw={600}>
        {service.name}
      </Go>
      {service.outside && <span className="dim"> outside</span>}
      <span className="until-sm">
        {' '}
        <Errors service={service} />
      </span>
      {service.fault && <div className="bad reason">{service.fault.what}</div>}
    </>
  )
}

function Ready({ service }: { service: Service }) {
  return (
    <span title={service.override ? 'The number of instances was set by hand' : undefined}>
      {service.ready}/{service.desired}
      {service.override && <span className="dim from-sm-inline"> by hand</span>}
    </span>
  )
}

function Errors({ service }: { service: Service }) {
  if (!service.errors?.count) return null
  return (
    <Go to="/logs" search={{ service: service.name, severity: 'ERROR' }} title={service.errors.text} >
      <Mark tone="bad">
        {count(service.errors.count)}
        <VisuallyHidden> {service.errors.count === 1 ? 'error' : 'errors'}</VisuallyHidden>
      </Mark>
    </Go>
  )
}

function Uptime({ service }: { service: Service }) {
  const since = oldest(service)
  return since ? <Age since={since} /> : null
}

function Address({ service }: { service: Service }) {
  if (!service.url) return null
  const text = service.url.replace(/^https?:\/\/[^/]*/, '') || '/'
  if (text.includes('{')) return <span className="mono path">{text}</span> // a template
  return (
    <Anchor href={service.url} title={service.url} target="_blank" rel="noreferrer" inherit className="mono path">
      {text}
    </Anchor>
  )
}

function oldest(service: Service): string | undefined {
  return service.instances?.map(instance => instance.started).sort()[0]
}

function versions(service: Service): string {
  const all = new Set((service.instances ?? []).map(instance => instance.version).filter(Boolean))
  return all.size > 0 ? [...all].join(', ') : (service.version ?? '')
}
