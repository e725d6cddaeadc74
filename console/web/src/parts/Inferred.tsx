import type { LogRecord } from '../api/telemetry'

// Inferred says of a record that its trace is no fact.
export function Inferred({ log }: { log: LogRecord }) {
  if (!log.inferred) return null
  const several = (log.oneOf ?? 1) > 1
  return (
    <span className="dim" title={`The line names no trace. Its instance was answering ${several ? `requests of ${log.oneOf} traces, this one among them where it is named,` : 'a request of this trace alone'} when it was written.`}>
      {several ? ` inferred, one of ${log.oneOf}` : ' inferred'}
    </span>
  )
}
