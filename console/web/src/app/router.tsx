import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { Loading } from '../parts/Page'
import { Crash, NoSuchPage } from './Fallback'
import { Shell } from './Shell'

// texts takes these parameters out of a page's URL, each a text.
function texts<K extends string>(...keys: K[]) {
  return (search: Record<string, unknown>): { [key in K]?: string } => {
    const found: { [key in K]?: string } = {}
    for (const key of keys) if (typeof search[key] === 'string' && search[key] !== '') found[key] = search[key]
    return found
  }
}

const root = createRootRoute({ component: Shell, notFoundComponent: NoSuchPage })

const pages = [
  createRoute({
    getParentRoute: () => root,
    path: '/',
    beforeLoad: () => {
      throw redirect({ to: '/services', replace: true })
    },
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/services',
    validateSearch: texts('q', 'owner', 'context', 'state', 'sort'),
    component: lazyRouteComponent(() => import('../pages/Services'), 'Services'),
  }),
] as const

export function makeRouter() {
  return createRouter({
    routeTree: root.addChildren(pages),
    defaultPreload: 'intent',
    defaultErrorComponent: Crash,
    defaultPendingComponent: () => (
      <div className="page">
        <Loading />
      </div>
    ),
    scrollRestoration: true,
    parseSearch: text => Object.fromEntries(new URLSearchParams(text)),
    stringifySearch: search => {
      const query = new URLSearchParams()
      for (const [key, value] of Object.entries(search)) if (value !== undefined && value !== '') query.set(key, String(value))
      return query.size > 0 ? `?${query}` : ''
    },
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>
  }
}
