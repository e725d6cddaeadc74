import { queryOptions } from '@tanstack/react-query'
import { get, getText } from './client'
import type { Description, Events, Finding, Findings, MailContent, Mailbox, Plan, Platform, ServicePolicies, Services, System, SystemMap, Topic } from './types'

const escape = encodeURIComponent

export const systemQuery = queryOptions({ queryKey: ['system'], queryFn: ({ signal }) => get<System>('/v1/system', signal) })

export const servicesQuery = queryOptions({
  queryKey: ['services'],
  queryFn: async ({ signal }) => (await get<Services>('/v1/services', signal)).services ?? [],
})

export const descriptionQuery = (name: string) =>
  queryOptions({ queryKey: ['description', name], queryFn: ({ signal }) => get<Description>(`/v1/services/${escape(name)}/description`, signal), refetchInterval: 5_000 })

// How policies stand is no topic either.
export const policiesQuery = queryOptions({
  queryKey: ['policies'],
  queryFn: async ({ signal }) => (await get<{ services: ServicePolicies[] }>('/v1/policies', signal)).services,
  refetchInterval: 3_000,
})

// What the map counts is no topic: it is asked while it is looked at.
export const mapQuery = queryOptions({ queryKey: ['map'], queryFn: ({ signal }) => get<SystemMap>('/v1/map', signal), refetchInterval: 5_000 })

export const planQuery = queryOptions({ queryKey: ['plan'], queryFn: ({ signal }) => get<Plan>('/v1/plan', signal) })

export const findingsQuery = queryOptions({
  queryKey: ['findings'],
  queryFn: async ({ signal }) => (await get<Findings>('/v1/findings', signal)).findings ?? [],
})

export const findingQuery = (id: string) =>
  queryOptions({ queryKey: ['findings', id], queryFn: ({ signal }) => get<Finding>(`/v1/findings/${escape(id)}`, signal) })

export const eventsQuery = queryOptions({ queryKey: ['events'], queryFn: ({ signal }) => get<Events>('/v1/events', signal) })

export const mailboxQuery = queryOptions({ queryKey: ['mail'], queryFn: ({ signal }) => get<Mailbox>('/v1/mail', signal) })

export const mailQuery = (id: string) =>
  queryOptions({ queryKey: ['mail', id], queryFn: ({ signal }) => get<MailContent>(`/v1/mail/${escape(id)}`, signal) })

export const mailSourceQuery = (id: string) =>
  queryOptions({ queryKey: ['mail', id, 'raw'], queryFn: ({ signal }) => getText(`/v1/mail/${escape(id)}/raw`, signal) })

// What plat costs is no topic: it is asked while it is looked at.
export const platformQuery = queryOptions({
  queryKey: ['platform'],
  queryFn: ({ signal }) => get<Platform>('/v1/platform', signal),
  refetchInterval: 5_000,
})

// affected names the queries that a topic makes stale.
export const affected: Record<Topic, string[]> = {
  services: ['services', 'system', 'description'],
  plan: ['plan', 'system', 'services', 'description', 'findings', 'map', 'events'],
  map: ['map', 'findings', 'description'],
  events: ['events', 'description'],
  mail: ['mail'],
}
