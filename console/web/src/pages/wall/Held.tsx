import { useQuery } from '@tanstack/react-query'
import { policiesQuery } from '../../api/queries'
import { Go } from '../../parts/Go'
import { heldOf, Standing } from '../../parts/policies'
import { Missing, Part } from './Part'

const most = 6

// Held lists the policies that hold something back now; where none does there
// is nothing to see.
export function Held() {
  const policies = useQuery(policiesQuery)
  const held = heldOf(policies.data ?? []).filter(({ holds }) => holds)
  if (held.length === 0 && !policies.isError) return null
  return (
    <Part title="Held back" more={<Go to="/policies">all</Go>}>
      {policies.isError && <Missing what="policies" error={policies.error} />}
      <ul className="wall-list">
        {held.slice(0, most).map(policy => (
          <li key={policy.id}>
            <Go to="/services/$name" params={{ name: policy.service }} search={{ tab: 'calls' }} fw={600}>
              {policy.callee ? `${policy.service}: calls of ${policy.callee}` : `${policy.service}: what it lets in`}
            </Go>
            <div>
              {policy.policy}: <Standing policy={policy} />
            </div>
          </li>
        ))}
      </ul>
      {held.length > most && <Go to="/policies">and {held.length - most} more</Go>}
    </Part>
  )
}
