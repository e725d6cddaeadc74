import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { type Queue, queueOf, type Queues, queuesQuery } from '../../api/queues'
import { type Column, DataTable } from '../../parts/DataTable'
import { count, counted, size } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Loaded, Nothing, Section } from '../../parts/Page'
import { Mark } from '../../parts/State'
import { Age, Until } from '../../parts/time'
import { KeptCall } from './KeptCall'
import { OneQueue } from './OneQueue'
import { Why } from './Why'

const route = getRouteApi('/policies')

const keyOf = ({ caller, service, test }: Queue) => queueOf(caller, service, test)
const troubled = ({ waiting, dead }: Queue) => waiting + dead > 0
const refusals = ({ refused }: Queue) => Object.values(refused).reduce((sum, each) => sum + each, 0)

// KeptCalls are the calls that failed and are done later: queue by queue, and
// those of the one that is open.
export function KeptCalls() {
  const { call } = route.useSearch()
  const queues = useQuery(queuesQuery)
  return (
    <Section title="Kept calls" actions={queues.data && queues.data.queues.length > 0 && <Standing queues={queues.data} />}>
      <Loaded query={queues} rows={2}>
        {data => <List {...data} />}
      </Loaded>
      {call && <KeptCall id={call} />}
    </Section>
  )
}

function Standing({ queues: { queues } }: { queues: Queues }) {
  const waiting = queues.reduce((sum, queue) => sum + queue.waiting, 0)
  const dead = queues.reduce((sum, queue) => sum + queue.dead, 0)
  if (waiting + dead === 0) return <Mark tone="good">nothing waits</Mark>
  return (
    <span className="kept-standing">
      {waiting > 0 && <Mark tone="warn">{waiting === 1 ? '1 call waits' : `${count(waiting)} calls wait`}</Mark>}
      {dead > 0 && <Mark tone="bad">{counted(dead, 'dead letter')}</Mark>}
    </span>
  )
}

function List({ queues, damaged }: Queues) {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const q = (search.q ?? '').toLowerCase().split(/\s+/)
  const shown = queues.filter(({ caller, service, request, why }) => q.every(word => [caller, service, 'queue', request, why].join(' ').toLowerCase().includes(word))).sort((a, b) => Number(troubled(b)) - Number(troubled(a)))
  const open = queues.find(queue => keyOf(queue) === search.kept)
  return (
    <>
      {damaged > 0 && (
        <div className="fault kept-damaged" role="alert">
          <span className="bad">{damaged === 1 ? '1 kept call cannot be read' : `${count(damaged)} kept calls cannot be read`}</span>, and {damaged === 1 ? 'stays where it is' : 'stay where they are'}: <span className="mono">.plat/plat.log</span> names {damaged === 1 ? 'it' : 'them'}.
        </div>
      )}
      {queues.length === 0 ? (
        <Nothing>
          No call is declared with <code>on-failure: queue</code>, so none that fails is kept and done later.
        </Nothing>
      ) : shown.length === 0 ? (
        <Nothing>No queue fits.</Nothing>
      ) : (
        <DataTable label="Kept calls" columns={columns} rows={shown} id={keyOf} sort={search.by} onSort={by => void navigate({ search: old => ({ ...old, by }), replace: true })} selected={search.kept} />
      )}
      {open && <OneQueue key={keyOf(open)} queue={open} />}
      {search.kept !== undefined && !open && <Nothing>No calls are kept of {search.kept.replaceAll('~', ' → ')}: the plan does not say so.</Nothing>}
    </>
  )
}

const columns: Column<Queue>[] = [
  {
    key: 'queue',
    header: 'Queue',
    sort: keyOf,
    cell: queue => (
      <>
        <Go to="/policies" search={old => ({ ...old, kept: keyOf(queue), call: undefined })} className="kept-queue" fw={600} resetScroll={false}>
          {queue.caller} → {queue.service}
        </Go>
        {queue.test && <div className="dim small-text">of test customers</div>}
        {queue.why && <Why until="md">{queue.why}</Why>}
      </>
    ),
  },
  { key: 'waiting', header: 'Waiting', number: true, sort: ({ waiting }) => waiting, cell: ({ waiting }) => (waiting > 0 ? <b>{count(waiting)}</b> : 0) },
  { key: 'oldest', header: 'Oldest', number: true, sort: ({ oldest }) => -(Date.parse(oldest ?? '') || Infinity), cell: ({ oldest }) => oldest && <Age since={oldest} /> },
  { key: 'next', header: 'Next try', number: true, from: 'sm', cell: ({ next, tries }) => next && <span title={`tried ${counted(tries, 'time')}`}><Until then={next} /></span> },
  { key: 'request', header: 'First', from: 'lg', cell: ({ request }) => request && <div className="mono path kept-cut" title={request}>{request}</div> },
  { key: 'why', header: 'Why it failed', from: 'md', cell: ({ why }) => why && <Why>{why}</Why> },
  { key: 'dead', header: 'Dead', number: true, sort: ({ dead }) => dead, cell: ({ dead }) => (dead > 0 ? <b className="bad">{count(dead)}</b> : 0) },
  { key: 'delivered', header: 'Done', number: true, from: 'lg', sort: ({ delivered }) => delivered, cell: ({ delivered }) => count(delivered) },
  { key: 'refused', header: 'Not kept', number: true, from: 'lg', sort: refusals, cell: queue => <span title={Object.entries(queue.refused).map(([reason, n]) => `${reason}: ${count(n)}`).join(', ')}>{count(refusals(queue))}</span> },
  { key: 'size', header: 'Size', number: true, from: 'xl', sort: ({ bytes }) => bytes, cell: ({ bytes }) => size(bytes) },
]
