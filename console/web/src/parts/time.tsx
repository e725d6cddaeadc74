import { useSyncExternalStore } from 'react'

// One clock for all ages on a page.
const listeners = new Set<() => void>()
let timer: number | undefined
let now = Date.now()

function subscribe(listener: () => void) {
  listeners.add(listener)
  timer ??= window.setInterval(() => {
    now = Date.now()
    for (const tell of listeners) tell()
  }, 1_000)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    window.clearInterval(timer)
    timer = undefined
  }
}

// useNow is the moment, anew each second.
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now)
}

// known tells a time from the zero time of the API.
export function known(time: string | undefined): time is string {
  return time !== undefined && !time.startsWith('0001-')
}

// span writes a length of time in its two largest units at most.
export function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000))
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24, Math.floor(seconds / 60) % 60]
  if (days > 0) return hours > 0 ? `${days} d ${hours} h` : `${days} d`
  if (hours > 0) return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`
  if (minutes > 0) return `${minutes} min`
  return `${seconds} s`
}

const moments = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })

export function moment(time: string): string {
  return moments.format(new Date(time))
}

// Until is how long it is until then; what is due is now.
export function Until({ then }: { then: string }) {
  const left = Date.parse(then) - useNow()
  return (
    <time className="nowrap" dateTime={then} title={moment(then)}>
      {left < 1_000 ? 'now' : `in ${span(left)}`}
    </time>
  )
}

// Age is how long ago something was, or in words that it never was; the exact
// time is its title.
export function Age({ since, ago = false, never = 'never' }: { since: string | undefined; ago?: boolean; never?: string }) {
  const current = useSyncExternalStore(subscribe, () => Math.floor(now / 1_000))
  if (!known(since)) return <span className="dim">{never}</span>
  const text = span(current * 1_000 - Date.parse(since))
  return (
    <time className="nowrap" dateTime={since} title={moment(since)}>
      {ago ? `${text} ago` : text}
    </time>
  )
}
