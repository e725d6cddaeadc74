import { Button, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconTrash } from '@tabler/icons-react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { change } from '../api/client'
import { mailboxQuery } from '../api/queries'
import type { Mail as Letter } from '../api/types'
import { Confirm } from '../parts/Confirm'
import { type Column, DataTable } from '../parts/DataTable'
import { counted, size } from '../parts/format'
import { Loaded, Nothing, Page } from '../parts/Page'
import { Search } from '../parts/Search'
import { Age } from '../parts/time'
import { Go } from '../parts/Go'

const route = getRouteApi('/mail')

export function Mail() {
  const mailbox = useQuery(mailboxQuery)
  return (
    <Page title="Mailbox" actions={<Clear disabled={!mailbox.data?.mails?.length} />}>
      <Loaded query={mailbox}>
        {({ mails, dropped }) => (
          <>
            {mails?.length ? <List mails={mails} /> : <Nothing>No service has sent a mail. They send by SMTP_URL, and nothing leaves this machine.</Nothing>}
            {dropped > 0 && <Text size="sm" c="dimmed" mt="xs">{counted(dropped, 'older mail')} dropped to make room.</Text>}
          </>
        )}
      </Loaded>
    </Page>
  )
}

function List({ mails }: { mails: Letter[] }) {
  const { q = '' } = route.useSearch()
  const navigate = route.useNavigate()
  const rows = mails.filter(mail => [mail.subject, mail.from, ...(mail.to ?? [])].join(' ').toLowerCase().includes(q.toLowerCase()))
  return (
    <>
      <div className="filters">
        <Search label="Filter mails" value={q} onChange={q => void navigate({ search: { q }, replace: true })} />
      </div>
      {rows.length ? <DataTable label="Mails" columns={columns} rows={rows} id={mail => mail.id} /> : <Nothing>No mail fits the filter.</Nothing>}
    </>
  )
}

const columns: Column<Letter>[] = [
  {
    key: 'subject',
    header: 'Subject',
    cell: mail => (
      <Go to="/mail/$id" params={{ id: mail.id }} fw={600}>
        {mail.subject || 'without a subject'}
      </Go>
    ),
  },
  { key: 'to', header: 'To', cell: mail => (mail.to ?? []).join(', ') },
  { key: 'from', header: 'From', from: 'sm', cell: mail => mail.from },
  { key: 'time', header: 'Arrived', number: true, cell: mail => <Age since={mail.time} ago /> },
  { key: 'size', header: 'Size', from: 'sm', number: true, cell: mail => size(mail.size) },
]

function Clear({ disabled }: { disabled: boolean }) {
  const [open, dialog] = useDisclosure(false)
  const queries = useQueryClient()
  const clear = useMutation({
    mutationFn: () => change('DELETE', '/v1/mail'),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['mail'] })
      dialog.close()
    },
  })
  return (
    <>
      <Button size="xs" variant="default" leftSection={<IconTrash size={14} />} disabled={disabled} onClick={dialog.open}>
        Clear
      </Button>
      <Confirm title="Clear the mailbox" action="Clear" running="Clearing…" busy={clear.isPending} error={clear.error} open={open} close={dialog.close} act={() => clear.mutate()}>
        <Text size="sm">All mails are removed for good.</Text>
      </Confirm>
    </>
  )
}
