package plan

// System is a resolved plan: defaults applied, environment overlaid, every
// name checked. It is a value: nothing changes it after Load returned it, so
// it may be shared between goroutines.
type System struct {
	Name        string           `json:"system"`
	Environment string           `json:"environment"`
	Runtime     string           `json:"runtime"`  // "process", or what the environment names
	Access      string           `json:"access"`   // of undeclared calls: "observe" or "enforce"
	Revision    string           `json:"revision"` // first 12 hex digits of the SHA-256 of the resolved plan
	Owners      map[string]Owner `json:"owners"`
	Services    []Service        `json:"services"` // sorted by name
	External    []External       `json:"external,omitempty"`
	Gateways    []Gateway        `json:"gateways,omitempty"`
	Alerts      *Alerts          `json:"alerts,omitempty"` // nil: owners are told by mail
	Telemetry   Telemetry        `json:"telemetry"`
	Journeys    []Journey        `json:"journeys,omitempty"` // sorted by name
	Doors       []string         `json:"doors,omitempty"`
}

// Alerts tells whom to tell when something is wrong.
type Alerts struct {
	Mail     bool      `json:"mail"`            // to owners
	Owner    string    `json:"owner,omitempty"` // of what belongs to no service; empty: all owners
	Webhooks []Webhook `json:"webhooks,omitempty"`
}

// Webhook is an address that alerts are posted to.
type Webhook struct {
	URL   string `json:"url"`
	Token string `json:"token,omitempty"` // the environment variable that holds the bearer token
}

// Local is the environment of one's own machine.
const Local = "local"

// What happens to a call between services that the plan does not declare.
const (
	AccessObserve = "observe" // it is served, and reported
	AccessEnforce = "enforce" // it is refused, and reported
)

// internalSuffix ends the host names by which services reach one another
// through PLAT_MESH.
const internalSuffix = ".internal"

// Owner is the team or person who answers for a service.
type Owner struct {
	Mail string `json:"mail,omitempty" jsonschema_description:"Mail address."`
	Chat string `json:"chat,omitempty" jsonschema_description:"Where to reach them in a chat, in your own words."`
	URL  string `json:"url,omitempty" jsonschema_description:"Page about them, http or https."`
}

// Service is one service of the system.
type Service struct {
	Name       string          `json:"service"`
	Owner      string          `json:"owner"`
	Context    string          `json:"context,omitempty"` // bounded context
	About      string          `json:"about,omitempty"`
	Dir        string          `json:"dir,omitempty"`      // folder of the declaration, slash-separated, relative to the system's folder
	Artifact   string          `json:"artifact,omitempty"` // reference of an artefact that holds the declaration, instead of Dir
	Build      Build           `json:"build"`
	Run        []string        `json:"run,omitempty"`   // argv; empty for a Go build means its binary
	Needs      []string        `json:"needs,omitempty"` // programs on the PATH without which it is skipped
	Port       int             `json:"port,omitempty"`  // fixed port of a program that ignores PORT; 0: any
	Listens    bool            `json:"listens"`         // false: it is ready as long as it runs, and nothing leads to it
	Instances  int             `json:"instances"`
	Grace      Duration        `json:"grace"` // between SIGTERM and SIGKILL
	Start      Duration        `json:"start"` // time allowed from start to ready
	HTTP       *HTTP           `json:"http,omitempty"`
	Events     []ProvidedEvent `json:"events,omitempty"` // sorted by type
	Calls      []Dependency    `json:"calls,omitempty"`  // consumes.services, sorted by name
	Consumes   []ConsumedEvent `json:"consumes,omitempty"`
	Stores     []Store         `json:"stores,omitempty"`
	Config     []Setting       `json:"config,omitempty"`
	Limits     Limits          `json:"limits"`
	Ejection   *Ejection       `json:"ejection,omitempty"` // nil: no instance is ejected
	Objectives Objectives      `json:"objectives"`
	Runbook    string          `json:"runbook,omitempty"` // an http address, or a file in Dir
}

// Build tells how the service's program is made. At most one field is set;
// none is for a program that is there already.
type Build struct {
	Go      string   `json:"go,omitempty"`      // package path relative to Dir
	Command []string `json:"command,omitempty"` // argv, run in Dir
	Image   string   `json:"image,omitempty"`
}

// HTTP is what a service provides over HTTP.
type HTTP struct {
	OpenAPI  string `json:"openapi,omitempty"` // file in Dir
	Ready    string `json:"ready,omitempty"`   // path; empty: a TCP connection proves readiness
	Live     string `json:"live,omitempty"`    // path; empty: as Ready's TCP check
	Protocol string `json:"protocol"`          // "http" (HTTP/1.1) or "h2c"
}

// ProvidedEvent is an event that a service publishes.
type ProvidedEvent struct {
	Type   string `json:"type"` // dotted, as order.placed
	Schema string `json:"schema,omitempty"`
	Key    string `json:"key,omitempty"` // JSON pointer into the data
}

// Dependency is a declared synchronous call.
type Dependency struct {
	Service   string    `json:"service"`
	External  bool      `json:"external,omitempty"`
	Timeout   Duration  `json:"timeout"`
	OnFailure string    `json:"on-failure"` // fail, degrade, …
	Optional  bool      `json:"optional,omitempty"`
	Fresh     *Duration `json:"fresh,omitempty"` // how old a copy of its entities may be

	Policy   CallPolicy     `json:"policy"`
	Default  *DefaultAnswer `json:"default,omitempty"`   // with on-failure default
	LastGood *LastGood      `json:"last-good,omitempty"` // with on-failure last-good
	Queue    *Queue         `json:"queue,omitempty"`     // with on-failure queue
}

