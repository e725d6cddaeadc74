package plan

// SystemFile is plat.yaml, the file of a whole system.
type SystemFile struct {
	Plat         *int                       `json:"plat,omitempty" jsonschema:"enum=1,default=1" jsonschema_description:"Version of the plan's format."`
	System       string                     `json:"system" jsonschema:"required" jsonschema_description:"Name of the system, a DNS label."`
	Owners       map[string]Owner           `json:"owners,omitempty" jsonschema_description:"The teams and people who answer for services, by name."`
	Services     []ServiceRef               `json:"services" jsonschema:"required" jsonschema_description:"Where the services' declarations are."`
	External     map[string]ExternalFile    `json:"external,omitempty" jsonschema_description:"Services that are not ours, by name."`
	Gateways     map[string]GatewayFile     `json:"gateways,omitempty" jsonschema_description:"Public entrances, by name."`
	Defaults     DefaultsFile               `json:"defaults,omitempty" jsonschema_description:"The required standard; a service overrides what it must."`
	Journeys     map[string]JourneyFile     `json:"journeys,omitempty" jsonschema_description:"What test customers do through a gateway, by name: run on a schedule, and by plat probe run."`
	Environments map[string]EnvironmentFile `json:"environments,omitempty" jsonschema_description:"What differs by environment. The environment local is always there."`
	Alerts       *AlertsFile                `json:"alerts,omitempty" jsonschema_description:"Whom to tell when something is wrong. Absent: owners are told by mail."`
	Telemetry    *TelemetryFile             `json:"telemetry,omitempty" jsonschema_description:"What is kept of traces, logs and metrics, and for how long."`
	Doors        []string                   `json:"doors,omitempty" jsonschema:"enum=dns,enum=consul" jsonschema_description:"Compatibility listeners to open on this machine: dns answers DNS (port 8600), consul the Consul HTTP API (port 8500). All are closed until named."`
}

// ServiceRef tells where declarations are: folders of the system, or an
// artefact. Exactly one field is set.
type ServiceRef struct {
	Path     string `json:"path,omitempty" jsonschema_description:"Folder that holds a service.yaml; may contain the wildcards * and ? in any segment."`
	Artifact string `json:"artifact,omitempty" jsonschema_description:"Reference of an artefact that was built elsewhere and holds its own declaration."`
}

// ExternalFile declares a service that is not ours.
type ExternalFile struct {
	URL   string `json:"url" jsonschema:"required" jsonschema_description:"Base address, http or https, without credentials. http://NAME.internal stands for whoever is registered under that name."`
	Owner string `json:"owner" jsonschema:"required" jsonschema_description:"Who answers for the use of it; one of owners."`
}

// GatewayFile declares one public entrance.
type GatewayFile struct {
	Timeout *Duration   `json:"timeout,omitempty" plan:"positive" jsonschema:"default=30s" jsonschema_description:"Time allowed for a request whose route names none."`
	Cache   *CacheFile  `json:"cache,omitempty" jsonschema_description:"Keeps answers for others (RFC 9111); absent: nothing is kept."`
	Routes  []RouteFile `json:"routes" jsonschema:"required" jsonschema_description:"What leads where. The most specific route wins, whatever the order here."`
}

// RouteFile declares one route of a gateway.
type RouteFile struct {
	Host     string       `json:"host,omitempty" jsonschema_description:"Host name without a port; absent: any."`
	Path     string       `json:"path" jsonschema:"required" jsonschema_description:"Prefix of the path, matched on segment boundaries; {NAME} stands for any one segment."`
	Methods  []string     `json:"methods,omitempty" jsonschema_description:"HTTP methods; absent: any."`
	Service  string       `json:"service" jsonschema:"required" jsonschema_description:"The service that answers, or an external one whose url is http://NAME.internal."`
	Timeout  *Duration    `json:"timeout,omitempty" plan:"positive" jsonschema_description:"Time allowed for a request; absent: the gateway's."`
	Priority string       `json:"priority,omitempty" jsonschema:"enum=critical,enum=high,enum=normal,enum=low" jsonschema_description:"Who goes first when the service has more to do than it can, and who is turned away last; absent: normal."`
	Rate     *RouteRate   `json:"rate,omitempty" jsonschema_description:"How often one client may ask; absent: as often as it likes."`
	Body     Size         `json:"body,omitempty" jsonschema_description:"Largest body of a request; absent: 100MiB."`
	Headers  *HeaderLimit `json:"headers,omitempty" jsonschema_description:"Most header fields of a request; absent: what the gateway takes."`
	URL      Size         `json:"url,omitempty" jsonschema_description:"Longest path and query of a request; absent: 64KiB."`
	Trust    bool         `json:"trust,omitempty" jsonschema:"default=false" jsonschema_description:"Continue the caller's trace and correlation ID instead of starting anew."`

	Cache *RouteCacheFile `json:"cache,omitempty" jsonschema_description:"How answers of this route are kept, where the gateway has a cache."`
}

