import { Accordion } from '@mantine/core'
import { getRouteApi } from '@tanstack/react-router'
import type { Declaration } from '../../api/types'
import { pretty } from '../../parts/format'
import { Nothing } from '../../parts/Page'

const route = getRouteApi('/plan')

// Declarations lists the services of the plan; one is open, as the URL says.
export function Declarations({ services }: { services: Declaration[] }) {
  const { service } = route.useSearch()
  const navigate = route.useNavigate()
  if (services.length === 0) return <Nothing>The plan has no services.</Nothing>
  return (
    <Accordion
      variant="contained"
      order={3}
      value={service ?? null}
      onChange={value => void navigate({ search: { service: value ?? undefined }, replace: true, resetScroll: false })}
    >
      {services.map(declaration => (
        <Accordion.Item key={declaration.service} value={declaration.service}>
          <Accordion.Control>
            <span className="letter">
              <b>{declaration.service}</b>
              <span className="dim">{[declaration.owner, declaration.context, declaration.dir].filter(Boolean).join(', ')}</span>
            </span>
          </Accordion.Control>
          <Accordion.Panel>
            {service === declaration.service && (
              <pre className="text" tabIndex={0} aria-label={`Declaration of ${declaration.service}`}>
                {pretty(declaration)}
              </pre>
            )}
          </Accordion.Panel>
        </Accordion.Item>
      ))}
    </Accordion>
  )
}
