import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { type Chaos, chaosQuery, type ChaosReport, type Experiment } from '../api/chaos'
import { Absent } from '../parts/Absent'
import { type Column, DataTable } from '../parts/DataTable'
import { FaultList } from '../parts/Faults'
import { count, counted, duration } from '../parts/format'
import { Go } from '../parts/Go'
import { Loading, Nothing, Page, Section } from '../parts/Page'
import { Mark } from '../parts/State'
import { Age, known, moment } from '../parts/time'
import { RunExperiment, Stop } from './experiments/actions'
import { Report, Verdict } from './experiments/Report'
import { failing } from './experiments/words'

const route = getRouteApi('/experiments')

// Experiments is what is let fail on purpose, and what that showed.
export function Experiments() {
  const { run } = route.useSearch()
  const chaos = useQuery(chaosQuery)
  const reports = chaos.data?.reports ?? []
  const running = reports.find(({ state }) => state === 'running')
  const shown = run === undefined ? reports[0] : reports.find(({ id }) => id === run)
  return (
    <Page title="Experiments" actions={running && <Stop what={running.experiment.experiment} />}>
      {chaos.isError && <Absent error={chaos.error} what="experiments" again={() => void chaos.refetch()} />}
      {chaos.isPending && <Loading />}
      {chaos.data && (
        <>
          <Schedule schedule={chaos.data.schedule} />
          {run !== undefined && !shown && <Nothing>No report {run} is kept.</Nothing>}
          {run !== undefined && shown && <Report report={shown} />}
          <List chaos={chaos.data} busy={running !== undefined} />
          {chaos.data.findings && chaos.data.findings.length > 0 && (
            <div className="below">
              <FaultList faults={chaos.data.findings} />
            </div>
          )}
          {run === undefined && shown && <Report report={shown} />}
          <Section title="Reports">
            {reports.length === 0 ? <Nothing>No experiment has run yet.</Nothing> : <DataTable label="Reports" columns={reportColumns} rows={reports} id={({ id }) => id} selected={shown?.id} />}
          </Section>
        </>
      )}
    </Page>
  )
}

function List({ chaos, busy }: { chaos: Chaos; busy: boolean }) {
  const experiments = chaos.experiments ?? []
  if (experiments.length === 0) return <Nothing>No experiment lies beside the plan: they are files in the folder experiments, beside plat.yaml.</Nothing>
  const last = ({ experiment }: Experiment) => chaos.reports?.find(report => report.experiment.experiment === experiment)
  return (
    <div className="below">
      <DataTable label="Experiments" columns={columns(last, busy)} rows={experiments} id={({ experiment }) => experiment} />
    </div>
  )
}

const columns = (last: (experiment: Experiment) => ChaosReport | undefined, busy: boolean): Column<Experiment>[] => [
  {
    key: 'experiment',
    header: 'Experiment',
    cell: ({ experiment, about, file }) => (
      <>
        <b>{experiment}</b>
        {about && <div className="dim small-text">{about}</div>}
        <div className="mono dim small-text path">{file}</div>
      </>
    ),
  },
  { key: 'fails', header: 'Fails', from: 'md', cell: experiment => failing(experiment).map(each => <div key={each} className="reason">{each}</div>) },
  { key: 'duration', header: 'For', number: true, from: 'sm', cell: experiment => duration(experiment.duration) },
  { key: 'every', header: 'Every', number: true, from: 'lg', cell: ({ every }) => (every ? duration(every) : <span className="dim">by hand</span>) },
  { key: 'owner', header: 'Owner', from: 'lg', cell: ({ owner }) => owner },
  {
    key: 'last',
    header: 'Last',
    cell: experiment => {
      const report = last(experiment)
      return report ? <Verdict report={report} /> : <span className="dim nowrap">never run</span>
    },
  },
  { key: 'run', header: 'Now', cell: ({ experiment }) => <RunExperiment name={experiment} busy={busy} /> },
]

const reportColumns: Column<ChaosReport>[] = [
  {
    key: 'report',
    header: 'Report',
    cell: ({ id, experiment }) => (
      <Go to="/experiments" search={{ run: id }} fw={600}>
        {experiment.experiment}
      </Go>
    ),
  },
  { key: 'verdict', header: 'Verdict', cell: report => <Verdict report={report} /> },
  { key: 'started', header: 'Began', number: true, cell: ({ started }) => <Age since={started} ago /> },
  { key: 'scheduled', header: 'By', from: 'sm', cell: ({ scheduled }) => (scheduled ? 'schedule' : 'hand') },
  { key: 'why', header: 'What did not hold', from: 'md', cell: ({ why }) => <div className="reason">{why?.[0]}</div> },
]

function Schedule({ schedule: { on, until, next, started, postponed, waits } }: { schedule: Chaos['schedule'] }) {
  if (!on) return <p className="dim small-text">No experiment runs by itself: plat chaos schedule lets them.</p>
  const first = next?.[0]
  return (
    <p className="small-text">
      <Mark tone={waits ? 'warn' : 'busy'}>experiments run by themselves</Mark>
      {known(until) && ` until ${moment(until)}`}; {count(started)} begun
      {postponed > 0 && `, put off ${counted(postponed, 'time')}`}
      {first && `; ${first.experiment} is next, ${moment(first.at)}`}
      {waits && `; it waits: ${waits}`}.
    </p>
  )
}
