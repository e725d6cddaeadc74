// Package serve answers the control plane's interface: it turns HTTP into
// calls of a Source and an Operator, and guards the door (token, Host,
// Origin). It knows no room; control gives it what it needs.
package serve

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/kit/direct"
)

// Source tells what is.
type Source interface {
	System() api.System
	Services() []api.Service
	Plan() any // the live resolved plan, as JSON encodes it
	Events(ctx context.Context) (api.Events, error)
	Logs(ctx context.Context, q api.LogQuery, each func(api.LogLine) error) error
}

// Operator changes what runs.
type Operator interface {
	Restart(ctx context.Context, service string) error
	Scale(ctx context.Context, service string, instances int) error
	Unscale(ctx context.Context, service string) error // the plan's number holds again
	Stop()
}

// Viewer tells how what is fits together.
type Viewer interface {
	Map(ctx context.Context) api.Map
	Findings(ctx context.Context, unused time.Duration) api.Findings // 0: of declared calls as long as plat thinks fit
	Why(ctx context.Context, id string) (api.Finding, error)         // of a finding, or of one refused call
	Describe(ctx context.Context, service string) (api.Description, error)
	Platform() api.Platform
}

// Protector tells how services are protected.
type Protector interface {
	Policies() api.Policies
}

// Mailbox is the development mailbox.
type Mailbox interface {
	Mails() (api.Mailbox, error)
	Mail(id string) (api.MailContent, error)
	MailSource(id string) ([]byte, error)
	ClearMail() error
}

// Wires are the ways through plat to the services.
type Wires struct {
	OpenAPI func(service string) (document []byte, err error)
	Call    func(service string) (http.Handler, error) // calls the service in plat's name
	Publish http.Handler                               // takes a CloudEvent in the name of its provider
	Changes func(ctx context.Context) <-chan []string  // topics; closed when ctx ends
	Console http.Handler

	Prometheus http.Handler // Prometheus's HTTP API
	Jaeger     http.Handler // Jaeger's query API
}

// Options are what a handler needs beside its source.
type Options struct {
	Source       Source
	Operator     Operator
	Viewer       Viewer
	Protector    Protector
	Mailbox      Mailbox
	Prober       Prober
	Chaos        Chaos
	Experimenter Experimenter
	Keeper       Keeper
	Queuer       Queuer
	Watch        Watch
	Callers      Callers
	Tracer       Tracer
	Logbook      Logbook
	Wires        Wires
	Base         string                                // http://host:port, where all of it is answered
	Token        string                                // of the operator
	ServiceToken func(token string) (service string)   // whose token it is; "" for nobody's
	ReadingToken func() string                         // opens figures and traces; nil, or "": there is none
	Self         func(service string) (api.Self, bool) // what a service may know of itself
	Version      string                                // of plat, for the OpenAPI document
}

// useProblems gives the errors that huma finds itself plat's form. The library
// has one variable for it, so it is set once, for good.
var useProblems = sync.OnceFunc(func() { huma.NewError = invalid }) //nolint:gochecknoglobals // see above

// Where the interfaces of others are, below which they are as their own clients
// expect them.
const (
	prometheusPath = "/prometheus/"
	jaegerPath     = "/jaeger/"
)

// maxBody bounds every request body; the largest is a few numbers.
const maxBody = 1 << 20

// New makes the handler of the control API.
func New(o Options) http.Handler {
	useProblems()
	mux := http.NewServeMux()
	config := huma.DefaultConfig("plat control API", o.Version)
	config.OpenAPIPath = "/v1/openapi"
	config.DocsPath = ""
	config.SchemasPath = "/v1/schemas"
	config.CreateHooks = nil // no $schema links in answers: they are read by programs
	a := humago.New(mux, config)
	sessions := newSessions(o.Base, o.Token)
	register(a, o)
	registerViews(a, o.Viewer)
	huma.Get(a, "/v1/policies", func(context.Context, *struct{}) (*body[api.Policies], error) {
		return &body[api.Policies]{o.Protector.Policies()}, nil
	})
	registerMail(a, o.Mailbox)
	registerProbes(a, o.Prober)
	registerChaos(a, o.Chaos)
	registerExperiments(a, o.Experimenter)
	registerCache(a, o.Keeper)
	registerQueues(a, o.Queuer)
	registerAlerts(a, o.Watch)
	registerTelemetry(a, o.Tracer, o.Logbook)
	huma.Register(a, post("open-session", "/v1/session", http.StatusCreated), sessions.open)
	describeStreams(a.OpenAPI())
	mux.Handle("GET /v1/changes", newChanges(o.Wires.Changes))
	mux.Handle("GET "+direct.Path, watchCalls(o.Callers))
	mux.Handle("POST "+direct.Path, tellCalls(o.Callers))
	mux.Handle("POST /v1/events", o.Wires.Publish)
	mux.Handle(prometheusPath, http.StripPrefix("/prometheus", o.Wires.Prometheus))
	mux.Handle(jaegerPath, http.StripPrefix("/jaeger", o.Wires.Jaeger))
	mux.Handle("/v1/services/{name}/http/{path...}", caller(o.Wires.Call))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, http.StatusNotFound, fault.New(fault.NotFound, "the control API has no "+r.Method+" "+r.URL.Path).Fix("GET /v1/openapi.json describes what it has"))
	})
	return guard(o, sessions, mux)
}