// ConsumedEvent is a declared subscription.
type ConsumedEvent struct {
	Type     string    `json:"type"`
	Provider string    `json:"provider"`        // the service that publishes it
	Retries  int       `json:"retries"`         // deliveries after the first
	Fresh    *Duration `json:"fresh,omitempty"` // time within which an event is handled
	Push     string    `json:"push,omitempty"`  // path that plat delivers to; empty: the service pulls
}

// Store is a data store that belongs to one service alone.
type Store struct {
	Name    string    `json:"name"`
	Engine  string    `json:"engine"` // sqlite, postgres
	Holds   []string  `json:"holds,omitempty"`
	Keep    *Duration `json:"keep,omitempty"`
	MayLose *Duration `json:"may-lose,omitempty"`
}

// Setting is one value of a service's own configuration. The process gets it
// in the variable Env.
type Setting struct {
	Name    string  `json:"name"`
	Env     string  `json:"env"`
	Type    string  `json:"type"` // string, int, bool, duration, size, percent
	Default *string `json:"default,omitempty"`
	Value   *string `json:"value,omitempty"` // what this environment sets
	Secret  bool    `json:"secret,omitempty"`
}

// Limits are what the runtime holds an instance to; zero is unlimited.
type Limits struct {
	Memory Size    `json:"memory,omitempty" jsonschema_description:"Memory of an instance and all that it starts; absent: no limit."`
	CPU    float64 `json:"cpu,omitempty" jsonschema_description:"Processor cores, such as 0.5; absent: no limit."`

	Concurrent int         `json:"concurrent,omitempty" jsonschema:"minimum=1,maximum=100000" jsonschema_description:"Requests that an instance works on at a time; absent: found out, from 100 to 1,000. Fewer are let through while it is slower than usual."`
	Queue      int         `json:"queue,omitempty" jsonschema:"minimum=1,maximum=100000" jsonschema_description:"Requests that may wait for a moment when as many are being worked on; absent: as many as concurrent."`
	Rate       *CallerRate `json:"rate,omitempty" jsonschema_description:"How often each calling service may ask; absent: as often as it likes."`
}

// CallerRate is how often one calling service may ask.
type CallerRate struct {
	Limit int       `json:"limit" jsonschema:"required,minimum=1,maximum=1000000" jsonschema_description:"Requests in the time that per says."`
	Per   *Duration `json:"per,omitempty" plan:"positive" jsonschema_description:"That time; absent: 1s."`
	Burst int       `json:"burst,omitempty" jsonschema:"minimum=1,maximum=1000000" jsonschema_description:"Requests at once after a rest; absent: as many as limit."`
}

// RouteRate is how often one client may ask by a route.
type RouteRate struct {
	Limit  int       `json:"limit" jsonschema:"required,minimum=1,maximum=1000000" jsonschema_description:"Requests in the time that per says."`
	Per    *Duration `json:"per,omitempty" plan:"positive" jsonschema_description:"That time; absent: 1s."`
	Burst  int       `json:"burst,omitempty" jsonschema:"minimum=1,maximum=1000000" jsonschema_description:"Requests at once after a rest; absent: as many as limit."`
	Header string    `json:"header,omitempty" jsonschema_description:"The header that tells clients apart, such as X-API-Key; absent, and for requests without it: the client's address."`
}

// HeaderLimit bounds the header fields of a request.
type HeaderLimit struct {
	Count int  `json:"count,omitempty" jsonschema:"minimum=1,maximum=256" jsonschema_description:"Header fields of a request; absent: 256."`
	Bytes Size `json:"bytes,omitempty" jsonschema_description:"Request line and header fields together; absent: 64KiB."`
}

// Objectives are how good the service must be.
type Objectives struct {
	Availability *Percent `json:"availability,omitempty" jsonschema_description:"Share of requests that are answered well."`
	Latency      *Latency `json:"latency,omitempty" jsonschema_description:"Response time at percentiles, as {p95: 300ms}."`
}

// Latency is a response time at a percentile, under a load.
type Latency struct {
	Percentiles map[string]Duration `json:"percentiles"` // "p90" → 300ms
	Concurrent  int                 `json:"concurrent,omitempty"`
}

// External is a service that is not ours.
type External struct {
	Name  string `json:"name"`
	URL   string `json:"url"`
	Owner string `json:"owner"`

	// Registered names whom the registry must know: set for a URL of
	// http://NAME.internal, a program that runs elsewhere and registers itself.
	Registered string `json:"registered,omitempty"`
}

// Gateway is one public entrance with its routes.
type Gateway struct {
	Name   string          `json:"name"`
	Cache  *Cache          `json:"cache,omitempty"` // nil: nothing is kept
	Routes []DeclaredRoute `json:"routes"`
}

// DeclaredRoute is a route as the plan declares it.
type DeclaredRoute struct {
	Host    string   `json:"host,omitempty"`
	Path    string   `json:"path"` // prefix, on segment boundaries
	Methods []string `json:"methods,omitempty"`
	Service string   `json:"service"`
	Timeout Duration `json:"timeout,omitempty"`
	Trust   bool     `json:"trust,omitempty"` // the caller's trace context is continued

	Priority string       `json:"priority,omitempty"` // critical, high, low; empty: normal
	Rate     *RouteRate   `json:"rate,omitempty"`
	Body     Size         `json:"body,omitempty"`
	Headers  *HeaderLimit `json:"headers,omitempty"`
	URL      Size         `json:"url,omitempty"`

	Cache *RouteCache `json:"cache,omitempty"` // nil: nothing is kept
}

// Service finds a service by name.
func (s *System) Service(name string) (Service, bool) {
	for _, svc := range s.Services {
		if svc.Name == name {
			return svc, true
		}
	}
	return Service{}, false
}
