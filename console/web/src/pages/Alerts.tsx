import './alerts/alerts.css'
import { Tabs } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { type Alert, type Alerts as Wire, alertsQuery, objectivesQuery, silencesQuery } from '../api/objectives'
import { Absent } from '../parts/Absent'
import { count, counted } from '../parts/format'
import { Nothing, Page } from '../parts/Page'
import { Search } from '../parts/Search'
import { AlertView } from './alerts/AlertView'
import { Objectives } from './alerts/Objectives'
import { Silences } from './alerts/Silences'
import { Mark } from '../parts/State'

const route = getRouteApi('/alerts')

// Alerts is what is wrong now, what was promised, and what nobody is told.
export function Alerts() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const set = (change: Partial<typeof search>) => void navigate({ search: old => ({ ...old, ...change }), replace: true })
  const alerts = useQuery(alertsQuery)
  const objectives = useQuery(objectivesQuery)
  const silences = useQuery(silencesQuery)
  const all = alerts.data?.alerts ?? []
  const firing = all.filter(({ state }) => state === 'firing').length
  return (
    <Page title="Alerts" actions={alerts.data && !alerts.isError && <Mark tone={firing > 0 ? 'bad' : 'good'}>{firing > 0 ? `${firing} firing` : 'none fires'}</Mark>}>
      <Tabs value={search.tab ?? 'alerts'} onChange={tab => set({ tab: tab === 'alerts' ? undefined : (tab ?? undefined) })} keepMounted={false}>
        <Tabs.List mb="sm">
          <Tabs.Tab value="alerts">Alerts</Tabs.Tab>
          <Tabs.Tab value="objectives">Objectives</Tabs.Tab>
          <Tabs.Tab value="silences">Silences</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="alerts">
          <div className="filters">
            <Search label="Filter alerts" value={search.q ?? ''} onChange={q => set({ q: q || undefined })} />
          </div>
          {alerts.isError && <Absent error={alerts.error} what="alerts" again={() => void alerts.refetch()} />}
          {alerts.data && <List alerts={all.filter(alert => fits(alert, search.q ?? ''))} open={search.open} set={set} />}
          {alerts.data && <Deliveries alerts={alerts.data} />}
        </Tabs.Panel>
        <Tabs.Panel value="objectives">
          {objectives.isError && <Absent error={objectives.error} what="objectives" again={() => void objectives.refetch()} />}
          {objectives.data && <Objectives objectives={objectives.data} sort={search.sort ?? 'left'} onSort={sort => set({ sort })} />}
        </Tabs.Panel>
        <Tabs.Panel value="silences">
          {silences.isError && <Absent error={silences.error} what="silences" again={() => void silences.refetch()} />}
          {silences.data && <Silences silences={silences.data} />}
        </Tabs.Panel>
      </Tabs>
    </Page>
  )
}

function List({ alerts, open, set }: { alerts: Alert[]; open: string | undefined; set: (change: { open?: string }) => void }) {
  if (alerts.length === 0) return <Nothing>No alert fires, and none ended of late.</Nothing>
  const order = ({ state, severity }: Alert) => (state === 'firing' ? 0 : state === 'ended' ? 4 : 2) + (severity === 'page' ? 0 : 1)
  const sorted = alerts.toSorted((a, b) => order(a) - order(b) || Date.parse(b.since) - Date.parse(a.since))
  return (
    <ul className="alerts">
      {sorted.map(alert => (
        <li key={alert.id}>
          <AlertView alert={alert} chosen={alert.id === open} choose={() => set({ open: alert.id === open ? undefined : alert.id })} />
        </li>
      ))}
    </ul>
  )
}

function fits({ name, service, owner, objective, severity, state, summary }: Alert, q: string): boolean {
  const text = [name, service, owner, objective, severity, state, summary].join(' ').toLowerCase()
  return q.toLowerCase().split(/\s+/).every(word => text.includes(word))
}

// Deliveries tells whom plat tells, and whether they hear it.
function Deliveries({ alerts: { deliveries, dropped } }: { alerts: Wire }) {
  const all = deliveries ?? []
  return (
    <p className="dim small">
      {all.length === 0 && 'Nobody is told: the plan names no receiver. '}
      {all.map(({ receiver, delivered, failed, error }) => (
        <span key={receiver}>
          {receiver} was told {counted(delivered, 'time')}
          {failed > 0 && <span className="bad">, {count(failed)} in vain{error && `: ${error}`}</span>}.{' '}
        </span>
      ))}
      {dropped ? `${counted(dropped, 'alert')} were not kept.` : ''}
    </p>
  )
}
