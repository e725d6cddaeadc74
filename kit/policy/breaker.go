package policy

import (
	"fmt"
	"time"
)

// State is of a breaker.
type State uint8

// A closed breaker lets calls through, an open one refuses them, one that is
// half open lets a few through to try.
const (
	Closed State = iota
	HalfOpen
	Open
)

// String is the state in words.
func (s State) String() string {
	switch s {
	case HalfOpen:
		return "half-open"
	case Open:
		return "open"
	}
	return "closed"
}

// slots divide a breaker's window: so much of it is forgotten at once.
const slots = 10

// slot counts calls of one part of the window.
type slot struct {
	number     int64 // since the guard's beginning
	ok, failed int
}

// breaker is the state machine of a circuit breaker. Time is what has passed
// since the guard's beginning. It is not safe for concurrent use.
//
// INVARIANT: a call that began in another generation changes nothing: what was
// under way when the breaker opened must not close it again.
type breaker struct {
	state      State
	generation uint32
	window     [slots]slot
	until      time.Duration // it is open; half open, until then nobody else tries
	row        int           // openings since it was closed last
	opened     uint64        // openings in all
	entered    int           // calls let through while half open
	passed     int           // those of them that went well
	last       moment
}

// allow tells whether a call may begin, and else after what time to ask again.
func (b *breaker) allow(now time.Duration, c *Breaker) (after time.Duration, ok bool) {
	if c.Off {
		return 0, true
	}
	switch b.state {
	case Open:
		if now < b.until {
			return b.until - now, false
		}
		b.state, b.entered, b.passed, b.until = HalfOpen, 0, 0, now+c.Open
		b.generation++
		b.last = moment{at: now, why: "half open: trying whether it answers again"}
	case HalfOpen:
		if b.entered < c.Probes {
			break
		}
		if now < b.until {
			return min(b.until-now, time.Second), false
		}
		b.entered, b.until = 0, now+c.Open // those that try are not heard of, as streams that never begin: others try
	case Closed:
	}
	return 0, true
}

// enter counts a call that begins.
func (b *breaker) enter() (generation uint32) {
	if b.state == HalfOpen {
		b.entered++
	}
	return b.generation
}

// leave takes back enter, for a call that nothing is learned from.
func (b *breaker) leave(generation uint32) {
	if generation == b.generation && b.state == HalfOpen && b.entered > 0 {
		b.entered--
	}
}

// record counts how a call went that began in this generation.
func (b *breaker) record(now time.Duration, generation uint32, ok bool, c *Breaker) {
	if c.Off || generation != b.generation {
		return
	}
	if b.state == HalfOpen {
		if !ok {
			b.open(now, c, "a call failed while it was half open")
		} else if b.passed++; b.passed >= c.Probes {
			b.close(now, c)
		}
		return
	}
	s := b.slot(now, c)
	if ok {
		s.ok++
		return
	}
	s.failed++
	calls, failed := b.count(now, c)
	if calls >= c.Minimum && float64(failed) >= c.Share*float64(calls) {
		b.open(now, c, fmt.Sprintf("%d of %d calls failed within %s", failed, calls, c.Window))
	}
}

// retract makes a failure of a call that was recorded as a success.
func (b *breaker) retract(now time.Duration, generation uint32, c *Breaker) {
	if generation == b.generation && b.state == Closed {
		if s := b.slot(now, c); s.ok > 0 {
			s.ok--
		}
	}
	b.record(now, generation, false, c)
}

func (b *breaker) open(now time.Duration, c *Breaker, why string) {
	pause := c.Open
	for range min(b.row, 16) {
		pause = min(2*pause, c.Longest)
	}
	b.state, b.until = Open, now+pause
	b.row++
	b.opened++
	b.generation++
	b.last = moment{at: now, why: "opened for " + pause.String() + ": " + why}
}

func (b *breaker) close(now time.Duration, c *Breaker) {
	b.state, b.row, b.window = Closed, 0, [slots]slot{}
	b.generation++
	b.last = moment{at: now, why: fmt.Sprintf("closed: %d calls went well", c.Probes)}
}

// slot is the part of the window that now belongs to.
func (b *breaker) slot(now time.Duration, c *Breaker) *slot {
	number := int64(now / (c.Window / slots))
	s := &b.window[number%slots]
	if s.number != number {
		*s = slot{number: number}
	}
	return s
}

// count sums up the window.
func (b *breaker) count(now time.Duration, c *Breaker) (calls, failed int) {
	oldest := int64(now/(c.Window/slots)) - slots
	for _, s := range b.window {
		if s.number > oldest {
			calls += s.ok + s.failed
			failed += s.failed
		}
	}
	return calls, failed
}
