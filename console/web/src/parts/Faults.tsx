import { Button, Stack } from '@mantine/core'
import { faultsOf } from '../api/client'
import type { Fault } from '../api/types'
import { Command, Copy } from './Copy'
import { place } from './format'

// FaultView is one thing that is wrong, as plat says it: place, what, why,
// remedy, code.
export function FaultView({ fault }: { fault: Fault }) {
  return (
    <div className="fault" data-severity={fault.severity}>
      <div>
        <span className={fault.severity === 'warning' ? 'warn' : 'bad'}>{fault.severity}</span>{' '}
        {fault.file && (
          <span className="mono">
            {place(fault)}
            <Copy value={place(fault)} what="place" />{' '}
          </span>
        )}
        <span className="what">{fault.what}</span>
      </div>
      {fault.expected && <div>{fault.expected}</div>}
      {fault.remedy && <div className="remedy">Remedy: {fault.remedy}</div>}
      {fault.code && (
        <div className="remedy">
          <Command>{`plat explain ${fault.code}`}</Command>
        </div>
      )}
    </div>
  )
}

export function FaultList({ faults }: { faults: Fault[] }) {
  return (
    <Stack gap="xs">
      {faults.map((fault, index) => (
        <FaultView key={index} fault={fault} />
      ))}
    </Stack>
  )
}

// Failure is what a page shows instead of what it could not get.
export function Failure({ error, again }: { error: unknown; again?: () => void }) {
  return (
    <Stack gap="xs" role="alert" align="stretch">
      <FaultList faults={faultsOf(error)} />
      {again && (
        <Button variant="default" size="xs" onClick={again} w="max-content">
          Try again
        </Button>
      )}
    </Stack>
  )
}
