import { Select, Stack, TextInput } from '@mantine/core'
import { useLocalStorage } from '@mantine/hooks'
import { notifications } from '@mantine/notifications'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type Alert, silence } from '../../api/objectives'
import { Confirm } from '../../parts/Confirm'

const lengths = [
  { value: '30', label: '30 minutes' },
  { value: '60', label: '1 hour' },
  { value: '240', label: '4 hours' },
  { value: '1440', label: '1 day' },
  { value: '10080', label: '1 week' },
]

// Silencing makes an alert quiet for a while, and says why.
export function Silencing({ alert, open, close }: { alert: Alert; open: boolean; close: () => void }) {
  const [reason, setReason] = useState('')
  const [minutes, setMinutes] = useState('60')
  const queries = useQueryClient()
  const [by, setBy] = useLocalStorage({ key: 'plat-name', defaultValue: '' })
  const ready = reason.trim() !== '' && by.trim() !== ''
  const act = useMutation({
    mutationFn: () => silence(alert.id, by.trim(), reason.trim(), new Date(Date.now() + Number(minutes) * 60_000)),
    onSuccess: () => {
      notifications.show({ message: `${alert.name} is silenced` })
      void queries.invalidateQueries({ queryKey: ['alerts'] })
      void queries.invalidateQueries({ queryKey: ['silences'] })
      close()
    },
  })
  return (
    <Confirm title="Silence this alert" action="Silence" running="Silencing" busy={act.isPending} error={act.error} open={open} close={close} act={() => ready && act.mutate()}>
      <Stack gap="sm">
        <div>
          Nobody is told of <b>{[alert.service, alert.name, alert.objective].filter(Boolean).join(', ')}</b> until it ends.
        </div>
        <TextInput label="Reason" required value={reason} onChange={event => setReason(event.currentTarget.value)} placeholder="What is done about it" />
        <TextInput label="Who answers for it" required value={by} onChange={event => setBy(event.currentTarget.value)} placeholder="Your name" />
        <Select label="For" data={lengths} value={minutes} onChange={value => setMinutes(value ?? '60')} allowDeselect={false} />
      </Stack>
    </Confirm>
  )
}
