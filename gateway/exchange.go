package gateway

import (
	"net/http"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway/later"
	"github.com/plat-dev/plat/kit/admit"
	"github.com/plat-dev/plat/kit/policy"
)

// Exchange is one request and its answer, as the access log has it and
// Observe is told.
type Exchange struct {
	Start         time.Time
	Duration      time.Duration
	Gateway       string // the entrance; empty on an east-west edge
	Call                 // how one service called another; zero at an entrance
	Client        string // address without port
	Method        string
	Host          string
	Path          string // as it was sent, without the query, whose values may be secret
	Protocol      string
	Service       string // empty when no route was found
	Route         string // the route's path
	Upstream      string // the instance that was tried last
	Status        int    // 0: the client got no answer; of plat's own errors to gRPC, what others would have got
	BytesIn       int64  // of the request's body
	BytesOut      int64  // of the answer's body
	Retries       int
	CorrelationID string
	Trace         Trace
	Synthetic     string     // the journey of the test customer that it belongs to; empty: none
	Fault         string     // the fault that was played in it; empty: none
	Code          fault.Code // what went wrong, if the gateway knows
	Err           error      // the cause
}

// Call is how one service called another.
type Call struct {
	Caller   string // the calling service; "plat" for plat itself
	ID       string // of an undeclared call through the mesh: plat why ID
	Mesh     bool   // it came by the caller's general address
	Declared bool   // the plan says that the caller calls this service
	Refused  bool   // answered 403, since it is not declared
}

// exchange is an Exchange under way.
type exchange struct {
	Exchange
	gateway    *Gateway
	w          http.ResponseWriter
	r          *http.Request
	control    *http.ResponseController
	count      *counters // nil until a route is found
	answer     *answer   // nil until the request is passed on
	body       *requestBody
	dependency *dependency // nil at an entrance
	terms      *terms      // of the dependency, at the exchange's beginning; nil: nobody guards the call
	permit     policy.Permit
	place      *admit.Pass // the place with the service; nil: it is not ours, or was not entered
	most       int64       // bytes of the body by the route; 0: as the limits say
	spared     bool        // what went wrong was played, and is nobody's doing

	delivery bool           // it is a call that was kept
	held     []byte         // the request's body, when it was taken into memory; nil: it was not
	kept     *later.Call    // what can be done later; nil: it cannot
	stripped bool           // what can be done later has no credentials any more
	unkept   *later.Refusal // why it cannot, where the plan says so
	key      later.Key      // of the queue
}

// begin starts an exchange; the caller defers finish.
func (g *Gateway) begin(w http.ResponseWriter, r *http.Request) *exchange {
	g.inflight.Add(1)
	x := &exchange{gateway: g, w: w, r: r}
	x.Start = time.Now()
	x.Client = clientIP(r.RemoteAddr)
	x.Method, x.Host, x.Protocol = r.Method, r.Host, r.Proto
	x.Path = r.RequestURI
	if !strings.HasPrefix(x.Path, "/") { // may hold a password in absolute form
		x.Path = r.URL.Path
	} else if query := strings.IndexByte(x.Path, '?'); query >= 0 {
		x.Path = x.Path[:query]
	}
	x.control = http.NewResponseController(w)
	x.renewWrite(x.Start)
	if _, ok := r.Header["Upgrade"]; ok {
		// INVARIANT: it is the connection's last request, also when nothing
		// is switched: framing.Conn has stopped to read along.
		x.closeAfter()
	}
	return x
}

// renewWrite gives the client its time to take what is written next. HTTP/2
// shares its connection: there a deadline stands for each blocked write alone
// (see answerWriter).
func (x *exchange) renewWrite(now time.Time) {
	if x.r.ProtoMajor == 1 {
		_ = x.control.SetWriteDeadline(now.Add(x.gateway.limits.Write)) // unsupported in tests' recorders alone
	}
}

// closeAfter closes an HTTP/1.1 connection after the answer.
func (x *exchange) closeAfter() {
	if x.r.ProtoMajor == 1 {
		x.w.Header()["Connection"] = []string{"close"}
	}
}

// finish counts and tells what passed.
func (x *exchange) finish() {
	x.Duration = time.Since(x.Start)
	if x.body != nil {
		x.BytesIn = x.body.close()
	}
	x.gateway.inflight.Add(-1)
	x.tell()
}

// tell counts the exchange and tells of it.
func (x *exchange) tell() {
	g := x.gateway
	if x.Retries > 0 {
		g.retries.Add(uint64(x.Retries))
	}
	if x.count != nil {
		x.count.add(x.Status)
	}
	if g.access != nil {
		g.access.log(&x.Exchange)
	}
	if g.seen != nil {
		g.seen(&x.Exchange)
	}
	if g.observe != nil {
		g.observe(&x.Exchange)
	}
}

// admit answers what no handler passes on, and tells whether the request may
// go on.
func (x *exchange) admit() bool {
	r, l := x.r, &x.gateway.limits
	tooLarge := admit.Sizes{URL: l.Header, Fields: l.Fields, Header: l.Header, Body: l.Body}.Refuse(r)
	switch {
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		x.w.Header()["Allow"] = []string{"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}
		x.problem(http.StatusMethodNotAllowed, fault.GatewayMethodRefused, r.Method+" is not passed on")
	case tooLarge != 0:
		x.tooLarge(tooLarge, "over the limit")
	case r.RequestURI == "*" && r.Method == http.MethodOptions:
		x.general()
	case r.URL.Opaque != "" || r.URL.Scheme != "" && r.URL.Scheme != "http" && r.URL.Scheme != "https":
		x.problem(http.StatusBadRequest, fault.GatewayBadRequest, "the request's target is not for this server")
	case !validHost(r.Host):
		x.problem(http.StatusBadRequest, fault.GatewayBadRequest, "the request's host is malformed")
	case manyTokens(r.Header["Connection"]):
		x.problem(http.StatusBadRequest, fault.GatewayBadRequest, "the Connection header is too long")
	case strings.IndexByte(r.RequestURI, ' ') >= 0:
		// HTTP/2 can carry it; in HTTP/1.1 it would end the target.
		x.problem(http.StatusBadRequest, fault.GatewayBadRequest, "the target holds a space")
	case oddLength(r.Header["Content-Length"]) || r.Header["Host"] != nil && !strings.EqualFold(r.Header["Host"][0], r.Host):
		// HTTP/2 can carry these, and net/http takes one of them, or none.
		x.problem(http.StatusBadRequest, fault.GatewayBadRequest, "the request contradicts itself about its length or its host")
	default:
		return true
	}
	return false
}

// general answers OPTIONS *, which asks about the server itself.
func (x *exchange) general() {
	x.identify(false)
	h := x.w.Header()
	h["X-Correlation-Id"] = []string{x.CorrelationID}
	h["Allow"] = []string{"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}
	x.Status = http.StatusNoContent
	x.w.WriteHeader(x.Status)
}

// validHost keeps to the characters of RFC 3986, without those that could end
// a quoted string or a line.
func validHost(host string) bool {
	for i := range len(host) {
		c := host[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-._~%!$&'()*+,;=:[]", c) < 0 {
			return false
		}
	}
	return true
}

// clientIP is the address without port, brackets and zone.
func clientIP(addr string) string {
	if i := strings.LastIndexByte(addr, ':'); i >= 0 {
		addr = addr[:i]
	}
	if strings.HasPrefix(addr, "[") {
		addr = strings.TrimSuffix(addr[1:], "]")
		addr, _, _ = strings.Cut(addr, "%")
	}
	return addr
}
