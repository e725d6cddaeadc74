import { Button } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type Silence, unsilence } from '../../api/objectives'
import { type Column, DataTable } from '../../parts/DataTable'
import { faultsOf } from '../../api/client'
import { Nothing } from '../../parts/Page'
import { Age, moment } from '../../parts/time'

// Silences are what nobody is told, why and until when.
export function Silences({ silences }: { silences: Silence[] }) {
  const queries = useQueryClient()
  const act = useMutation({
    mutationFn: unsilence,
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: ['alerts'] })
      void queries.invalidateQueries({ queryKey: ['silences'] })
    },
    onError: error => notifications.show({ color: 'red', message: faultsOf(error)[0]?.what ?? error.message }),
  })
  if (silences.length === 0) return <Nothing>Nothing is silenced.</Nothing>
  const columns: Column<Silence>[] = [
    { key: 'what', header: 'What', cell: ({ matchers }) => <span className="mono path">{(matchers ?? []).map(({ label, value, regex, not }) => `${label}${not ? (regex ? '!~' : '!=') : regex ? '=~' : '='}${value}`).join(' ')}</span> },
    { key: 'reason', header: 'Reason', cell: ({ reason }) => <div className="reason">{reason}</div> },
    { key: 'by', header: 'By', from: 'sm', cell: ({ by }) => by },
    { key: 'starts', header: 'Since', from: 'sm', cell: ({ starts }) => <Age since={starts} ago /> },
    { key: 'ends', header: 'Until', cell: ({ ends, active }) => <span className={active ? '' : 'dim'}>{moment(ends)}</span> },
    {
      key: 'end',
      header: 'End',
      cell: ({ id, ends }) =>
        Date.parse(ends) > Date.now() && (
          <Button size="compact-xs" variant="default" loading={act.isPending && act.variables === id} onClick={() => act.mutate(id)}>
            End now
          </Button>
        ),
    },
  ]
  return <DataTable label="Silences" columns={columns} rows={silences} id={({ id }) => id} />
}
