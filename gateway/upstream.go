package gateway

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/kit/policy"
	"github.com/plat-dev/plat/kit/reuse"
)

// Upstream is one instance of a service, in rotation.
type Upstream struct {
	ID      string // such as order-1; one ID stands for one process at a time
	Addr    string // host:port
	Version string
	H2C     bool // speaks HTTP/2 without TLS instead of HTTP/1.1
}

// SetUpstreams replaces the instances of a service. Requests that are with a
// removed instance end undisturbed; its idle connections are closed, and
// after SetUpstreams returned no request is sent to it. Instances that stay
// keep their connections and their count of requests in flight.
func (g *Gateway) SetUpstreams(service string, upstreams []Upstream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.findPool(service)
	old := p.instances()
	list := make([]*instance, 0, len(upstreams))
	for _, u := range upstreams {
		if slices.ContainsFunc(list, func(i *instance) bool { return i.ID == u.ID }) {
			continue // an ID counts once
		}
		same := slices.IndexFunc(old, func(i *instance) bool { return i.Upstream == u })
		if same >= 0 {
			list = append(list, old[same])
			continue
		}
		list = append(list, newInstance(u, g.inflightOf(u.ID), g.limits))
	}
	p.list.Store(&list)
	p.outliers.SetMembers(ids(list))
	p.incoming.set(g.declared[service].Limits, len(list))
	for _, i := range old {
		if !slices.Contains(list, i) {
			i.removed.Store(true)
			i.close()
			if i.inflight.bearers--; i.inflight.bearers == 0 {
				g.leaving[i.ID] = i.inflight
			}
		}
	}
	if len(list) == 0 && !p.used {
		delete(g.pools, service) // names may come and go without end
	}
	g.forgetInflight()
	if q := g.later.Load(); q != nil && len(list) > 0 {
		q.Wake(service)
	}
}

// InFlight counts the requests, WebSockets included, that are with the
// instance of this ID, also after it was removed.
func (g *Gateway) InFlight(id string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := g.inflights[id]; n != nil {
		return int(n.Load())
	}
	return 0
}

// Busy counts those of them that come to an end by themselves: no WebSockets,
// and no event streams that have begun.
func (g *Gateway) Busy(id string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := g.inflights[id]; n != nil {
		all := n.Load() // first: what becomes a stream meanwhile was counted already
		return int(all - n.streams.Load())
	}
	return 0
}

// Ejected tells whether an instance gets no requests at present, since it
// failed while others of its service did not.
func (g *Gateway) Ejected(service, id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.pools[service]
	return p != nil && p.outliers.Ejected(id)
}

// inflightOf finds or makes the counter of an ID, for one more bearer; g.mu is
// held.
func (g *Gateway) inflightOf(id string) *inflight {
	n := g.inflights[id]
	if n == nil {
		n = new(inflight)
		g.inflights[id] = n
	}
	n.bearers++
	return n
}

// forgetInflight drops counters of instances that are gone and at rest; g.mu
// is held.
func (g *Gateway) forgetInflight() {
	for id, n := range g.leaving {
		switch {
		case n.bearers > 0:
			delete(g.leaving, id)
		case n.Load() == 0:
			delete(g.leaving, id)
			delete(g.inflights, id)
		}
	}
}

// inflight counts the requests at an ID.
type inflight struct {
	atomic.Int64
	streams atomic.Int64 // of them, those without an end
	bearers int          // instances in rotation that bear the ID; guarded by Gateway.mu
}

// instance is one upstream with its connections.
type instance struct {
	Upstream
	h1, h2   *http.Transport
	inflight *inflight // shared by all that bear the ID in turn
	removed  atomic.Bool
}

func newInstance(u Upstream, n *inflight, l Limits) *instance {
	return &instance{Upstream: u, inflight: n, h1: newTransport(l, false), h2: newTransport(l, true)}
}

