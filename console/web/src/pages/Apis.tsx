import { useQuery } from '@tanstack/react-query'
import { servicesQuery } from '../api/queries'
import type { Service } from '../api/types'
import { type Column, DataTable } from '../parts/DataTable'
import { Loaded, Nothing, Page } from '../parts/Page'
import { State } from '../parts/State'
import { Go } from '../parts/Go'

export function Apis() {
  const services = useQuery(servicesQuery)
  return (
    <Page title="APIs">
      <Loaded query={services}>
        {all => {
          const described = all.filter(service => service.openapi)
          if (described.length === 0) return <Nothing>No service has an OpenAPI document. provides.http.openapi in a service.yaml names one.</Nothing>
          return <DataTable label="APIs" columns={columns} rows={described} id={service => service.name} />
        }}
      </Loaded>
    </Page>
  )
}

const columns: Column<Service>[] = [
  {
    key: 'name',
    header: 'Service',
    cell: service => (
      <Go to="/apis/$name" params={{ name: service.name }} fw={600}>
        {service.name}
      </Go>
    ),
  },
  { key: 'about', header: 'About', from: 'sm', cell: service => service.about },
  { key: 'owner', header: 'Owner', from: 'sm', cell: service => service.owner },
  { key: 'state', header: 'State', cell: service => <State state={service.state} /> },
]
