package policy

import "time"

// moment is when a policy last acted, and why.
type moment struct {
	at  time.Duration // since the guard's beginning
	why string
}

func (m moment) act(began time.Time) *Act {
	if m.why == "" {
		return nil
	}
	return &Act{Time: began.Add(m.at), Why: m.why}
}

// Act is what a policy did last.
type Act struct {
	Time time.Time
	Why  string
}

// Snapshot is how the policies of a guard stand. A last act of nil means that
// the policy did not act yet.
type Snapshot struct {
	Config   Config
	Breaker  BreakerState
	Bulkhead BulkheadState
	Adaptive AdaptiveState
	Retry    RetryState
	Timeout  TimeoutState
}

// BreakerState is how a breaker stands.
type BreakerState struct {
	State    State
	Calls    int       // of the window
	Failed   int       // of them
	Until    time.Time // it is open; zero when it is not
	Opened   uint64    // times
	Rejected uint64    // calls
	Last     *Act
}

// BulkheadState is how a bulkhead stands.
type BulkheadState struct {
	Limit    int // now
	InUse    int
	Waiting  int
	Rejected uint64
	Last     *Act
}

// AdaptiveState is how the limit's adaption stands.
type AdaptiveState struct {
	Limit    int           // now
	Usual    time.Duration // latency
	Rejected uint64        // calls that the declared limit would have let through
	Last     *Act
}

// RetryState is how retries stand.
type RetryState struct {
	Retries uint64
	Refused uint64  // since the budget was spent
	Budget  float64 // retries that may be had at once
	Last    *Act
}

// TimeoutState counts calls that were given up.
type TimeoutState struct {
	Slow uint64
	Last *Act
}

// Snapshot reads how everything stands at this moment.
func (g *Guard) Snapshot() Snapshot {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, now := *g.config.Load(), g.now()
	s := Snapshot{
		Config: c,
		Breaker: BreakerState{
			State: g.breaker.state, Opened: g.breaker.opened, Rejected: g.rejected[0], Last: g.breaker.last.act(g.began),
		},
		Bulkhead: BulkheadState{
			Limit: g.limit(&c), InUse: g.bulkhead.inUse, Waiting: len(g.bulkhead.queue), Rejected: g.rejected[1], Last: g.bulkhead.last.act(g.began),
		},
		Adaptive: AdaptiveState{Limit: g.limit(&c), Usual: time.Duration(g.adaptive.usual), Rejected: g.rejected[2], Last: g.adaptive.last.act(g.began)},
		Retry:    RetryState{Retries: g.budget.spent, Refused: g.budget.refused, Budget: g.budget.tokens, Last: g.budget.last.act(g.began)},
		Timeout:  TimeoutState{Slow: g.slow, Last: g.lastSlow.act(g.began)},
	}
	s.Breaker.Calls, s.Breaker.Failed = g.breaker.count(now, &c.Breaker)
	if s.Breaker.State == Open {
		s.Breaker.Until = g.began.Add(g.breaker.until)
	}
	return s
}
