import { createContext, useContext, useSyncExternalStore } from 'react'
import type { Connection, Live } from '../api/live'

export const LiveContext = createContext<Live | null>(null)

// useConnection tells whether plat is there.
export function useConnection(): Connection {
  const live = useContext(LiveContext)
  if (!live) throw new Error('useConnection outside of LiveContext')
  return useSyncExternalStore(live.subscribe, live.state)
}
