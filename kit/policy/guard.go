package policy

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Reason is why a call was refused.
type Reason string

// The reasons.
const (
	BreakerOpen  Reason = "breaker-open"
	BulkheadFull Reason = "bulkhead-full"
	LimitLowered Reason = "limit-lowered" // the bulkhead's limit is below the declared one, since latency grew
)

// Rejection is the error of a call that was not made.
type Rejection struct {
	Reason     Reason
	RetryAfter time.Duration // when it may be worth while to ask again
}

// Error implements error.
func (r *Rejection) Error() string {
	switch r.Reason {
	case BreakerOpen:
		return "the call was not made: its breaker is open"
	case LimitLowered:
		return "the call was not made: too many are under way for how slow they are"
	case BulkheadFull:
	}
	return "the call was not made: too many are under way"
}

// Outcome is how a call went.
type Outcome uint8

// The outcomes. Only Failure and Slow count against a breaker: who refuses
// calls since it has too many is helped by fewer, not by none.
const (
	Success Outcome = iota
	Failure         // it could not be reached, broke off, or answered with an error of its own
	Slow            // there was no answer in time
	Refused         // it has too many calls, and says so
	Ignored         // nothing is learned: the caller gave up, or nobody was asked
)

// Guard protects the calls to one dependency. All methods are safe for
// concurrent use.
type Guard struct {
	began  time.Time
	config atomic.Pointer[Config]

	mu       sync.Mutex // guards what follows
	breaker  breaker
	bulkhead bulkhead
	adaptive adaptive
	budget   budget
	slow     uint64
	lastSlow moment
	rejected [3]uint64 // by breaker, bulkhead, lowered limit
}

// NewGuard makes a guard whose breaker is closed.
func NewGuard(c Config) *Guard {
	c = c.withDefaults()
	g := &Guard{began: time.Now()}
	g.budget.tokens = c.Retry.Burst
	g.config.Store(&c)
	return g
}

// Config is the one in force, its defaults filled in.
func (g *Guard) Config() Config { return *g.config.Load() }

// Set replaces the config while calls are under way. What the guard knows is
// kept: an open breaker stays open, calls that have begun stay counted, and
// those that wait begin if there is room for them now. A breaker that is off
// now is closed.
func (g *Guard) Set(c Config) {
	c = c.withDefaults()
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.config.Load()
	if *old == c {
		return
	}
	if c.Breaker.Window != old.Breaker.Window {
		g.breaker.window = [slots]slot{} // its parts are of another length
	}
	if c.Breaker.Off {
		g.breaker = breaker{generation: g.breaker.generation + 1, opened: g.breaker.opened, last: g.breaker.last}
	}
	g.config.Store(&c)
	g.bulkhead.wake(g.limit(&c))
}

// limit is how many calls may be under way now; g.mu is held.
func (g *Guard) limit(c *Config) int { return g.adaptive.now(c.Bulkhead.Concurrent, &c.Adaptive) }

func (g *Guard) now() time.Duration { return time.Since(g.began) }

// Permit is a call that may be made. Its methods are for one goroutine; it
// must be given back by Release. The zero value is of a call that nobody
// guards: its methods do nothing.
type Permit struct {
	guard      *Guard
	began      time.Duration
	generation uint32
	reported   bool
	ok         bool // as it was reported
	held       bool // a place in the bulkhead
}

// Begin lets a call begin, at once or when its turn has come. The error is a
// *Rejection, or ctx's.
func (g *Guard) Begin(ctx context.Context) (Permit, error) {
	c := g.config.Load()
	now := g.now()
	g.mu.Lock()
	if after, ok := g.breaker.allow(now, &c.Breaker); !ok {
		g.rejected[0]++
		g.mu.Unlock()
		return Permit{}, &Rejection{Reason: BreakerOpen, RetryAfter: after}
	}
	g.budget.fill(now, &c.Retry)
	if !g.bulkhead.take(g.limit(c)) {
		w := g.bulkhead.wait(g.limit(c), c.Bulkhead.Queue)
		g.mu.Unlock()
		if err := g.await(ctx, c, w); err != nil {
			return Permit{}, err
		}
		now = g.now()
		g.mu.Lock()
		if after, ok := g.breaker.allow(now, &c.Breaker); !ok { // it opened meanwhile
			g.rejected[0]++
			g.bulkhead.give(g.limit(g.config.Load()))
			g.mu.Unlock()
			return Permit{}, &Rejection{Reason: BreakerOpen, RetryAfter: after}
		}
	}
	generation := g.breaker.enter()
	g.mu.Unlock()
	return Permit{guard: g, began: now, generation: generation, held: true}, nil
}

