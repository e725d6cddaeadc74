import { Anchor, Button, Stack, Title } from '@mantine/core'
import type { Edge, MapNode, SystemMap } from '../../api/types'
import { FindingLink, StandingMark, Uses } from '../../parts/Edges'
import { count, seconds, share, three } from '../../parts/format'
import { Mark, State } from '../../parts/State'
import { Age, known } from '../../parts/time'
import { healthOf } from './health'
import type { Bundle } from './model'
import { Go } from '../../parts/Go'

// Side tells of what is chosen: a line, or the member in focus.
export function Side({ map, focus, bundle, onFocus, onClose }: { map: SystemMap; focus: string; bundle: Bundle | undefined; onFocus: (name: string) => void; onClose: () => void }) {
  const node = map.nodes?.find(({ name }) => name === focus)
  return (
    <aside className="panel side" aria-label="Details">
      {bundle ? <Between bundle={bundle} onFocus={onFocus} onClose={onClose} /> : node && <Focused node={node} edges={map.edges ?? []} onFocus={onFocus} />}
    </aside>
  )
}

function Between({ bundle, onFocus, onClose }: { bundle: Bundle; onFocus: (name: string) => void; onClose: () => void }) {
  return (
    <Stack gap="sm">
      <Title order={2}>
        {bundle.from} to {bundle.to}
      </Title>
      {bundle.edges.map(edge => (
        <Details key={`${edge.kind} ${edge.label ?? ''}`} edge={edge} />
      ))}
      <TracesOf bundle={bundle} />
      <Button.Group>
        <Button size="xs" variant="default" onClick={() => onFocus(bundle.from)}>{bundle.from}</Button>
        <Button size="xs" variant="default" onClick={() => onFocus(bundle.to)}>{bundle.to}</Button>
        <Button size="xs" variant="default" onClick={onClose}>Close</Button>
      </Button.Group>
    </Stack>
  )
}

// TracesOf leads to examples of what goes over a line: those with errors
// where it has some, slow ones where it is slow.
function TracesOf({ bundle }: { bundle: Bundle }) {
  const health = healthOf(bundle)
  const service = bundle.to
  return (
    <span>
      <Go to="/traces" search={{ service }}>
        Traces through {service}
      </Go>
      {health && health.errors > 0 && (
        <>
          {', '}
          <Go to="/traces" search={{ service, error: 'true' }}>
            with errors
          </Go>
        </>
      )}
      {health && health.p95 > 0.001 && (
        <>
          {', '}
          <Go to="/traces" search={{ service, min: `${Math.max(1, Math.floor(health.p95 * 1_000))}ms` }}>
            slow ones
          </Go>
        </>
      )}
    </span>
  )
}

function Details({ edge }: { edge: Edge }) {
  const health = healthOf({ edges: [edge] })
  return (
    <dl className="facts">
      {health && edge.figures && (
        <>
          <dt>Now</dt>
          <dd>
            <b>{three(edge.figures.rate1)}</b> a second
          </dd>
          <dt>5 minutes</dt>
          <dd>
            <Mark tone={health.tone}>
              {share(health.errors)} errors, half within {seconds(edge.figures.last5.p50)}, 95 of 100 within {seconds(edge.figures.last5.p95)}
            </Mark>
          </dd>
        </>
      )}
      {edge.kind === 'event' && (edge.lag || edge.unacked) ? (
        <>
          <dt>Waiting</dt>
          <dd>
            {count((edge.lag ?? 0) + (edge.unacked ?? 0))}
            {edge.unacked ? `, ${count(edge.unacked)} in work` : ''}
          </dd>
        </>
      ) : null}
      {edge.oldest ? (
        <>
          <dt>Oldest</dt>
          <dd>
            <Mark tone={health?.tone ?? 'idle'}>{seconds(edge.oldest)}</Mark>
          </dd>
        </>
      ) : null}
      {edge.fresh ? (
        <>
          <dt>Fresh</dt>
          <dd>within {seconds(edge.fresh)}</dd>
        </>
      ) : null}
      <dt>{edge.kind}</dt>
      <dd className="mono">{edge.label}</dd>
      <dt>Plan</dt>
      <dd><StandingMark edge={edge} /></dd>
      {known(edge.declaredAt) && (
        <>
          <dt>Declared</dt>
          <dd><Age since={edge.declaredAt} ago /></dd>
        </>
      )}
      <dt>Uses</dt>
      <dd>
        <Uses edge={edge} />
        {edge.errors > 0 && <span className="bad">, {count(edge.errors)} with errors</span>}
        {edge.refused ? <span className="warn">, {count(edge.refused)} refused</span> : null}
      </dd>
      {known(edge.last) && (
        <>
          <dt>Last</dt>
          <dd><Age since={edge.last} ago /></dd>
        </>
      )}
      {edge.finding && (
        <>
          <dt>Finding</dt>
          <dd><FindingLink id={edge.finding} /></dd>
        </>
      )}
    </dl>
  )
}

function Focused({ node, edges, onFocus }: { node: MapNode; edges: Edge[]; onFocus: (name: string) => void }) {
  const uses = unique(edges.filter(edge => edge.from === node.name).map(edge => edge.to))
  const usedBy = unique(edges.filter(edge => edge.to === node.name).map(edge => edge.from))
  return (
    <Stack gap="sm">
      <Title order={2}>{node.name}</Title>
      <dl className="facts">
        <dt>Kind</dt>
        <dd>{node.kind}</dd>
        {node.state && (
          <>
            <dt>State</dt>
            <dd>
              <State state={node.state} />
              {node.finding && <> (scaled by hand: <FindingLink id={node.finding} />)</>}
            </dd>
          </>
        )}
        {node.owner && (
          <>
            <dt>Owner</dt>
            <dd>{node.owner}</dd>
          </>
        )}
        {node.context && (
          <>
            <dt>Context</dt>
            <dd>{node.context}</dd>
          </>
        )}
        <dt>Uses</dt>
        <dd><Names names={uses} onFocus={onFocus} /></dd>
        <dt>Used by</dt>
        <dd><Names names={usedBy} onFocus={onFocus} /></dd>
      </dl>
      {(node.kind === 'service' || node.kind === 'outside') && (
        <Go to="/services/$name" params={{ name: node.name }}>
          All of {node.name}
        </Go>
      )}
    </Stack>
  )
}

function Names({ names, onFocus }: { names: string[]; onFocus: (name: string) => void }) {
  if (names.length === 0) return <span className="dim">nobody</span>
  return names.map((name, index) => (
    <span key={name}>
      <Anchor component="button" type="button" size="sm" onClick={() => onFocus(name)}>
        {name}
        {index < names.length - 1 && ','}
      </Anchor>{' '}
    </span>
  ))
}

function unique(names: string[]): string[] {
  return [...new Set(names)].sort()
}
