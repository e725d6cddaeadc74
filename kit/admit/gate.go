package admit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/plat-dev/plat/kit/policy"
)

// Priority says how much a request matters.
type Priority int

// The priorities. Normal is what is not said.
const (
	Normal Priority = iota
	Critical
	High
	Low
)

// rank orders the queue: the first goes first.
func (p Priority) rank() int { return [...]int{Normal: 2, Critical: 0, High: 1, Low: 3}[p] }

// String is the word of the plan.
func (p Priority) String() string {
	return [...]string{Normal: "normal", Critical: "critical", High: "high", Low: "low"}[p]
}

const ranks = 4

// Header fields by which plat's listeners and the kit tell one another of a
// request: how much it matters (see Priority; absent: normal), and that it has
// passed the gate of who gets it. Neither is believed from outside.
const (
	PriorityHeader = "Plat-Priority"
	AdmittedHeader = "Plat-Admitted"
)

// ParsePriority reads a word of the plan or of a header; what is none is
// normal.
func ParsePriority(word string) Priority {
	for _, p := range [...]Priority{Critical, High, Low} {
		if word == p.String() {
			return p
		}
	}
	return Normal
}

// Reason says why a request was turned away.
type Reason string

// The reasons.
const (
	QueueFull   Reason = "queue-full"   // as many wait as may
	WaitedLong  Reason = "waited-long"  // its time to wait was over
	Overloaded  Reason = "overloaded"   // of low priority, while others wait
	Displaced   Reason = "displaced"    // one that matters more took its place in a full queue
	RateLimited Reason = "rate-limited" // its caller asks too often
)

// Config is what a gate allows. A zero field means its default.
type Config struct {
	Concurrent int           // at a time; default 1,000, lowered while the service becomes slow
	Begin      int           // at a time at first, where nobody knows what the service can do; default Concurrent, and 100 where that is not said
	Queue      int           // that may wait; default as many as Concurrent, negative: none
	Wait       time.Duration // for a place; default 100 ms
	Target     time.Duration // for a place while a queue stands; default Wait/20
}

// DefaultConcurrent is the most that a gate lets in at a time where nobody has
// said anything.
const DefaultConcurrent = 1000

// DefaultBegin is how many it lets in at first, until it has seen what the
// service can do.
const DefaultBegin = 100

func (c Config) withDefaults() Config {
	begin := c.Concurrent
	if c.Concurrent <= 0 {
		c.Concurrent, begin = DefaultConcurrent, DefaultBegin
	}
	if c.Begin <= 0 {
		c.Begin = begin
	}
	if c.Queue == 0 {
		c.Queue = c.Concurrent
	}
	if c.Wait <= 0 {
		c.Wait = 100 * time.Millisecond
	}
	if c.Target <= 0 {
		c.Target = c.Wait / 20
	}
	return c
}

// Gate lets requests in. It is safe for concurrent use.
type Gate struct {
	limit *policy.Limit // follows latency, up to Concurrent

	mu      sync.Mutex
	config  Config
	inside  int
	waiting int
	queues  [ranks][]*waiter // the oldest first
	emptied time.Time        // when nobody waited the last time
	shed    map[Shed]uint64
	last    *policy.Act
}

// Shed is a kind of refusal.
type Shed struct {
	Reason   Reason
	Priority Priority
}

type waiter struct {
	priority Priority
	turn     chan struct{} // closed when it is let in or turned away
	in       bool
	refused  Reason
}

// NewGate makes a gate.
func NewGate(c Config) *Gate {
	c = c.withDefaults()
	g := &Gate{limit: policy.NewLimit(), config: c, shed: map[Shed]uint64{}, emptied: time.Now()}
	g.limit.Begin(c.Begin)
	return g
}

// Set changes what is allowed; who is inside stays.
func (g *Gate) Set(c Config) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.config = c.withDefaults()
	g.limit.Begin(g.config.Begin)
	g.wake()
}

// Refusal says why a request was turned away, and when it may come again.
type Refusal struct {
	Reason     Reason
	RetryAfter time.Duration
}

// Error is the refusal in words.
func (r *Refusal) Error() string { return "turned away: " + string(r.Reason) }

// Pass is a request's place inside.
type Pass struct {
	gate  *Gate
	begun time.Time
}

