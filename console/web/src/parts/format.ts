// size writes bytes with a binary unit.
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

const numbers = new Intl.NumberFormat('en')

export function count(value: number): string {
  return numbers.format(value)
}

// counted writes a number with its noun.
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

// place is file:line:column as far as it is known.
export function place(at: { file?: string; line?: number; column?: number }): string {
  return [at.file, at.line || undefined, at.line ? at.column || undefined : undefined].filter(part => part !== undefined && part !== '').join(':')
}

// pretty indents a value that is JSON.
export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? ''
}
