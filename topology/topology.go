package topology

import (
	"cmp"
	"hash/maphash"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// Bounds of what is kept.
const (
	MaxEvidence = 10                  // undeclared calls of one edge, the last ones
	MaxRefused  = 512                 // refused calls of all edges, the last ones
	Forget      = 30 * 24 * time.Hour // undeclared edges and routes that were not used for so long
)

// Options are what a Topology is opened with; the zero value works.
type Options struct {
	Log   *slog.Logger     // receives what an operator should know; nil: nothing
	Now   func() time.Time // nil: time.Now
	Every time.Duration    // the least time between two writes of the file; 5s
	Edges int              // edges and routes that are kept beside the declared ones; 4096

	Actions int // customers' actions under way whose calls are counted apart; 10,000
	Chatty  int // calls of one edge in one action, above which it is chatty; 5
	// Settle is for how long a call may be told late, by which time the chains
	// that it is part of are known; 0: none is.
	Settle time.Duration
}

// Topology is who calls whom. All methods are safe for concurrent use.
type Topology struct {
	path    string // "" for none
	log     *slog.Logger
	now     func() time.Time
	every   time.Duration
	limit   int64
	since   time.Time
	seed    maphash.Seed
	shards  [shards]shard
	kept    atomic.Int64 // edges and routes
	dropped atomic.Uint64
	changed atomic.Bool // since the file was written
	actions *actions
	active  atomic.Pointer[map[string]*activity] // of the services that declare calls

	mu      sync.Mutex // guards what follows
	refused []Call     // a ring, once it is full
	next    int        // where the next goes
}

// shards spread the locks of the edges.
const shards = 16

// shard is a part of the edges. Its lock is held for writing only to add, to
// forget and to declare.
type shard struct {
	mu    sync.RWMutex // guards what follows
	edges map[key]*edge
}

// key names an edge: a call of one service by another, or a route.
type key struct{ gateway, from, to string } // of a route, from is its path

// edge is what is kept of one key.
type edge struct {
	all               uses
	refused           atomic.Uint64
	undeclared        uses // since the edge was last declared
	undeclaredRefused atomic.Uint64
	declaredAt        time.Time     // guarded by the shard's lock
	idleFrom          time.Duration // of the caller's activity, when it was declared; likewise

	mu       sync.Mutex // guards what follows
	evidence []Evidence // the oldest first
	windows  *windows   // nil: not used yet
	actions  Actions
}

// uses counts without a lock.
type uses struct {
	count, errors atomic.Uint64
	first, last   atomic.Int64 // Unix time in nanoseconds; 0: none
}

// Seen is one exchange that was seen.
type Seen struct {
	Caller  string // the calling service; empty for a route's
	Gateway string // the entrance, for what came from outside
	Route   string // the route's path, likewise
	Callee  string // who was asked; empty: nobody was found, and nothing is kept

	ID            string // of an undeclared call
	Time          time.Time
	Duration      time.Duration
	Method        string
	Path          string // without query
	Status        int    // 0: no answer
	CorrelationID string
	Declared      bool
	Refused       bool
}

// Open reads what is remembered in the file, and begins anew where there is
// none, or with an empty path, which is memory alone. What cannot be read is
// set aside as path.damaged and told as a warning, fault.TopologyDamaged; the
// Topology works all the same. Undeclared edges that were not used for Forget
// are forgotten.
func Open(path string, o Options) (*Topology, *fault.Fault) {
	t := &Topology{path: path, log: o.Log, now: o.Now, every: o.Every, limit: int64(o.Edges), seed: maphash.MakeSeed()}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if t.now == nil {
		t.now = time.Now
	}
	if t.every <= 0 {
		t.every = 5 * time.Second
	}
	if t.limit <= 0 {
		t.limit = 4096
	}
	for i := range t.shards {
		t.shards[i].edges = map[key]*edge{}
	}
	if o.Actions <= 0 {
		o.Actions = maxActions
	}
	if o.Chatty <= 0 {
		o.Chatty = 5
	}
	t.actions = newActions(o.Actions, o.Chatty, o.Settle)
	t.active.Store(&map[string]*activity{})
	t.since = t.now()
	return t, t.load()
}

// Observe takes note of one exchange. A call of a service to itself is none.
func (t *Topology) Observe(s Seen) {
	k := key{s.Gateway, s.Caller, s.Callee}
	switch {
	case s.Callee == "" || s.Caller == s.Callee:
		return
	case s.Gateway != "":
		k.from = s.Route
	case s.Caller == "":
		return
	}
	sh := t.shard(k)
	sh.mu.RLock()
	e := sh.edges[k]
	for e == nil {
		sh.mu.RUnlock()
		if !t.add(k, false, time.Time{}) {
			t.dropped.Add(1)
			t.change()
			return
		}
		sh.mu.RLock()
		e = sh.edges[k]
	}
	failed := s.Status == 0 || s.Status >= 500
	e.all.add(s.Time, failed)
	if s.Gateway == "" && !s.Declared {
		e.undeclared.add(s.Time, failed)
		if s.Refused {
			e.refused.Add(1)
			e.undeclaredRefused.Add(1)
		}
		e.keep(s.evidence())
	}
	if !s.Refused {
		e.measure(s.Time.Add(s.Duration), s.Duration, failed)
	}
	sh.mu.RUnlock()
	t.tick(s)
	t.actions.see(s, e, t.now())
	if s.Refused {
		t.refuse(s)
	}
	t.change()
}

// Declare says which calls are declared from now on. What is new among them
// has its age from now, and its undeclared calls before are settled.
func (t *Topology) Declare(edges []plan.Edge, now time.Time) {
	t.follow(edges)
	declared := make(map[key]bool, len(edges))
	for _, e := range edges {
		k := key{"", e.Caller, e.Callee}
		declared[k] = true
		if t.add(k, true, now) {
			t.change()
		}
	}
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.Lock()
		for k, e := range sh.edges {
			if !e.declaredAt.IsZero() && !declared[k] {
				e.declaredAt = time.Time{}
				t.change()
			}
			if e.stale(now) {
				delete(sh.edges, k)
				t.kept.Add(-1)
				t.change()
			}
		}
		sh.mu.Unlock()
	}
}

