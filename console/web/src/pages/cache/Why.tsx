import { Button, Textarea, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { type CacheVariant, type CacheWhy, cacheWhyQuery } from '../../api/cache'
import { Command } from '../../parts/Copy'
import { type Column, DataTable } from '../../parts/DataTable'
import { seconds, size } from '../../parts/format'
import { Go } from '../../parts/Go'
import { Loaded, Section } from '../../parts/Page'
import { Mark, type Tone } from '../../parts/State'
import { Purge } from './Purge'

const route = getRouteApi('/cache')
const tones: Record<CacheWhy['verdict'], Tone> = { hit: 'good', stale: 'warn', miss: 'idle' }

// Why tells what would become of a GET of a URL, as plat cache why does, and
// where an old answer may be, as plat cache path does.
export function Why() {
  const { url = '', fields = '' } = route.useSearch()
  const navigate = route.useNavigate()
  const [asked, setAsked] = useState({ url, fields })
  useEffect(() => setAsked({ url, fields }), [url, fields])
  return (
    <Section title="Why?">
      <form
        className="cache-asked"
        onSubmit={event => {
          event.preventDefault()
          void navigate({ search: old => ({ ...old, url: asked.url.trim() || undefined, fields: asked.fields.trim() || undefined }) })
        }}
      >
        <TextInput size="xs" label="URL, as a client uses it" placeholder="http://127.0.0.1:8000/api/albums" value={asked.url} onChange={event => setAsked({ ...asked, url: event.currentTarget.value })} />
        <Textarea size="xs" rows={1} autosize maxRows={4} label="Request fields, one a line" placeholder="Accept-Language: de" value={asked.fields} onChange={event => setAsked({ ...asked, fields: event.currentTarget.value })} />
        <Button size="xs" type="submit">
          Ask
        </Button>
      </form>
      {url && <Told url={url} fields={fields.split('\n').map(each => each.trim()).filter(Boolean)} />}
    </Section>
  )
}

function Told({ url, fields }: { url: string; fields: string[] }) {
  const why = useQuery(cacheWhyQuery(url, fields))
  return (
    <Loaded query={why} rows={3}>
      {({ verdict, rule, key, route, service, gateway, variants, places }) => (
        <>
          <p className="cache-verdict" role="status">
            <Mark tone={tones[verdict]}>
              {verdict}: {rule}
            </Mark>
          </p>
          <dl className="facts">
            <dt>Key</dt>
            <dd className="mono">{key}</dd>
            <dt>Route</dt>
            <dd>
              <span className="mono">{route}</span> of {gateway}, to <Go underline="always" to="/services/$name" params={{ name: service }}>{service}</Go>
            </dd>
            {variants.length > 0 && (
              <>
                <dt>Out</dt>
                <dd>
                  <Purge url={url} small />
                </dd>
              </>
            )}
          </dl>
          {variants.length > 0 && (
            <div className="below">
              <DataTable label="Answers that are kept" columns={variantColumns} rows={variants} id={({ received, vary }) => `${received} ${vary?.join()}`} />
            </div>
          )}
          {places.length > 0 && (
            <div className="below">
              <DataTable label="Where it may be stuck" columns={placeColumns} rows={places} id={({ place }) => place} />
            </div>
          )}
        </>
      )}
    </Loaded>
  )
}

const whole = (value: number) => seconds(Math.round(value))

const variantColumns: Column<CacheVariant>[] = [
  { key: 'chosen', header: 'Kept', cell: ({ chosen, part }) => <>{chosen ? <b>this one</b> : 'another'}{part && ', a part'}</> },
  { key: 'status', header: 'Status', number: true, cell: ({ status }) => status },
  { key: 'age', header: 'Age', number: true, cell: ({ age }) => whole(age) },
  { key: 'lifetime', header: 'Fresh in all', number: true, cell: ({ lifetime, basis }) => <>{whole(lifetime)} <span className="dim">{basis && `by ${basis}`}</span></> },
  { key: 'stale', header: 'Stale on error', number: true, from: 'md', cell: ({ staleIfError }) => (staleIfError ? whole(staleIfError) : '') },
  { key: 'size', header: 'Size', number: true, from: 'sm', cell: ({ bytes }) => size(bytes) },
  { key: 'vary', header: 'Vary', from: 'sm', cell: ({ vary }) => <span className="mono">{vary?.join('; ')}</span> },
  { key: 'control', header: 'Cache-Control', from: 'lg', cell: ({ cacheControl }) => <span className="mono">{cacheControl}</span> },
]

const placeColumns: Column<CacheWhy['places'][number]>[] = [
  { key: 'place', header: 'It may be stuck in', cell: ({ place }) => place },
  { key: 'seconds', header: 'For', number: true, cell: ({ seconds }) => (seconds > 0 ? whole(seconds) : 'no time') },
  { key: 'stale', header: 'Stale for', number: true, from: 'sm', cell: ({ stale }) => (stale ? whole(stale) : '') },
  { key: 'undo', header: 'What gets it out', from: 'sm', cell: ({ undo }) => (undo.startsWith('plat ') ? <Command>{undo}</Command> : <div className="reason">{undo}</div>) },
]
