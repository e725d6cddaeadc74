import type { Now } from '../../api/figures'
import type { Objective } from '../../api/objectives'
import { seconds, share, three } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Part } from './Part'
import { judge, worstOf } from './verdict'

const most = 6

// Worst lists the services that are farthest from what they promised.
export function Worst({ now, objectives, missing }: { now: Now | undefined; objectives: Objective[]; missing: boolean }) {
  const worst = worstOf(now?.by ?? new Map(), objectives).slice(0, most)
  return (
    <Part title="Worst services" more={<Go to="/services" search={{ sort: '-errors' }}>all</Go>}>
      {missing && <p className="dim">Not known without metrics.</p>}
      {!missing && now && worst.length === 0 && <p className="dim">No service is asked now.</p>}
      {worst.length > 0 && (
        <table className="wall-table">
          <thead>
            <tr>
              <th scope="col">Service</th>
              <th scope="col" className="number">per s</th>
              <th scope="col" className="number">errors</th>
              <th scope="col" className="number">p95</th>
            </tr>
          </thead>
          <tbody>
            {worst.map(({ service, figures, limit }) => (
              <tr key={service}>
                <th scope="row">
                  <Go to="/services/$name" params={{ name: service }}>
                    {service}
                  </Go>
                </th>
                <td className="number">{three(figures.rate ?? 0, 2)}</td>
                <td className={`number ${toneClass(figures.errors, limit.errors)}`}>{share(figures.errors ?? 0)}</td>
                <td className={`number ${toneClass(figures.p95, limit.slow)}`}>{figures.p95 === undefined ? '–' : seconds(figures.p95, 2)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Part>
  )
}

function toneClass(value: number | undefined, limit: number | undefined): string {
  const tone = judge(value, limit)
  return tone === 'idle' ? '' : `${tone} wall-judged wall-judged-${tone}`
}
