package policy

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Ejection is when a single instance gets no calls for a while. The zero value
// is the standard.
type Ejection struct {
	Off         bool          `json:"off"`
	Consecutive int           `json:"consecutive"` // failures in a row; 5
	Share       float64       `json:"share"`       // of failures, at which an instance that answers some goes too; 0.5
	Minimum     int           `json:"minimum"`     // calls of an instance before its share counts; 20
	Base        time.Duration `json:"base"`        // of the first ejection, twice as long each further time; 10s
	Longest     time.Duration `json:"longest"`     // ejection; 5m
	Most        float64       `json:"most"`        // share of the instances that may be out at once; 0.5
}

func (e Ejection) withDefaults() Ejection {
	def(&e.Consecutive, 5)
	def(&e.Share, 0.5)
	def(&e.Minimum, 20)
	def(&e.Base, 10*time.Second)
	def(&e.Longest, 5*time.Minute)
	def(&e.Most, 0.5)
	return e
}

// Outliers finds the instances of one service that fail while others do not.
// All methods are safe for concurrent use.
//
// INVARIANT: nobody is ejected when of n instances more than Most×n would be out
// then, or all.
type Outliers struct {
	began time.Time
	out   atomic.Int32 // instances that may be out: most often 0, and nothing is locked

	mu      sync.Mutex // guards what follows
	config  Ejection
	members map[string]*member
}

// member is one instance.
type member struct {
	row        int // failures since the last success
	ok, failed int // since since
	since      time.Duration
	until      time.Duration // it is out; 0: it is not
	times      int           // it was ejected
	last       moment
}

// NewOutliers makes one that knows nobody.
func NewOutliers(e Ejection) *Outliers {
	return &Outliers{began: time.Now(), config: e.withDefaults(), members: map[string]*member{}}
}

// Set changes when instances are ejected, from now on: who is out stays out for
// its time, unless nobody is to be ejected any more.
func (o *Outliers) Set(e Ejection) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.config = e.withDefaults(); e.Off {
		for _, m := range o.members {
			m.until = 0
		}
		o.out.Store(0)
	}
}

// Line puts into words when instances are ejected; how it stands is in
// [Outliers.Snapshot].
func (o *Outliers) Line() Line {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.config
	if c.Off {
		return Line{Policy: "ejection", Setting: "off", State: "off"}
	}
	return Line{
		Policy: "ejection", State: "none is out",
		Setting: fmt.Sprintf("%d in a row or %.3g%% of %d, out %s, at most %.3g%%", c.Consecutive, 100*c.Share, c.Minimum, short(c.Base), 100*c.Most),
	}
}

// SetMembers says which instances there are. What is known of those that stay
// is kept.
func (o *Outliers) SetMembers(ids []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	members := make(map[string]*member, len(ids))
	out := int32(0)
	for _, id := range ids {
		m := o.members[id]
		if m == nil {
			m = &member{}
		}
		if m.until != 0 {
			out++
		}
		members[id] = m
	}
	o.members = members
	o.out.Store(out)
}

// ejectionWindow is how long counts are kept for an instance's share.
const ejectionWindow = 30 * time.Second

// Report tells how a call to an instance went.
func (o *Outliers) Report(id string, outcome Outcome) {
	if outcome == Ignored || outcome == Refused {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.config.Off {
		return
	}
	m := o.members[id]
	if m == nil {
		return // it has gone
	}
	now := time.Since(o.began)
	if now-m.since > ejectionWindow {
		m.since, m.ok, m.failed = now, 0, 0
	}
	if outcome == Success {
		m.row = 0
		m.ok++
		return
	}
	m.row++
	m.failed++
	calls := m.ok + m.failed
	switch {
	case m.until > now: // it is out already
	case m.row >= o.config.Consecutive:
		o.eject(m, now, fmt.Sprintf("%d failures in a row", m.row))
	case calls >= o.config.Minimum && float64(m.failed) >= o.config.Share*float64(calls):
		o.eject(m, now, fmt.Sprintf("%d of %d calls failed", m.failed, calls))
	}
}

// eject takes an instance out if that leaves enough; o.mu is held.
func (o *Outliers) eject(m *member, now time.Duration, why string) {
	out := 0
	for _, other := range o.members {
		if other.until > now {
			out++
		}
	}
	if n := len(o.members); out+1 >= n || float64(out+1) > o.config.Most*float64(n) {
		return
	}
	pause := o.config.Base
	for range min(m.times, 16) {
		pause = min(2*pause, o.config.Longest)
	}
	if m.until == 0 {
		o.out.Add(1)
	}
	m.until = now + pause
	m.times++
	m.row, m.ok, m.failed, m.since = 0, 0, 0, m.until
	m.last = moment{at: now, why: "ejected for " + pause.String() + ": " + why}
}

// Ejected tells whether an instance gets no calls at this moment.
func (o *Outliers) Ejected(id string) bool {
	if o.out.Load() == 0 {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	m := o.members[id]
	if m == nil || m.until == 0 {
		return false
	}
	if now := time.Since(o.began); m.until <= now {
		m.until = 0
		o.out.Add(-1)
		return false
	}
	return true
}

// Any tells whether some instance may be out; it is cheap.
func (o *Outliers) Any() bool { return o.out.Load() != 0 }

// MemberState is how an instance stands.
type MemberState struct {
	Ejected bool      `json:"ejected"`
	Until   time.Time `json:"until,omitzero"` // it is out; zero when it is not
	Times   int       `json:"times"`          // it was ejected
	Last    *Act      `json:"last,omitempty"`
}

// Snapshot reads how the instances stand, those that were ejected ever.
func (o *Outliers) Snapshot() map[string]MemberState {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Since(o.began)
	states := map[string]MemberState{}
	for id, m := range o.members {
		if m.times == 0 {
			continue
		}
		s := MemberState{Ejected: m.until > now, Times: m.times, Last: m.last.act(o.began)}
		if s.Ejected {
			s.Until = o.began.Add(m.until)
		}
		states[id] = s
	}
	return states
}
