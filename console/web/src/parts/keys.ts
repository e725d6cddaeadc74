import { useEffect } from 'react'

// writes tells that keys go into a field there.
export function writes(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ['TEXTAREA', 'SELECT'].includes(target.tagName) || (target instanceof HTMLInputElement && !['radio', 'checkbox'].includes(target.type)))
}

// useKeys does what belongs to a key, on the whole page, while nobody writes.
export function useKeys(keys: Record<string, () => void>) {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || writes(event.target)) return
      if (document.querySelector('[role=dialog]')) return
      const act = keys[event.key]
      if (!act || (event.key === 'Enter' && event.target instanceof Element && event.target.closest('a, button'))) return
      event.preventDefault()
      act()
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  })
}
