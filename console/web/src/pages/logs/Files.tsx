import { MultiSelect } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useCallback } from 'react'
import type { Entry } from '../../api/logs'
import { servicesQuery } from '../../api/queries'
import { LogView } from '../../parts/LogView'
import { Search as Words } from '../../parts/Search'
import type { Search } from './question'

// As far back as plat counts errors.
const errorsOf = 15 * 60_000

// Files follows the log files of a plat that does not keep log records.
export function Files({ search: { q = '', service = '', severity }, set }: { search: Search; set: (change: Search) => void }) {
  const services = useQuery(servicesQuery)
  const chosen = service.split(',').filter(Boolean)
  const fits = useCallback((entry: Entry) => entry.line.text.toLowerCase().includes(q.toLowerCase()), [q])
  return (
    <>
      <p className="dim small">This plat does not search log records; it follows the lines of the log files{severity === 'ERROR' && ', here the errors of 15 minutes'}.</p>
      <LogView
        query={{ services: chosen, tail: chosen.length === 1 ? 1_000 : 200, errorsOf: severity === 'ERROR' ? errorsOf : undefined }}
        fits={fits}
        filters={
          <>
            <Words label="Filter lines by text" value={q} onChange={q => set({ q: q || undefined })} />
            <MultiSelect
              size="xs"
              w={240}
              aria-label="Services"
              placeholder={chosen.length === 0 ? 'All services' : undefined}
              data={[...new Set([...(services.data?.map(({ name }) => name) ?? []), ...chosen])]}
              value={chosen}
              onChange={names => set({ service: names.join(',') || undefined })}
              searchable
              clearable
            />
          </>
        }
      />
    </>
  )
}
