package direct

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/kit/policy"
)

// Marks of calls (docs/wire/call-marks.md), in canonical form.
const (
	headerCaller      = "Plat-Caller"
	headerTimeout     = "Plat-Timeout"
	headerTest        = "Plat-Test"
	headerDegraded    = "Plat-Degraded"
	headerRejected    = "Plat-Rejected"
	headerCorrelation = "X-Correlation-Id"
	headerTrace       = "Traceparent"
)

// What the plan can say that a failure means; the rest is kept by plat.
const (
	onFail    = "fail"
	onDegrade = "degrade"
)

// dependency is one service as this program calls it. What its guard knows is
// kept when the view changes.
type dependency struct {
	caller   *Caller
	name     string
	guard    *policy.Guard
	outliers *policy.Outliers
	now      atomic.Pointer[terms]
	used     atomic.Bool
	degraded atomic.Uint64
	last     atomic.Pointer[policy.Act] // of degrading
}

// terms are what the view says of a dependency.
type terms struct {
	Call
	known     bool
	instances []*instance
}

// instance is one that may be asked, with its connections.
type instance struct {
	Instance
	connect   time.Duration
	transport *http.Transport
	inflight  atomic.Int64
	streams   atomic.Int64 // of those in flight: without an end, so that nobody waits for them
	removed   atomic.Bool
}

// busy counts the calls that come to an end by themselves.
func (i *instance) busy() int64 {
	all := i.inflight.Load() // first: what becomes a stream meanwhile was counted already
	return all - i.streams.Load()
}

func newDependency(c *Caller, name string) *dependency {
	d := &dependency{caller: c, name: name, guard: policy.NewGuard(policy.Config{}), outliers: policy.NewOutliers(policy.Ejection{})}
	d.now.Store(&terms{})
	return d
}

// instanceOf finds the instance among the known ones, or makes it.
func (t *terms) instanceOf(i Instance, connect time.Duration) *instance {
	for _, old := range t.instances {
		if old.Instance == i && old.connect == connect {
			return old
		}
	}
	return &instance{Instance: i, connect: connect, transport: newTransport(connect)}
}

func (t *terms) has(i *instance) bool { return slices.Contains(t.instances, i) }

// acquire picks an instance that was not tried and counts a call on it; nil
// when there is none. The caller releases it.
//
// INVARIANT: a call is counted before removed is looked at, and removed is set
// before the view is acknowledged: an instance that has left the view and whose
// count is 0 gets no call any more.
func (d *dependency) acquire(t *terms, tried []*instance) *instance {
	for {
		list := d.candidates(t, tried)
		at := policy.LessLoaded(len(list), func(i int) int64 { return list[i].inflight.Load() })
		if at < 0 {
			return nil
		}
		i := list[at]
		i.inflight.Add(1)
		if !i.removed.Load() {
			return i
		}
		d.release(i)
		if t = d.now.Load(); !t.known {
			return nil
		}
	}
}

// release gives an instance back.
func (d *dependency) release(i *instance) {
	i.inflight.Add(-1)
	d.free(i)
}

// free says so when an instance that is to go has become free.
func (d *dependency) free(i *instance) {
	if i.removed.Load() && i.busy() == 0 {
		d.caller.book.kick() // somebody may wait for that
	}
}

// candidates are the instances that were not tried and are not ejected; where
// all of them are, these, since one that fails is better than none.
func (d *dependency) candidates(t *terms, tried []*instance) []*instance {
	list := t.instances
	if len(tried) > 0 {
		list = slices.DeleteFunc(slices.Clone(list), func(i *instance) bool { return slices.Contains(tried, i) })
	}
	if !d.outliers.Any() {
		return list
	}
	fit := slices.DeleteFunc(slices.Clone(list), func(i *instance) bool { return d.outliers.Ejected(i.ID) })
	if len(fit) == 0 {
		return list
	}
	return fit
}

// way leads to a dependency.
type way struct {
	*dependency
	edge string // host:port
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	t := w.now.Load()
	if !t.known || r.URL.Host != w.edge || needsEdge(r) {
		return w.next.RoundTrip(r)
	}
	if t.By == ByKit || w.caller.silent.Load() && len(t.instances) > 0 {
		return w.call(r, t)
	}
	if r.Body != nil && r.Body != http.NoBody && r.GetBody == nil || len(t.instances) == 0 {
		return w.next.RoundTrip(r) // it cannot be sent a second time
	}
	resp, err := w.next.RoundTrip(r)
	if err == nil || !dialing(err) || r.Context().Err() != nil {
		return resp, err
	}
	again := r.Clone(r.Context()) // nobody was reached: plat's listener has gone
	if r.GetBody != nil {
		if again.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	return w.call(again, t)
}

// dialing tells whether a connection was not made, so that nothing happened.
func dialing(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// needsEdge tells of a request whether it is one for plat's listener: it has a
// mark that only plat can verify, or is of a protocol that is not carried here.
func needsEdge(r *http.Request) bool {
	kind := r.Header.Get("Content-Type")
	return r.Header[headerTest] != nil || r.URL.Scheme != "http" || r.Header["Upgrade"] != nil || strings.HasPrefix(kind, "application/grpc") ||
		strings.HasPrefix(kind, "application/connect+") || slices.ContainsFunc(r.Header["Accept"], func(v string) bool { return strings.Contains(v, "text/event-stream") })
}
