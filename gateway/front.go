package gateway

import (
	"net/http"
	"strings"
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
	r.Host = strings.ToLower(r.Host) // to the cache capitals are nothing, so the service must not see them
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
	p := &passage{exchange: x, to: to, mark: mark}
	p.traceparent, p.continued = x.identify(to.trust || mark != "") // plat's own customer says where it stands
	if kept := f.cache.Load(); kept != nil && to.cached != nil && !streaming(r) {
		if x.limitClient(to) {
			p.fromCache(kept) // it comes to the service's gate when it is passed on
		}
		return
	}
	if !x.admitClient(to) {
		return
	}
	defer x.leaveGate()
	x.forward(p.call(p.Header()))
}

// passage is the way of a request from outside to its service.
type passage struct {
	*exchange
	to          *route
	mark        string // of a test customer
	traceparent string
	continued   bool // it is the caller's trace
}

// Header is what is sent on. It is made when it is wanted: an answer that is
// kept needs it for Vary alone.
func (p *passage) Header() http.Header {
	out := passOn(p.r, true)
	if p.mark != "" {
		out.set(testMark, p.mark)
	}
	out.set("Traceparent", p.traceparent)
	if state := tracestate(p.r.Header, p.continued); state != nil {
		out.Header["Tracestate"] = state
	}
	out.set("X-Correlation-Id", p.CorrelationID)
	out.forwarded(p.Client, p.r.Host)
	out.budget(p.r, p.to.timeout)
	out.entered(p.to.priority)
	return out.Header
}

func (p *passage) call(header http.Header) *call {
	return &call{pool: p.to.pool, header: header, host: p.r.Host, timeout: p.to.timeout}
}
