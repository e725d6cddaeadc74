import type { Service, System } from '../../api/types'
import { Go } from '../../parts/Go'
import { Age } from '../../parts/time'
import { Part } from './Part'

interface Change {
  at: string
  service?: string
  text: string
}

const most = 8
const past = 24 * 3_600_000

// Changes is what was made different of late: the first thing to look at when
// something goes wrong.
export function Changes({ services, system }: { services: Service[]; system: System | undefined }) {
  const changes = changesOf(services, system)
  return (
    <Part title="What changed">
      {changes.length === 0 && <p className="dim">Nothing in a day.</p>}
      <ul className="wall-list">
        {changes.slice(0, most).map(({ at, service, text }) => (
          <li key={`${at} ${service} ${text}`} className="wall-change">
            <span className="dim">
              <Age since={at} ago />
            </span>
            <span>
              {service && (
                <>
                  <Go underline="always" to="/services/$name" params={{ name: service }}>
                    {service}
                  </Go>{' '}
                </>
              )}
              {text}
            </span>
          </li>
        ))}
      </ul>
    </Part>
  )
}

function changesOf(services: Service[], system: System | undefined): Change[] {
  const changes: Change[] = []
  if (system) {
    changes.push({ at: system.started, text: 'plat began' })
    if (Date.parse(system.plan.since) - Date.parse(system.started) > 5_000) changes.push({ at: system.plan.since, text: system.plan.state === 'refused' ? 'the files were refused' : 'the plan became another' })
  }
  for (const service of services) {
    for (const { id, started, version, restarts, lastExit } of service.instances ?? []) {
      if (system && Date.parse(started) - Date.parse(system.started) < 60_000 && restarts === 0) continue // it began with plat
      changes.push({ at: started, service: service.name, text: restarts > 0 && lastExit ? `${id} started anew after ${lastExit}` : `${id} started${version ? `, version ${version}` : ''}` })
    }
  }
  return changes.filter(({ at }) => Date.now() - Date.parse(at) < past).toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at))
}
