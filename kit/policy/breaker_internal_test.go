package policy

import (
	"math/rand/v2"
	"testing"
	"time"
)

// model is a breaker by another way: it keeps every call of the window.
type model struct {
	state   State
	calls   []modelCall
	until   time.Duration
	row     int
	entered int
	passed  int
}

type modelCall struct {
	slot int64
	ok   bool
}

func (m *model) allow(now time.Duration, c *Breaker) bool {
	if m.state == Open && now >= m.until {
		m.state, m.entered, m.passed, m.until = HalfOpen, 0, 0, now+c.Open
	}
	if m.state == HalfOpen && m.entered >= c.Probes && now >= m.until {
		m.entered, m.until = 0, now+c.Open
	}
	return m.state == Closed || m.state == HalfOpen && m.entered < c.Probes
}

func (m *model) record(now time.Duration, ok bool, c *Breaker) {
	switch {
	case m.state == Open:
	case m.state == HalfOpen && !ok:
		m.open(now, c)
	case m.state == HalfOpen:
		if m.passed++; m.passed >= c.Probes {
			*m = model{}
		}
	default:
		number := int64(now / (c.Window / slots))
		m.calls = append(m.calls, modelCall{number, ok})
		all, failed := 0, 0
		for _, call := range m.calls {
			if call.slot > number-slots {
				if all++; !call.ok {
					failed++
				}
			}
		}
		if !ok && all >= c.Minimum && float64(failed) >= c.Share*float64(all) {
			m.open(now, c)
		}
	}
}

func (m *model) open(now time.Duration, c *Breaker) {
	pause := c.Open
	for range m.row {
		pause = min(2*pause, c.Longest)
	}
	m.state, m.until, m.row = Open, now+pause, m.row+1
	m.calls = nil
}

// TestBreakerModel holds the breaker to the model, over random calls that
// overlap, fail and are given up, with pauses of all lengths.
func TestBreakerModel(t *testing.T) {
	t.Parallel()
	seen := map[State]int{}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		c := Config{Breaker: Breaker{
			Minimum: 1 + r.IntN(8), Share: 0.1 + 0.9*r.Float64(), Probes: 1 + r.IntN(4),
			Window: time.Duration(1+r.IntN(20)) * time.Second, Open: time.Duration(1+r.IntN(5)) * time.Second,
		}}.withDefaults().Breaker
		var b breaker
		var m model
		type begun struct{ real, model int } // generations
		var underWay []begun
		generation := 0 // of the model
		now, trouble := time.Duration(0), 0.5
		for step := range 400 {
			if r.IntN(40) == 0 {
				trouble = r.Float64()
			}
			now += time.Duration(r.ExpFloat64() * float64(300*time.Millisecond))
			before := m.state
			if r.IntN(2) == 0 || len(underWay) == 0 {
				want := m.allow(now, &c)
				if m.state != before {
					generation++
				}
				after, got := b.allow(now, &c)
				if got != want || got && after != 0 || !got && after <= 0 {
					t.Fatalf("seed %d step %d: allow is %v after %v, want %v (%v)", seed, step, got, after, want, m.state)
				}
				if got {
					if m.state == HalfOpen {
						m.entered++
					}
					underWay = append(underWay, begun{int(b.enter()), generation})
				}
			} else {
				i := r.IntN(len(underWay))
				call := underWay[i]
				underWay = append(underWay[:i], underWay[i+1:]...)
				current := call.model == generation
				switch ok := r.Float64() > trouble; {
				case r.IntN(5) == 0:
					b.leave(uint32(call.real)) // #nosec G115 -- small
					if current && m.state == HalfOpen && m.entered > 0 {
						m.entered--
					}
				default:
					b.record(now, uint32(call.real), ok, &c) // #nosec G115 -- small
					if current {
						m.record(now, ok, &c)
					}
				}
			}
			if m.state != before && m.state != HalfOpen {
				generation++
			}
			if b.state != m.state || b.state == Open && b.until != m.until {
				t.Fatalf("seed %d step %d: %v until %v, want %v until %v", seed, step, b.state, b.until, m.state, m.until)
			}
			seen[b.state]++
		}
	}
	for _, s := range []State{Closed, HalfOpen, Open} {
		if seen[s] < 1000 {
			t.Errorf("the breaker was %v in %d steps only: the test proves little", s, seen[s])
		}
	}
}

// TestAdaptive: the limit falls while calls grow slow under load, and comes
// back; without load it stays.
func TestAdaptive(t *testing.T) {
	t.Parallel()
	c := Config{}.withDefaults()
	var a adaptive
	now := time.Duration(0)
	run := func(rounds int, latency time.Duration, underWay int, lost bool) int {
		for range rounds {
			for range adaptiveSamples {
				now += 12 * time.Millisecond
				a.record(now, latency, underWay, lost, 100, &c.Adaptive)
			}
		}
		return a.now(100, &c.Adaptive)
	}
	if got := run(20, 10*time.Millisecond, 80, false); got != 100 {
		t.Fatalf("at rest the limit is %d, want 100", got)
	}
	if got := run(5, 500*time.Millisecond, 3, false); got != 100 {
		t.Errorf("slow calls without load lowered the limit to %d", got)
	}
	low := run(10, 300*time.Millisecond, 100, false)
	if low > 60 || low < c.Adaptive.Least {
		t.Errorf("under load the limit is %d", low)
	}
	if a.last.why == "" {
		t.Error("nothing says why")
	}
	for range 100 {
		run(1, 10*time.Millisecond, a.now(100, &c.Adaptive), false) // as many as may be
	}
	if got := a.now(100, &c.Adaptive); got < 90 {
		t.Errorf("the limit came back to %d only", got)
	}
	if got := run(60, time.Second, 100, true); got != c.Adaptive.Least {
		t.Errorf("when nothing is answered the limit is %d, want %d", got, c.Adaptive.Least)
	}
	off := Adaptive{Off: true, Least: 1}
	if got := a.now(100, &off); got != 100 {
		t.Errorf("off, the limit is %d", got)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	c := Config{Retry: Retry{Base: 10 * time.Millisecond, Cap: 35 * time.Millisecond}}.withDefaults().Retry
	for after, most := range map[int]time.Duration{1: 10 * time.Millisecond, 2: 20 * time.Millisecond, 3: 35 * time.Millisecond, 50: 35 * time.Millisecond} {
		longest := time.Duration(0)
		for range 2000 {
			longest = max(longest, c.pause(after))
		}
		if longest > most || longest < most*9/10 {
			t.Errorf("the longest pause after %d tries is %v of %v", after, longest, most)
		}
	}
}