// add makes an edge where there is none, and tells whether it is there;
// declared, whether that is new. Declared edges always find a place.
func (t *Topology) add(k key, declared bool, now time.Time) bool {
	sh := t.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.edges[k]
	if e == nil {
		if t.kept.Add(1) > t.limit && !declared {
			t.kept.Add(-1)
			return false
		}
		e = &edge{}
		sh.edges[k] = e
	}
	if !declared {
		return true
	}
	if !e.declaredAt.IsZero() {
		return false
	}
	e.declaredAt = now
	e.idleFrom = t.activity(k.from)
	e.settle()
	return true
}

func (t *Topology) shard(k key) *shard {
	return &t.shards[maphash.Comparable(t.seed, k)%shards]
}

// change says that the file is not up to date.
func (t *Topology) change() {
	if !t.changed.Load() { // most often it is said already: no write to what all share
		t.changed.Store(true)
	}
}

// refuse keeps a refused call to be found by its ID.
func (t *Topology) refuse(s Seen) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := Call{Caller: s.Caller, Callee: s.Callee, Evidence: s.evidence()}
	if len(t.refused) < MaxRefused {
		t.refused = append(t.refused, c)
		return
	}
	t.refused[t.next] = c
	t.next = (t.next + 1) % MaxRefused
}

// Call finds an undeclared call by its ID, or by its correlation ID (then the
// last one). It is among the last MaxRefused refused ones, or the last
// MaxEvidence of its edge.
func (t *Topology) Call(id string) (Call, bool) {
	var found Call
	look := func(c Call) {
		if id != "" && (c.ID == id || c.CorrelationID == id) && c.Time.After(found.Time) {
			found = c
		}
	}
	t.mu.Lock()
	for _, c := range t.refused {
		look(c)
	}
	t.mu.Unlock()
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.RLock()
		for k, e := range sh.edges {
			for _, v := range e.last() {
				look(Call{k.from, k.to, v})
			}
		}
		sh.mu.RUnlock()
	}
	return found, !found.Time.IsZero()
}

// Snapshot is what is known at this moment. Counts are read one after
// another: a sum may be off by what passes meanwhile.
func (t *Topology) Snapshot() Observation {
	now := t.now()
	t.actions.catchUp(now)
	o := Observation{Since: t.since, Dropped: t.dropped.Load(), Edges: []Edge{}, Routes: []Route{}, Chains: t.actions.read(), DroppedActions: t.actions.dropped.Load()}
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.RLock()
		for k, e := range sh.edges {
			if k.gateway != "" {
				o.Routes = append(o.Routes, Route{Gateway: k.gateway, Path: k.from, Service: k.to, Figures: e.figures(now), Uses: e.all.read()})
				continue
			}
			// INVARIANT: parts are read before the whole, which is counted
			// before them: no part is larger than its whole.
			seen := Edge{Caller: k.from, Callee: k.to, DeclaredAt: e.declaredAt, Refused: e.refused.Load(), Evidence: e.last()}
			seen.Undeclared.Refused = e.undeclaredRefused.Load()
			seen.Undeclared.Uses = e.undeclared.read()
			seen.Uses = e.all.read()
			seen.Figures, seen.Actions = e.figures(now), e.acted()
			if !e.declaredAt.IsZero() && seen.Count == 0 {
				seen.Idle = t.activity(k.from) - e.idleFrom
			}
			o.Edges = append(o.Edges, seen)
		}
		sh.mu.RUnlock()
	}
	slices.SortFunc(o.Edges, func(a, b Edge) int {
		return cmp.Or(strings.Compare(a.Caller, b.Caller), strings.Compare(a.Callee, b.Callee))
	})
	slices.SortFunc(o.Routes, func(a, b Route) int {
		return cmp.Or(strings.Compare(a.Gateway, b.Gateway), strings.Compare(a.Path, b.Path), strings.Compare(a.Service, b.Service))
	})
	return o
}