// Enter lets a request in, at once or after it has waited. The error is a
// *Refusal, or ctx's.
func (g *Gate) Enter(ctx context.Context, p Priority) (*Pass, error) {
	g.mu.Lock()
	if g.waiting == 0 && g.inside < g.most() {
		g.inside++
		g.emptied = time.Now()
		g.mu.Unlock()
		return &Pass{gate: g, begun: time.Now()}, nil
	}
	now := time.Now()
	if g.waiting == 0 {
		g.emptied = now
	}
	patience := g.config.Wait
	standing := now.Sub(g.emptied) > g.config.Wait
	if standing && p != Critical {
		patience = g.config.Target
	}
	if standing && p == Low {
		defer g.mu.Unlock()
		return nil, g.refuse(Overloaded, p)
	}
	if g.waiting >= g.config.Queue && !g.displace(p) {
		defer g.mu.Unlock()
		return nil, g.refuse(QueueFull, p)
	}
	w := &waiter{priority: p, turn: make(chan struct{})}
	g.queues[p.rank()] = append(g.queues[p.rank()], w)
	g.waiting++
	g.mu.Unlock()
	return g.wait(ctx, w, patience)
}

// Count lets a request in without a question, since another gate has let it in
// already: it has a place, and others see that it is taken.
func (g *Gate) Count() *Pass {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside++
	if g.waiting == 0 {
		g.emptied = time.Now()
	}
	return &Pass{gate: g, begun: time.Now()}
}

func (g *Gate) wait(ctx context.Context, w *waiter, patience time.Duration) (*Pass, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var gone error
	select {
	case <-w.turn:
	case <-timer.C:
	case <-ctx.Done():
		gone = ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case w.in && gone != nil:
		g.inside--
		g.wake()
		return nil, gone
	case w.in:
		return &Pass{gate: g, begun: time.Now()}, nil
	case w.refused != "":
		return nil, g.refuse(w.refused, w.priority)
	}
	g.remove(w)
	if gone != nil {
		return nil, gone
	}
	return nil, g.refuse(WaitedLong, w.priority)
}

// most is how many may be inside now; g.mu is held.
func (g *Gate) most() int { return g.limit.Now(g.config.Concurrent) }

// wake lets in whom there is room for: those that matter most, and of these
// the oldest, or the newest while a queue stands.
func (g *Gate) wake() {
	standing := time.Since(g.emptied) > g.config.Wait
	for rank := 0; rank < ranks && g.inside < g.most(); {
		q := g.queues[rank]
		if len(q) == 0 {
			rank++
			continue
		}
		at := 0
		if standing {
			at = len(q) - 1
		}
		w := q[at]
		g.take(rank, at)
		w.in = true
		g.inside++
		close(w.turn)
	}
}

// displace turns away the newest of those that matter less than p.
func (g *Gate) displace(p Priority) bool {
	for rank := ranks - 1; rank > p.rank(); rank-- {
		if q := g.queues[rank]; len(q) > 0 {
			w := q[len(q)-1]
			g.take(rank, len(q)-1)
			w.refused = Displaced
			close(w.turn)
			return true
		}
	}
	return false
}

func (g *Gate) remove(w *waiter) {
	rank := w.priority.rank()
	for at, other := range g.queues[rank] {
		if other == w {
			g.take(rank, at)
			return
		}
	}
}

// take takes one out of a queue.
func (g *Gate) take(rank, at int) {
	q := g.queues[rank]
	copy(q[at:], q[at+1:])
	q[len(q)-1] = nil
	g.queues[rank] = q[:len(q)-1]
	if g.waiting--; g.waiting == 0 {
		g.emptied = time.Now()
	}
}

// refuse counts; g.mu is held.
func (g *Gate) refuse(why Reason, p Priority) *Refusal {
	g.shed[Shed{why, p}]++
	g.last = &policy.Act{Time: time.Now(), Why: fmt.Sprintf("turned away a request of %s priority: %s (%d inside, %d waiting)", p, why, g.inside, g.waiting)}
	return &Refusal{Reason: why, RetryAfter: time.Second}
}

// Release gives the place back; it may be called again. lost says that the
// service did not answer in time or shed the request itself.
func (p *Pass) Release(lost bool) {
	if p == nil || p.gate == nil {
		return
	}
	g := p.gate
	p.gate = nil
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit.Record(g.config.Concurrent, time.Since(p.begun), g.inside, lost)
	g.inside--
	g.wake()
}

// Leave gives the place back early, of an answer that may last for days: it
// says nothing about latency.
func (p *Pass) Leave() {
	if p == nil || p.gate == nil {
		return
	}
	g := p.gate
	p.gate = nil
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.wake()
}

// Snapshot is how a gate stands.
type Snapshot struct {
	Config                 Config
	Limit, Inside, Waiting int
	Shed                   map[Shed]uint64
	Last                   *policy.Act
}

// Snapshot reads how the gate stands.
func (g *Gate) Snapshot() Snapshot {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := Snapshot{Config: g.config, Limit: g.most(), Inside: g.inside, Waiting: g.waiting, Shed: map[Shed]uint64{}, Last: g.last}
	for k, n := range g.shed {
		s.Shed[k] = n
	}
	return s
}
