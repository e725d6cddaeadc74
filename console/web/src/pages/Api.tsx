import { getRouteApi } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { Loading, Page } from '../parts/Page'
import { Go } from '../parts/Go'

const route = getRouteApi('/apis/$name')
const Explorer = lazy(() => import('./apis/Explorer')) // heavy

export function Api() {
  const { name } = route.useParams()
  return (
    <Page title={`API of ${name}`} actions={<Go to="/apis">All APIs</Go>}>
      <Suspense fallback={<Loading />}>
        <Explorer key={name} name={name} />
      </Suspense>
    </Page>
  )
}
