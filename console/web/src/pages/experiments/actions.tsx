import { Button, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { notifications } from '@mantine/notifications'
import { IconPlayerPlay, IconPlayerStop } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { experiment, stopChaos } from '../../api/chaos'
import { Confirm } from '../../parts/Confirm'
import { Failure } from '../../parts/Faults'

// RunExperiment asks before something is let fail, and leads to the report.
export function RunExperiment({ name, busy }: { name: string; busy: boolean }) {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const [open, dialog] = useDisclosure(false)
  const run = useMutation({
    mutationFn: () => experiment(name),
    onSuccess: async id => {
      await queries.invalidateQueries({ queryKey: ['chaos'] })
      dialog.close()
      notifications.show({ message: `${name} has begun`, color: 'green' })
      void navigate({ to: '/experiments', search: { run: id } })
    },
  })
  return (
    <>
      <Button size="compact-xs" variant="default" leftSection={<IconPlayerPlay size={13} />} disabled={busy} onClick={dialog.open} aria-label={`Run ${name}`}>
        Run
      </Button>
      <Confirm title={`Run ${name}`} action="Run" running="Beginning…" busy={run.isPending} error={run.error} open={open} close={dialog.close} act={() => run.mutate()}>
        <Text size="sm">Lets things fail in what runs now. It ends by itself when customers are hurt beyond its limit, and everything is undone afterwards.</Text>
      </Confirm>
    </>
  )
}

// Stop ends what runs, and says when that cannot be.
export function Stop({ what }: { what: string }) {
  const queries = useQueryClient()
  const stop = useMutation({ mutationFn: stopChaos, onSettled: () => queries.invalidateQueries({ queryKey: ['chaos'] }) })
  return (
    <>
      {stop.isError && <Failure error={stop.error} />}
      <Button size="xs" color="red" variant="outline" leftSection={<IconPlayerStop size={14} />} loading={stop.isPending} onClick={() => stop.mutate()}>
        Stop {what}
      </Button>
    </>
  )
}