// DefaultsFile is the standard that every service starts from.
type DefaultsFile struct {
	Timeout    *Duration    `json:"timeout,omitempty" plan:"positive" jsonschema:"default=1s" jsonschema_description:"Time allowed for a call between services that names none."`
	Calls      CallsFile    `json:"calls,omitempty" jsonschema_description:"How calls between services are protected."`
	Grace      *Duration    `json:"grace,omitempty" jsonschema:"default=10s" jsonschema_description:"Time between SIGTERM and SIGKILL."`
	Start      *Duration    `json:"start,omitempty" plan:"positive" jsonschema:"default=30s" jsonschema_description:"Time allowed from start to ready."`
	Limits     Limits       `json:"limits,omitempty" jsonschema_description:"What an instance may use at most."`
	Ejection   EjectionFile `json:"ejection,omitempty" jsonschema_description:"When one instance gets no requests for a while, since it fails and others do not."`
	Objectives Objectives   `json:"objectives,omitempty" jsonschema_description:"How good a service must be."`
	Access     string       `json:"access,omitempty" jsonschema:"enum=observe,enum=enforce" jsonschema_description:"What happens to a call that no consumes declares: observe serves and reports it, enforce refuses it. Absent: observe in the environment local, enforce in others."`
}

// AlertsFile declares whom plat tells when something is wrong.
type AlertsFile struct {
	Mail     *bool         `json:"mail,omitempty" jsonschema:"default=true" jsonschema_description:"Owners are told by mail, at the address in owners."`
	Owner    string        `json:"owner,omitempty" jsonschema_description:"Who answers for what belongs to no service, such as the disk; one of owners. Absent: all owners."`
	Webhooks []WebhookFile `json:"webhooks,omitempty" jsonschema_description:"Addresses that every alert is posted to, in the format of Alertmanager's webhook."`
}

// WebhookFile declares one address that alerts are posted to.
type WebhookFile struct {
	URL   string `json:"url" jsonschema:"required" jsonschema_description:"Address, http or https, without credentials."`
	Token string `json:"token,omitempty" jsonschema_description:"Name of the environment variable of plat that holds the bearer token. The token itself never stands in the plan."`
}

// EnvironmentFile is what differs in one environment.
type EnvironmentFile struct {
	Runtime   string                `json:"runtime,omitempty" jsonschema:"enum=process,enum=kubernetes,default=process" jsonschema_description:"What runs the instances."`
	Access    string                `json:"access,omitempty" jsonschema:"enum=observe,enum=enforce" jsonschema_description:"What happens to an undeclared call here; absent: what defaults says."`
	Alerts    *AlertsFile           `json:"alerts,omitempty" jsonschema_description:"Whom to tell here; replaces the system's alerts whole."`
	Telemetry *TelemetryFile        `json:"telemetry,omitempty" jsonschema_description:"What is kept here; replaces the system's telemetry whole."`
	Set       map[string]ServiceSet `json:"set,omitempty" jsonschema_description:"Overrides, by service. Maps merge by key; scalars, lists and each objective replace whole."`
}

// ServiceSet is what an environment may override of a service. Stores,
// configuration and dependencies must be declared by the service itself.
type ServiceSet struct {
	Port       *int                 `json:"port,omitempty" jsonschema:"minimum=1,maximum=65535" jsonschema_description:"Fixed port."`
	Instances  *int                 `json:"instances,omitempty" jsonschema:"minimum=0,maximum=100" jsonschema_description:"How many instances run."`
	Grace      *Duration            `json:"grace,omitempty" jsonschema_description:"Time between SIGTERM and SIGKILL."`
	Start      *Duration            `json:"start,omitempty" plan:"positive" jsonschema_description:"Time allowed from start to ready."`
	Consumes   ConsumesFile         `json:"consumes,omitempty" jsonschema_description:"Policies of declared dependencies."`
	Stores     map[string]StoreFile `json:"stores,omitempty" jsonschema_description:"Declared stores."`
	Config     map[string]Scalar    `json:"config,omitempty" jsonschema_description:"Values of declared settings."`
	Limits     Limits               `json:"limits,omitempty" jsonschema_description:"What an instance may use at most."`
	Ejection   EjectionFile         `json:"ejection,omitempty" jsonschema_description:"When one instance gets no requests for a while."`
	Objectives Objectives           `json:"objectives,omitempty" jsonschema_description:"How good the service must be."`
}

