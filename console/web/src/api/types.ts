// The wire types of the control API, as api/*.go has them.

export type Severity = 'error' | 'warning'

export interface Fault {
  code: string
  severity: Severity
  file?: string
  line?: number
  column?: number
  what: string
  expected?: string
  remedy?: string
}

export interface System {
  name: string
  environment: string
  revision: string
  pid: number
  guard: number
  started: string
  root: string
  logs: string
  gateways: Gateway[] | null
  api: string
  console: string
  access: 'observe' | 'enforce'
  only?: string[]
  watch?: boolean
  doors: Door[] | null
  plan: PlanState
  warnings: Fault[] | null
}

export interface Gateway {
  name: string
  url: string
}

export interface Door {
  name: string
  addr: string
}

export interface PlanState {
  state: 'live' | 'refused'
  since: string
  findings: Fault[] | null
}

export interface Service {
  name: string
  owner: string
  context?: string
  about?: string
  outside?: boolean
  openapi?: boolean
  errors?: ErrorCount
  state: string
  desired: number
  ready: number
  override?: boolean
  restarts: number
  version?: string
  url?: string
  settled: boolean
  fault?: Fault
  lastLines?: string[]
  instances: Instance[] | null
}

export interface Services {
  services: Service[] | null
}

export interface ErrorCount {
  count: number
  last: string
  text: string
}

export interface Instance {
  id: string
  pid: number
  addr: string
  version?: string
  state: string
  started: string
  restarts: number
  lastExit?: string
  memory?: number
  checks: Check[] | null
}

export interface Check {
  id: string
  status: 'passing' | 'warning' | 'critical'
  output?: string
  since: string
}

export interface Events {
  streams: Stream[] | null
  consumers: Consumer[] | null
  deadLetters: DeadLetter[] | null
  dead: number
  orphans: string[] | null
  refusing?: string
  violations: Violation[] | null
  faults: Fault[] | null
}

export interface Violation {
  service: string
  action: 'publish' | 'subscribe' | 'connect'
  subject?: string
  count: number
  last: string
}

export interface Stream {
  name: string
  provider: string
  events: string[] | null
  messages: number
  bytes: number
  last?: string
}

export interface Consumer {
  name: string
  service: string
  event: string
  stream: string
  lag: number
  unacked: number
  redelivered: number
  push?: string
  active?: string
}

export interface DeadLetter {
  id: string
  event: string
  eventId: string
  service: string
  consumer: string
  reason: string
  deliveries: number
  time: string
  headers?: Record<string, string>
  data?: unknown
}

export interface LogLine {
  time: string
  service: string
  instance: string
  stream: 'out' | 'err' | 'plat'
  text: string
}

export interface ProblemBody {
  type: string
  title: string
  status: number
  detail?: string
  code: string
  remedy?: string
  correlationId?: string
  faults?: Fault[]
}

export interface Description {
  service: Service
  declaration: Declaration | null
  file?: string
  routes: Route[] | null
  edges: Edge[] | null
  consumers: Consumer[] | null
  environment: Variable[] | null
  findings: Finding[] | null
  calls: CallState[]
  incoming: PolicyState[]
}

// CallState is how the policies of a service's calls of another stand.
export interface CallState {
  service: string
  by?: string // the instance that calls by itself; absent: plat's listener
  declared: boolean
  onFailure: string
  policies: PolicyState[] | null
}

export interface ServicePolicies {
  service: string
  calls: CallState[]
  incoming: PolicyState[]
}

export interface PolicyState {
  policy: 'timeout' | 'retries' | 'breaker' | 'bulkhead' | 'adaptive' | 'ejection' | 'fallback' | 'shedding' | 'rate'
  setting: string
  state: string
  count: number
  acted?: string
  why?: string
  holds?: boolean // something back at this moment, or it tries whether it still must
}

export interface Route {
  url: string
  methods?: string[]
}

export interface Variable {
  name: string
  value: string
  source: 'plat' | 'config'
  secret?: boolean
}

export interface Platform {
  processes: Process[] | null
}

export interface Process {
  name: string
  pid: number
  memory: number
  cpu: number
  started: string
}

export interface Mailbox {
  mails: Mail[] | null
  dropped: number
}

export interface Mail {
  id: string
  time: string
  from: string
  to: string[] | null
  subject: string
  size: number
}

export interface MailContent extends Mail {
  headers: { name: string; value: string }[] | null
  text?: string
  html?: string
  attachments: Attachment[] | null
  problem?: string
}

export interface Attachment {
  name: string
  type: string
  size: number
}

export interface Change {
  topics: Topic[]
}

export type Topic = 'services' | 'plan' | 'map' | 'events' | 'mail'

export interface SystemMap {
  since: string
  nodes: MapNode[] | null
  edges: Edge[] | null
}

export type NodeKind = 'service' | 'external' | 'outside' | 'gateway'

export interface MapNode {
  name: string
  kind: NodeKind
  owner?: string
  context?: string
  state?: string
  finding?: string // its number of instances was set by hand
}

export type EdgeKind = 'call' | 'event' | 'route'

export interface Edge {
  from: string
  to: string
  kind: EdgeKind
  label?: string
  declared: boolean
  declaredAt?: string
  count: number
  errors: number
  refused?: number
  first?: string
  last?: string
  finding?: string
  figures?: EdgeFigures
  lag?: number
  unacked?: number
  oldest?: number // seconds that the oldest event waits
  fresh?: number // seconds within which it should be handled
}

export interface EdgeFigures {
  rate1: number
  rate5: number
  rate60: number
  last5: EdgeWindow
  lastHour: EdgeWindow
}

export interface EdgeWindow {
  count: number
  errors: number
  p50: number // seconds
  p95: number
  p99: number
}

export interface Findings {
  findings: Finding[] | null
}

export interface Finding {
  id: string
  code: string
  severity: Severity
  caller: string
  callee: string
  what: string
  why: string
  remedy: string
  file?: string
  line?: number
  patch?: string
  refused?: boolean
  count: number
  first?: string
  last?: string
  evidence: Evidence[] | null
}

export interface Evidence {
  id: string
  time: string
  method: string
  path: string
  status: number
  correlationId: string
}

// What GET /v1/plan answers: the resolved plan.

export interface Plan {
  system: string
  environment: string
  runtime: string
  access: string
  revision: string
  owners: Record<string, { mail?: string; chat?: string; url?: string }> | null
  services: Declaration[] | null
  external?: { name: string; url: string; owner: string; registered?: string }[]
  gateways?: { name: string; routes: GatewayRoute[] | null }[]
  doors?: string[]
}

export interface GatewayRoute {
  host?: string
  path: string
  methods?: string[]
  service: string
  timeout?: string
  trust?: boolean
  priority?: 'critical' | 'high' | 'low' // absent: normal
  rate?: { limit: number; per?: string; burst?: number; header?: string } // of each client
  body?: string
}

export interface Declaration {
  service: string
  owner: string
  context?: string
  about?: string
  dir?: string
  [key: string]: unknown
}
