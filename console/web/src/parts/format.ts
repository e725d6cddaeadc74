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

// duration writes nanoseconds in the unit that fits.
export function duration(ns: number, digits = 3): string {
  const seconds = ns / 1e9
  if (ns < 1e3) return `${Math.round(ns)} ns`
  if (ns < 1e6) return `${three(ns / 1e3, digits)} µs`
  if (ns < 1e9) return `${three(ns / 1e6, digits)} ms`
  if (seconds < 60) return `${three(seconds, digits)} s`
  if (seconds < 3_600) return two(Math.round(seconds), 60, 'min', 's')
  return two(Math.round(seconds / 60), 60, 'h', 'min')
}

// two writes a number of small units with the large ones apart.
function two(small: number, many: number, large: string, unit: string): string {
  const whole = `${Math.floor(small / many)} ${large}`
  return small % many === 0 ? whole : `${whole} ${small % many} ${unit}`
}

// three writes a number with three digits that count; from across a room two
// are enough.
export function three(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return '–'
  if (value === 0 || Math.abs(value) >= 100) return numbers.format(Math.round(value))
  return String(Number(value.toPrecision(digits)))
}

// share writes a part of one in percent.
export function share(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (value > 0 && value < 0.0001) return '<0.01 %'
  return `${Number((value * 100).toPrecision(value < 0.1 ? 2 : 3))} %`
}

// seconds writes a length of time that is known in seconds.
export function seconds(value: number, digits = 3): string {
  return duration(value * 1e9, digits)
}
