package gateway

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
)

// edge is one declared call between services.
type edge struct {
	gateway *Gateway
	caller  string
	callee  string
	timeout time.Duration
	pool    *pool // nil: the callee is external
	remote  *remote
	count   *counters
}

// remote is a service that is not ours.
type remote struct {
	target    *url.URL
	transport *http.Transport
}

// Edge is the handler of one declared call: whoever reaches it is the caller.
// Trace context, correlation ID and baggage are kept (made where they lack),
// Plat-Caller is set. The time-out is the lesser of the given one (0: none)
// and an incoming Plat-Timeout, counts from the request's arrival to the
// answer's beginning, and is passed on as Plat-Timeout.
func (g *Gateway) Edge(caller, callee string, timeout time.Duration) http.Handler {
	return g.addEdge(&edge{gateway: g, caller: caller, callee: callee, timeout: timeout, pool: g.pool(callee)})
}

// ExternalEdge is the handler of one declared call to a service that is not
// ours, at targetURL (http or https; its path is put before the request's).
// The Host becomes the target's; what plat says to its own services is not
// told outside. It fails with fault.GatewayExternalURL.
func (g *Gateway) ExternalEdge(caller, name, targetURL string, timeout time.Duration) (http.Handler, error) {
	target, err := url.Parse(targetURL)
	if err != nil {
		return nil, fault.Newf(fault.GatewayExternalURL, "the URL of external service %s is malformed", name).Because(err)
	}
	if target.Scheme != "http" && target.Scheme != "https" || target.Host == "" || target.User != nil || target.RawQuery != "" || target.Fragment != "" {
		return nil, fault.Newf(fault.GatewayExternalURL, "the URL of external service %s cannot be called", name).
			Why("it must be http or https, with a host, without user, query and fragment")
	}
	target.Path, target.RawPath = strings.TrimRight(target.Path, "/"), ""
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * g.limits.Connect}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: g.roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * g.limits.Connect,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        30 * time.Second,
		ExpectContinueTimeout:  time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 1 << 20,
	}
	return g.addEdge(&edge{gateway: g, caller: caller, callee: name, timeout: timeout, remote: &remote{target, transport}}), nil
}

// addEdge makes the edge's counters known; those of the same edge made before
// go on.
func (g *Gateway) addEdge(e *edge) *edge {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, o := range g.edges {
		if o.caller == e.caller && o.callee == e.callee {
			e.count = o.count
			g.edges[i] = e
			o.close()
			return e
		}
	}
	e.count = new(counters)
	g.edges = append(g.edges, e)
	return e
}

// close closes the idle connections to an external callee.
func (e *edge) close() {
	if e.remote != nil {
		e.remote.transport.CloseIdleConnections()
	}
}

// ServeHTTP answers one request.
func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := e.gateway.begin(w, r)
	defer x.finish()
	x.Caller, x.Service, x.count = e.caller, e.callee, e.count
	if !x.admit() {
		return
	}
	if _, ok := routePath(r.URL.Path); !ok {
		x.problem(http.StatusBadRequest, fault.GatewayBadRequest, "the path holds dot segments or control characters")
		return
	}
	traceparent, continued := x.identify(true)
	timeout := e.timeout
	if left, ok := milliseconds(r.Header["Plat-Timeout"]); ok && (timeout <= 0 || left < timeout) {
		if timeout = left; left == 0 {
			x.problem(http.StatusGatewayTimeout, fault.GatewayTimeout, "the caller's time was over before the call began")
			return
		}
	}
	out := passOn(r, false)
	out.set("Traceparent", traceparent)
	if !continued {
		delete(out.Header, "Tracestate")
	}
	out.set("X-Correlation-Id", x.CorrelationID)
	delete(out.Header, "Plat-Timeout")
	c := &call{pool: e.pool, remote: e.remote, header: out.Header, host: r.Host, timeout: timeout, absolute: true}
	if e.remote != nil {
		for name := range out.Header {
			if foreign(name) && name != "Traceparent" && name != "X-Correlation-Id" {
				delete(out.Header, name)
			}
		}
		c.host = e.remote.target.Host
	} else {
		out.set("Plat-Caller", e.caller)
		out.budget(r, timeout)
	}
	x.forward(c)
}
