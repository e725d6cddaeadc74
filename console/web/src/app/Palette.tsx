import { useHotkeys } from '@mantine/hooks'
import { Spotlight, type SpotlightActionData, spotlight } from '@mantine/spotlight'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
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

// Palette goes to any page or service by its name.
export function Palette() {
  const navigate = useNavigate()
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
  return (
    <Spotlight
      actions={actions}
      limit={12}
      shortcut={null}
      transitionProps={{ duration: 0 }}
      scrollable
      attributes={{ content: { 'aria-label': 'Go to anything' } }}
      nothingFound="Nothing of that name"
      searchProps={{ id: input, placeholder: 'Go to a page or a service', 'aria-label': 'Go to a page or a service' }}
    />
  )
}
