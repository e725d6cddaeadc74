import { Stack } from '@mantine/core'
import type { Description, Service } from '../../api/types'
import { FaultView } from '../../parts/Faults'
import { FindingView } from '../../parts/FindingView'
import { counted } from '../../parts/format'
import { Nothing, Section } from '../../parts/Page'
import { Mark } from '../../parts/State'
import { ServiceFigures } from './Figures'
import { Instances } from './Instances'
import { Go } from '../../parts/Go'

export function Overview({ description }: { description: Description }) {
  const { service, routes, findings } = description
  return (
    <Stack gap={0}>
      <Stack gap="xs" mb={service.fault || service.errors?.count ? 'sm' : 0}>
        {service.fault && <FaultView fault={service.fault} />}
        {service.fault && service.lastLines && <pre className="text">{service.lastLines.join('\n')}</pre>}
        {service.errors && service.errors.count > 0 && <Errors name={service.name} errors={service.errors} />}
      </Stack>
      <Facts service={service} file={description.file} routes={(routes ?? []).map(route => `${route.methods?.join(', ') ?? ''} ${route.url}`.trim())} />
      {service.state !== 'skipped' && <ServiceFigures name={service.name} />}
      <Section title="Instances">
        {service.instances?.length ? <Instances instances={service.instances} /> : <Nothing>No instance runs.</Nothing>}
      </Section>
      {findings && findings.length > 0 && (
        <Section title="Findings">
          <Stack gap="xs">
            {findings.map(finding => (
              <FindingView key={finding.id} finding={finding} />
            ))}
          </Stack>
        </Section>
      )}
    </Stack>
  )
}

function Errors({ name, errors }: { name: string; errors: NonNullable<Service['errors']> }) {
  return (
    <div className="fault">
      <Mark tone="bad">
        <Go to="/logs" search={{ service: name, severity: 'ERROR' }}>
          {counted(errors.count, 'error')} in 15 minutes
        </Go>
      </Mark>
      <div className="mono">{errors.text}</div>
    </div>
  )
}

function Facts({ service, file, routes }: { service: Service; file?: string; routes: string[] }) {
  return (
    <dl className="facts">
      {service.about && (
        <>
          <dt>About</dt>
          <dd>{service.about}</dd>
        </>
      )}
      <dt>Owner</dt>
      <dd>
        <Go to="/services" search={{ owner: service.owner }}>{service.owner || 'nobody'}</Go>
      </dd>
      {service.context && (
        <>
          <dt>Context</dt>
          <dd>
            <Go to="/services" search={{ context: service.context }}>{service.context}</Go>
          </dd>
        </>
      )}
      <dt>Instances</dt>
      <dd>
        {service.ready} of {service.desired} ready{service.override && ', set by hand'}, {counted(service.restarts, 'restart')}
      </dd>
      {service.version && (
        <>
          <dt>Version</dt>
          <dd className="mono">{service.version}</dd>
        </>
      )}
      {(routes.length > 0 || service.url) && (
        <>
          <dt>Public</dt>
          <dd className="mono">
            {routes.length > 0 ? routes.map(route => <div key={route}><Address text={route} /></div>) : <Address text={service.url ?? ''} />}
          </dd>
        </>
      )}
      {file && (
        <>
          <dt>Declared in</dt>
          <dd className="mono">{file}</dd>
        </>
      )}
      <dt>More</dt>
      <dd>
        <Go to="/map" search={{ focus: service.name }}>On the map</Go>, <Go to="/traces" search={{ service: service.name }}>traces</Go>, <Go to="/logs" search={{ service: service.name }}>log records</Go>
        {service.openapi && (
          <>
            {', '}
            <Go to="/apis/$name" params={{ name: service.name }}>its API</Go>
          </>
        )}
      </dd>
    </dl>
  )
}

function Address({ text }: { text: string }) {
  const [url = ''] = text.match(/https?:\/\/\S+$/) ?? []
  return (
    <>
      {text.slice(0, text.length - url.length)}
      <a href={url} target="_blank" rel="noreferrer">{url}</a>
    </>
  )
}
