import { useEffect, useMemo, useSyncExternalStore } from 'react'
import { Tail, type TailState } from '../../api/tail'

// useTail follows a question; without one it follows nothing.
export function useTail(question: string | undefined): TailState {
  const tail = useMemo(() => new Tail(question ?? ''), [question])
  useEffect(() => {
    if (question === undefined) return
    tail.open()
    return () => tail.close()
  }, [tail, question])
  return useSyncExternalStore(tail.subscribe, tail.state)
}
