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
	Time time.Time `json:"time,omitzero"`
	Why  string    `json:"why"`
}

// Snapshot is how the policies of a guard stand. A last act of nil means that
// the policy did not act yet.
type Snapshot struct {
	Config   Config        `json:"config"`
	Breaker  BreakerState  `json:"breaker"`
	Bulkhead BulkheadState `json:"bulkhead"`
	Adaptive AdaptiveState `json:"adaptive"`
	Retry    RetryState    `json:"retry"`
	Timeout  TimeoutState  `json:"timeout"`
}

// BreakerState is how a breaker stands.
type BreakerState struct {
	State    State     `json:"state"`
	Calls    int       `json:"calls"`          // of the window
	Failed   int       `json:"failed"`         // of them
	Until    time.Time `json:"until,omitzero"` // it is open; zero when it is not
	Opened   uint64    `json:"opened"`         // times
	Rejected uint64    `json:"rejected"`       // calls
	Last     *Act      `json:"last,omitempty"`
}

// BulkheadState is how a bulkhead stands.
type BulkheadState struct {
	Limit    int    `json:"limit"` // now
	InUse    int    `json:"inUse"`
	Waiting  int    `json:"waiting"`
	Rejected uint64 `json:"rejected"`
	Last     *Act   `json:"last,omitempty"`
}

// AdaptiveState is how the limit's adaption stands.
type AdaptiveState struct {
	Limit    int           `json:"limit"`    // now
	Usual    time.Duration `json:"usual"`    // latency
	Rejected uint64        `json:"rejected"` // calls that the declared limit would have let through
	Last     *Act          `json:"last,omitempty"`
}

// RetryState is how retries stand.
type RetryState struct {
	Retries uint64  `json:"retries"`
	Refused uint64  `json:"refused"` // since the budget was spent
	Budget  float64 `json:"budget"`  // retries that may be had at once
	Last    *Act    `json:"last,omitempty"`
}

// TimeoutState counts calls that were given up.
type TimeoutState struct {
	Slow uint64 `json:"slow"`
	Last *Act   `json:"last,omitempty"`
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
