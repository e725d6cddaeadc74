import type { Finding } from '../api/types'
import { Command, Copy } from './Copy'
import { counted, place } from './format'
import { Age, known } from './time'
import { Go } from './Go'

// FindingView is one difference between the plan and what was seen, in short.
export function FindingView({ finding }: { finding: Finding }) {
  return (
    <div className="fault" data-severity={finding.severity}>
      <div>
        <span className={finding.severity === 'warning' ? 'warn' : 'bad'}>{finding.severity}</span>{' '}
        <Go to="/findings/$id" params={{ id: finding.id }} fw={600}>
          {finding.what}
        </Go>
      </div>
      <div>{finding.why}</div>
      <div className="dim">
        {finding.count > 0 && `${counted(finding.count, 'call')}, `}
        {known(finding.last) && (
          <>
            the last <Age since={finding.last} ago />
            {', '}
          </>
        )}
        {finding.refused && 'refused, '}
        <span className="mono">{finding.code}</span>
      </div>
      <Remedy finding={finding} />
    </div>
  )
}

// Remedy is the command that settles a finding, and the place that it changes.
export function Remedy({ finding }: { finding: Finding }) {
  return (
    <div className="remedy">
      {finding.remedy && <Command>{finding.remedy}</Command>}
      {finding.file && (
        <span className="mono" style={{ marginLeft: 8 }}>
          {place(finding)}
          <Copy value={place(finding)} what="place" />
        </span>
      )}
    </div>
  )
}
