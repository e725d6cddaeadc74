import './traces/traces.css'
import './story/story.css'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { type Span, type Step, type Story as Wire, storyQuery } from '../api/telemetry'
import { Absent } from '../parts/Absent'
import { Command, Copy } from '../parts/Copy'
import { counted, duration } from '../parts/format'
import { FindingView } from '../parts/FindingView'
import { Go } from '../parts/Go'
import { Loading, Page, Section } from '../parts/Page'
import { Mark } from '../parts/State'
import { moment } from '../parts/time'
import { ServiceChip } from './trace/ServiceChip'
import { Results } from './traces/Results'

const route = getRouteApi('/story/$id')

const most = 500 // steps that the page shows

// Story is everything behind an ID, told by time: what plat why prints.
export function Story() {
  const { id } = route.useParams()
  const story = useQuery(storyQuery(id))
  return (
    <Page title={`What happened: ${id}`} heading={<>What happened: <span className="mono story-id">{id}</span> <Copy value={id} what="ID" /></>}>
      {story.isError && <Absent error={story.error} what="stories" again={() => void story.refetch()} />}
      {story.isPending && <Loading rows={10} />}
      {story.data && <Told story={story.data} />}
    </Page>
  )
}

const kinds: Record<Wire['is'], string> = { trace: 'a trace', correlation: 'a correlation ID', event: 'an event', finding: 'a finding', call: 'a call', key: 'a business key' }

function Told({ story }: { story: Wire }) {
  const steps = story.steps ?? []
  const traces = story.traces ?? []
  const failed = steps.some(step => step.failed)
  return (
    <>
      <p className="story-is">
        This is {story.is === 'key' && story.key ? <>the business key <b>{story.key}</b></> : kinds[story.is]}, with {counted(traces.length, 'trace')} and {counted(steps.length, 'step')} behind it. <Command>{`plat why ${story.id}`}</Command>
      </p>
      {story.verdict && (
        <p className="story-verdict">
          <Mark tone={failed || story.culprit?.status === 'error' ? 'bad' : 'busy'}>
            <span>{story.verdict}</span>
          </Mark>
          {story.culprit && <Culprit span={story.culprit} />}
        </p>
      )}
      {story.warnings?.map(warning => (
        <p key={warning}>
          <Mark tone="warn">{warning}</Mark>
        </p>
      ))}
      {story.finding && <FindingView finding={story.finding} />}
      {steps.length > 0 && <Steps steps={steps} />}
      {traces.length > 0 && (
        <Section title="Traces">
          <Results traces={traces} chosen={undefined} />
        </Section>
      )}
    </>
  )
}

function Culprit({ span }: { span: Span }) {
  return (
    <>
      {' '}
      <Go underline="always" to="/traces/$id" params={{ id: span.traceId }} search={{ span: span.id }}>
        Its span
      </Go>
    </>
  )
}

function Steps({ steps }: { steps: Step[] }) {
  const began = Date.parse(steps[0]!.time)
  return (
    <Section title="Step by step" actions={<time className="dim small-text" dateTime={steps[0]!.time}>since {moment(steps[0]!.time)}</time>}>
      <ol className="story">
        {steps.slice(0, most).map((step, index) => (
          <li key={index} data-failed={step.failed || undefined}>
            <span className="number" title={moment(step.time)}>{index === 0 ? 'at first' : `+${duration(Math.max(0, Date.parse(step.time) - began) * 1e6)}`}</span>
            <span className="dim">{step.kind}</span>
            <span className="nowrap">
              <ServiceChip name={step.service} />
              {step.service}
            </span>
            <span className="story-text">
              {step.failed ? <Mark tone="bad"><span>{step.text}</span></Mark> : step.text}
            </span>
            <span>
              {step.traceId && (
                <Go to="/traces/$id" params={{ id: step.traceId }} search={{ span: step.spanId }} aria-label={`Trace of step ${index + 1}`}>
                  trace
                </Go>
              )}
            </span>
          </li>
        ))}
      </ol>
      {steps.length > most && <p className="dim">{`The first ${most} of ${counted(steps.length, 'step')}; plat why prints them all.`}</p>}
    </Section>
  )
}
