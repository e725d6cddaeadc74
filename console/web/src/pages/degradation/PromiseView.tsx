import type { CustomerRun, FailureWay, Promised } from '../../api/chaos'
import { type Column, DataTable } from '../../parts/DataTable'
import { counted, seconds } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Nothing, Section } from '../../parts/Page'
import { Mark } from '../../parts/State'
import { Age, known } from '../../parts/time'
import { VerdictMark } from './verdict'

// PromiseView is all that is known of one promise: in which ways the
// dependency failed, and what each journey's customer saw.
export function PromiseView({ promise }: { promise: Promised }) {
  const { caller, dependency, onFailure, optional, verdict, sees, why, remedy, stale, at, plan, versions } = promise
  const ways = promise.ways ?? []
  return (
    <Section title={`${dependency} fails for ${caller}`}>
      <dl className="facts">
        <dt>Promised</dt>
        <dd>
          {onFailure}
          {optional && ', optional'}; <Go underline="always" to="/services/$name" params={{ name: caller }} search={{ tab: 'calls' }}>how the call is protected</Go>
        </dd>
        <dt>Verdict</dt>
        <dd>
          <VerdictMark verdict={verdict} stale={stale} />
        </dd>
        {sees && (
          <>
            <dt>Customers see</dt>
            <dd>{sees}</dd>
          </>
        )}
        {why && (
          <>
            <dt>Why</dt>
            <dd>{why}</dd>
          </>
        )}
        {remedy && (
          <>
            <dt>Remedy</dt>
            <dd>{remedy}</dd>
          </>
        )}
        {stale && (
          <>
            <dt>Out of date</dt>
            <dd>{stale}</dd>
          </>
        )}
        {known(at) && (
          <>
            <dt>Rehearsed</dt>
            <dd>
              <Age since={at} ago />, with {Object.entries(versions ?? {}).map(([service, version]) => `${service} ${version}`).join(', ') || 'no known version'}; plan <span className="mono">{plan.slice(0, 12)}</span>
            </dd>
          </>
        )}
      </dl>
      {ways.length === 0 && <Nothing>It was not let fail yet.</Nothing>}
      {ways.map(way => (
        <Way key={way.way} way={way} />
      ))}
    </Section>
  )
}

function Way({ way: { way, verdict, why, played, runs } }: { way: FailureWay }) {
  return (
    <Section title={way} actions={<span className="small-text"><VerdictMark verdict={verdict} />, {counted(played, 'call')} failed{why && `: ${why}`}</span>}>
      {runs?.length ? <DataTable label={`Customers while it ${way}`} columns={columns} rows={runs} id={({ journey, start }) => `${journey} ${start}`} /> : <Nothing>No journey ran.</Nothing>}
    </Section>
  )
}

const columns: Column<CustomerRun>[] = [
  { key: 'journey', header: 'Journey', cell: ({ journey }) => <Go to="/journeys" search={{ open: journey }}>{journey}</Go> },
  { key: 'result', header: 'Customer', cell: ({ passed }) => <Mark tone={passed ? 'good' : 'bad'}>{passed ? 'noticed nothing' : 'was stopped'}</Mark> },
  {
    key: 'saw',
    header: 'Saw',
    cell: ({ failed }) =>
      failed && (
        <div className="reason">
          {failed.step}: {failed.what}
          {failed.request && <> (<span className="mono">{failed.request}</span>{failed.status ? `, ${failed.status}` : ', no whole answer'}, {seconds(failed.seconds)})</>}
        </div>
      ),
  },
  { key: 'seconds', header: 'Took', number: true, from: 'sm', cell: run => seconds(run.seconds) },
  { key: 'trace', header: 'Trace', cell: ({ traceId }) => traceId && <Go to="/traces/$id" params={{ id: traceId }}>trace</Go> },
]
