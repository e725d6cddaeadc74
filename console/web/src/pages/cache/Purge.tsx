import { Button, Text, TextInput } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { notifications } from '@mantine/notifications'
import { IconEraser } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { purge } from '../../api/cache'
import { Confirm } from '../../parts/Confirm'
import { counted } from '../../parts/format'

// Purge asks before it takes out what is kept for a URL; without one, what
// bears a tag that is asked for.
export function Purge({ url, small }: { url?: string; small?: boolean }) {
  const queries = useQueryClient()
  const [open, dialog] = useDisclosure(false)
  const [tag, setTag] = useState('')
  const run = useMutation({
    mutationFn: () => purge(url === undefined ? { tag: tag.trim() } : { url }),
    onSuccess: async purged => {
      await queries.invalidateQueries({ queryKey: ['cache'] })
      dialog.close()
      notifications.show({ message: purged > 0 ? `${counted(purged, 'answer')} purged` : 'Nothing of that was kept', color: purged > 0 ? 'green' : 'gray' })
    },
  })
  return (
    <>
      <Button size={small ? 'compact-xs' : 'xs'} variant="default" leftSection={<IconEraser size={14} />} onClick={() => (run.reset(), dialog.open())} aria-label={url === undefined ? undefined : `Purge ${url}`}>
        {url === undefined ? 'Purge a tag' : 'Purge'}
      </Button>
      <Confirm title={url === undefined ? 'Purge a tag' : 'Purge'} action="Purge" running="Purging…" busy={run.isPending} error={run.error} open={open} close={dialog.close} act={() => (url !== undefined || tag.trim() !== '') && run.mutate()}>
        {url === undefined ? (
          <TextInput label="Tag" description="Of Surrogate-Key or Cache-Tag, or of the route" value={tag} onChange={event => setTag(event.currentTarget.value)} data-autofocus />
        ) : (
          <Text size="sm">
            Takes all variants of <span className="mono path">{url}</span> out of the gateway, and its last good answers between services. The next request for it goes to its service.
          </Text>
        )}
      </Confirm>
    </>
  )
}
