package policy

import "time"

// Config is how calls to one dependency are protected. The zero value is the
// standard: every field that is zero means its default. It is a plain value,
// to be compared with ==.
type Config struct {
	Timeouts Timeouts `json:"timeouts"`
	Retry    Retry    `json:"retry"`
	Breaker  Breaker  `json:"breaker"`
	Bulkhead Bulkhead `json:"bulkhead"`
	Adaptive Adaptive `json:"adaptive"`
}

// Timeouts bound a call. [Guard.Do] keeps Total; the others are for who makes
// connections.
type Timeouts struct {
	Connect time.Duration `json:"connect"` // for a connection; 1s
	Header  time.Duration `json:"header"`  // for the answer of one try to begin; 0: what is left of the call's time
	Total   time.Duration `json:"total"`   // for all of it, tries and waits included; 0: none but the context's
}

// Retry is how often a call that failed is tried again. Only calls that are
// idempotent are.
type Retry struct {
	Off   bool          `json:"off"`
	Max   int           `json:"max"`   // tries after the first; 2
	Base  time.Duration `json:"base"`  // the first pause is between 0 and this, each further one up to twice as long; 25ms
	Cap   time.Duration `json:"cap"`   // the longest pause, also when the callee asks for one; 1s
	Share float64       `json:"share"` // retries per call, over time: the budget; 0.2
	Burst float64       `json:"burst"` // retries that a quiet dependency may have at once; 10
}

// Breaker is when calls are refused at once since most of them fail.
type Breaker struct {
	Off     bool          `json:"off"`
	Share   float64       `json:"share"`   // of failures among the calls of a window, at which it opens; 0.5
	Minimum int           `json:"minimum"` // calls of a window below which it stays closed; 20
	Window  time.Duration `json:"window"`  // how far back it looks; 10s
	Open    time.Duration `json:"open"`    // until it lets calls through to try, doubled each time these fail; 5s
	Longest time.Duration `json:"longest"` // that it is open; 30s
	Probes  int           `json:"probes"`  // calls that must succeed before it closes; 3
}

// Bulkhead is how many calls may be under way, so that one slow dependency
// does not take what others need.
type Bulkhead struct {
	Concurrent int           `json:"concurrent"` // calls at once; 100
	Wait       time.Duration `json:"wait"`       // how long a call waits for its turn; 50ms
	Queue      int           `json:"queue"`      // calls that may wait; as many as Concurrent
}

// Adaptive lowers the bulkhead's limit while latency grows, and raises it
// again.
type Adaptive struct {
	Off       bool    `json:"off"`
	Least     int     `json:"least"`     // it never goes below; 10, or Concurrent where that is less
	Tolerance float64 `json:"tolerance"` // times the usual latency that is no reason to lower it; 2
}

// withDefaults fills in what is not said.
func (c Config) withDefaults() Config {
	def(&c.Timeouts.Connect, time.Second)
	def(&c.Retry.Max, 2)
	def(&c.Retry.Base, 25*time.Millisecond)
	def(&c.Retry.Cap, time.Second)
	def(&c.Retry.Share, 0.2)
	def(&c.Retry.Burst, 10)
	def(&c.Breaker.Share, 0.5)
	def(&c.Breaker.Minimum, 20)
	def(&c.Breaker.Window, 10*time.Second)
	c.Breaker.Window = max(c.Breaker.Window, slots*time.Millisecond)
	def(&c.Breaker.Open, 5*time.Second)
	def(&c.Breaker.Longest, max(30*time.Second, c.Breaker.Open))
	def(&c.Breaker.Probes, 3)
	def(&c.Bulkhead.Concurrent, 100)
	def(&c.Bulkhead.Wait, 50*time.Millisecond)
	def(&c.Bulkhead.Queue, c.Bulkhead.Concurrent)
	def(&c.Adaptive.Least, min(10, c.Bulkhead.Concurrent))
	def(&c.Adaptive.Tolerance, 2)
	return c
}

func def[T int | float64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}
