package control

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// edges are the loopback listeners of the declared calls, one for each, so
// that whoever calls there is known.
type edges struct {
	gateway *gateway.Gateway
	log     *slog.Logger

	mu   sync.Mutex
	open map[string]*edge // by caller and callee
}

type edge struct {
	plan.Edge
	url     string
	handler atomic.Pointer[http.Handler] // replaced when the declaration changes; the address stays
	stop    context.CancelFunc
	done    chan struct{}
}

// ServeHTTP answers by the declaration of this moment.
func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*e.handler.Load()).ServeHTTP(w, r)
}

func newEdges(g *gateway.Gateway, log *slog.Logger) *edges {
	return &edges{gateway: g, log: log, open: map[string]*edge{}}
}

// set opens what is new and closes what is declared no more. A call whose
// declaration changed keeps its address.
func (e *edges) set(declared []plan.Edge) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	wanted := map[string]bool{}
	for _, d := range declared {
		key := d.Caller + " " + d.Callee
		wanted[key] = true
		handler, err := e.handler(d)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if open := e.open[key]; open != nil {
			open.Edge = d
			open.handler.Store(&handler)
			continue
		}
		if e.open[key], err = e.start(d, handler); err != nil {
			delete(e.open, key)
			errs = append(errs, err)
		}
	}
	for key, old := range e.open {
		if !wanted[key] {
			old.end()
			delete(e.open, key)
		}
	}
	return errors.Join(errs...)
}

func (e *edges) handler(d plan.Edge) (http.Handler, error) {
	if d.URL != "" {
		return e.gateway.ExternalEdge(d.Caller, d.Callee, d.URL, d.Timeout.Std())
	}
	return e.gateway.Edge(d.Caller, d.Callee, d.Timeout.Std()), nil
}

func (e *edges) start(d plan.Edge, handler http.Handler) (*edge, error) {
	l, err := freeListener()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	opened := &edge{Edge: d, url: "http://" + l.Addr().String(), stop: stop, done: make(chan struct{})}
	opened.handler.Store(&handler)
	go func() {
		defer close(opened.done)
		if err := e.gateway.Serve(ctx, l, opened); err != nil {
			e.log.ErrorContext(ctx, "an edge ended", "caller", d.Caller, "callee", d.Callee, "error", err)
		}
	}()
	return opened, nil
}

// urls are the addresses of one caller's edges, by environment variable.
func (e *edges) urls(caller string) map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	urls := map[string]string{}
	for _, open := range e.open {
		if open.Caller == caller {
			urls[open.Env] = open.url
		}
	}
	return urls
}

func (e *edges) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, open := range e.open {
		open.stop()
	}
	for _, open := range e.open { // they end together
		<-open.done
	}
	clear(e.open)
}

func (e *edge) end() {
	e.stop()
	<-e.done
}
