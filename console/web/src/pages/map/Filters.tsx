import { Chip, SegmentedControl, Select } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'
import type { EdgeKind, MapNode } from '../../api/types'
import { Choice } from '../../parts/Choice'

export interface Search {
  focus?: string
  depth?: string
  owner?: string
  context?: string
  hide?: string
  edge?: string
  view?: string
  sort?: string
}

const kinds: { value: EdgeKind; label: string }[] = [
  { value: 'call', label: 'Calls' },
  { value: 'event', label: 'Events' },
  { value: 'route', label: 'Routes' },
]

interface Props {
  nodes: MapNode[]
  focus: string
  search: Search
  as: string
  shown: ReadonlySet<EdgeKind>
  set: (change: Search) => void
}

// Filters say what of the map is shown.
export function Filters({ nodes, focus, search, as, shown, set }: Props) {
  const flip = (kind: EdgeKind) => {
    const hidden = kinds.map(({ value }) => value).filter(value => (value === kind ? shown.has(value) : !shown.has(value)))
    set({ hide: hidden.join(',') || undefined })
  }
  return (
    <div className="filters">
      <Select
        size="xs"
        w={160}
        data-search
        aria-label="Find a member"
        leftSection={<IconSearch size={14} aria-hidden />}
        data={nodes.map(({ name }) => name).sort()}
        value={focus || null}
        onChange={name => name && set({ focus: name, edge: undefined })}
        searchable
        selectFirstOptionOnChange
        // Without these two the first option is chosen before it is drawn, or
        // forgotten once it is: Enter then does nothing for a quick typist.
        selectFirstOptionOnDropdownOpen
        comboboxProps={{ keepMounted: true }}
        limit={50}
        nothingFoundMessage="Nobody of that name"
      />
      <SegmentedControl
        size="xs"
        aria-label="How far"
        data={[
          { value: '1', label: 'Neighbours' },
          { value: '2', label: 'Two steps' },
          { value: 'all', label: 'All' },
        ]}
        value={search.depth ?? '1'}
        onChange={depth => set({ depth: depth === '1' ? undefined : depth })}
      />
      <Choice label="Owner" values={nodes.map(({ owner }) => owner)} value={search.owner} onChange={owner => set({ owner })} />
      <Choice label="Context" values={nodes.map(({ context }) => context)} value={search.context} onChange={context => set({ context })} />
      {kinds.map(({ value, label }) => (
        <Chip key={value} size="xs" checked={shown.has(value)} onChange={() => flip(value)}>
          {label}
        </Chip>
      ))}
      <SegmentedControl
        size="xs"
        ml="auto"
        aria-label="As"
        data={[
          { value: 'map', label: 'Map' },
          { value: 'list', label: 'List' },
        ]}
        value={as}
        onChange={view => set({ view })}
      />
    </div>
  )
}
