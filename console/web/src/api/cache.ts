import { queryOptions } from '@tanstack/react-query'
import { get, send } from './client'

// What the gateways keep for others, as api/cache.go has it.

export interface Cache {
  gateway: string
  entries: number
  bytes: number
  memory: number // what bytes never goes beyond
  hitRatio: number
  hits: number
  stale: number
  misses: number
  validated: number
  collapsed: number
  bypassed: number
  stored: number
  refused: number
  tooLarge: number
  evicted: number
  purged: number
  notFilled: number
}

export interface CacheList {
  found: number
  entries: CacheEntry[] // the latest received first
}

export interface CacheEntry {
  url: string
  variants: number
  bytes: number
  latest: CacheVariant
}

export interface CacheVariant {
  status: number
  chosen: boolean
  vary?: string[]
  part?: boolean
  bytes: number
  received: string
  age: number // seconds, as all that follows
  lifetime: number
  basis?: string
  staleWhileRevalidate?: number
  staleIfError?: number
  cacheControl?: string
  tags?: string[]
}

export interface CacheWhy {
  url: string
  gateway: string
  route: string
  service: string
  key: string
  verdict: 'hit' | 'stale' | 'miss'
  rule: string
  variants: CacheVariant[]
  places: { place: string; seconds: number; stale?: number; undo: string }[]
}

const every = 5_000 // milliseconds: what is kept is no topic

export const cachesQuery = queryOptions({
  queryKey: ['cache'],
  queryFn: async ({ signal }) => (await get<{ caches: Cache[] }>('/v1/cache', signal)).caches,
  refetchInterval: every,
})

export const cacheListQuery = (gateway: string, q: string, limit: number) =>
  queryOptions({
    queryKey: ['cache', 'list', gateway, q, limit],
    queryFn: ({ signal }) => get<CacheList>(`/v1/cache/${encodeURIComponent(gateway)}/entries?${new URLSearchParams({ q, limit: String(limit) })}`, signal),
    refetchInterval: every,
    placeholderData: old => old,
  })

// cacheWhyQuery asks what would become of a GET of a URL with these fields.
export const cacheWhyQuery = (url: string, fields: string[]) =>
  queryOptions({
    queryKey: ['cache', 'why', url, fields],
    queryFn: ({ signal }) => get<CacheWhy>(`/v1/cache/why?${new URLSearchParams([['url', url], ...fields.map(field => ['field', field])])}`, signal),
    refetchInterval: every,
    retry: false,
  })

// purge takes out what is kept for a URL, or bears a tag, and tells how many
// resources that were.
export async function purge(what: { url: string } | { tag: string }): Promise<number> {
  const answer = await send('POST', '/v1/cache/purge', { body: JSON.stringify(what), headers: { 'Content-Type': 'application/json' } })
  return ((await answer.json()) as { purged: number }).purged
}
