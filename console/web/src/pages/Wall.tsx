import './wall/wall.css'
import { useQuery } from '@tanstack/react-query'
import { gatewayFigures, type Now, serviceFigures } from '../api/figures'
import { alertsQuery, objectivesQuery } from '../api/objectives'
import { journeysQuery } from '../api/probe'
import { servicesQuery, systemQuery } from '../api/queries'
import { useConnection } from '../app/live'
import { Absent } from '../parts/Absent'
import { Loading, Page } from '../parts/Page'
import { Mark, type Tone, toneOf } from '../parts/State'
import { useNow } from '../parts/time'
import { Changes } from './wall/Changes'
import { Firing } from './wall/Firing'
import { Gateways } from './wall/Gateways'
import { Held } from './wall/Held'
import { Journeys } from './wall/Journeys'
import { Worst } from './wall/Worst'
import { judge, limitOf } from './wall/verdict'

const old = 30 // seconds, after which figures are not those of now

// Wall is what happens to customers right now, readable from across a room.
export function Wall() {
  const system = useQuery(systemQuery)
  const services = useQuery(servicesQuery)
  const gateways = useQuery(gatewayFigures)
  const figures = useQuery(serviceFigures)
  const alerts = useQuery(alertsQuery)
  const objectives = useQuery(objectivesQuery)
  const journeys = useQuery(journeysQuery)
  const stale = useStale([gateways, figures])
  const firing = alerts.isError ? undefined : alerts.data && (alerts.data.alerts ?? []).filter(({ state }) => state === 'firing')
  const found = sentence({
    stale,
    missing: [gateways.isError && 'metrics', alerts.isError && 'alerts', objectives.isError && 'objectives', services.isError && 'services'].filter(part => part !== false),
    waiting: !gateways.data && !gateways.isError,
    firing: firing?.length,
    failed: (journeys.data ?? []).filter(({ runs }) => runs?.[0] && !runs[0].passed).length,
    unwell: (services.data ?? []).filter(({ state }) => ['bad', 'warn'].includes(toneOf(state))).length,
    beyond: [...(figures.data?.by ?? [])].filter(([name, { rate, errors, p95 }]) => {
      const limit = limitOf(objectives.data ?? [], name)
      return (rate ?? 0) > 0 && [judge(errors, limit.errors), judge(p95, limit.slow)].includes('bad')
    }).length,
  })
  return (
    <Page
      title="Overview"
      actions={
        <span className="wall-verdict" role="status" data-tone={found.tone}>
          <Mark tone={found.tone}>{found.text}</Mark>
        </span>
      }
    >
      {gateways.isError && <Absent error={gateways.error} what="metrics" again={() => void gateways.refetch()} />}
      {system.data ? <Gateways system={system.data} now={gateways.data} objectives={objectives.isError ? undefined : (objectives.data ?? [])} stale={stale !== undefined || gateways.isError} /> : <Loading rows={4} />}
      <div className="wall-parts">
        <Firing alerts={firing} error={alerts.error} />
        <Held />
        <Worst now={figures.data} objectives={objectives.data ?? []} missing={figures.isError} />
        <Journeys journeys={journeys.data} error={journeys.error} />
        <Changes services={services.data ?? []} system={system.data} />
      </div>
    </Page>
  )
}

// useStale tells why the figures are not those of now, if so.
function useStale(queries: { data: Now | undefined; dataUpdatedAt: number }[]): string | undefined {
  const connection = useConnection()
  const now = useNow()
  if (connection === 'lost') return 'plat does not answer'
  for (const { data, dataUpdatedAt } of queries) {
    if (!data) continue
    if (data.age === undefined) return 'no figure came yet'
    const age = Math.round(data.age + Math.max(0, now - dataUpdatedAt) / 1_000)
    if (age > old) return `the figures are ${age} s old`
  }
  return undefined
}

interface Known {
  stale: string | undefined
  missing: string[]
  waiting: boolean
  firing: number | undefined
  failed: number
  unwell: number
  beyond: number
}

// sentence says in a few words how things are. Without data nothing is well.
function sentence({ stale, missing, waiting, firing, failed, unwell, beyond }: Known): { tone: Tone; text: string } {
  const wrong = [
    firing && `${firing} ${firing === 1 ? 'alert' : 'alerts'} firing`,
    beyond > 0 && `${beyond} ${beyond === 1 ? 'service' : 'services'} beyond objective`,
    failed > 0 && `${failed} ${failed === 1 ? 'journey fails' : 'journeys fail'}`,
    unwell > 0 && `${unwell} ${unwell === 1 ? 'service' : 'services'} not well`,
  ].filter(Boolean)
  const unknown = [...missing.map(part => `${part} missing`), ...(stale ? [stale] : [])]
  if (wrong.length > 0) return { tone: firing || beyond || failed ? 'bad' : 'warn', text: [...wrong, ...unknown].join(', ') }
  if (unknown.length > 0) return { tone: 'warn', text: `Not known: ${unknown.join(', ')}` }
  if (waiting || firing === undefined) return { tone: 'busy', text: 'Looking' }
  return { tone: 'good', text: 'All is well' }
}
