import { useHotkeys } from '@mantine/hooks'
import { Spotlight, type SpotlightActionData, spotlight } from '@mantine/spotlight'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { flushSync } from 'react-dom'
import { servicesQuery } from '../api/queries'
import { places } from './places'

const input = 'palette'

// openPalette shows the palette, and what is typed from now on is written
// there: a key may follow before the browser paints.
export function openPalette() {
  flushSync(spotlight.open)
  document.getElementById(input)?.focus()
}

const keys: Parameters<typeof useHotkeys>[0] = [['mod + K', openPalette]]

// looksLikeID tells whether a text may be a trace's ID, a correlation ID, an event's
// or a business key such as an order's number: one word with a digit in it.
const looksLikeID = (text: string) => /^\S{6,128}$/.test(text) && /\d/.test(text)

// Palette goes to any page or service by its name, and to whatever an ID stands for.
export function Palette() {
  const navigate = useNavigate()
  const [typed, setTyped] = useState('')
  const id = typed.trim()
  useHotkeys(keys, [])
  const services = useQuery(servicesQuery)
  const actions: SpotlightActionData[] = places.map(({ to, label, icon: Icon }) => ({
    id: to,
    label,
    leftSection: <Icon size={16} aria-hidden />,
    onClick: () => void navigate({ to }),
  }))
  for (const { name, about } of services.data ?? []) {
    actions.push(
      { id: `service ${name}`, label: name, description: about, onClick: () => void navigate({ to: '/services/$name', params: { name } }) },
      { id: `logs ${name}`, label: `Logs of ${name}`, onClick: () => void navigate({ to: '/logs', search: { service: name } }) },
      { id: `map ${name}`, label: `${name} on the map`, onClick: () => void navigate({ to: '/map', search: { focus: name } }) },
    )
  }
  if (looksLikeID(id)) {
    actions.unshift({ id: 'behind', label: `What happened: ${id}`, description: 'trace, correlation ID, event, finding or business key', keywords: typed, onClick: () => void navigate({ to: '/story/$id', params: { id } }) })
  }
  return (
    <Spotlight
      actions={actions}
      query={typed}
      onQueryChange={setTyped}
      limit={12}
      shortcut={null}
      transitionProps={{ duration: 0 }}
      scrollable
      attributes={{ content: { 'aria-label': 'Go to anything' } }}
      nothingFound="Nothing of that name"
      searchProps={{ id: input, placeholder: 'Go to a page, a service, or an ID', 'aria-label': 'Go to a page, a service, or an ID' }}
    />
  )
}
