import { Modal } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { type KeptCallContent, keptCallQuery } from '../../api/queues'
import { count, size } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Loaded } from '../../parts/Page'
import { Mark } from '../../parts/State'
import { Age } from '../../parts/time'

const route = getRouteApi('/policies')

// KeptCall is one of them, opened: how it stands, its fields and its body.
export function KeptCall({ id }: { id: string }) {
  const navigate = route.useNavigate()
  const call = useQuery(keptCallQuery(id))
  return (
    <Modal opened size="lg" title={call.data?.request ?? 'Kept call'} onClose={() => void navigate({ search: old => ({ ...old, call: undefined }), replace: true, resetScroll: false })} closeButtonProps={{ 'aria-label': 'Close' }}>
      <Loaded query={call} rows={4}>
        {content => <Content call={content} />}
      </Loaded>
    </Modal>
  )
}

function Content({ call }: { call: KeptCallContent }) {
  const { id, caller, service, test, state, position, status, kept, ended, tries, why, correlationId, header, body, encoding, cut } = call
  return (
    <>
      <dl className="facts">
        <dt>State</dt>
        <dd>
          {state === 'dead' && <Mark tone="bad">dead letter</Mark>}
          {state === 'waiting' && <Mark tone="warn">waits, no. {position}</Mark>}
          {state === 'delivered' && <Mark tone="good">done, answered {status}</Mark>}
        </dd>
        <dt>Queue</dt>
        <dd>
          {caller} → {service}
          {test && ', of test customers'}
        </dd>
        <dt>ID</dt>
        <dd className="mono">{id}</dd>
        {kept && (
          <>
            <dt>Kept</dt>
            <dd>
              <Age since={kept} ago />, tried {tries === 1 ? 'once' : `${count(tries)} times`} since, {size(call.size ?? 0)}
            </dd>
          </>
        )}
        {ended && (
          <>
            <dt>Done</dt>
            <dd>
              <Age since={ended} ago />
            </dd>
          </>
        )}
        {why && (
          <>
            <dt>Why</dt>
            <dd>{why}</dd>
          </>
        )}
        {correlationId && (
          <>
            <dt>Story</dt>
            <dd className="mono">
              <Go underline="always" to="/story/$id" params={{ id: correlationId }}>
                {correlationId}
              </Go>
            </dd>
          </>
        )}
        {Object.keys(header).sort().map(name => (
          <Field key={name} name={name} values={header[name]!} />
        ))}
      </dl>
      {body !== '' && (
        <div className="below">
          <pre className="text" tabIndex={0} aria-label="Body">
            {body}
          </pre>
        </div>
      )}
      {(cut || encoding === 'base64') && <p className="dim small-text">{[encoding === 'base64' && 'The body is not text: this is its Base64.', cut && 'It is longer: this is its beginning.'].filter(Boolean).join(' ')}</p>}
    </>
  )
}

function Field({ name, values }: { name: string; values: string[] }) {
  return (
    <>
      <dt className="mono">{name}</dt>
      <dd className="mono">{values.join(', ')}</dd>
    </>
  )
}
