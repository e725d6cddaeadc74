import { CloseButton, TextInput } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'

// Search is a page's filter by text; the key / leads to it.
export function Search({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) {
  return (
    <TextInput
      className="search"
      size="xs"
      type="search"
      data-search
      aria-label={label}
      placeholder={label}
      value={value}
      onChange={event => onChange(event.currentTarget.value)}
      onKeyDown={event => event.key === 'Escape' && (value ? onChange('') : event.currentTarget.blur())}
      leftSection={<IconSearch size={14} aria-hidden />}
      rightSection={value ? <CloseButton size="xs" aria-label="Clear" onClick={() => onChange('')} /> : undefined}
    />
  )
}
