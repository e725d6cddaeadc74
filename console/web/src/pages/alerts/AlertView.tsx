import { Anchor, Button } from '@mantine/core'
import { useRouter } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import type { Alert } from '../../api/objectives'
import { share } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Mark } from '../../parts/State'
import { Age, moment } from '../../parts/time'
import { Silencing } from './Silencing'

// AlertView is one alert: what, whose, since when, and where to go on.
export function AlertView({ alert, chosen, choose }: { alert: Alert; chosen: boolean; choose: () => void }) {
  const { name, state, severity, service, owner, since, until } = alert
  const [silencing, setSilencing] = useState(false)
  const card = useRef<HTMLElement>(null)
  useEffect(() => {
    if (chosen) card.current?.scrollIntoView({ block: 'nearest' })
  }, [chosen])
  const going = state !== 'ended'
  const severe = severity === 'page'
  return (
    <article ref={card} className="fault alert" data-severity={!going ? 'ended' : severe ? 'error' : 'warning'} data-chosen={chosen || undefined}>
      <div className="alert-head">
        <Mark tone={!going ? 'idle' : severe ? 'bad' : 'warn'}>
          <button type="button" className="alert-name" aria-expanded={chosen} onClick={choose}>
            {[service, name].filter(Boolean).join(': ')}
          </button>
        </Mark>
        <span className="dim">{!going ? 'ended' : severe ? 'page' : severity}</span>
        {state === 'silenced' && <Mark tone="idle">silenced</Mark>}
        {state === 'explained' && <Mark tone="idle">explained by another alert</Mark>}
        {going && state !== 'silenced' && (
          <Button size="compact-xs" variant="default" ml="auto" onClick={() => setSilencing(true)}>
            Silence
          </Button>
        )}
      </div>
      <div className="what">{alert.summary}</div>
      {alert.description && <div>{alert.description}</div>}
      <div className="alert-facts">
        <span>
          Owner: <b>{owner || 'nobody'}</b>
        </span>
        <span>
          {going ? 'for ' : 'began '}
          <Age since={since} ago={!going} />
          {!going && until && <span className="dim">, ended {moment(until)}</span>}
        </span>
        {alert.traces && <Path to={alert.traces}>Example traces</Path>}
        {alert.query && (
          <Go to="/metrics" search={{ expr: alert.query }}>
            Figures
          </Go>
        )}
        {service && (
          <>
            <Go to="/services/$name" params={{ name: service }}>
              The service
            </Go>
            <Go to="/map" search={{ focus: service }}>
              On the map
            </Go>
          </>
        )}
        {alert.runbook && <Runbook place={alert.runbook} />}
      </div>
      {chosen && alert.windows && (
        <ul className="alert-windows" aria-label="Windows that show it">
          {alert.windows.map(({ over, severity, state, value }) => (
            <li key={over} className={state === 'firing' ? '' : 'dim'}>
              {over}: {share(value)} bad, {severity}
              {state === 'memory' && ', still holds what is over'}
              {state === 'ended' && ', clean'}
            </li>
          ))}
        </ul>
      )}
      {chosen && (
        <dl className="facts alert-labels">
          {Object.entries(alert.labels ?? {}).map(([key, value]) => (
            <div key={key} style={{ display: 'contents' }}>
              <dt>{key}</dt>
              <dd className="mono">{value}</dd>
            </div>
          ))}
        </dl>
      )}
      <Silencing alert={alert} open={silencing} close={() => setSilencing(false)} />
    </article>
  )
}

// Path is a link that plat wrote, to a page of the console.
function Path({ to, children }: { to: string; children: string }) {
  const router = useRouter()
  const inside = to.startsWith('/')
  return (
    <Anchor
      href={to}
      inherit
      rel="noreferrer"
      target={inside ? undefined : '_blank'}
      onClick={event => {
        if (!inside || event.ctrlKey || event.metaKey || event.shiftKey) return
        event.preventDefault()
        router.history.push(to)
      }}
    >
      {children}
    </Anchor>
  )
}

function Runbook({ place }: { place: string }) {
  if (place.includes('://')) {
    return (
      <Anchor href={place} target="_blank" rel="noreferrer" inherit>
        Runbook
      </Anchor>
    )
  }
  return (
    <span>
      Runbook: <span className="mono">{place}</span>
    </span>
  )
}
