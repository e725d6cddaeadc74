import { useMediaQuery } from '@mantine/hooks'
import type { Facet } from '../../api/telemetry'
import { count } from '../../parts/format'
import { wheres, withoutWhere, withWhere } from '../../parts/where'
import type { Search } from './question'

// Facets are the most frequent values, by which the records can be narrowed.
export function Facets({ facets, search, set }: { facets: Facet[]; search: Search; set: (change: Search) => void }) {
  const narrow = useMediaQuery('(max-width: 62em)', undefined, { getInitialValueInEffect: false })
  const shown = facets.filter(({ values }) => values?.length)
  if (shown.length === 0) return <div />
  const body = shown.map(facet => <One key={facet.key} facet={facet} search={search} set={set} />)
  if (!narrow) return <aside className="facets" aria-label="Narrow by value">{body}</aside>
  return (
    <details className="facets">
      <summary>Narrow by value</summary>
      {body}
    </details>
  )
}

function One({ facet: { key, values }, search, set }: { facet: Facet; search: Search; set: (change: Search) => void }) {
  const most = Math.max(1, ...values!.map(({ count }) => count))
  return (
    <section>
      <h2>{key}</h2>
      <ul>
        {values!.map(({ value, count: number }) => {
          const on = has(search, key, value)
          return (
            <li key={value}>
              <button type="button" aria-pressed={on} title={value} onClick={() => set(flip(search, key, value, on))}>
                <span className="facet-bar" style={{ width: `${(number / most) * 100}%` }} aria-hidden />
                <span className="facet-value">{value === '' ? 'none' : value}</span>
                <span className="number">{count(number)}</span>
              </button>
            </li>
          )
        })}
      </ul>
    </section>
  )
}

// Columns of a record are asked for by the names that OpenTelemetry gives them.
const asked: Record<string, string> = { instance: 'service.instance.id', version: 'service.version' }

function has(search: Search, key: string, value: string): boolean {
  if (key === 'service') return search.service?.split(',').includes(value) ?? false
  if (key === 'severity') return search.severity === value
  return wheres(search.where).includes(`${asked[key] ?? key}=${value}`)
}

// flip narrows by a value, or no longer.
export function flip(search: Search, key: string, value: string, on: boolean): Search {
  if (key === 'service') {
    const others = search.service?.split(',').filter(each => each && each !== value) ?? []
    return { service: (on ? others : [...others, value]).join(',') || undefined }
  }
  if (key === 'severity') return { severity: on ? undefined : value }
  const name = asked[key] ?? key
  return { where: (on ? withoutWhere(search.where, `${name}=${value}`) : withWhere(search.where, name, value)) || undefined }
}
