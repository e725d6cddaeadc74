package policy

import (
	"fmt"
	"math"
	"time"
)

// How much is looked at before the limit is thought over.
const (
	adaptiveSamples = 10
	adaptivePeriod  = 100 * time.Millisecond
)

// adaptive is a limit of concurrency that follows latency: the quotient of the
// usual latency and that of now, as in the Gradient2 limit of Netflix's
// concurrency-limits, which stands on TCP Vegas (Brakmo and Peterson, 1994).
// Calls that were not answered in time or were refused lower it as a lost
// packet does (AIMD). It is not safe for concurrent use.
type adaptive struct {
	limit float64 // 0: not lowered yet
	usual float64 // latency, nanoseconds

	since   time.Duration // of the samples that follow
	samples int
	sum     time.Duration
	peak    int  // calls under way, at most
	lost    bool // one was not answered in time, or refused
	last    moment
}

// now is the limit at this moment.
func (a *adaptive) now(most int, c *Adaptive) int {
	if c.Off || a.limit == 0 {
		return most
	}
	return min(most, max(int(a.limit), min(c.Least, most)))
}

// record takes a sample. Lost ones have no latency.
func (a *adaptive) record(now, latency time.Duration, underWay int, lost bool, most int, c *Adaptive) {
	if c.Off {
		return
	}
	if a.samples == 0 {
		a.since = now
	}
	a.samples++
	a.sum += latency
	a.peak = max(a.peak, underWay)
	a.lost = a.lost || lost
	if a.samples >= adaptiveSamples && now-a.since >= adaptivePeriod {
		a.settle(now, most, c)
		a.samples, a.sum, a.peak, a.lost = 0, 0, 0, false
	}
}

// settle thinks the limit over.
func (a *adaptive) settle(now time.Duration, most int, c *Adaptive) {
	short := float64(a.sum) / float64(a.samples)
	switch {
	case a.usual == 0:
		a.usual = short
	case short < a.usual:
		a.usual += (short - a.usual) / 5
	default: // what is slow must last before it is usual
		a.usual += (short - a.usual) / 50
	}
	if a.limit == 0 {
		a.limit = float64(most)
	}
	before := a.now(most, c)
	if 2*a.peak < before {
		return // it is not the limit that holds calls back
	}
	if a.lost {
		a.limit *= 0.9
	} else {
		gradient := 1.0
		if short > 0 {
			gradient = min(1, max(0.5, c.Tolerance*a.usual/short))
		}
		a.limit = 0.8*a.limit + 0.2*(a.limit*gradient+math.Sqrt(a.limit))
	}
	a.limit = min(float64(most), max(float64(min(c.Least, most)), a.limit))
	if after := a.now(most, c); after < before {
		why := fmt.Sprintf("calls take %s, usually %s", time.Duration(short).Round(time.Microsecond), time.Duration(a.usual).Round(time.Microsecond))
		if a.lost {
			why = "a call was refused or not answered in time"
		}
		a.last = moment{at: now, why: fmt.Sprintf("lowered the limit from %d to %d: %s", before, after, why)}
	}
}
