import { Select } from '@mantine/core'

interface Props {
  label: string
  values: (string | undefined)[]
  value: string | undefined
  onChange: (value: string | undefined) => void
}

// Choice filters by one of the values that there are; where there is no
// choice, there is none to see.
export function Choice({ label, values, value, onChange }: Props) {
  const data = [...new Set(values)].filter(each => each !== undefined && each !== '').sort() as string[]
  if (data.length < 2 && !value) return null
  return (
    <Select
      size="xs"
      w={150}
      aria-label={label}
      placeholder={label}
      data={data}
      value={value ?? null}
      onChange={chosen => onChange(chosen ?? undefined)}
      searchable
      clearable
      clearButtonProps={{ 'aria-label': `Clear ${label.toLowerCase()}` }}
    />
  )
}
