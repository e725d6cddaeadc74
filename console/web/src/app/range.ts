import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback, useMemo } from 'react'

// Range is the time that the pages look at: the last so long, which moves on,
// or from one moment to another. It stands in the URL as from (15m, or a time)
// and to.
export interface Range {
  from: string
  to?: string
}

export const fresh = '15m' // where the URL says nothing

const units: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

// lengthOf is the length of a range that moves on, in milliseconds.
export function lengthOf(text: string): number | undefined {
  const [, number, unit] = /^(\d{1,4})([smhd])$/.exec(text) ?? []
  return number && unit && Number(number) > 0 ? Number(number) * units[unit]! : undefined
}

// bounds are the moments of a range, now.
export function bounds(range: Range): { from: number; to: number } {
  const length = lengthOf(range.from)
  if (length) {
    const now = Date.now()
    return { from: now - length, to: now }
  }
  return { from: Date.parse(range.from), to: Date.parse(range.to!) }
}

// between takes two moments as a range.
export function between(from: number, to: number): Range {
  return { from: new Date(Math.floor(from)).toISOString(), to: new Date(Math.ceil(to)).toISOString() }
}

// rangeOf reads a range; what makes no sense is the usual one.
export function rangeOf(from: string | undefined, to: string | undefined): Range {
  if (from && lengthOf(from)) return { from }
  const [begin, end] = [Date.parse(from ?? ''), Date.parse(to ?? '')]
  if (begin < end) return { from: from!, to }
  if (begin < Date.now() && to === undefined) return between(begin, Date.now())
  return { from: fresh }
}

// useRange is the range of the page, and how to change it.
export function useRange() {
  const { from, to } = useSearch({ strict: false })
  const navigate = useNavigate()
  const range = useMemo(() => rangeOf(from, to), [from, to])
  const setRange = useCallback(
    (range: Range) => void navigate({ to: '.', search: old => ({ ...old, from: range.from, to: range.to }) }),
    [navigate],
  )
  return { range, setRange, moving: range.to === undefined }
}