type body[T any] struct{ Body T }

// document is an answer that is passed on as it is.
type document struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

type named struct {
	Name string `path:"name" maxLength:"63" doc:"the service's name"`
}

func register(a huma.API, o Options) {
	huma.Get(a, "/v1/system", func(context.Context, *struct{}) (*body[api.System], error) {
		return &body[api.System]{o.Source.System()}, nil
	})
	huma.Get(a, "/v1/plan", func(context.Context, *struct{}) (*body[json.RawMessage], error) {
		text, err := json.Marshal(o.Source.Plan())
		return &body[json.RawMessage]{text}, problem(err)
	})
	huma.Get(a, "/v1/services", func(context.Context, *struct{}) (*body[api.Services], error) {
		return &body[api.Services]{api.Services{Services: o.Source.Services()}}, nil
	})
	huma.Get(a, "/v1/services/{name}", func(_ context.Context, in *named) (*body[api.Service], error) {
		for _, svc := range o.Source.Services() {
			if svc.Name == in.Name {
				return &body[api.Service]{svc}, nil
			}
		}
		return nil, problem(fault.New(fault.NoSuchService, "the plan has no service "+in.Name).Fix("plat ps lists them"))
	})
	huma.Register(a, post("restart-service", "/v1/services/{name}/restart", http.StatusNoContent), func(ctx context.Context, in *named) (*struct{}, error) {
		return nil, problem(o.Operator.Restart(ctx, in.Name))
	})
	huma.Register(a, post("scale-service", "/v1/services/{name}/scale", http.StatusNoContent), func(ctx context.Context, in *struct {
		Name string `path:"name" maxLength:"63" doc:"the service's name"`
		Body api.Scale
	}) (*struct{}, error) {
		return nil, problem(o.Operator.Scale(ctx, in.Name, in.Body.Instances))
	})
	huma.Delete(a, "/v1/services/{name}/scale", func(ctx context.Context, in *named) (*struct{}, error) {
		return nil, problem(o.Operator.Unscale(ctx, in.Name))
	})
	huma.Register(a, post("stop", "/v1/stop", http.StatusAccepted), func(context.Context, *struct{}) (*struct{}, error) {
		o.Operator.Stop()
		return nil, nil //nolint:nilnil // 202 without a body
	})
	huma.Get(a, "/v1/events", func(ctx context.Context, _ *struct{}) (*body[api.Events], error) {
		events, err := o.Source.Events(ctx)
		return &body[api.Events]{events}, problem(err)
	})
	huma.Get(a, "/v1/services/{name}/openapi", func(_ context.Context, in *named) (*document, error) {
		text, err := o.Wires.OpenAPI(in.Name)
		if err != nil {
			return nil, problem(err)
		}
		kind := "application/yaml"
		if json.Valid(text) {
			kind = "application/json"
		}
		return &document{kind, text}, nil
	})
	huma.Get(a, "/v1/self", func(ctx context.Context, _ *struct{}) (*body[api.Self], error) {
		self, ok := o.Self(serviceOf(ctx))
		if !ok {
			return nil, problem(fault.New(fault.NoSuchService, "this token is not a service's").Fix("call it with PLAT_TOKEN of a running service"))
		}
		return &body[api.Self]{self}, nil
	})
	huma.Get(a, "/v1/logs", o.logs)
}

func post(id, path string, status int) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodPost, Path: path, DefaultStatus: status}
}

type logsInput struct {
	Service []string  `query:"service,explode" maxItems:"1000" doc:"only these services"`
	Since   time.Time `query:"since" doc:"only lines from then on"`
	Tail    int       `query:"tail" minimum:"0" maximum:"1000000" doc:"last lines of each service"`
	Follow  bool      `query:"follow" doc:"go on with what comes"`
}

// logs answers NDJSON, a line as soon as it is there.
func (o Options) logs(_ context.Context, in *logsInput) (*huma.StreamResponse, error) {
	known, outside := map[string]bool{}, map[string]bool{}
	for _, svc := range o.Source.Services() {
		known[svc.Name], outside[svc.Name] = true, svc.Outside
	}
	for _, name := range in.Service {
		if !known[name] {
			return nil, problem(fault.New(fault.NoSuchService, "the plan has no service "+name).Fix("plat ps lists them"))
		}
		if outside[name] {
			return nil, problem(fault.New(fault.NotRunByPlat, "plat does not run "+name+" and has no output of it"))
		}
	}
	q := api.LogQuery{Services: in.Service, Since: in.Since, Tail: in.Tail, Follow: in.Follow}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "application/x-ndjson")
		w := hc.BodyWriter()
		enc := json.NewEncoder(w)
		flusher, _ := w.(http.Flusher)
		if flusher != nil {
			flusher.Flush()
		}
		err := o.Source.Logs(hc.Context(), q, func(line api.LogLine) error {
			if err := enc.Encode(line); err != nil {
				return err
			}
			if in.Follow && flusher != nil {
				flusher.Flush()
			}
			return nil
		})
		_ = err // the reader went away, or the folder did: the stream ends here either way
	}}, nil
}
