import { Button, Group, Modal, Stack } from '@mantine/core'
import type { ReactNode } from 'react'
import { Failure } from './Faults'

interface Props {
  title: string
  action: string // on the button
  running: string // what happens meanwhile
  busy: boolean
  error: unknown
  open: boolean
  close: () => void
  act: () => void
  children: ReactNode
}

// Confirm asks before something is done, waits until it is, and shows what
// stood in the way.
export function Confirm({ title, action, running, busy, error, open, close, act, children }: Props) {
  return (
    <Modal opened={open} onClose={close} title={title} closeOnClickOutside={!busy} closeButtonProps={{ 'aria-label': 'Close' }}>
      <Stack gap="sm">
        <div>{children}</div>
        {error != null && !busy && <Failure error={error} />}
        <Group justify="flex-end" gap="xs">
          {busy && (
            <span role="status" className="dim" style={{ marginRight: 'auto' }}>
              {running}
            </span>
          )}
          <Button variant="default" size="xs" onClick={close}>
            {busy ? 'Let it run' : 'Cancel'}
          </Button>
          <Button size="xs" loading={busy} onClick={act} data-autofocus>
            {action}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