// await waits for a turn (nil: there is no room to wait in).
func (g *Guard) await(ctx context.Context, c *Config, w *waiter) error {
	if w == nil {
		return g.full(nil)
	}
	timer := time.NewTimer(c.Bulkhead.Wait)
	defer timer.Stop()
	select {
	case <-w.turn:
		return nil
	case <-timer.C:
		return g.full(w)
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bulkhead.abandon(w) {
		g.bulkhead.give(g.limit(g.config.Load()))
	}
	return context.Cause(ctx)
}

// full refuses a call for which there is no room, unless its turn came in the
// last moment.
func (g *Guard) full(w *waiter) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w != nil && g.bulkhead.abandon(w) {
		return nil
	}
	c, now := g.config.Load(), g.now()
	reason, why := BulkheadFull, "refused a call: the limit was reached"
	if g.limit(c) < c.Bulkhead.Concurrent {
		reason, why = LimitLowered, "refused a call: the lowered limit was reached"
		g.rejected[2]++
	} else {
		g.rejected[1]++
	}
	g.bulkhead.rejected++
	g.bulkhead.last = moment{at: now, why: why}
	return &Rejection{Reason: reason, RetryAfter: time.Second}
}

// Report tells how the call went, as soon as that is known. It may be called
// again when what began well ends badly: with Failure after Success.
func (p *Permit) Report(o Outcome) {
	g := p.guard
	if g == nil || p.reported && (!p.ok || o == Success || o == Ignored || o == Refused) {
		return
	}
	c, now := g.config.Load(), g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.reported {
		p.ok = false
		g.breaker.retract(now, p.generation, &c.Breaker)
		return
	}
	p.reported, p.ok = true, o == Success
	switch o {
	case Ignored, Refused:
		g.breaker.leave(p.generation)
	case Success, Failure, Slow:
		g.breaker.record(now, p.generation, o == Success, &c.Breaker)
	}
	if o == Slow {
		g.slow++
		g.lastSlow = moment{at: now, why: "gave up a call that was not answered in time"}
	}
	if o == Success || o == Slow || o == Refused {
		latency := now - p.began
		g.adaptive.record(now, latency, g.bulkhead.inUse, o != Success, c.Bulkhead.Concurrent, &c.Adaptive)
	}
}

// Release gives the permit back. What was not reported is ignored. It may be
// called again after that.
func (p *Permit) Release() {
	if p.guard == nil || !p.held {
		return
	}
	p.Report(Ignored)
	p.held = false
	g := p.guard
	g.mu.Lock()
	g.bulkhead.give(g.limit(g.config.Load()))
	g.mu.Unlock()
}

// Retry tells whether the call may be tried again after this many tries, and
// after what pause. above is how often it was retried by who called before
// (see [Retried]): what was is not retried again. asked is the pause that the
// callee asks for (see [RetryAfter]); where it is longer than the policy's
// longest, it is not tried again.
func (p *Permit) Retry(tries, above int, asked time.Duration) (pause time.Duration, ok bool) {
	g := p.guard
	if g == nil {
		return 0, false
	}
	c := g.config.Load()
	if c.Retry.Off || tries > c.Retry.Max || above > 0 || asked > c.Retry.Cap {
		return 0, false
	}
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.breaker.allow(now, &c.Breaker); !ok && g.breaker.state == Open {
		return 0, false
	}
	if !g.budget.take() {
		g.budget.last = moment{at: now, why: "did not retry: the budget is spent"}
		return 0, false
	}
	g.budget.last = moment{at: now, why: "retried a call"}
	return max(asked, c.Retry.pause(tries)), true
}

// Do makes a call within the policies: call is given a context that ends with
// the total time, and says how it went. One that is idempotent is tried again
// when it failed. The error is the last one of call, a *Rejection, or ctx's.
func (g *Guard) Do(ctx context.Context, idempotent bool, call func(context.Context) (Outcome, error)) error {
	if total := g.config.Load().Timeouts.Total; total > 0 {
		timed := withTimeout(ctx, total)
		defer timed.end()
		ctx = timed
	}
	p, err := g.Begin(ctx)
	if err != nil {
		return err
	}
	defer p.Release()
	for tries := 1; ; tries++ {
		outcome, err := call(ctx)
		if outcome == Success || outcome == Ignored || !idempotent || ctx.Err() != nil {
			p.Report(outcome)
			return err
		}
		pause, again := p.Retry(tries, 0, 0)
		if !again || !sleep(ctx, pause) {
			p.Report(outcome)
			return err
		}
	}
}

// sleep waits, and tells whether ctx is still alive. It does not begin a wait
// that ctx would not see the end of.
func sleep(ctx context.Context, pause time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
