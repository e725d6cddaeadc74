package gateway

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/kit/admit"
	"github.com/plat-dev/plat/kit/reuse"
)

// edge is the way by which one service calls another.
type edge struct {
	gateway    *Gateway
	call       Call // what is told of each exchange
	callee     string
	timeout    time.Duration
	pool       *pool // nil: the callee is external
	remote     *remote
	dependency *dependency
}

// maxEdges bounds the edges that are counted: callees may register themselves
// under ever new names.
const maxEdges = 1 << 14

// edgeKey names an edge.
type edgeKey struct{ caller, callee string }

// remote is a service that is not ours.
type remote struct {
	target *url.URL
	usual  *http.Transport
	h2c    *http.Transport // of gRPC without TLS
}

func (r *remote) transport(out *http.Request) *http.Transport {
	if r.target.Scheme == "http" && grpc(out) {
		return r.h2c
	}
	return r.usual
}

func (r *remote) close() {
	r.usual.CloseIdleConnections()
	r.h2c.CloseIdleConnections()
}

// Edge is the handler of one declared call: whoever reaches it is the caller.
// Trace context, correlation ID and baggage are kept (made where they lack),
// Plat-Caller is set. The time-out is the lesser of the given one (0: none)
// and an incoming Plat-Timeout, counts from the request's arrival to the
// answer's beginning, and is passed on as Plat-Timeout.
func (g *Gateway) Edge(caller, callee string, timeout time.Duration) http.Handler {
	return g.RegisteredEdge(caller, callee, callee, timeout)
}

// RegisteredEdge is Edge to a callee whose instances are those of another
// name (see SetUpstreams), as an external program's that registers itself.
func (g *Gateway) RegisteredEdge(caller, callee, registered string, timeout time.Duration) http.Handler {
	return g.newEdge(Call{Caller: caller, Declared: true}, callee, timeout, g.pool(registered), nil)
}

// ExternalEdge is the handler of one declared call to a service that is not
// ours, at targetURL (http or https; its path is put before the request's).
// The Host becomes the target's; what plat says to its own services is not
// told outside. It fails with fault.GatewayExternalURL.
func (g *Gateway) ExternalEdge(caller, name, targetURL string, timeout time.Duration) (http.Handler, error) {
	r, err := g.remoteAt(name, targetURL)
	if err != nil {
		return nil, err
	}
	return g.newEdge(Call{Caller: caller, Declared: true}, name, timeout, nil, r), nil
}

// newEdge makes an edge; what is known of the dependency goes on.
func (g *Gateway) newEdge(c Call, callee string, timeout time.Duration, p *pool, r *remote) *edge {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.dependency(edgeKey{c.Caller, callee})
	if c.Mesh {
		d.terms.CompareAndSwap(nil, undeclared())
	}
	d.pool.Store(p)
	e := &edge{gateway: g, call: c, callee: callee, timeout: timeout, pool: p, remote: r, dependency: d}
	if !c.Mesh {
		d.edge.Store(e)
	}
	return e
}

// remoteAt finds or makes the connections to an external service.
func (g *Gateway) remoteAt(name, targetURL string) (*remote, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.remotes[targetURL]; r != nil {
		return r, nil
	}
	target, err := url.Parse(targetURL)
	if err != nil {
		return nil, fault.Newf(fault.GatewayExternalURL, "the URL of external service %s is malformed", name).Because(err)
	}
	if target.Scheme != "http" && target.Scheme != "https" || target.Host == "" || target.User != nil || target.RawQuery != "" || target.Fragment != "" {
		return nil, fault.Newf(fault.GatewayExternalURL, "the URL of external service %s cannot be called", name).
			Why("it must be http or https, with a host, without user, query and fragment")
	}
	target.Path, target.RawPath = strings.TrimRight(target.Path, "/"), ""
	dial := dialer(5 * g.limits.Connect)
	r := &remote{target: target, usual: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            reuse.Dialer(dial),
		TLSClientConfig:        &tls.Config{RootCAs: g.roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * g.limits.Connect,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        30 * time.Second,
		ExpectContinueTimeout:  time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxAnswerHeader,
	}}
	r.h2c = r.usual.Clone()
	r.h2c.Proxy, r.h2c.DialContext, r.h2c.ForceAttemptHTTP2, r.h2c.Protocols = nil, dial, false, new(http.Protocols)
	r.h2c.Protocols.SetUnencryptedHTTP2(true)
	g.remotes[targetURL] = r
	return r, nil
}

// ServeHTTP answers one request.
func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := e.gateway.begin(w, r)
	defer x.finish()
	x.takes(e)
	if x.admit() {
		x.pass(e)
	}
}

// takes tells which edge the exchange belongs to.
func (x *exchange) takes(e *edge) {
	x.Call, x.Service, x.dependency = e.call, e.callee, e.dependency
	x.count, x.terms = &e.dependency.count, e.dependency.terms.Load()
}

// pass sends the request on by its edge.
func (x *exchange) pass(e *edge) {
	r := x.r
	if _, ok := routePath(r.URL.Path); !ok {
		x.problem(http.StatusBadRequest, fault.GatewayBadRequest, "the path holds dot segments or control characters")
		return
	}
	if x.toldOfQueued() {
		return
	}
	traceparent, continued := x.identify(true)
	timeout := e.timeout
	if x.delivery {
		timeout = max(timeout, deliverFor)
	}
	if left, ok := milliseconds(r.Header["Plat-Timeout"]); ok && (timeout <= 0 || left < timeout) {
		if timeout = left; x.terms != nil && x.terms.queue != nil {
			timeout -= min(left/5, queueMargin)
		}
		if left == 0 {
			x.problem(http.StatusGatewayTimeout, fault.GatewayTimeout, "the caller's time was over before the call began")
			return
		}
	}
	out := passOn(r, false)
	if x.takeMark(false) == "" {
		delete(out.Header, testMark)
	}
	out.set("Traceparent", traceparent)
	if !continued {
		delete(out.Header, "Tracestate")
	}
	out.set("X-Correlation-Id", x.CorrelationID)
	delete(out.Header, "Plat-Timeout")
	if !x.mayWait(&out) {
		return
	}
	c := &call{pool: e.pool, remote: e.remote, header: out.Header, host: r.Host, timeout: timeout, absolute: true, hurried: timeout < e.timeout/2}
	if x.terms != nil {
		c.connect = x.terms.connect
		if !x.delivery { // for which nobody waits
			c.perTry, c.total = x.terms.header, x.terms.total
		}
	}
	priority := admit.ParsePriority(r.Header.Get(admit.PriorityHeader)) // of who called the caller
	if e.remote != nil {
		for name := range out.Header {
			if foreign(name) && name != "Traceparent" && name != "X-Correlation-Id" {
				delete(out.Header, name)
			}
		}
		c.host = e.remote.target.Host
	} else {
		out.set("Plat-Caller", e.call.Caller)
		out.budget(r, timeout)
		out.entered(priority)
	}
	if !x.admitCaller(e.pool, priority, x.terms == nil) {
		return
	}
	defer x.leaveGate()
	x.forward(c)
}
