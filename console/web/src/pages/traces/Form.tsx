import { Checkbox, Select, TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { servicesQuery } from '../../api/queries'

export type Search = { [key in 'q' | 'service' | 'name' | 'error' | 'min' | 'max' | 'correlation' | 'where' | 'row' | 'limit']?: string }

const patience = 350 // milliseconds after the last letter

// Form is what is searched for. An ID opens its trace.
export function Form({ search, set, open }: { search: Search; set: (change: Search) => void; open: (id: string) => void }) {
  const services = useQuery(servicesQuery)
  const names = [...new Set([...(services.data?.map(({ name }) => name) ?? []), ...(search.service ? [search.service] : [])])]
  return (
    <div className="filters">
      <Field
        search
        width={250}
        label="Words, or an ID"
        value={search.q}
        onChange={q => set({ q })}
        onEnter={text => isID(text) && open(text.trim())}
      />
      <Select size="xs" w={150} aria-label="Service" placeholder="All services" data={names} value={search.service ?? null} onChange={service => set({ service: service ?? undefined })} searchable clearable clearButtonProps={{ 'aria-label': 'Clear service' }} />
      <Field width={170} label="Name of a span" value={search.name} onChange={name => set({ name })} />
      <Field width={200} label="Attributes: key=value" value={search.where} onChange={where => set({ where })} />
      <Field width={92} label="At least: 1s" value={search.min} onChange={min => set({ min })} valid={isLength} />
      <Field width={92} label="At most: 5s" value={search.max} onChange={max => set({ max })} valid={isLength} />
      {search.correlation && <Field width={220} label="Correlation ID" value={search.correlation} onChange={correlation => set({ correlation })} />}
      <Checkbox size="xs" label="With errors" checked={search.error === 'true'} onChange={event => set({ error: event.currentTarget.checked ? 'true' : undefined })} />
    </div>
  )
}

interface FieldProps {
  label: string
  value: string | undefined
  width: number
  search?: boolean
  onChange: (value: string | undefined) => void
  onEnter?: (value: string) => void
  valid?: (value: string) => boolean
}

// Field is a text that is asked for once nobody writes any more.
export function Field({ label, value = '', width, search, onChange, onEnter, valid }: FieldProps) {
  const [text, setText] = useState(value)
  useEffect(() => setText(value), [value])
  const wrong = text !== '' && valid !== undefined && !valid(text)
  const ask = (text: string) => (text === '' || !valid || valid(text)) && onChange(text || undefined)
  const later = useDebouncedCallback(ask, patience)
  return (
    <TextInput
      size="xs"
      w={width}
      type={search ? 'search' : 'text'}
      data-search={search || undefined}
      aria-label={label}
      placeholder={label}
      value={text}
      error={wrong}
      onChange={event => {
        setText(event.currentTarget.value)
        later(event.currentTarget.value)
      }}
      onKeyDown={event => {
        if (event.key === 'Enter') {
          later.flush()
          onEnter?.(text)
        }
        if (event.key === 'Escape') event.currentTarget.blur()
      }}
    />
  )
}

const isLength = (text: string) => /^\d+(\.\d+)?(ns|us|µs|ms|s|m|h)$/.test(text)

// isID tells a trace's ID, or a UUID, from words.
const isID = (text: string) => /^\s*([0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\s*$/i.test(text)
