import { useQuery } from '@tanstack/react-query'
import { expressions, lines } from '../../api/figures'
import { lacks } from '../../api/telemetry'
import { objectivesQuery } from '../../api/objectives'
import { bounds, useRange } from '../../app/range'
import { seconds, share, size, three } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Section } from '../../parts/Page'
import { RangePick } from '../../parts/RangePick'
import { Spark } from '../../parts/Spark'
import { Budget, promise } from '../../parts/Budget'

const shown = [
  ['rate', 'Requests/s', three],
  ['errors', 'Failed', share],
  ['p50', 'Half within', seconds],
  ['p95', '95 of 100 within', seconds],
  ['p99', '99 of 100 within', seconds],
  ['inFlight', 'In flight', three],
  ['cpu', 'CPU', (cores: number) => `${three(cores * 100)} %`],
  ['memory', 'Memory', size],
] as const

// ServiceFigures is how a service did: rate, errors, duration, saturation, and
// what it promised.
export function ServiceFigures({ name }: { name: string }) {
  const objectives = useQuery(objectivesQuery).data?.filter(({ service }) => service === name)
  return (
    <Section title="Figures" actions={<RangePick />}>
      <div className="figures">
        {shown.map(([key, label, write]) => (
          <Figure key={key} service={name} of={key} label={label} write={write} />
        ))}
      </div>
      {objectives && objectives.length > 0 && (
        <dl className="facts objectives">
          {objectives.map(objective => (
            <div key={objective.name} style={{ display: 'contents' }}>
              <dt>{promise(objective)}</dt>
              <dd>
                <Budget objective={objective} /> <span className="dim">of the error budget left</span>
              </dd>
            </div>
          ))}
        </dl>
      )}
    </Section>
  )
}

function Figure({ service, of, label, write }: { service: string; of: (typeof shown)[number][0]; label: string; write: (value: number) => string }) {
  const { range, moving } = useRange()
  const expression = expressions('service', service)[of]
  const found = useQuery(lines(`${service} ${of} ${range.from} ${range.to ?? ''}`, expression, () => bounds(range), 90, moving ? 10_000 : false))
  const points = found.data?.series[0]?.points
  const last = points?.findLast(([, value]) => Number.isFinite(value))?.[1]
  return (
    <div className="panel figure">
      <Go to="/metrics" search={{ expr: expression }} className="figure-name" title="Look closer">
        {label}
      </Go>
      <b>{last === undefined ? (found.isError ? (lacks(found.error) ? 'no metrics' : 'not known') : '–') : write(last)}</b>
      <Spark points={points} from={found.data?.from ?? 0} to={found.data?.to ?? 1} width="100%" height={40} label={`${label} of ${service}`} tone={of === 'errors' ? 'bad' : 'busy'} />
    </div>
  )
}
