import { CloseButton, Title } from '@mantine/core'
import type { ReactNode } from 'react'
import { Copy } from '../../parts/Copy'
import { duration, share } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Inferred } from '../../parts/Inferred'
import { Mark } from '../../parts/State'
import { withWhere } from '../../parts/where'
import type { LogItem, Model, SpanItem } from './model'
import { ServiceChip } from './ServiceChip'

// Details is all that is known of one span.
export function Details({ item, model, choose }: { item: SpanItem; model: Model; choose: (id: string | undefined) => void }) {
  const { span } = item
  const logs = item.children.filter((child): child is LogItem => child.kind === 'log')
  return (
    <aside className="panel span-details" aria-label="Span" tabIndex={0}>
      <div className="span-details-head">
        <Title order={2}>
          <ServiceChip name={span.service} />
          {span.name}
        </Title>
        <CloseButton size="sm" aria-label="Close" onClick={() => choose(undefined)} />
      </div>
      {span.status === 'error' && (
        <p className="span-error">
          <Mark tone="bad">{span.statusMessage || 'error'}</Mark>
        </p>
      )}
      <dl className="facts">
        <Fact name="Service">
          <Go underline="always" to="/services/$name" params={{ name: span.service }}>{span.service}</Go>
          {span.instance && <span className="dim"> {span.instance}</span>}
          {span.version && <span className="mono dim"> {span.version}</span>}
        </Fact>
        <Fact name="Took">
          {duration(span.duration)} <span className="dim">{share(span.duration / model.length)} of the trace</span>
          {span.critical && <span className="dim">, on the critical path</span>}
        </Fact>
        <Fact name="Began">after {duration(Math.max(0, item.at))}</Fact>
        {span.kind && <Fact name="Kind">{span.kind}</Fact>}
        {span.skew ? <Fact name="Clock">put right by {span.skew < 0 ? '−' : ''}{duration(Math.abs(span.skew))}</Fact> : null}
        <Fact name="ID">
          <span className="mono">{span.id}</span>
          <Copy value={span.id} what="span's ID" />
        </Fact>
        {item.parent && (
          <Fact name="Under">
            <button type="button" className="link" onClick={() => choose(item.parent!.id)}>
              {item.parent.span.service} {item.parent.span.name}
            </button>
          </Fact>
        )}
      </dl>
      <Attributes of={span.attributes} service={span.service} />
      {span.events && span.events.length > 0 && (
        <Part title="Events">
          {span.events.map((event, index) => (
            <div key={index} className="span-part">
              <b>{event.name}</b> <span className="dim">after {duration(Math.max(0, (Date.parse(event.time) - Date.parse(span.start)) * 1e6))}</span>
              <Attributes of={event.attributes} />
            </div>
          ))}
        </Part>
      )}
      {span.links && span.links.length > 0 && (
        <Part title="Links">
          {span.links.map(link => (
            <div key={`${link.traceId} ${link.spanId}`}>
              <Go underline="always" to="/traces/$id" params={{ id: link.traceId }} search={{ span: link.spanId }} className="mono">
                {link.traceId.slice(0, 16)}…
              </Go>
            </div>
          ))}
        </Part>
      )}
      {logs.length > 0 && (
        <Part title="Log records">
          {logs.map(({ id, log, at }) => (
            <div key={id} className="span-part">
              <span className={log.severity === 'ERROR' || log.severity === 'FATAL' ? 'bad' : log.severity === 'WARN' ? 'warn' : 'dim'}>{log.severity?.toLowerCase()}</span> <span className="dim">after {duration(Math.max(0, at))}</span>
              <Inferred log={log} />
              <div className="mono">{log.body}</div>
            </div>
          ))}
        </Part>
      )}
    </aside>
  )
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  )
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <h3>{title}</h3>
      {children}
    </section>
  )
}

// Attributes lists what a span says of itself; each value leads to the traces
// that have the same.
function Attributes({ of, service }: { of: Record<string, string> | undefined; service?: string }) {
  const all = Object.entries(of ?? {}).sort(([a], [b]) => a.localeCompare(b))
  if (all.length === 0) return null
  const rows = all.map(([key, value]) => (
    <div key={key} className="attribute">
      <dt className="mono">{key}</dt>
      <dd className="mono">
        {value}
        {service && (
          <>
            {' '}
            <Go underline="always" to="/traces" search={{ service, where: withWhere(undefined, key, value) }} className="alike" title={`Traces of ${service} with ${key}=${value}`}>
              alike
            </Go>
          </>
        )}
      </dd>
    </div>
  ))
  return service ? <Part title="Attributes"><dl className="attributes">{rows}</dl></Part> : <dl className="attributes">{rows}</dl>
}
