package control

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/plat-dev/plat/event/cloudevents"
	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// wayKey names a way: of whom, and whom he reaches by it; the general address
// of a service reaches everybody.
type wayKey struct{ caller, callee string }

// everybody is the callee of a general address. No service can have the name.
const everybody = ""

// meshVariable has the general address; eventsPath is where it takes events.
const (
	meshVariable = "PLAT_MESH"
	eventsPath   = "/events"
)

// ways are the loopback listeners of services: one for each declared call, and
// a general one for each service, so that whoever calls there is known.
type ways struct {
	gateway *gateway.Gateway
	log     *slog.Logger

	mu   sync.Mutex
	open map[wayKey]*way
}

type way struct {
	env     string // the variable that has its address
	url     string
	handler atomic.Pointer[http.Handler] // replaced when the declaration changes; the address stays
	stop    context.CancelFunc
	done    chan struct{}
}

// ServeHTTP answers by the declaration of this moment.
func (w *way) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	(*w.handler.Load()).ServeHTTP(rw, r)
}

func newWays(g *gateway.Gateway, log *slog.Logger) *ways {
	return &ways{gateway: g, log: log, open: map[wayKey]*way{}}
}

// set opens what is new and closes what is declared no more. A call whose
// declaration changed keeps its address. The general addresses are answered by
// general.
func (w *ways) set(sys *plan.System, general func(service string) http.Handler) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	wanted := map[wayKey]bool{}
	want := func(key wayKey, env string, handler http.Handler, err error) {
		wanted[key] = true
		if err == nil {
			err = w.put(key, env, handler)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	for _, d := range plan.Edges(sys) {
		handler, err := w.edge(d)
		want(wayKey{d.Caller, d.Callee}, d.Env, handler, err)
	}
	for _, svc := range sys.Services {
		want(wayKey{svc.Name, everybody}, meshVariable, general(svc.Name), nil)
	}
	for _, c := range plan.Consumers(sys) {
		if c.Push != "" {
			want(wayKey{platCaller, c.Service}, "", w.gateway.Edge(platCaller, c.Service, cloudevents.PushTimeout), nil)
		}
	}
	for key, old := range w.open {
		if !wanted[key] {
			old.end()
			delete(w.open, key)
		}
	}
	return errors.Join(errs...)
}

func (w *ways) edge(d plan.Edge) (http.Handler, error) {
	if d.URL != "" {
		return w.gateway.ExternalEdge(d.Caller, d.Callee, d.URL, d.Timeout.Std())
	}
	return w.gateway.RegisteredEdge(d.Caller, d.Callee, d.Pool(), d.Timeout.Std()), nil
}

// put gives a way its handler, and opens it where it is new.
func (w *ways) put(key wayKey, env string, handler http.Handler) error {
	if open := w.open[key]; open != nil {
		open.env = env
		open.handler.Store(&handler)
		return nil
	}
	l, err := freeListener()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	opened := &way{env: env, url: "http://" + l.Addr().String(), stop: stop, done: make(chan struct{})}
	opened.handler.Store(&handler)
	go func() {
		defer close(opened.done)
		if err := w.gateway.Serve(ctx, l, opened); err != nil {
			w.log.ErrorContext(ctx, "an address of a service ended", "caller", key.caller, "callee", key.callee, "error", err)
		}
	}()
	w.open[key] = opened
	return nil
}

// url is the address of a way; empty when it is not open.
func (w *ways) url(key wayKey) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if open := w.open[key]; open != nil {
		return open.url
	}
	return ""
}

// urls are the addresses of one caller's ways, by environment variable.
func (w *ways) urls(caller string) map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	urls := map[string]string{}
	for key, open := range w.open {
		if key.caller == caller {
			urls[open.env] = open.url
		}
	}
	return urls
}

func (w *ways) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for open := range maps.Values(w.open) {
		open.stop()
	}
	for open := range maps.Values(w.open) { // they end together
		<-open.done
	}
	clear(w.open)
}

func (w *way) end() {
	w.stop()
	<-w.done
}
