import type { ChaosReport } from '../../api/chaos'
import { type Column, DataTable } from '../../parts/DataTable'
import { FaultView } from '../../parts/Faults'
import { count, counted, seconds, share } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Section } from '../../parts/Page'
import { Mark, type Tone } from '../../parts/State'
import { Age, known, moment } from '../../parts/time'
import { failing } from './words'

const verdicts: Record<NonNullable<ChaosReport['verdict']>, [Tone, string]> = {
  steady: ['good', 'steady'],
  'not-steady': ['bad', 'not steady'],
  hurt: ['bad', 'customers hurt'],
  unwell: ['bad', 'unwell afterwards'],
  unclear: ['warn', 'unclear'],
}

const phases = { before: 'looks whether all is well', during: 'lets things fail', after: 'waits until all is well again' }

// Verdict is how a report ended, or how far it is.
export function Verdict({ report: { state, phase, verdict } }: { report: ChaosReport }) {
  if (state === 'running') return <Mark tone="busy">{phase ? phases[phase] : 'runs'}</Mark>
  if (verdict) return <Mark tone={verdicts[verdict][0]}>{verdicts[verdict][1]}{state === 'stopped' && ', stopped early'}</Mark>
  return <Mark tone="idle">{state === 'not-begun' ? 'not begun' : state}</Mark>
}

// Report is what an experiment showed, with the evidence.
export function Report({ report }: { report: ChaosReport }) {
  const { id, experiment, started, injected, undone, recovered, why, fault, answers } = report
  const journeys = report.journeys ?? []
  const played = Object.entries(report.played ?? {})
  return (
    <Section title={`Report of ${experiment.experiment}`} actions={<Verdict report={report} />}>
      <dl className="facts">
        <dt>Report</dt>
        <dd className="mono">{id}</dd>
        <dt>Fails</dt>
        <dd>{failing(experiment).map(each => <div key={each}>{each}</div>)}</dd>
        {why && why.length > 0 && (
          <>
            <dt>Did not hold</dt>
            <dd>{why.map(each => <div key={each}>{each}</div>)}</dd>
          </>
        )}
        <dt>Began</dt>
        <dd>
          <Age since={started} ago />
          {known(injected) && `, failing from ${moment(injected)}`}
          {known(undone) && ` to ${moment(undone)}`}
          {known(injected) && !known(undone) && ' on'}
        </dd>
        {known(recovered) && known(undone) && (
          <>
            <dt>All well again</dt>
            <dd>{seconds(Math.max(0, Date.parse(recovered) - Date.parse(undone)) / 1_000)} after it was undone</dd>
          </>
        )}
        {answers.all > 0 && (
          <>
            <dt>Answers</dt>
            <dd>
              {count(answers.bad)} of {counted(answers.all, 'request')} at the entrances failed ({share(answers.bad / answers.all)})
            </dd>
          </>
        )}
        {report.done && report.done.length > 0 && (
          <>
            <dt>Done</dt>
            <dd>{report.done.map(({ at, do: what, instance }) => <div key={`${at} ${instance}`}>{what} {instance}, {moment(at)}</div>)}</dd>
          </>
        )}
        {played.map(([fault, { played, examples }]) => (
          <Played key={fault} fault={fault} played={played} examples={examples ?? []} />
        ))}
      </dl>
      {fault && <FaultView fault={fault} />}
      {journeys.length > 0 && (
        <div className="below">
          <DataTable label={`Journeys during ${experiment.experiment}`} columns={columns} rows={journeys} id={({ journey }) => journey} />
        </div>
      )}
    </Section>
  )
}

function Played({ fault, played, examples }: { fault: string; played: number; examples: { traceId?: string; correlationId: string; request: string }[] }) {
  return (
    <>
      <dt>Fault {fault}</dt>
      <dd>
        played {counted(played, 'time')}
        {examples.map(({ correlationId, traceId, request }, index) => (
          <div key={index} className="small-text">
            <span className="mono">{request}</span>{' '}
            {traceId ? <Go underline="always" to="/traces/$id" params={{ id: traceId }}>trace</Go> : <Go underline="always" to="/story/$id" params={{ id: correlationId }}>what happened</Go>}
          </div>
        ))}
      </dd>
    </>
  )
}

type Journey = NonNullable<ChaosReport['journeys']>[number]

const columns: Column<Journey>[] = [
  { key: 'journey', header: 'Journey', cell: ({ journey }) => <Go to="/journeys" search={{ open: journey }}>{journey}</Go> },
  { key: 'passed', header: 'Passed', number: true, cell: ({ passed }) => count(passed) },
  { key: 'failed', header: 'Failed', number: true, cell: ({ failed }) => (failed > 0 ? <span className="bad">{count(failed)}</span> : '0') },
  { key: 'before', header: 'Before', number: true, from: 'sm', cell: ({ before }) => (before > 0 ? seconds(before) : '') },
  { key: 'slowest', header: 'Slowest', number: true, from: 'sm', cell: ({ slowest }) => (slowest > 0 ? seconds(slowest) : '') },
  {
    key: 'first',
    header: 'First that failed',
    cell: ({ first }) =>
      first && (
        <div className="reason">
          {first.failed && `${first.failed.step}: ${first.failed.what} `}
          {first.traceId && <Go underline="always" to="/traces/$id" params={{ id: first.traceId }}>trace</Go>}
        </div>
      ),
  },
]
