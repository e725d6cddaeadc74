package gateway

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/gateway/later"
	"github.com/plat-dev/plat/kit/policy"
	"github.com/plat-dev/plat/plan"
)

// dependency is one service as another calls it. It outlives the edges that
// lead to it: what its guard knows is kept when the plan changes.
type dependency struct {
	count     counters
	used      atomic.Bool // a call came by an edge
	guard     *policy.Guard
	terms     atomic.Pointer[terms] // nil: nobody guards these calls
	fallbacks fallbacks
	pool      atomic.Pointer[pool] // of the edge that was made last; nil: the callee is external
	edge      atomic.Pointer[edge] // the declared one; nil: there is none
}

// terms are what the plan says of a dependency beside its guard's config.
type terms struct {
	declared  bool
	timeout   plan.Duration // until the answer begins, as it is told
	connect   time.Duration // 0: as the gateway's limits say
	header    time.Duration // of one try; 0: what is left
	total     time.Duration // until the answer's end; 0: none
	onFailure string
	standard  *plan.DefaultAnswer
	lastGood  *plan.LastGood
	queue     *plan.Queue
}

// undeclared are the terms of a call by the mesh that the plan does not know.
func undeclared() *terms { return &terms{onFailure: plan.OnFail} }

func termsOf(e plan.Edge) *terms {
	return &terms{
		declared: true, timeout: e.Timeout, connect: e.Policy.Connect.Std(), header: e.Policy.Header.Std(), total: e.Policy.Total.Std(),
		onFailure: e.OnFailure, standard: e.Default, lastGood: e.LastGood, queue: e.Queue,
	}
}

// GuardOf is what protects the calls of an edge, in the policies' words.
func GuardOf(e plan.Edge) (policy.Config, policy.Ejection) {
	return configOf(e.Policy), ejectionOf(e.Ejection)
}

// configOf is a policy of the plan in the guard's words. One that says nothing
// is the standard.
func configOf(p plan.CallPolicy) policy.Config {
	if p == (plan.CallPolicy{}) {
		return policy.Config{}
	}
	c := policy.Config{
		Timeouts: policy.Timeouts{Connect: p.Connect.Std(), Header: p.Header.Std(), Total: p.Total.Std()},
		Retry:    policy.Retry{Off: p.Retries == 0, Max: p.Retries},
		Breaker:  policy.Breaker{Off: p.Breaker == nil},
		Bulkhead: policy.Bulkhead{Concurrent: p.Concurrent, Wait: p.Wait.Std()},
		Adaptive: policy.Adaptive{Off: !p.Adaptive},
	}
	if b := p.Breaker; b != nil {
		c.Breaker.Share, c.Breaker.Minimum, c.Breaker.Window, c.Breaker.Open = float64(b.Failures)/100, b.Calls, b.Within.Std(), b.Open.Std()
	}
	return c
}

func newDependency() *dependency { return &dependency{guard: policy.NewGuard(policy.Config{})} }

// SetCalls says how the declared calls are protected, from now on and without
// a break: breakers stay as they are, calls under way stay counted. A call that
// is declared no more has the standard, as an undeclared one by the mesh.
// Edges that are not made by the mesh and that the plan does not know, as
// plat's own, are not guarded: their callers have their own ways to try again.
func (g *Gateway) SetCalls(calls []plan.Edge) {
	g.mu.Lock()
	defer g.mu.Unlock()
	declared := make(map[edgeKey]bool, len(calls))
	for _, c := range calls {
		key := edgeKey{c.Caller, c.Callee}
		declared[key] = true
		d := g.dependency(key)
		d.guard.Set(configOf(c.Policy))
		d.terms.Store(termsOf(c))
		if q := g.later.Load(); q != nil && c.Queue != nil {
			q.SetRules(c.Caller, c.Callee, later.Rules{
				Keep: c.Queue.Keep.Std(), Calls: c.Queue.Calls, Size: int64(c.Queue.Size),
			})
		}
	}
	for key, d := range g.dependencies {
		if t := d.terms.Load(); t != nil && t.declared && !declared[key] {
			d.guard.Set(policy.Config{})
			d.terms.Store(undeclared())
		}
	}
}

// dependency finds or makes what an edge leads to; g.mu is held. Beyond
// maxEdges it is not kept: nobody reads its counters, and its guard is the
// edge's alone.
func (g *Gateway) dependency(key edgeKey) *dependency {
	d := g.dependencies[key]
	if d == nil {
		d = newDependency()
		if len(g.edges) < maxEdges {
			g.dependencies[key] = d
			g.edges = append(g.edges, key)
		}
	}
	return d
}

// lasting tells whether an answer is a stream: it has no total time, and holds
// no place in the bulkhead once it has begun, since it may last for days.
func lasting(r *http.Request, res *http.Response) bool {
	return streaming(r) || policy.Lasting(res.Header.Get("Content-Type"))
}
