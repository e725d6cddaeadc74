import 'swagger-ui-dist/swagger-ui.css'
import './explorer.css'
import { useComputedColorScheme } from '@mantine/core'
import { useEffect, useRef } from 'react'
import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js'

// Explorer shows a service's OpenAPI document and tries it through plat.
export default function Explorer({ name }: { name: string }) {
  const frame = useRef<HTMLDivElement>(null)
  const scheme = useComputedColorScheme()
  useEffect(() => {
    document.documentElement.classList.toggle('dark-mode', scheme === 'dark')
    return () => document.documentElement.classList.remove('dark-mode')
  }, [scheme])
  useEffect(() => {
    const observer = new MutationObserver(() => named(frame.current!))
    observer.observe(frame.current!, { childList: true, subtree: true })
    return () => observer.disconnect()
  }, [])
  useEffect(() => {
    const at = `/v1/services/${encodeURIComponent(name)}`
    SwaggerUI({
      domNode: frame.current!,
      url: `${at}/openapi`,
      validatorUrl: null, // it would send the document to its makers
      deepLinking: false,
      docExpansion: 'list',
      displayRequestDuration: true,
      requestInterceptor: request => withAuthorization(request),
      plugins: [throughPlat(`${at}/http`)],
    })
  }, [name])
  return <div className="explorer" ref={frame} />
}

// named gives the viewer's choices the names that they lack, and lets the
// keyboard scroll its examples.
function named(frame: HTMLElement) {
  for (const select of frame.querySelectorAll('select:not([aria-label])')) {
    select.setAttribute('aria-label', select.closest<HTMLElement>('tr[data-param-name]')?.dataset.paramName ?? 'Media type')
  }
  for (const text of frame.querySelectorAll('pre.microlight:not([tabindex])')) text.setAttribute('tabindex', '0')
}

// withAuthorization keeps what is meant for the service apart from what opens
// the control API.
function withAuthorization<R extends { headers: Record<string, string> }>(request: R): R {
  const { Authorization: meant, ...headers } = request.headers
  return meant === undefined ? request : { ...request, headers: { ...headers, 'Plat-Authorization': meant } }
}

type Spec = Record<string, unknown>

// throughPlat replaces the servers that a document names: calls go to the
// service that runs here.
function throughPlat(url: string) {
  return {
    statePlugins: {
      spec: {
        wrapActions: {
          updateJsonSpec: (update: (spec: Spec) => unknown) => (spec: Spec) => update(redirected(spec, url)),
        },
      },
    },
  }
}

function redirected(spec: Spec, url: string): Spec {
  if (typeof spec.swagger === 'string') {
    return { ...spec, host: window.location.host, schemes: [window.location.protocol.replace(':', '')], basePath: `${url}${trimmed(spec.basePath)}` }
  }
  return { ...spec, servers: [{ url: `${url}${pathOf(spec.servers)}` }], paths: withoutServers(spec.paths) }
}

// pathOf keeps the path that a document's first server has.
function pathOf(servers: unknown): string {
  if (!Array.isArray(servers)) return ''
  try {
    return trimmed(new URL(String((servers[0] as Spec | undefined)?.url ?? ''), window.location.origin).pathname)
  } catch {
    return '' // a template, or no URL at all
  }
}

function trimmed(path: unknown): string {
  return typeof path === 'string' ? path.replace(/\/+$/, '') : ''
}

function withoutServers(value: unknown, depth = 2): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const kept = Object.entries(value).filter(([key]) => key !== 'servers')
  return Object.fromEntries(kept.map(([key, inner]) => [key, depth > 0 ? withoutServers(inner, depth - 1) : inner]))
}
