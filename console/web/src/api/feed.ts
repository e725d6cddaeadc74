import { send, Unreachable } from './client'

const firstPause = 500 // milliseconds
const longestPause = 10_000

export interface Following {
  state: 'off' | 'loading' | 'following' | 'lost' | 'failed'
  error?: unknown
}

// Feed follows a stream of lines that goes on for ever. When it breaks it
// starts anew, after growing pauses, and says so. What comes is shown a few
// times a second, however much it is.
export abstract class Feed<S extends Following> {
  protected current: S
  private readonly listeners = new Set<() => void>()
  private abort = new AbortController()
  private timer: number | undefined

  constructor(empty: S) {
    this.current = empty
  }

  // path is what is followed, at this moment.
  protected abstract path(): string
  // take gets one line; later, when it has said when, show.
  protected abstract take(line: string): void
  protected abstract show(): void

  // begun is how things stand once the stream is there.
  protected begun(): S {
    return this.current
  }

  readonly state = (): S => this.current

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  open(): void {
    this.abort = new AbortController()
    void this.run(this.abort.signal)
  }

  close(): void {
    this.abort.abort()
    window.clearTimeout(this.timer)
    this.timer = undefined
    this.become({ ...this.current, state: 'off' })
  }

  // showWithin has what came shown within so many milliseconds; 0: at once.
  protected showWithin(wait: number): void {
    if (wait > 0) {
      this.timer ??= window.setTimeout(() => this.showWithin(0), wait)
      return
    }
    window.clearTimeout(this.timer)
    this.timer = undefined
    this.show()
  }

  protected become(state: S): void {
    this.current = state
    for (const listener of this.listeners) listener()
  }

  private async run(signal: AbortSignal): Promise<void> {
    for (let pause = firstPause; !signal.aborted; pause = Math.min(pause * 2, longestPause)) {
      try {
        const response = await send('GET', this.path(), { signal })
        this.become({ ...this.begun(), state: 'following', error: undefined })
        pause = firstPause
        await this.read(response)
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof Unreachable) && !(error instanceof TypeError)) return this.become({ ...this.current, state: 'failed', error })
      }
      if (signal.aborted) return
      this.showWithin(0)
      this.become({ ...this.current, state: 'lost' })
      await new Promise(resolve => setTimeout(resolve, pause))
    }
  }

  private async read(response: Response): Promise<void> {
    let rest = ''
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line) this.take(line)
    }
  }
}
