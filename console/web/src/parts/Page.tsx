import { Skeleton, Stack, Title } from '@mantine/core'
import type { UseQueryResult } from '@tanstack/react-query'
import { type ReactNode, useEffect } from 'react'
import { Failure } from './Faults'

// Page is a heading with its actions, above what the page shows.
export function Page({ title, heading, actions, children }: { title: string; heading?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · plat`
  }, [title])
  return (
    <div className="page">
      <div className="page-head">
        <Title order={1}>{heading ?? title}</Title>
        <div className="grow" />
        {actions}
      </div>
      {children}
    </div>
  )
}

export function Section({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  return (
    <section>
      <div className="page-head section-head">
        <Title order={2}>{title}</Title>
        {actions}
      </div>
      {children}
    </section>
  )
}

export function Nothing({ children }: { children: ReactNode }) {
  return <div className="nothing">{children}</div>
}

export function Loading({ rows = 6 }: { rows?: number }) {
  return (
    <Stack gap={6} aria-busy="true" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height={26} radius="sm" />
      ))}
    </Stack>
  )
}

// Loaded shows what a query has, or why it has nothing. What is old stays,
// with the error above it.
export function Loaded<T>({ query, rows, children }: { query: UseQueryResult<T>; rows?: number; children: (data: T) => ReactNode }) {
  if (query.data === undefined) {
    if (query.isError) return <Failure error={query.error} again={() => void query.refetch()} />
    return <Loading rows={rows} />
  }
  return children(query.data)
}