// ServiceFile is service.yaml, the file of one service.
type ServiceFile struct {
	Plat       *int                   `json:"plat,omitempty" jsonschema:"enum=1,default=1" jsonschema_description:"Version of the plan's format."`
	Service    string                 `json:"service" jsonschema:"required" jsonschema_description:"Name of the service, a DNS label."`
	Owner      string                 `json:"owner" jsonschema:"required" jsonschema_description:"Who answers for it; one of the system's owners."`
	Context    string                 `json:"context,omitempty" jsonschema_description:"Bounded context that it belongs to."`
	About      string                 `json:"about,omitempty" jsonschema_description:"What it does, in a sentence."`
	Build      *BuildFile             `json:"build,omitempty" jsonschema_description:"How its program is made."`
	Run        []string               `json:"run,omitempty" jsonschema_description:"Program and arguments, run in the service's folder; absent with build.go: the built program."`
	Needs      []string               `json:"needs,omitempty" jsonschema_description:"Programs that must be on the PATH, as node; where one lacks, the service is skipped, and plat says so."`
	Port       *int                   `json:"port,omitempty" jsonschema:"minimum=1,maximum=65535" jsonschema_description:"Fixed port of a program that ignores PORT."`
	Listens    *bool                  `json:"listens,omitempty" jsonschema:"default=true" jsonschema_description:"false for a program that serves nobody, such as a worker of a queue: it is ready as long as it runs, and nothing leads to it."`
	Instances  *int                   `json:"instances,omitempty" jsonschema:"minimum=0,maximum=100,default=1" jsonschema_description:"How many instances run."`
	Grace      *Duration              `json:"grace,omitempty" jsonschema_description:"Time between SIGTERM and SIGKILL; absent: that of defaults."`
	Start      *Duration              `json:"start,omitempty" plan:"positive" jsonschema_description:"Time allowed from start to ready; absent: that of defaults."`
	Provides   ProvidesFile           `json:"provides,omitempty" jsonschema_description:"What it offers to others."`
	Consumes   ConsumesFile           `json:"consumes,omitempty" jsonschema_description:"What it uses of others."`
	Stores     map[string]StoreFile   `json:"stores,omitempty" jsonschema_description:"Data stores that are its own, by name."`
	Config     map[string]SettingFile `json:"config,omitempty" jsonschema_description:"Its configuration, by name: currency-code arrives as CURRENCY_CODE."`
	Limits     Limits                 `json:"limits,omitempty" jsonschema_description:"What an instance may use at most."`
	Ejection   EjectionFile           `json:"ejection,omitempty" jsonschema_description:"When one instance gets no requests for a while, since it fails and others do not; absent: as defaults say."`
	Objectives Objectives             `json:"objectives,omitempty" jsonschema_description:"How good it must be."`
	Runbook    string                 `json:"runbook,omitempty" jsonschema_description:"What to do when it alerts: a page, http or https, or a file in the service's folder."`
}

// BuildFile declares how a program is made: exactly one field is set.
type BuildFile struct {
	Go      string   `json:"go,omitempty" jsonschema_description:"Go package, a path in the service's folder."`
	Command []string `json:"command,omitempty" jsonschema_description:"Program and arguments, run in the service's folder."`
	Image   string   `json:"image,omitempty" jsonschema_description:"Reference of a container image that is built elsewhere."`
}

// ProvidesFile declares what a service offers.
type ProvidesFile struct {
	HTTP   *HTTPFile                    `json:"http,omitempty" jsonschema_description:"Its HTTP interface."`
	Events map[string]ProvidedEventFile `json:"events,omitempty" jsonschema_description:"Events that it publishes, by dotted type. An event has one provider."`
}

// HTTPFile declares an HTTP interface.
type HTTPFile struct {
	OpenAPI  string `json:"openapi,omitempty" jsonschema_description:"OpenAPI document, a file in the service's folder."`
	Ready    string `json:"ready,omitempty" jsonschema_description:"Path that answers 2xx when it can serve; absent: a TCP connection proves it."`
	Live     string `json:"live,omitempty" jsonschema_description:"Path that answers 2xx while it is worth keeping; absent: a TCP connection proves it."`
	Protocol string `json:"protocol,omitempty" jsonschema:"enum=http,enum=h2c,default=http" jsonschema_description:"http is HTTP/1.1, h2c is HTTP/2 without TLS."`
}

// ProvidedEventFile declares an event that a service publishes.
type ProvidedEventFile struct {
	Schema string `json:"schema,omitempty" jsonschema_description:"JSON Schema of the data, a file in the service's folder."`
	Key    string `json:"key,omitempty" jsonschema_description:"JSON pointer to what orders the events: those of one key stay in order."`
}

