import { Title } from '@mantine/core'
import type { ReactNode } from 'react'
import { lacks } from '../../api/telemetry'
import { Mark } from '../../parts/State'

// Part is one field of the wall. What is missing is said, never shown as well.
export function Part({ title, more, children }: { title: string; more?: ReactNode; children: ReactNode }) {
  return (
    <section className="panel wall-part" aria-label={title}>
      <div className="wall-part-head">
        <Title order={2}>{title}</Title>
        {more}
      </div>
      {children}
    </section>
  )
}

export function Missing({ what, error }: { what: string; error: unknown }) {
  return (
    <p>
      <Mark tone="warn">{lacks(error) ? `This plat has no ${what}.` : `The ${what} cannot be had: ${error instanceof Error ? error.message : String(error)}`}</Mark>
    </p>
  )
}
