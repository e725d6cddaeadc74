package runner

import (
	"math/rand/v2"
	"time"
)

// Pace is how often and how long. The defaults are right for a developer's
// machine; tests set shorter ones.
type Pace struct {
	Check      time.Duration // between checks of an instance whose checks pass: 1 s
	Failing    time.Duration // between checks while one fails: 500 ms
	Timeout    time.Duration // of one check: 1 s
	BackoffMin time.Duration // pause after the first end: 200 ms
	BackoffMax time.Duration // longest pause: 30 s
	Healthy    time.Duration // readiness that makes earlier ends forgotten: 60 s
	Drain      time.Duration // for requests to end between leaving rotation and SIGTERM, at most, and never longer than grace: 5 s
	Steady     time.Duration // running that makes a program ready which listens nowhere: 1 s
	Hint       time.Duration // without an answer, until plat looks where the program listens, five times that if nowhere: 2 s
}

func (p Pace) withDefaults() Pace {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&p.Check, time.Second}, {&p.Failing, 500 * time.Millisecond}, {&p.Timeout, time.Second},
		{&p.BackoffMin, 200 * time.Millisecond}, {&p.BackoffMax, 30 * time.Second}, {&p.Healthy, time.Minute},
		{&p.Drain, 5 * time.Second}, {&p.Hint, 2 * time.Second}, {&p.Steady, time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return p
}

// Polling of an instance that starts: quick at first, since most start
// quickly.
const (
	pollFirst = 20 * time.Millisecond
	pollLast  = 250 * time.Millisecond
)

// loopAfter is how many ends in a row are a crash loop.
const loopAfter = 5

// liveFailures is how many failed liveness checks in a row end an instance.
const liveFailures = 3

// backoff is the pause before the n-th start in a row (n from 1), doubled
// each time, with a quarter of jitter either way so that instances that ended
// together do not start together.
func (p Pace) backoff(n int) time.Duration {
	d := p.BackoffMax
	if n <= 20 { // beyond, the shift would overflow
		d = min(d, p.BackoffMin<<(n-1))
	}
	return min(p.BackoffMax, time.Duration(float64(d)*(0.75+rand.Float64()/2))) // #nosec G404 -- jitter, not a secret
}