// ConsumesFile declares what a service uses.
type ConsumesFile struct {
	Services map[string]CallFile         `json:"services,omitempty" jsonschema_description:"Services that it calls, by name."`
	Events   map[string]SubscriptionFile `json:"events,omitempty" jsonschema_description:"Events that it receives, by type."`
}

// CallFile declares a synchronous dependency.
type CallFile struct {
	Timeout   *Duration `json:"timeout,omitempty" plan:"positive" jsonschema_description:"Time allowed for a call; absent: that of defaults."`
	OnFailure string    `json:"on-failure,omitempty" jsonschema:"enum=fail,enum=degrade,enum=default,enum=last-good,enum=queue,default=fail" jsonschema_description:"What the service gets when the call fails: an error (fail), an error marked Plat-Degraded (degrade), the answer declared beside it, the last good one with its age (last-good), or 202: the call is kept and made later (queue)."`
	Optional  *bool     `json:"optional,omitempty" jsonschema:"default=false" jsonschema_description:"It can start and be ready without it, and runs without it when a part of the system is started."`
	Fresh     *Duration `json:"fresh,omitempty" plan:"positive" jsonschema_description:"How old a copy of its entities may be before the service asks whether it is still right. Absent: it asks each time."`

	Default  *DefaultFile `json:"default,omitempty" jsonschema_description:"With on-failure: default, the answer to a GET or HEAD that failed."`
	LastGood LastGoodFile `json:"last-good,omitempty" jsonschema_description:"With on-failure: last-good, which answers to a GET are kept."`
	Queue    QueueFile    `json:"queue,omitempty" jsonschema_description:"With on-failure: queue, how calls that change something are kept until they can be made."`

	Connect    *Duration   `json:"connect,omitempty" plan:"positive" jsonschema_description:"Time allowed for a connection; absent: that of defaults.calls, as for the keys below."`
	Header     *Duration   `json:"header,omitempty" plan:"positive" jsonschema_description:"Time allowed for one try's answer to begin."`
	Total      *Duration   `json:"total,omitempty" plan:"positive" jsonschema_description:"Time allowed until the answer's end. Streams have none."`
	Retries    *int        `json:"retries,omitempty" jsonschema:"minimum=0,maximum=10" jsonschema_description:"Tries after the first, of what is idempotent and has no body."`
	Concurrent *int        `json:"concurrent,omitempty" jsonschema:"minimum=1,maximum=10000" jsonschema_description:"Calls at once: the bulkhead."`
	Wait       *Duration   `json:"wait,omitempty" plan:"positive" jsonschema_description:"How long a call waits for its turn when as many as may be are under way."`
	Adaptive   *bool       `json:"adaptive,omitempty" jsonschema_description:"Whether fewer calls at once are let through while they take longer than usual."`
	Breaker    BreakerFile `json:"breaker,omitempty" jsonschema_description:"When calls are refused at once, since most of them fail."`
}

// SubscriptionFile declares an event that a service receives.
type SubscriptionFile struct {
	Retries *int      `json:"retries,omitempty" jsonschema:"minimum=0,maximum=100,default=5" jsonschema_description:"Deliveries after the first, before it becomes a dead letter."`
	Fresh   *Duration `json:"fresh,omitempty" plan:"positive" jsonschema_description:"Time within which an event is handled. Absent: no objective; an alert tells when one waits for five minutes."`
	Push    string    `json:"push,omitempty" jsonschema_description:"Path to which plat POSTs each event as a CloudEvent; 2xx acknowledges it. Absent: the service pulls by itself."`
}

// StoreFile declares a data store.
type StoreFile struct {
	Engine  string    `json:"engine,omitempty" jsonschema:"enum=sqlite,enum=postgres,default=sqlite" jsonschema_description:"Database engine."`
	Holds   []string  `json:"holds,omitempty" jsonschema_description:"Kinds of data in it, such as personal."`
	Keep    *Duration `json:"keep,omitempty" jsonschema_description:"How long data is kept."`
	MayLose *Duration `json:"may-lose,omitempty" jsonschema_description:"How much of the latest data a disaster may cost."`
}

// SettingFile declares one value of a service's configuration.
type SettingFile struct {
	Type    string  `json:"type,omitempty" jsonschema:"enum=string,enum=int,enum=float,enum=bool,enum=duration,enum=size,enum=percent" jsonschema_description:"Absent: what the default looks like, else string."`
	Default *Scalar `json:"default,omitempty" jsonschema_description:"Value where an environment sets none."`
	Secret  bool    `json:"secret,omitempty" jsonschema:"default=false" jsonschema_description:"Its value must never stand in the plan."`
}

// Scalar is a single value as it is written in the plan; what it means
// depends on the declared type of the setting.
type Scalar struct {
	Text string // as written, without quotes
	Kind string // text, integer, number or boolean
}
