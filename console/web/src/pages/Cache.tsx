import './cache/cache.css'
import { useQuery } from '@tanstack/react-query'
import { cachesQuery } from '../api/cache'
import { Loaded, Nothing, Page } from '../parts/Page'
import { RangePick } from '../parts/RangePick'
import { GatewayCache } from './cache/GatewayCache'
import { Kept } from './cache/Kept'
import { Purge } from './cache/Purge'
import { Why } from './cache/Why'

// Cache is what the gateways keep for others: how much it helps, what it is,
// and why one answer is there or not.
export function Cache() {
  const caches = useQuery(cachesQuery)
  return (
    <Page
      title="Cache"
      actions={
        caches.data?.length ? (
          <>
            <Purge />
            <RangePick />
          </>
        ) : undefined
      }
    >
      <Loaded query={caches}>
        {all =>
          all.length === 0 ? (
            <Nothing>
              No gateway has a cache. <code>{'cache: {memory: 64MiB}'}</code> at a gateway in plat.yaml switches one on.
            </Nothing>
          ) : (
            <>
              {all.map(cache => (
                <GatewayCache key={cache.gateway} cache={cache} />
              ))}
              <Why />
              <Kept gateways={all.map(({ gateway }) => gateway)} />
            </>
          )
        }
      </Loaded>
    </Page>
  )
}
