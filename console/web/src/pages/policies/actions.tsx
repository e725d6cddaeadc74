import { Button, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { notifications } from '@mantine/notifications'
import { IconPlayerPlay, IconTrash } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { dropKeptCall, type KeptCall, retryKeptCall } from '../../api/queues'
import { Confirm } from '../../parts/Confirm'
import { counted } from '../../parts/format'

interface Props {
  calls: KeptCall[]
  label: string
  about: string // the button's name, where several are alike
  icon: ReactNode
  action: string
  running: string
  done: string
  act: (id: string) => Promise<void>
  children: ReactNode
}

// Act asks, then does something to calls, one after the other.
function Act({ calls, label, about, icon, action, running, done, act, children }: Props) {
  const queries = useQueryClient()
  const [open, dialog] = useDisclosure(false)
  const run = useMutation({
    mutationFn: async () => {
      for (const { id } of calls) await act(id)
    },
    onSuccess: () => {
      dialog.close()
      notifications.show({ message: `${counted(calls.length, 'call')} ${done}`, color: 'green' })
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ['queues'] }),
  })
  return (
    <>
      <Button size="compact-xs" variant="default" leftSection={icon} onClick={() => (run.reset(), dialog.open())} aria-label={about}>
        {label}
      </Button>
      <Confirm title={about} action={action} running={running} busy={run.isPending} error={run.error} open={open} close={dialog.close} act={() => run.mutate()}>
        <Text size="sm">{children}</Text>
      </Confirm>
    </>
  )
}

// Retry tries a call that waits at once; dead letters go to the end of their
// queue.
export function Retry({ calls, what }: { calls: KeptCall[]; what?: string }) {
  const waits = calls[0]?.state === 'waiting'
  const label = what ? `Retry ${what}` : 'Retry'
  return (
    <Act
      calls={calls}
      label={label}
      about={`${label} ${calls.length > 1 ? 'dead letters' : calls[0]?.request}`}
      icon={<IconPlayerPlay size={13} />}
      action="Retry"
      running="Retrying…"
      done="retried"
      act={retryKeptCall}
    >
      {waits ? 'Tries the first call of the queue at once. The others follow in their order.' : `${calls.length > 1 ? 'Puts them' : 'Puts it'} at the end of the queue, with ${calls.length > 1 ? 'their' : 'its'} whole age again.`}
    </Act>
  )
}

// Drop removes a call for good.
export function Drop({ call }: { call: KeptCall }) {
  return (
    <Act
      calls={[call]}
      label="Drop"
      about={`Drop ${call.request}`}
      icon={<IconTrash size={13} />}
      action="Drop"
      running="Dropping…"
      done="dropped"
      act={dropKeptCall}
    >
      It will not be done: {call.service} never hears of <span className="mono path">{call.request}</span>. There is no way back.
    </Act>
  )
}
