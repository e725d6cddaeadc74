import { Button, MultiSelect, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { notifications } from '@mantine/notifications'
import { IconPlayerStop, IconTheater } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type Rehearsal, rehearse, stopChaos } from '../../api/chaos'
import { Confirm } from '../../parts/Confirm'
import { Failure, FaultView } from '../../parts/Faults'
import { count } from '../../parts/format'
import { Mark } from '../../parts/State'
import { Age, known } from '../../parts/time'

// Rehearse begins a rehearsal, or stops the one that runs.
export function Rehearse({ rehearsal }: { rehearsal: Rehearsal }) {
  const queries = useQueryClient()
  const [open, dialog] = useDisclosure(false)
  const [callers, setCallers] = useState<string[]>([])
  const settled = () => queries.invalidateQueries({ queryKey: ['rehearsal'] })
  const begin = useMutation({
    mutationFn: () => rehearse(callers),
    onSuccess: () => {
      dialog.close()
      notifications.show({ message: 'The rehearsal has begun', color: 'green' })
    },
    onSettled: settled,
  })
  const stop = useMutation({ mutationFn: stopChaos, onSettled: settled })
  const all = [...new Set((rehearsal.promises ?? []).map(({ caller }) => caller))]
  if (rehearsal.state === 'running') {
    return (
      <>
        {stop.isError && <Failure error={stop.error} />}
        <Button size="xs" color="red" variant="outline" leftSection={<IconPlayerStop size={14} />} loading={stop.isPending} onClick={() => stop.mutate()}>
          Stop
        </Button>
      </>
    )
  }
  return (
    <>
      <Button size="xs" variant="default" leftSection={<IconTheater size={14} />} disabled={all.length === 0} onClick={dialog.open}>
        Rehearse
      </Button>
      <Confirm title="Rehearse" action="Rehearse" running="Beginning…" busy={begin.isPending} error={begin.error} open={open} close={dialog.close} act={() => begin.mutate()}>
        <Text size="sm" mb="xs">
          Lets each declared dependency fail in every way, for test customers alone, while their journeys run; everything is undone afterwards.
        </Text>
        <MultiSelect label="Callers" placeholder={callers.length === 0 ? 'All' : undefined} data={all} value={callers} onChange={setCallers} searchable />
      </Confirm>
    </>
  )
}

// Running tells how far a rehearsal is, or how the last one ended.
export function Running({ rehearsal: { state, now, done, total, ended, fault } }: { rehearsal: Rehearsal }) {
  if (state === 'running') {
    return (
      <div className="panel rehearsing" role="status">
        <Mark tone="busy">
          {count(done)} of {count(Math.max(done, total))} failures played
        </Mark>
        <progress value={done} max={Math.max(done, total, 1)} aria-label="Rehearsed" />
        {now && <span className="dim">{now}</span>}
      </div>
    )
  }
  if (fault) return <FaultView fault={fault} />
  if (state === 'never') return <p className="dim small-text">Nothing was rehearsed yet.</p>
  return (
    <p className="dim small-text">
      The last rehearsal {state === 'done' ? 'went to its end' : state === 'stopped' ? 'was stopped before its end' : 'did not begin'}
      {known(ended) && <>, <Age since={ended} ago /></>}.
    </p>
  )
}
