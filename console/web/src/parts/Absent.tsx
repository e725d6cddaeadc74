import { Text } from '@mantine/core'
import { lacks } from '../api/telemetry'
import { Failure } from './Faults'
import { Nothing } from './Page'

// Absent tells why what was seen cannot be shown: this plat does not keep it,
// or something failed.
export function Absent({ error, what, again }: { error: unknown; what: string; again?: () => void }) {
  if (!lacks(error)) return <Failure error={error} again={again} />
  return (
    <Nothing>
      <Text size="sm">This plat does not have {what}. A newer one keeps spans, log records and metrics.</Text>
    </Nothing>
  )
}
