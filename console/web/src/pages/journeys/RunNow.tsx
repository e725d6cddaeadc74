import { Button } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconPlayerPlay } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { faultsOf } from '../../api/client'
import { type Journey, runJourney } from '../../api/probe'
import { seconds } from '../../parts/format'

// RunNow runs a journey and shows the run when it is done.
export function RunNow({ journey: { journey, running } }: { journey: Journey }) {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const run = useMutation({
    mutationFn: () => runJourney(journey),
    onSuccess: done => {
      notifications.show({ message: `${journey} ${done.passed ? 'passed' : 'failed'} after ${seconds(done.seconds)}`, color: done.passed ? 'green' : 'red' })
      void navigate({ to: '/journeys', search: { open: journey, run: done.run } })
    },
    onError: error => {
      const [fault] = faultsOf(error)
      notifications.show({ title: fault?.what, message: fault?.remedy, color: 'red', role: 'alert' })
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ['journeys'] }),
  })
  return (
    <Button size="compact-xs" variant="default" leftSection={<IconPlayerPlay size={13} />} loading={run.isPending} disabled={running && !run.isPending} onClick={() => run.mutate()} aria-label={`Run ${journey} now`}>
      Run
    </Button>
  )
}
