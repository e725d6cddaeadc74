package gateway

import (
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway/lastgood"
	"github.com/plat-dev/plat/gateway/later"
	"github.com/plat-dev/plat/plan"
)

// Options are what a Gateway is made with; the zero value works.
type Options struct {
	// AccessLog receives one JSON line for each exchange, buffered for at
	// most a second. When it does not keep up, lines are dropped and counted
	// (Stats.LogDropped). Nil: no access log.
	AccessLog io.Writer
	// Log receives what an operator should know; nil: nothing.
	Log *slog.Logger
	// Observe is called after each exchange, on its goroutine; the Exchange
	// must not be kept. When it is set, the gateway takes part in traces: its
	// span is the parent of what follows. Nil: traces pass through.
	Observe func(*Exchange)
	// Seen is called like Observe, but leaves traces alone. It must be quick:
	// the exchange's end waits for it.
	Seen func(*Exchange)
	// Synthetic tells whose journey the mark of a test customer (Plat-Test) is
	// of, false for one that is not believed; entering when it comes from
	// outside. A mark that is not believed is taken out. Nil: none is believed.
	// It must be quick.
	Synthetic func(mark string, entering bool) (journey string, ok bool)
	// RootCAs are whom external services' certificates may come from; nil:
	// the system's.
	RootCAs *x509.CertPool
	// Limits bound what one client can take.
	Limits Limits
}

// Limits bound what one client can take. A zero field means its default.
type Limits struct {
	Header        int           // bytes of request line and header fields; 64 KiB
	Fields        int           // header fields of a request; 256
	HeaderTimeout time.Duration // for a request's header to arrive; 10s
	Idle          time.Duration // a connection without a request; 75s
	Body          int64         // bytes of a request's body; 100 MiB
	BodyStall     time.Duration // allowance for a body to arrive, beside its size; 30s
	BodyRate      int64         // bytes a second a body must at least come at, beyond BodyStall; an answer of known length, over Write; 1 KiB
	Write         time.Duration // for a client to take, or an instance to give, the next piece of an answer; 60s
	Streams       int           // at once on one HTTP/2 connection; 250
	Connect       time.Duration // for a connection to an instance; 1s
	UpstreamIdle  time.Duration // a connection to an instance without a request; 4s, below the 5s of common servers
	Drain         time.Duration // for exchanges to end when Serve ends; 10s
}

func (l Limits) withDefaults() Limits {
	def(&l.Header, 64<<10)
	def(&l.Fields, 256)
	def(&l.HeaderTimeout, 10*time.Second)
	def(&l.Idle, 75*time.Second)
	def(&l.Body, 100<<20)
	def(&l.BodyStall, 30*time.Second)
	def(&l.BodyRate, 1<<10)
	def(&l.Write, 60*time.Second)
	def(&l.Streams, 250)
	def(&l.Connect, time.Second)
	def(&l.UpstreamIdle, 4*time.Second)
	def(&l.Drain, 10*time.Second)
	return l
}

func def[T int | int64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Gateway holds the routes and upstreams of a system and makes the handlers
// that serve by them. All methods are safe for concurrent use.
type Gateway struct {
	limits  Limits
	log     *slog.Logger
	access  *accessLog // nil: none
	observe func(*Exchange)
	seen    func(*Exchange)
	marked  func(mark string, entering bool) (journey string, ok bool)
	roots   *x509.CertPool
	entries map[fault.Code]problemText

	buffers sync.Pool // of *[copySize]byte

	faults   atomic.Pointer[[]*played] // nil: none is played
	inflight atomic.Int64
	retries  atomic.Uint64

	mu        sync.Mutex // guards what follows
	fronts    map[string]*front
	pools     map[string]*pool
	inflights map[string]*inflight // by instance ID
	leaving   map[string]*inflight // those of them whose last bearer has gone
	edges     []edgeKey            // in the order in which they were made
	remotes   map[string]*remote   // by URL
	tunnels   map[*http.Server]map[*tunnel]struct{}

	dependencies map[edgeKey]*dependency // of edges

	lastGood *lastgood.Store
	later    atomic.Pointer[later.Queues] // nil: nothing is kept

	declared map[string]plan.Service // by name: what they take in, when their instances are ejected; guarded by mu
}

// New makes a gateway that knows no routes and no upstreams.
func New(o Options) *Gateway {
	g := &Gateway{
		limits: o.Limits.withDefaults(), log: o.Log, observe: o.Observe, seen: o.Seen, marked: o.Synthetic, roots: o.RootCAs,
		entries: problemTexts(),
		fronts:  map[string]*front{}, pools: map[string]*pool{}, inflights: map[string]*inflight{}, leaving: map[string]*inflight{},
		dependencies: map[edgeKey]*dependency{}, remotes: map[string]*remote{}, lastGood: lastgood.New(0),
		tunnels: map[*http.Server]map[*tunnel]struct{}{},
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	if o.AccessLog != nil {
		g.access = openAccessLog(o.AccessLog, g.log)
	}
	return g
}

// Close writes out the access log, waits for that, closes the idle
// connections to upstreams, and ends tunnels that no Serve has ended. It is called when every Serve has returned; what
// is served after it is not logged, but counted as dropped.
func (g *Gateway) Close() {
	g.closeCaches()
	g.mu.Lock()
	for _, p := range g.pools {
		for _, inst := range p.instances() {
			inst.close()
		}
	}
	for _, r := range g.remotes {
		r.close()
	}
	for _, tunnels := range g.tunnels { // of handlers that others serve
		for t := range tunnels {
			t.close()
		}
	}
	g.mu.Unlock()
	if g.access != nil {
		g.access.close()
	}
}

// SetRoutes replaces the routes of one gateway, those of other gateways in
// routes are passed over. Requests that have begun keep their route; no
// connection is closed. Counters of routes that stay are kept.
func (g *Gateway) SetRoutes(gatewayName string, routes []plan.Route) {
	f := g.front(gatewayName)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.table.Store(compile(gatewayName, routes, f.table.Load(), g.pool))
}

// front finds or makes the entrance of this name.
func (g *Gateway) front(name string) *front {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.fronts[name]
	if f == nil {
		f = &front{gateway: g, name: name}
		f.table.Store(compile(name, nil, nil, nil))
		g.fronts[name] = f
	}
	return f
}

// pool finds or makes the pool of a service, for a route or an edge to it.
func (g *Gateway) pool(service string) *pool {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.findPool(service)
	p.used = true
	return p
}

// findPool finds or makes the pool of a service; g.mu is held.
func (g *Gateway) findPool(service string) *pool {
	p := g.pools[service]
	if p == nil {
		p = newPool(service)
		p.incoming.set(g.declared[service].Limits, 0)
		p.outliers.Set(g.ejection(service))
		g.pools[service] = p
	}
	return p
}
