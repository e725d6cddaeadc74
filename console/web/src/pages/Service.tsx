import { Tabs } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { descriptionQuery } from '../api/queries'
import type { Description } from '../api/types'
import { LogView } from '../parts/LogView'
import { Loaded, Page } from '../parts/Page'
import { State } from '../parts/State'
import { Actions } from './service/Actions'
import { Calls } from './service/Calls'
import { Declaration } from './service/Declaration'
import { Dependencies } from './service/Dependencies'
import { Environment } from './service/Environment'
import { LetsIn } from './service/LetsIn'
import { Overview } from './service/Overview'

const route = getRouteApi('/services/$name')
const everything = () => true

export function Service() {
  const { name } = route.useParams()
  const description = useQuery(descriptionQuery(name))
  const service = description.data?.service
  return (
    <Page title={name} heading={<>{name} {service && <span className="heading-state"><State state={service.state} /></span>}</>} actions={service && <Actions service={service} />}>
      <Loaded query={description}>{data => <Parts description={data} />}</Loaded>
    </Page>
  )
}

function Parts({ description }: { description: Description }) {
  const { name } = route.useParams()
  const { tab = 'overview' } = route.useSearch()
  const navigate = route.useNavigate()
  return (
    <Tabs value={tab} onChange={tab => void navigate({ search: { tab: tab === 'overview' ? undefined : (tab ?? undefined) }, replace: true })} keepMounted={false}>
      <Tabs.List mb="sm">
        <Tabs.Tab value="overview">Overview</Tabs.Tab>
        <Tabs.Tab value="dependencies">Dependencies</Tabs.Tab>
        <Tabs.Tab value="calls">Calls</Tabs.Tab>
        <Tabs.Tab value="logs">Logs</Tabs.Tab>
        <Tabs.Tab value="environment">Environment</Tabs.Tab>
        <Tabs.Tab value="declaration">Declaration</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="overview"><Overview description={description} /></Tabs.Panel>
      <Tabs.Panel value="dependencies"><Dependencies name={name} description={description} /></Tabs.Panel>
      <Tabs.Panel value="calls"><LetsIn name={name} incoming={description.incoming} /><Calls name={name} calls={description.calls} /></Tabs.Panel>
      <Tabs.Panel value="logs"><LogView query={{ services: [name], tail: 1_000 }} fits={everything} /></Tabs.Panel>
      <Tabs.Panel value="environment"><Environment variables={description.environment ?? []} /></Tabs.Panel>
      <Tabs.Panel value="declaration"><Declaration description={description} /></Tabs.Panel>
    </Tabs>
  )
}
