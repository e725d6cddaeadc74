import { Refused } from '../../api/prom'
import { Failure } from '../../parts/Faults'

// Refusal shows what the metrics say to an expression, at its place in it.
export function Refusal({ expression, error }: { expression: string; error: unknown }) {
  if (!(error instanceof Refused)) return <Failure error={error} />
  const [, line, column] = /(\d+):(\d+): /.exec(error.message) ?? []
  const at = line === '1' && column ? Number(column) - 1 : undefined
  return (
    <div className="fault refusal" role="alert">
      {at !== undefined && at <= expression.length && (
        <pre className="mono" aria-hidden>
          {expression.slice(0, at)}
          <mark>{expression.slice(at, at + 1) || ' '}</mark>
          {expression.slice(at + 1)}
        </pre>
      )}
      <div className="what">{error.message}</div>
    </div>
  )
}
