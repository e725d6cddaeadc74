import { MultiSelect, Select } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useCallback } from 'react'
import type { Entry } from '../api/logs'
import { servicesQuery } from '../api/queries'
import { LogView } from '../parts/LogView'
import { Page } from '../parts/Page'
import { Search } from '../parts/Search'

const route = getRouteApi('/logs')

// As far back as plat counts errors.
export const errorsOf = 15 * 60_000

const streams = [
  { value: 'out', label: 'Standard output' },
  { value: 'err', label: 'Standard error' },
  { value: 'plat', label: 'Said by plat' },
]

export function Logs() {
  const { q = '', service = '', stream, level } = route.useSearch()
  const navigate = route.useNavigate()
  const set = (change: Record<string, string | undefined>) => void navigate({ search: old => ({ ...old, ...change }), replace: true })
  const services = useQuery(servicesQuery)
  const chosen = service === '' ? [] : service.split(',')
  const known = services.data?.map(({ name }) => name) ?? chosen
  const fits = useCallback(
    (entry: Entry) => (!stream || entry.line.stream === stream) && entry.line.text.toLowerCase().includes(q.toLowerCase()),
    [stream, q],
  )
  return (
    <Page title="Logs">
      <LogView
        query={{ services: chosen, tail: chosen.length === 1 ? 1_000 : 200, errorsOf: level === 'error' ? errorsOf : undefined }}
        fits={fits}
        filters={
          <>
            <Search label="Filter lines by text" value={q} onChange={q => set({ q })} />
            <MultiSelect
              size="xs"
              w={240}
              aria-label="Services"
              placeholder={chosen.length === 0 ? 'All services' : undefined}
              data={[...new Set([...known, ...chosen])]}
              value={chosen}
              onChange={names => set({ service: names.join(',') })}
              searchable
              clearable
            />
            <Select size="xs" w={150} aria-label="Stream" placeholder="All streams" data={streams} value={stream ?? null} onChange={value => set({ stream: value ?? undefined })} clearable />
            <Select
              size="xs"
              w={190}
              aria-label="Level"
              placeholder="All levels"
              data={[{ value: 'error', label: 'Errors of 15 minutes' }]}
              value={level ?? null}
              onChange={value => set({ level: value ?? undefined })}
              clearable
            />
          </>
        }
      />
    </Page>
  )
}
