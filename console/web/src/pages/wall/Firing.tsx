import type { Alert } from '../../api/objectives'
import { Go } from '../../parts/Go'
import { Mark } from '../../parts/State'
import { Age } from '../../parts/time'
import { Missing, Part } from './Part'

const most = 6

// Firing lists the alerts that fire, with whom they are about.
export function Firing({ alerts, error }: { alerts: Alert[] | undefined; error: unknown }) {
  return (
    <Part title="Alerts" more={<Go to="/alerts">all</Go>}>
      {error != null && <Missing what="alerts" error={error} />}
      {alerts?.length === 0 && error == null && (
        <p>
          <Mark tone="good">None fires.</Mark>
        </p>
      )}
      <ul className="wall-list">
        {alerts?.slice(0, most).map(({ id, name, severity, service, owner, summary, since }) => (
          <li key={id}>
            <Mark tone={severity === 'page' ? 'bad' : 'warn'}>
              <Go to="/alerts" search={{ open: id }} fw={600}>
                {[service, name].filter(Boolean).join(': ')}
              </Go>
            </Mark>
            <div>{summary}</div>
            <div className="dim">
              {owner ? `owner: ${owner}, ` : ''}for <Age since={since} />
            </div>
          </li>
        ))}
      </ul>
      {alerts && alerts.length > most && <Go to="/alerts">and {alerts.length - most} more</Go>}
    </Part>
  )
}
