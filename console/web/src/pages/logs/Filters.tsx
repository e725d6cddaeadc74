import { ActionIcon, Button, Group, MultiSelect, Select, Tooltip } from '@mantine/core'
import { IconPlayerPlay, IconPlayerStop, IconRefresh, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { servicesQuery } from '../../api/queries'
import type { TailState } from '../../api/tail'
import { Mark } from '../../parts/State'
import { wheres, withoutWhere } from '../../parts/where'
import { Field } from '../traces/Form'
import type { Search } from './question'

const levels = [
  { value: 'FATAL', label: 'Fatal' },
  { value: 'ERROR', label: 'Errors and worse' },
  { value: 'WARN', label: 'Warnings and worse' },
  { value: 'INFO', label: 'Info and worse' },
  { value: 'DEBUG', label: 'Debug and worse' },
]

interface Props {
  search: Search
  set: (change: Search) => void
  refresh: () => void
  moving: boolean
  tail: TailState
}

export function Filters({ search, set, refresh, moving, tail }: Props) {
  const services = useQuery(servicesQuery)
  const chosen = search.service?.split(',').filter(Boolean) ?? []
  const live = search.live === '1'
  return (
    <>
      <div className="filters">
        <Field search width={260} label="Words in the records" value={search.q} onChange={q => set({ q })} />
        <MultiSelect
          size="xs"
          w={230}
          aria-label="Services"
          placeholder={chosen.length === 0 ? 'All services' : undefined}
          data={[...new Set([...(services.data?.map(({ name }) => name) ?? []), ...chosen])]}
          value={chosen}
          onChange={names => set({ service: names.join(',') || undefined })}
          searchable
          clearable
          clearButtonProps={{ 'aria-label': 'Clear services' }}
        />
        <Select size="xs" w={170} aria-label="Severity" placeholder="All severities" data={levels} value={search.severity ?? null} onChange={severity => set({ severity: severity ?? undefined })} clearable clearButtonProps={{ 'aria-label': 'Clear severity' }} />
        <Field width={190} label="Attributes: key=value" value={search.where} onChange={where => set({ where })} />
        <Group gap={6} ml="auto">
          {live && tail.state === 'following' && <Mark tone="good">following</Mark>}
          {live && tail.state === 'lost' && <Mark tone="bad">not connected, trying again</Mark>}
          {live && tail.state === 'failed' && <Mark tone="bad">{tail.error instanceof Error ? tail.error.message : 'failed'}</Mark>}
          {moving && (
            <Button size="xs" variant={live ? 'filled' : 'default'} leftSection={live ? <IconPlayerStop size={14} /> : <IconPlayerPlay size={14} />} onClick={() => set({ live: live ? undefined : '1' })}>
              {live ? 'Stop following' : 'Follow'}
            </Button>
          )}
          {moving && (
            <Tooltip label="Look anew">
              <ActionIcon variant="default" size={30} onClick={refresh} aria-label="Look anew">
                <IconRefresh size={15} />
              </ActionIcon>
            </Tooltip>
          )}
        </Group>
      </div>
      <Chosen search={search} set={set} />
    </>
  )
}

// Chosen is what narrows the records beside the fields, each with a way out.
function Chosen({ search, set }: { search: Search; set: (change: Search) => void }) {
  const all: { text: string; away: Search }[] = wheres(search.where).map(pair => ({ text: pair, away: { where: withoutWhere(search.where, pair) || undefined } }))
  if (search.trace) all.unshift({ text: `trace ${search.trace}`, away: { trace: undefined } })
  if (search.correlation) all.unshift({ text: `correlation ${search.correlation}`, away: { correlation: undefined } })
  if (all.length === 0) return null
  return (
    <div className="filters">
      {all.map(({ text, away }) => (
        <Button key={text} size="compact-xs" variant="default" rightSection={<IconX size={12} />} aria-label={`Without ${text}`} onClick={() => set(away)} className="mono" maw="100%">
          {text}
        </Button>
      ))}
    </div>
  )
}
