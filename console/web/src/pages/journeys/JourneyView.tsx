import type { Journey, JourneyRun, JourneyStep } from '../../api/probe'
import { between } from '../../app/range'
import { type Column, DataTable } from '../../parts/DataTable'
import { count, counted, seconds } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Nothing, Section } from '../../parts/Page'
import { Mark } from '../../parts/State'
import { Age, moment } from '../../parts/time'

// JourneyView is one journey: its last runs, and the steps of one of them.
export function JourneyView({ journey, run }: { journey: Journey; run: string | undefined }) {
  const runs = journey.runs ?? []
  const chosen = run === undefined ? runs[0] : runs.find(each => each.run === run)
  const { passed, failed, skipped, next } = journey
  return (
    <>
      {run !== undefined && !chosen && <Nothing>The run {run} is not remembered any more: the last {runs.length} are.</Nothing>}
      {chosen && <Steps run={chosen} />}
      <Section title={`Runs of ${journey.journey}`}>
        <p className="dim small-text">
          Since plat started {count(passed)} passed and {count(failed)} failed{skipped > 0 && `; ${counted(skipped, 'run')} left out, since one went on`}.
          {next && ` The next begins ${moment(next)}.`}
        </p>
        {runs.length === 0 ? <Nothing>It has not run yet.</Nothing> : <DataTable label={`Runs of ${journey.journey}`} columns={runColumns} rows={runs} id={each => each.run} selected={chosen?.run} />}
      </Section>
    </>
  )
}

const runColumns: Column<JourneyRun>[] = [
  {
    key: 'run',
    header: 'Run',
    cell: ({ journey, run }) => (
      <Go to="/journeys" search={{ open: journey, run }} className="mono">
        {run}
      </Go>
    ),
  },
  { key: 'result', header: 'Result', cell: ({ passed }) => <Mark tone={passed ? 'good' : 'bad'}>{passed ? 'passed' : 'failed'}</Mark> },
  { key: 'start', header: 'Began', number: true, cell: ({ start }) => <Age since={start} ago /> },
  { key: 'seconds', header: 'Took', number: true, from: 'sm', cell: run => seconds(run.seconds) },
  { key: 'scheduled', header: 'Why', from: 'md', cell: ({ scheduled }) => (scheduled ? 'on schedule' : 'by hand') },
  { key: 'failed', header: 'Failed at', from: 'sm', cell: ({ steps }) => steps?.find(({ failure }) => failure)?.step ?? '' },
  { key: 'trace', header: 'Trace', cell: ({ traceId }) => traceId && <Go to="/traces/$id" params={{ id: traceId }}>trace</Go> },
]

function Steps({ run }: { run: JourneyRun }) {
  const began = Date.parse(run.start)
  const around = between(began - 5_000, began + run.seconds * 1_000 + 60_000)
  return (
    <Section
      title={`Run ${run.run}`}
      actions={
        <span className="small-text">
          <Mark tone={run.passed ? 'good' : 'bad'}>{run.passed ? 'passed' : 'failed'}</Mark> after {seconds(run.seconds)}, <Age since={run.start} ago />
          {run.traceId && <>, <Go underline="always" to="/traces/$id" params={{ id: run.traceId }}>its trace</Go></>}
          {', '}
          <Go underline="always" to="/logs" search={{ correlation: run.run, ...around }}>its log records</Go>
        </span>
      }
    >
      <DataTable label={`Steps of run ${run.run}`} columns={stepColumns} rows={run.steps ?? []} id={({ step }) => step} />
    </Section>
  )
}

const stepColumns: Column<JourneyStep>[] = [
  { key: 'step', header: 'Step', cell: ({ step }) => <b>{step}</b> },
  { key: 'result', header: 'Result', cell: step => <Outcome step={step} /> },
  { key: 'status', header: 'Status', number: true, cell: ({ status }) => status ?? '' },
  { key: 'seconds', header: 'Took', number: true, cell: step => (step.requests > 0 ? seconds(step.seconds) : '') },
  { key: 'requests', header: 'Requests', number: true, from: 'md', cell: ({ requests }) => count(requests) },
  { key: 'request', header: 'Request', from: 'sm', cell: ({ request }) => <span className="mono path">{request}</span> },
]

function Outcome({ step: { requests, failure } }: { step: JourneyStep }) {
  if (!failure) return requests === 0 ? <Mark tone="idle">not reached</Mark> : <Mark tone="good">passed</Mark>
  return (
    <>
      <Mark tone="bad">failed</Mark>
      <div className="reason">
        {failure.what}
        {failure.count > 1 && <span className="dim">, and {counted(failure.count - 1, 'expectation')} more</span>}
      </div>
      {failure.body && <pre className="text answer-begins" tabIndex={0} aria-label="Beginning of the answer">{failure.body}</pre>}
    </>
  )
}
