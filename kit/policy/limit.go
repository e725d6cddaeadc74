package policy

import (
	"sync"
	"time"
)

// Limit is the adaptive limit by itself, for who takes calls in instead of
// making them. It is safe for concurrent use.
type Limit struct {
	begun  time.Time
	config Adaptive

	mu       sync.Mutex
	adaptive adaptive
}

// NewLimit makes a limit that has not been lowered.
func NewLimit() *Limit {
	return &Limit{begun: time.Now(), config: Config{}.withDefaults().Adaptive}
}

// Now is how many may be under way, at most most.
func (l *Limit) Now(most int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.adaptive.now(most, &l.config)
}

// Begin says where the limit begins, at least, before it is known what it
// should be; 0: with as many as may be.
func (l *Limit) Begin(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.adaptive.start(n)
}

// Record tells how long a call took while so many were under way. lost ones
// were not answered in time, or refused.
func (l *Limit) Record(most int, latency time.Duration, underWay int, lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.adaptive.record(time.Since(l.begun), latency, underWay, lost, most, &l.config)
}
