import { useQuery } from '@tanstack/react-query'
import { systemQuery } from '../api/queries'
import { counted, place } from '../parts/format'
import { Mark } from '../parts/State'
import { Go } from '../parts/Go'
import { useConnection } from './live'

// ConnectionMark tells whether what the pages show is fresh.
export function ConnectionMark() {
  const connection = useConnection()
  return (
    <span role="status" aria-live="polite" style={{ fontSize: 13 }}>
      {connection === 'lost' && <Mark tone="bad">Not connected</Mark>}
      {connection === 'connecting' && <Mark tone="busy">Connecting</Mark>}
      {connection === 'live' && <Mark tone="good">Live</Mark>}
    </span>
  )
}

// PlanBanner stands above every page while the files are not what runs, or
// while plat does not answer.
export function PlanBanner() {
  const connection = useConnection()
  const { data } = useQuery(systemQuery)
  const refused = data?.plan.state === 'refused' ? (data.plan.findings ?? []) : undefined
  const first = refused?.find(fault => fault.severity === 'error') ?? refused?.[0]
  return (
    <>
      {connection === 'lost' && (
        <div className="banner" role="alert">
          <b>plat does not answer.</b>
          <span>What you see may be old. The console tries again by itself.</span>
        </div>
      )}
      {refused && (
        <div className="banner" role="alert">
          <b>The files are refused; the last good plan stays live.</b>
          {first && (
            <span>
              <span className="mono">{place(first)}</span> {first.what}
            </span>
          )}
          <Go to="/plan">
            {counted(refused.length, 'finding')}
          </Go>
        </div>
      )}
    </>
  )
}
