package gateway

import (
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway/cache"
	"github.com/plat-dev/plat/plan"
)

// front is an entrance from outside.
type front struct {
	gateway *Gateway
	name    string
	mu      sync.Mutex // one SetRoutes at a time
	table   atomic.Pointer[table]
	cache   atomic.Pointer[cache.Cache] // nil: nothing is kept
	bounds  plan.Cache                  // of cache; guarded by mu
}

// Public is the handler of an entrance: what comes from outside is not
// believed. It removes what only plat may say (Plat-*, Baggage, Forwarded,
// X-Forwarded-*) but for its own mark of test customers, says it anew, begins a new trace and correlation ID unless
// the route trusts its callers, and follows SetRoutes from then on.
func (g *Gateway) Public(gatewayName string) http.Handler { return g.front(gatewayName) }

// ServeHTTP answers one request.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := f.gateway.begin(w, r)
	defer x.finish()
	x.Gateway = f.name
	if !x.admit() {
		return
	}
	path, ok := routePath(r.URL.Path)
	if !ok {
		x.problem(http.StatusBadRequest, fault.GatewayBadRequest, "the path holds dot segments or control characters")
		return
	}
	to, target := f.table.Load().match(hostName(r.Host), path, r.Method)
	switch {
	case target == nil:
		x.problem(http.StatusNotFound, fault.GatewayNoRoute, "no route leads to this host and path")
		return
	case to == nil:
		w.Header()["Allow"] = []string{target.allow}
		x.problem(http.StatusMethodNotAllowed, fault.GatewayMethodNotAllowed, "this route takes "+target.allow)
		return
	}
	x.Service, x.Route, x.count = to.service, to.path, to.count
	mark := x.takeMark(true)
	traceparent, continued := x.identify(to.trust || mark != "") // plat's own customer says where it stands
	out := passOn(r, true)
	if mark != "" {
		out.set(testMark, mark)
	}
	out.set("Traceparent", traceparent)
	if state := tracestate(r.Header, continued); state != nil {
		out.Header["Tracestate"] = state
	}
	out.set("X-Correlation-Id", x.CorrelationID)
	out.forwarded(x.Client, r.Host)
	out.budget(r, to.timeout)
	out.entered(to.priority)
	c := &call{pool: to.pool, header: out.Header, host: r.Host, timeout: to.timeout}
	if kept := f.cache.Load(); kept != nil && to.cached != nil && !streaming(r) {
		if x.limitClient(to) {
			x.fromCache(kept, to, c) // it comes to the service's gate when it is passed on
		}
		return
	}
	if !x.admitClient(to) {
		return
	}
	defer x.leaveGate()
	x.forward(c)
}
