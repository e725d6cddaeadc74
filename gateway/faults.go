package gateway

import (
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/kit/policy"
	"github.com/plat-dev/plat/kit/reuse"
)

// The kinds of faults. They stand where the instance stands, so that whatever protects
// the call (time-outs, tries elsewhere) acts on them; a reset alone is the
// caller's own connection.
const (
	FaultWatch    = "watch"       // nothing: requests are counted
	FaultLatency  = "latency"     // the request is held back for Delay and up to Jitter more
	FaultError    = "error"       // Status is answered without asking the instance
	FaultAbort    = "abort"       // the instance's connection closes without an answer
	FaultReset    = "reset"       // the caller's own connection is reset (TCP RST; a stream of HTTP/2)
	FaultTruncate = "truncate"    // the answer breaks off in the middle of its body
	FaultStall    = "stall"       // the answer stops in the middle of its body, and nothing ends it
	FaultSlow     = "slow"        // the answer's body comes at Rate bytes a second
	FaultSilence  = "no-answer"   // nothing comes until the caller's time is over
	FaultGone     = "no-instance" // as if no instance were in rotation
	FaultTwice    = "duplicate"   // the instance gets the request twice, the caller the second answer
)

// Fault is a failure that is played on purpose, for those requests for which
// everything of its aim holds that is set.
type Fault struct {
	ID     string // told in counts, in exchanges, and to callers in Plat-Fault
	Kind   string
	Delay  time.Duration // latency
	Jitter time.Duration // latency
	Status int           // error; 0: 503
	Rate   int64         // slow; bytes a second, 0: 1

	// The aim.
	Service   string  // that is asked
	Caller    string  // that asks; at an entrance nobody does
	Instance  string  // that would answer
	Gateway   string  // the entrance
	Route     string  // its route's path
	Header    string  // a field that the request must have…
	Value     string  // …with this value; empty: any
	Journey   string  // of the test customer
	Synthetic bool    // only requests of test customers
	Share     float64 // of them, by correlation ID, so that a customer's action is met as a whole; 0 or 1: all
}

// FaultCount is how often a fault was played.
type FaultCount struct {
	Played   uint64
	Failed   uint64         // of what was only watched: calls that failed all the same
	Examples []FaultExample // the first few
}

// FaultExample is one exchange in which a fault was played.
type FaultExample struct {
	Time          time.Time
	TraceID       string
	CorrelationID string
	Method, Path  string
}

// faultExamples bounds the examples of one fault.
const faultExamples = 5

// played is a fault with its counters.
type played struct {
	Fault
	count  atomic.Uint64
	failed atomic.Uint64
	lifted chan struct{} // closed when it is no longer to be played

	mu       sync.Mutex // guards what follows
	examples []FaultExample
}

// SetFaults replaces the faults that are played; none is the usual state, and
// costs one look at a pointer. Requests that a fault holds back which is not
// in the list any more go on at once. A fault that stays as it was keeps its
// count. Faults end with the process.
func (g *Gateway) SetFaults(faults []Fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var old []*played
	if was := g.faults.Load(); was != nil {
		old = *was
	}
	var list []*played
	for _, f := range faults {
		if i := slices.IndexFunc(old, func(p *played) bool { return p.Fault == f }); i >= 0 {
			list = append(list, old[i])
			continue
		}
		list = append(list, &played{Fault: f, lifted: make(chan struct{})})
	}
	if len(list) == 0 {
		g.faults.Store(nil)
	} else {
		g.faults.Store(&list)
	}
	for _, p := range old {
		if !slices.Contains(list, p) {
			close(p.lifted)
		}
	}
}

// FaultCounts tells how often each of the present faults was played, by ID.
func (g *Gateway) FaultCounts() map[string]FaultCount {
	counts := map[string]FaultCount{}
	if list := g.faults.Load(); list != nil {
		for _, p := range *list {
			p.mu.Lock()
			counts[p.ID] = FaultCount{Played: p.count.Load(), Failed: p.failed.Load(), Examples: slices.Clone(p.examples)}
			p.mu.Unlock()
		}
	}
	return counts
}