// transport is by which protocol a request goes: gRPC needs HTTP/2, and a
// connection that becomes something else HTTP/1.1, whatever else the instance
// speaks.
func (i *instance) transport(r *http.Request, upgrade bool) *http.Transport {
	if !upgrade && (i.H2C || grpc(r)) {
		return i.h2
	}
	return i.h1
}

// maxAnswerHeader bounds an answer's status line and header: common clients
// refuse less.
const maxAnswerHeader = 256 << 10

func newTransport(l Limits, h2c bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2c)
	protocols.SetUnencryptedHTTP2(h2c)
	dial := dialer(l.Connect)
	if !h2c {
		dial = reuse.Dialer(dial)
	}
	return &http.Transport{
		Protocols:              protocols,
		DialContext:            dial,
		MaxIdleConnsPerHost:    512,
		IdleConnTimeout:        l.UpstreamIdle,
		ExpectContinueTimeout:  time.Second,
		DisableCompression:     true, // what the client did not ask for is not asked for
		MaxResponseHeaderBytes: maxAnswerHeader,
	}
}

// connectKey is of the time that a call allows for a connection, if it differs
// from the usual one.
type connectKey struct{}

func dialer(usual time.Duration) reuse.Dial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := net.Dialer{Timeout: usual}
		if own, ok := ctx.Value(connectKey{}).(time.Duration); ok {
			d.Timeout = own
		}
		return d.DialContext(ctx, network, addr)
	}
}

func (i *instance) close() {
	i.h1.CloseIdleConnections()
	i.h2.CloseIdleConnections()
}

// pool is the instances of one service.
type pool struct {
	service string
	used    bool // a route or an edge leads to it; guarded by Gateway.mu
	list    atomic.Pointer[[]*instance]

	outliers *policy.Outliers // the instances that fail while others do not
	incoming *incoming
}

func newPool(service string) *pool {
	p := &pool{service: service, outliers: policy.NewOutliers(policy.Ejection{}), incoming: newIncoming()}
	p.list.Store(&[]*instance{})
	return p
}

func (p *pool) instances() []*instance { return *p.list.Load() }

// acquire picks an instance that is not among tried and counts a request on
// it; nil when there is none. The caller releases it.
//
// INVARIANT: a request is counted before removed is looked at, and
// SetUpstreams sets removed before anybody reads the count: a drained
// instance whose count is 0 gets no request any more.
func (p *pool) acquire(tried []*instance) *instance {
	for {
		i := pick(p.candidates(tried))
		if i == nil {
			return nil
		}
		i.inflight.Add(1)
		if !i.removed.Load() {
			return i
		}
		i.inflight.Add(-1)
	}
}

func (i *instance) release() { i.inflight.Add(-1) }

// endless says that the request which was counted is a stream without an end,
// until the function that it gives is called, before release.
func (i *instance) endless() (over func()) {
	if i == nil {
		return func() {}
	}
	i.inflight.streams.Add(1)
	return func() { i.inflight.streams.Add(-1) }
}

// candidates are the instances that were not tried and are not ejected; where
// all of them are ejected, these, since one that fails is better than none.
func (p *pool) candidates(tried []*instance) []*instance {
	list := p.instances()
	if len(tried) > 0 {
		list = slices.DeleteFunc(slices.Clone(list), func(i *instance) bool { return slices.Contains(tried, i) })
	}
	if !p.outliers.Any() {
		return list
	}
	fit := slices.DeleteFunc(slices.Clone(list), func(i *instance) bool { return p.outliers.Ejected(i.ID) })
	if len(fit) == 0 {
		return list
	}
	return fit
}

// another tells whether there is an instance beside the last one and those
// tried before.
func (p *pool) another(tried []*instance) bool { return len(p.instances()) > len(tried)+1 }

func ids(list []*instance) []string {
	names := make([]string, len(list))
	for i, instance := range list {
		names[i] = instance.ID
	}
	return names
}

// pick is the less loaded of two random instances; nil of none.
func pick(list []*instance) *instance {
	i := policy.LessLoaded(len(list), func(i int) int64 { return list[i].inflight.Load() })
	if i < 0 {
		return nil
	}
	return list[i]
}
