import { useQuery } from '@tanstack/react-query'
import type { Cache } from '../../api/cache'
import { lines } from '../../api/figures'
import { now } from '../../api/prom'
import { bounds, useRange } from '../../app/range'
import { Chart, type Line } from '../../parts/Chart'
import { count, share, size } from '../../parts/format'
import { Nothing, Section } from '../../parts/Page'

// What becomes of requests, and of answers that are not kept, each with its
// colour in the chart.
const results = [
  ['hit', 'Fresh from here', '#2f9e44'],
  ['stale', 'Stale from here', '#c2660a'],
  ['miss', 'Passed on', '#1c7ed6'],
  ['bypass', 'Passed by', '#8d6e63'],
  ['refused', 'Not kept: may not be', '#d6336c'],
  ['too-large', 'Not kept: too large', '#ae3ec9'],
] as const

// GatewayCache is how much one cache holds, and how much it helped in the
// page's time.
export function GatewayCache({ cache }: { cache: Cache }) {
  const { range, moving } = useRange()
  const time = `${range.from} ${range.to ?? ''}`
  const of = (series: string, label: string, window: string, f: string) => `sum by (${label}) (${f}(${series}{gateway=${JSON.stringify(cache.gateway)}}[${window}]))`
  const all = (window: string, f: string) => `label_replace(${of('plat_cache_requests_total', 'result', window, f)}, "is", "$1", "result", "(.*)") or label_replace(${of('plat_cache_not_stored_total', 'reason', window, f)}, "is", "$1", "reason", "(.*)")`
  const every = moving ? 10_000 : (false as const)
  const sums = useQuery({
    queryKey: ['cache', 'sums', cache.gateway, time],
    queryFn: async ({ signal }) => {
      const { from, to } = bounds(range)
      const found = await now(all(`${Math.max(1, Math.round((to - from) / 1_000))}s`, 'increase'), signal, to)
      return new Map(found.map(({ labels, value }) => [labels.is ?? '', Math.round(value)]))
    },
    refetchInterval: every,
    placeholderData: old => old,
    retry: false,
  })
  const rates = useQuery(lines(`cache ${cache.gateway} ${time}`, all('1m', 'rate'), () => bounds(range), 200, every))
  const drawn = results.flatMap(([is, name, colour]): Line[] => {
    const found = rates.data?.series.find(({ labels }) => labels.is === is)
    return found?.points.some(([, value]) => value > 0) || (found && (is === 'hit' || is === 'miss')) ? [{ id: is, name: `${name}, a second`, colour, points: found.points }] : []
  })
  const { hit = 0, stale = 0, miss = 0 } = Object.fromEntries(sums.data ?? [])
  return (
    <section className="cache-gateway" aria-label={`Cache of ${cache.gateway}`}>
      <Section title={`Gateway ${cache.gateway}`}>
        <div className="cache-now">
          <div className="panel cache-facts">
            <div>
              {size(cache.bytes)} <span className="dim">of {size(cache.memory)}, {count(cache.entries)} kept</span>
            </div>
            <meter min={0} max={cache.memory} value={cache.bytes} high={cache.memory * 0.9} aria-label={`Memory of the cache of ${cache.gateway}`} />
            <dl className="facts">
              <dt>Answered from here</dt>
              <dd>
                <b>{hit + stale + miss > 0 ? share((hit + stale) / (hit + stale + miss)) : '–'}</b>
              </dd>
              {results.map(([is, name]) => (
                <div key={is} style={{ display: 'contents' }}>
                  <dt>{name}</dt>
                  <dd>{sums.data ? count(sums.data.get(is) ?? 0) : sums.isError ? 'not known' : '–'}</dd>
                </div>
              ))}
            </dl>
            <p className="dim small-text cache-ever">
              Since it was switched on: {count(cache.validated)} validated, {count(cache.collapsed)} waited for another&rsquo;s, {count(cache.evicted)} went for others, {count(cache.purged)} purged{cache.notFilled > 0 && `, ${count(cache.notFilled)} not fetched behind`}.
            </p>
          </div>
          {drawn.length > 0 ? <Chart from={rates.data!.from} to={rates.data!.to} lines={drawn} height={190} /> : <Nothing>{rates.isError ? 'The metrics cannot be had.' : 'Nothing was asked of it in this time.'}</Nothing>}
        </div>
      </Section>
    </section>
  )
}