// note counts that the fault was played.
func (p *played) note(x *exchange) {
	p.count.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.examples) < faultExamples {
		p.examples = append(p.examples, FaultExample{time.Now(), x.Trace.ID, x.CorrelationID, x.Method, x.Path})
	}
}

// meets tells whether the fault is aimed at the exchange, which an instance is
// about to get.
func (p *played) meets(x *exchange) bool {
	a := &p.Fault
	switch {
	case a.Service != "" && a.Service != x.Service,
		a.Caller != "" && a.Caller != x.Caller,
		a.Instance != "" && a.Instance != x.Upstream,
		a.Gateway != "" && a.Gateway != x.Gateway,
		a.Route != "" && a.Route != x.Route,
		a.Journey != "" && a.Journey != x.Synthetic,
		a.Synthetic && x.Synthetic == "":
		return false
	}
	if a.Header != "" {
		values := x.r.Header.Values(a.Header)
		if len(values) == 0 || a.Value != "" && !slices.Contains(values, a.Value) {
			return false
		}
	}
	return a.Share <= 0 || a.Share >= 1 || draw(p.ID, x.CorrelationID) < a.Share
}

// draw is a number from 0 to 1 that a fault has for a correlation ID.
func draw(id, correlation string) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id + "\x00" + correlation)) // never fails
	v := h.Sum64()
	v ^= v >> 33 // FNV's last bytes hardly move its upper bits
	v *= 0xff51afd7ed558ccd
	v ^= v >> 33
	return float64(v>>11) / (1 << 53)
}

// roundTrip asks an instance, or plays what is to go wrong instead.
func (x *exchange) roundTrip(to http.RoundTripper, out *http.Request) (*http.Response, error) {
	list := x.gateway.faults.Load()
	if list == nil {
		return x.answer.check.Send(to, out)
	}
	return x.play(*list, checked{&x.answer.check, to}, out)
}

// checked sends by connections on which nothing is left.
type checked struct {
	check *reuse.Check
	to    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (c checked) RoundTrip(out *http.Request) (*http.Response, error) { return c.check.Send(c.to, out) }

// play plays the faults that meet the exchange, in their order: delays add up,
// the first that answers or breaks ends it.
func (x *exchange) play(list []*played, to http.RoundTripper, out *http.Request) (*http.Response, error) {
	var onBody *played
	var watches []*played
	for _, p := range list {
		if !p.meets(x) {
			continue
		}
		p.note(x)
		if p.Kind == FaultWatch {
			watches = append(watches, p)
			continue
		}
		x.Fault = p.ID
		x.spare(p)
		switch p.Kind {
		case FaultLatency:
			wait := p.Delay
			if p.Jitter > 0 {
				wait += rand.N(p.Jitter) // #nosec G404 -- no secret
			}
			if err := p.hold(x, out, wait); err != nil {
				return nil, err
			}
		case FaultSilence:
			if err := p.hold(x, out, 0); err != nil {
				return nil, err
			}
		case FaultTruncate, FaultStall, FaultSlow:
			onBody = p
		case FaultTwice:
			to = twice{to}
		default:
			return x.broken(p, out)
		}
	}
	res, err := to.RoundTrip(out)
	for _, p := range watches {
		if err != nil || res.StatusCode >= http.StatusInternalServerError {
			p.failed.Add(1)
		}
	}
	if err == nil && onBody != nil && res.StatusCode >= http.StatusOK && res.ContentLength != 0 {
		res.Body = onBody.onBody(res, out)
	}
	return res, err
}

// spare keeps what protects all calls from what is played for test customers
// alone: no breaker opens for real ones, and no instance is ejected for what it
// did not do.
func (x *exchange) spare(p *played) {
	switch tests := p.Journey != "" || p.Synthetic; {
	case tests:
		x.permit.Report(policy.Ignored) // what is reported after that does not count
		x.spared = true
	case p.Kind == FaultReset || p.Kind == FaultGone:
		x.spared = true
	}
}

// hold waits, for ever without a time, until the fault is lifted or nobody
// waits any more.
func (p *played) hold(x *exchange, out *http.Request, d time.Duration) error {
	x.answer.start() // else it would run from the end of a body that nobody reads
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-p.lifted:
	case <-out.Context().Done():
		return out.Context().Err()
	}
	return nil
}
