import { useMediaQuery } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useCallback, useMemo } from 'react'
import { mapQuery } from '../api/queries'
import type { EdgeKind, SystemMap } from '../api/types'
import { Canvas } from './map/Canvas'
import { EdgeList } from './map/EdgeList'
import { Filters, type Search } from './map/Filters'
import { Legend } from './map/Legend'
import { busiest, choose, type Depth } from './map/model'
import { Side } from './map/Side'
import { counted } from '../parts/format'
import { Loaded, Nothing, Page } from '../parts/Page'
import { Age } from '../parts/time'

const route = getRouteApi('/map')

export function Map() {
  const map = useQuery(mapQuery)
  return (
    <Page title="Map" actions={map.data && <span className="dim" style={{ fontSize: 14 }}>calls seen for <Age since={map.data.since} /></span>}>
      <Loaded query={map}>{data => (data.nodes?.length ? <Explorer map={data} /> : <Nothing>The plan has no services yet.</Nothing>)}</Loaded>
    </Page>
  )
}

function Explorer({ map }: { map: SystemMap }) {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const set = useCallback((change: Search) => void navigate({ search: old => ({ ...old, ...change }) }), [navigate])
  const onFocus = useCallback((focus: string) => set({ focus, edge: undefined }), [set])
  const onEdge = useCallback((edge: string) => set({ edge }), [set])
  const opening = useMemo(() => busiest(map), [map])
  const focus = map.nodes?.some(({ name }) => name === search.focus) ? search.focus! : opening
  const depth: Depth = search.depth === '2' || search.depth === 'all' ? search.depth : '1'
  const narrow = useMediaQuery('(max-width: 48em)', undefined, { getInitialValueInEffect: false })
  const as = search.view ?? (narrow ? 'list' : 'map') // a phone shows a list well, and a map badly
  const { hide = '', owner, context } = search
  const kinds = useMemo(() => new Set((['call', 'event', 'route'] as EdgeKind[]).filter(kind => !hide.split(',').includes(kind))), [hide])
  const view = useMemo(() => choose(map, { focus, depth, owner, context, kinds }), [map, focus, depth, owner, context, kinds])
  const bundle = view.bundles.find(({ id }) => id === search.edge)
  return (
    <>
      <Filters nodes={map.nodes ?? []} focus={focus} search={search} as={as} shown={kinds} set={set} />
      {search.focus !== undefined && search.focus !== focus && <Nothing>The map has no {search.focus}; this is {focus}.</Nothing>}
      {as === 'list' ? (
        <EdgeList view={view} onFocus={onFocus} sort={search.sort ?? 'from'} onSort={sort => set({ sort })} />
      ) : (
        <div className="map">
          <div>
            {view.nodes.length === 0 ? <Nothing>Nothing fits the filter.</Nothing> : <Canvas view={view} focus={focus} near={depth !== 'all'} edge={bundle?.id} onFocus={onFocus} onEdge={onEdge} />}
            <Legend>
              {counted(view.nodes.length, 'member')} of {map.nodes?.length}, {counted(view.bundles.length, 'line')}
            </Legend>
          </div>
          <Side map={map} focus={focus} bundle={bundle} onFocus={onFocus} onClose={() => set({ edge: undefined })} />
        </div>
      )}
    </>
  )
}
