import './trace/trace.css'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useMemo } from 'react'
import { between } from '../app/range'
import { type Trace as Wire, traceQuery } from '../api/telemetry'
import { Absent } from '../parts/Absent'
import { Copy } from '../parts/Copy'
import { count, counted, duration } from '../parts/format'
import { Go } from '../parts/Go'
import { Loading, Nothing, Page } from '../parts/Page'
import { Mark } from '../parts/State'
import { moment } from '../parts/time'
import { type Model, modelOf } from './trace/model'
import { Waterfall } from './trace/Waterfall'

const route = getRouteApi('/traces/$id')

// Trace is all that one action of a customer did.
export function Trace() {
  const { id } = route.useParams()
  const trace = useQuery(traceQuery(id))
  const model = useMemo(() => trace.data && modelOf(trace.data), [trace.data])
  const root = model?.spans[0]?.span
  return (
    <Page title={root ? `${root.service}: ${root.name}` : `Trace ${id}`} actions={<Go to="/traces" fz="sm">All traces</Go>}>
      {trace.isError && <Absent error={trace.error} what="traces" again={() => void trace.refetch()} />}
      {trace.isPending && <Loading rows={10} />}
      {trace.data && model && (
        <>
          <Facts trace={trace.data} model={model} />
          {model.spans.length === 0 && <Nothing>No span of it is kept.</Nothing>}
          {model.roots.length > 0 && <Waterfall key={id} model={model} />}
        </>
      )}
    </Page>
  )
}

function Facts({ trace, model }: { trace: Wire; model: Model }) {
  const failed = model.spans.filter(({ span }) => span.status === 'error').length
  const begin = Date.parse(trace.start)
  const around = between(begin - 60_000, begin + model.length / 1e6 + 60_000)
  return (
    <>
      <div className="trace-facts">
        <b>{duration(model.length)}</b>
        <time dateTime={trace.start}>{moment(trace.start)}</time>
        <span>{counted(model.spans.length, 'span')}</span>
        {failed > 0 && <Mark tone="bad">{counted(failed, 'error')}</Mark>}
        <span>{counted(model.services.length, 'service')}</span>
        <Go to="/logs" search={{ trace: trace.traceId, ...around }}>{trace.logs?.length ? counted(trace.logs.length, 'log record') : 'its log records'}</Go>
        <span className="mono dim nowrap">
          {trace.traceId.slice(0, 12)}… <Copy value={trace.traceId} what="trace's ID" />
        </span>
        {trace.correlationId && (
          <span>
            correlated: <Go underline="always" to="/traces" search={{ correlation: trace.correlationId, ...around }}>traces</Go>, <Go underline="always" to="/logs" search={{ correlation: trace.correlationId, ...around }}>logs</Go>
          </span>
        )}
        {trace.linked && trace.linked.length > 0 && (
          <span>
            linked:{' '}
            {trace.linked.slice(0, 8).map((id, index) => (
              <span key={id}>
                {index > 0 && ', '}
                <Go underline="always" to="/traces/$id" params={{ id }} className="mono">
                  {id.slice(0, 8)}
                </Go>
              </span>
            ))}
            {trace.linked.length > 8 && ` and ${count(trace.linked.length - 8)} more`}
          </span>
        )}
      </div>
      {trace.warnings?.map(warning => (
        <p key={warning} className="trace-warning">
          <Mark tone="warn">{warning}</Mark>
        </p>
      ))}
    </>
  )
}
