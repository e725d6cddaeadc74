import type { Journey } from '../../api/probe'
import { seconds, share } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Mark } from '../../parts/State'
import { Age } from '../../parts/time'
import { Missing, Part } from './Part'

// Journeys tells how test customers fare.
export function Journeys({ journeys, error }: { journeys: Journey[] | undefined; error: unknown }) {
  return (
    <Part title="Journeys">
      {error != null && <Missing what="journeys" error={error} />}
      {journeys?.length === 0 && <p className="dim">The plan declares no journey.</p>}
      <ul className="wall-list">
        {journeys?.map(journey => (
          <li key={journey.journey}>
            <Outcome journey={journey} />
          </li>
        ))}
      </ul>
    </Part>
  )
}

function Outcome({ journey: { journey, runs, share: passed, p95, running, owner } }: { journey: Journey }) {
  const last = runs?.[0]
  if (!last) return <Mark tone="idle">{journey}, {running ? 'runs for the first time' : 'not run yet'}</Mark>
  const failed = last.steps?.find(({ failure }) => failure)
  return (
    <>
      <Mark tone={last.passed ? 'good' : 'bad'}>
        {last.traceId ? (
          <Go underline="always" to="/traces/$id" params={{ id: last.traceId }} fw={600}>
            {journey}
          </Go>
        ) : (
          <b>{journey}</b>
        )}
        {last.passed ? ' passes' : ' fails'}
      </Mark>
      {failed?.failure && (
        <div>
          {failed.step}: {failed.failure.what}
        </div>
      )}
      <div className="dim">
        <Age since={last.start} ago />
        {passed !== undefined && `, ${share(passed)} of its runs passed`}
        {p95 > 0 && `, 95 of 100 within ${seconds(p95)}`}
        {!last.passed && owner && `, owner: ${owner}`}
      </div>
    </>
  )
}
