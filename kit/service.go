package kit

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/plat-dev/plat/kit/admit"
	"github.com/plat-dev/plat/kit/direct"
)

// Limits bound what the service takes and how long its end may take. A zero
// field means its default.
type Limits struct {
	Body       int64 // bytes of a request's body; default 10 MiB, negative: none
	Concurrent int   // requests worked on at a time; default 1,000, fewer while they take longer than usual
	Queue      int   // requests that wait for a moment when as many are worked on; default as many as Concurrent

	Drain time.Duration // for the requests in flight at the end, and again for the workers; default 4 s, so that both fit into the 10 s between SIGTERM and SIGKILL
}

const (
	defaultBody  = 10 << 20
	defaultDrain = 4 * time.Second
)

// Service is one running service, handed to the setup function of [Main] or
// [Run]. Its methods are safe for concurrent use.
type Service struct {
	name, instance, version, environment string

	env       map[string]string // nil: the process's own
	log       *slog.Logger
	mux       *http.ServeMux
	listener  net.Listener
	traces    *tracing
	propagate propagation.TextMapPropagator
	transport connections    // shared by all clients
	direct    *direct.Caller // nil: every call goes where PLAT_URL_<SERVICE> says
	limits    atomic.Pointer[Limits]
	phase     atomic.Int32
	traffic   traffic
	gate      *admit.Gate   // before the handlers
	draining  chan struct{} // closed when the end begins

	mu       sync.Mutex
	checks   []*check
	workers  workers
	stops    []stop
	mistakes []error
}

type stop struct {
	name string
	run  func(context.Context) error
}

// The phases of a service's life, in order.
const (
	phaseStarting int32 = iota
	phaseServing
	phaseDraining
)

// Name is the service's name: PLAT_SERVICE, or the one given to [Main].
func (s *Service) Name() string { return s.name }

// Instance is the name of this instance, such as order-1 (PLAT_INSTANCE).
func (s *Service) Instance() string { return s.instance }

// Version is the deployed version (PLAT_VERSION), "dev" without plat.
func (s *Service) Version() string { return s.version }

// Environment is where the system runs (PLAT_ENVIRONMENT), "local" without
// plat.
func (s *Service) Environment() string { return s.environment }

// URL is where this instance listens, without a slash at the end.
func (s *Service) URL() string { return "http://" + s.listener.Addr().String() }

// Log writes JSON lines to standard output. The *Context methods add trace_id,
// span_id and correlation_id. LOG_LEVEL is debug, info (default), warn or
// error.
func (s *Service) Log() *slog.Logger { return s.log }

// Mux is what the service serves. All of it passes the kit's middleware:
// correlation ID, trace, deadline, body limit, the gate (who comes when there is
// more to do than the service can is answered 503 with Retry-After at once),
// recovery from panics, access log at level debug. GET /health/live and GET /health/ready are the kit's.
// Until setup has returned everything else is answered with 503.
func (s *Service) Mux() *http.ServeMux { return s.mux }

// Handle registers a handler in [Service.Mux]; it panics where
// [http.ServeMux.Handle] does.
func (s *Service) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// HandleFunc registers a function in [Service.Mux].
func (s *Service) HandleFunc(pattern string, h http.HandlerFunc) { s.mux.Handle(pattern, h) }

// SetLimits replaces the limits.
func (s *Service) SetLimits(l Limits) {
	if l.Body == 0 {
		l.Body = defaultBody
	}
	if l.Drain <= 0 {
		l.Drain = defaultDrain
	}
	s.limits.Store(&l)
	s.gate.Set(admit.Config{Concurrent: l.Concurrent, Queue: l.Queue})
}

// TracerProvider makes spans that belong to this service. Without an OTLP
// endpoint they are not exported, but their IDs are valid and travel on.
// [Main] also makes it OpenTelemetry's global one.
func (s *Service) TracerProvider() trace.TracerProvider { return s.traces.provider }

// Ready adds a check to GET /health/ready: an error takes this instance out
// of rotation until it passes again. It gets two seconds; a check that is
// still running when asked again is not started twice.
func (s *Service) Ready(name string, run func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks = append(s.checks, &check{name: name, run: run})
}

// OnStop registers what is done at the end, after requests have drained and
// workers have stopped, the last registered first. It is also done when setup
// fails. Each gets five seconds; an error becomes the service's.
func (s *Service) OnStop(name string, run func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stops = append(s.stops, stop{name, run})
}

// Draining is closed when the end of the service begins: a handler that
// answers for long (server-sent events, WebSocket) should then return.
func (s *Service) Draining() <-chan struct{} { return s.draining }

// Fail ends the service with err: when setup returns, or at once if it has.
// It is for what goes wrong where no error can be returned.
func (s *Service) Fail(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.workers.start == nil {
		s.mistakes = append(s.mistakes, err)
		return
	}
	select {
	case s.workers.failed <- err:
	default: // it is ending for another reason
		s.log.Error("service failed", "error", err.Error())
	}
}
