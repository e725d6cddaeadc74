package gateway

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
)

// MeshDecision is what is said about a call by the mesh: whether there is
// somebody of the name, where, and whether the call may pass.
type MeshDecision struct {
	Name     string        // of the callee; empty: nobody of the name is known
	Pool     string        // whose instances answer (see SetUpstreams); empty: those of Name
	URL      string        // of an external callee, instead of instances
	Timeout  time.Duration // until the answer begins; 0: none
	Declared bool          // the plan says that the caller calls it
	Refused  bool          // it is not declared, and that is not tolerated
	Remedy   string        // of a refused call; empty: plat plan add …
	Meant    string        // of an unknown name: a known one that is like it
}

// mesh is the general address of one service: by the host NAME.internal it
// reaches any other.
type mesh struct {
	gateway *Gateway
	caller  string
	decide  func(string) MeshDecision
	own     http.Handler

	mu    sync.RWMutex
	edges map[string]meshEdge // by the callee's name
}

// meshEdge is an edge as it was decided; another decision needs another.
type meshEdge struct {
	MeshDecision
	edge *edge
}

// meshEdges bounds the edges that one mesh remembers.
const meshEdges = 1024

// Mesh is the handler of a service's general address: whoever reaches it is
// the caller. A request whose host is NAME.internal goes where decide says
// for NAME (in lower case, not empty, else as InternalName gives it), as by an
// Edge; decide is asked for each request and must be quick. A name that nobody
// has is answered 502 (fault.GatewayUnknownService), a refused call 403
// (fault.DriftUndeclaredCall) with an ID. Requests in absolute form, as to a
// proxy, are taken alike; CONNECT is refused.
//
// Requests to a loopback address or localhost are own's (nil: nobody's); to
// any other host they are refused.
func (g *Gateway) Mesh(caller string, decide func(callee string) MeshDecision, own http.Handler) http.Handler {
	return &mesh{gateway: g, caller: caller, decide: decide, own: own, edges: map[string]meshEdge{}}
}

// ServeHTTP answers one request.
func (m *mesh) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, internal := InternalName(r.Host)
	if !internal && m.own != nil && r.URL.Host == "" && loopback(r.Host) {
		m.own.ServeHTTP(w, r)
		return
	}
	x := m.gateway.begin(w, r)
	defer x.finish()
	x.Call = Call{Caller: m.caller, Mesh: true}
	if !x.admit() {
		return
	}
	switch {
	case !internal:
		x.problem(http.StatusBadGateway, fault.GatewayUnknownService, "the host is not of the form NAME.internal")
		return
	case name == "":
		x.problem(http.StatusBadRequest, fault.GatewayBadRequest, "the host names no service: expected NAME.internal")
		return
	case r.URL.User != nil:
		x.problem(http.StatusBadRequest, fault.GatewayBadRequest, "the request's target holds a user: send Authorization instead")
		return
	}
	d := m.decide(name)
	if d.Name == "" {
		x.unknown(name, d.Meant)
		return
	}
	e, err := m.edge(d)
	if err != nil {
		x.Service, x.Err = d.Name, err
		x.problem(http.StatusBadGateway, fault.GatewayExternalURL, "the URL of external service "+d.Name+" cannot be called")
		return
	}
	x.takes(e)
	if !d.Declared {
		x.ID = newCallID()
	}
	if d.Refused {
		x.refuse(d.Remedy)
		return
	}
	x.pass(e)
}

// edge finds or makes the edge of a decision.
func (m *mesh) edge(d MeshDecision) (*edge, error) {
	m.mu.RLock()
	known, ok := m.edges[d.Name]
	m.mu.RUnlock()
	if ok && known.MeshDecision == d {
		return known.edge, nil
	}
	c := Call{Caller: m.caller, Mesh: true, Declared: d.Declared, Refused: d.Refused}
	var e *edge
	if d.URL != "" {
		r, err := m.gateway.remoteAt(d.Name, d.URL)
		if err != nil {
			return nil, err
		}
		e = m.gateway.newEdge(c, d.Name, d.Timeout, nil, r)
	} else {
		p := d.Pool
		if p == "" {
			p = d.Name
		}
		e = m.gateway.newEdge(c, d.Name, d.Timeout, m.gateway.pool(p), nil)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.edges) >= meshEdges {
		clear(m.edges)
	}
	m.edges[d.Name] = meshEdge{d, e}
	return e, nil
}

// unknown answers that nobody has this name.
func (x *exchange) unknown(name, meant string) {
	remedy := x.gateway.entries[fault.GatewayUnknownService].remedy
	if meant != "" {
		remedy = "did you mean " + meant + internalSuffix + "? plat ps lists the names"
	}
	x.problemWith(http.StatusBadGateway, fault.GatewayUnknownService, "nobody here is called "+name, remedy)
}

// refuse answers that the call is not declared.
func (x *exchange) refuse(remedy string) {
	if remedy == "" {
		remedy = "plat plan add " + x.Caller + " consumes " + x.Service
	}
	x.problemWith(http.StatusForbidden, fault.DriftUndeclaredCall,
		"the plan does not say that "+x.Caller+" calls "+x.Service+"; plat why "+x.ID+" says more", remedy)
}

// internalSuffix ends the hosts that are the mesh's.
const internalSuffix = ".internal"

// maxHost is the most that a name of DNS can hold.
const maxHost = 253

// InternalName tells whether a host, with or without port and final dot, in
// any case, is the mesh's: NAME.internal. The name is in lower case; it is
// empty when it cannot be one (nothing before .internal, more than 253 bytes,
// other bytes than letters, digits, hyphens, underscores and dots, a port that
// is no number). It may hold dots, be an address, or be nobody's.
func InternalName(host string) (name string, ok bool) {
	host, port, _ := strings.Cut(host, ":")
	host = strings.TrimSuffix(host, ".")
	at := len(host) - len(internalSuffix)
	if at < 0 || !strings.EqualFold(host[at:], internalSuffix) {
		return "", false
	}
	if at == 0 || len(host) > maxHost || len(port) > 5 || strings.Trim(port, "0123456789") != "" {
		return "", true
	}
	for i := range at {
		if c := host[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-_.", c) < 0 {
			return "", true
		}
	}
	return strings.ToLower(host[:at]), true
}

// loopback tells whether a host, with or without port, is this machine's own:
// a web page cannot make a browser send it under a name of the page's.
func loopback(host string) bool {
	name := hostName(host)
	if name == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.IsLoopback()
}

// newCallID makes the ID of a call: c and ten digits of Crockford's base 32.
func newCallID() string {
	const digits = "0123456789abcdefghjkmnpqrstvwxyz"
	b := [11]byte{'c'}
	v := rand.Uint64() // #nosec G404 -- unique, not secret
	for i := 1; i < len(b); i++ {
		b[i] = digits[v&31]
		v >>= 5
	}
	return string(b[:])
}
