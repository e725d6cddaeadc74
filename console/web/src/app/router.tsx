import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect, retainSearchParams } from '@tanstack/react-router'
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

const root = createRootRoute({
  component: Shell,
  notFoundComponent: NoSuchPage,
  validateSearch: texts('from', 'to'),
  search: { middlewares: [retainSearchParams(['from', 'to'])] }, // one time for all pages
})

const pages = [
  createRoute({
    getParentRoute: () => root,
    path: '/',
    component: lazyRouteComponent(() => import('../pages/Wall'), 'Wall'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/services',
    validateSearch: texts('q', 'owner', 'context', 'state', 'sort'),
    component: lazyRouteComponent(() => import('../pages/Services'), 'Services'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/services/$name',
    validateSearch: texts('tab'),
    component: lazyRouteComponent(() => import('../pages/Service'), 'Service'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/map',
    validateSearch: texts('focus', 'depth', 'owner', 'context', 'hide', 'edge', 'view', 'sort'),
    component: lazyRouteComponent(() => import('../pages/Map'), 'Map'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/logs',
    validateSearch: texts('q', 'service', 'severity', 'trace', 'correlation', 'where', 'live', 'open'),
    component: lazyRouteComponent(() => import('../pages/Logs'), 'Logs'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/traces',
    validateSearch: texts('q', 'service', 'name', 'error', 'min', 'max', 'correlation', 'where', 'row', 'limit'),
    component: lazyRouteComponent(() => import('../pages/Traces'), 'Traces'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/traces/$id',
    validateSearch: texts('q', 'span', 'only', 'logs'),
    component: lazyRouteComponent(() => import('../pages/Trace'), 'Trace'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/metrics',
    validateSearch: texts('expr', 'view'),
    component: lazyRouteComponent(() => import('../pages/Metrics'), 'Metrics'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/alerts',
    validateSearch: texts('q', 'open', 'tab', 'sort'),
    component: lazyRouteComponent(() => import('../pages/Alerts'), 'Alerts'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/objectives',
    beforeLoad: ({ search }) => {
      throw redirect({ to: '/alerts', search: { ...search, tab: 'objectives' }, replace: true })
    },
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/journeys',
    validateSearch: texts('open', 'run'),
    component: lazyRouteComponent(() => import('../pages/Journeys'), 'Journeys'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/story/$id',
    component: lazyRouteComponent(() => import('../pages/Story'), 'Story'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/policies',
    validateSearch: texts('q', 'show', 'sort', 'kept', 'call', 'by'),
    component: lazyRouteComponent(() => import('../pages/Policies'), 'Policies'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/cache',
    validateSearch: texts('q', 'url', 'fields', 'sort'),
    component: lazyRouteComponent(() => import('../pages/Cache'), 'Cache'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/degradation',
    validateSearch: texts('q', 'verdict', 'open', 'sort'),
    component: lazyRouteComponent(() => import('../pages/Degradation'), 'Degradation'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/experiments',
    validateSearch: texts('run'),
    component: lazyRouteComponent(() => import('../pages/Experiments'), 'Experiments'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/events',
    validateSearch: texts('dead'),
    component: lazyRouteComponent(() => import('../pages/Events'), 'Events'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/mail',
    validateSearch: texts('q'),
    component: lazyRouteComponent(() => import('../pages/Mail'), 'Mail'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/mail/$id',
    validateSearch: texts('part'),
    component: lazyRouteComponent(() => import('../pages/MailView'), 'MailView'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/apis',
    component: lazyRouteComponent(() => import('../pages/Apis'), 'Apis'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/apis/$name',
    component: lazyRouteComponent(() => import('../pages/Api'), 'Api'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/plan',
    validateSearch: texts('service'),
    component: lazyRouteComponent(() => import('../pages/Plan'), 'Plan'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/findings/$id',
    component: lazyRouteComponent(() => import('../pages/Finding'), 'Finding'),
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
