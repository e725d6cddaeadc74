package policy

import (
	"math/rand/v2"
	"testing"
	"time"
)

// played is a service in a time of its own, before which an adaptive limit
// stands: so many of those inside are worked on at a time, the others wait.
type played struct {
	t       *testing.T
	limit   adaptive
	config  Adaptive
	most    int
	workers int           // 0: as many as there are
	each    time.Duration // of work
	random  bool          // each is a mean
	lost    float64       // the share that is not answered in the end
	dice    *rand.Rand

	now    time.Duration
	inside []*playedCall
	due    float64
}

type playedCall struct{ begun, rest time.Duration }

func play(t *testing.T, begin, workers int, each time.Duration) *played {
	t.Helper()
	return &played{t: t, limit: adaptive{begin: begin}, config: Config{}.withDefaults().Adaptive, most: 1000,
		workers: workers, each: each, dice: rand.New(rand.NewPCG(1, 2))} // #nosec G404 -- a play
}

// run asks so often a second, and tells the share that was answered.
func (p *played) run(last time.Duration, rate float64) float64 {
	p.t.Helper()
	const tick = time.Millisecond
	asked, good := 0, 0
	for end := p.now + last; p.now < end; p.now += tick {
		left := p.inside[:0]
		for i, c := range p.inside {
			if p.workers == 0 || i < p.workers {
				c.rest -= tick
			}
			if c.rest > 0 {
				left = append(left, c)
				continue
			}
			lost := p.dice.Float64() < p.lost
			if !lost {
				good++
			}
			p.limit.record(p.now, p.now-c.begun, len(p.inside), lost, p.most, &p.config)
		}
		p.inside = left
		for p.due += rate * tick.Seconds(); p.due >= 1; p.due-- {
			asked++
			if len(p.inside) < p.limit.now(p.most, &p.config) {
				work := p.each
				if p.random {
					work = time.Duration(p.dice.ExpFloat64() * float64(p.each))
				}
				p.inside = append(p.inside, &playedCall{p.now, work})
			}
		}
	}
	return float64(good) / float64(max(asked, 1))
}

func (p *played) holds(least, most int, when string) {
	p.t.Helper()
	if got := p.limit.now(p.most, &p.config); got < least || got > most {
		p.t.Errorf("%s the limit is %d, want %d to %d: %+v", when, got, least, most, p.limit)
	}
}

// What is too much to do does not become usual, however long it lasts.
func TestAdaptiveUnderLongOverload(t *testing.T) {
	t.Parallel()
	for name, random := range map[string]bool{"even": false, "uneven": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := play(t, 100, 4, 20*time.Millisecond) // 200 a second
			p.random = random
			p.run(10*time.Second, 100)
			p.run(5*time.Second, 1000)
			p.holds(4, 40, "soon")
			if got := p.run(10*time.Minute, 1000); got < 0.18 {
				t.Errorf("of five times too much %.2f was answered, want a fifth", got)
			}
			p.holds(4, 40, "after ten minutes")
			p.run(10*time.Second, 100)
			if got := p.run(time.Minute, 100); got < 0.999 {
				t.Errorf("afterwards %.3f was answered", got)
			}
		})
	}
}

// What is slow for another reason than too much to do is let in all the same.
func TestAdaptiveOfASlowerService(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		random bool
		most   int
		rate   float64
		slower time.Duration
	}{
		"even":             {false, 1000, 1000, 300 * time.Millisecond}, // 300 at a time
		"uneven":           {true, 1000, 1000, 300 * time.Millisecond},
		"with few allowed": {false, 20, 100, 150 * time.Millisecond}, // 15 at a time
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := play(t, 100, 0, 20*time.Millisecond)
			p.random, p.most = test.random, test.most
			p.run(10*time.Second, test.rate)
			p.each = test.slower
			p.run(20*time.Second, test.rate)
			if got := p.run(time.Minute, test.rate); got < 0.99 {
				t.Errorf("%.3f was answered: %+v", got, p.limit)
			}
			p.each = 20 * time.Millisecond
			p.run(20*time.Second, test.rate)
			if p.limit.usual > float64(25*time.Millisecond) {
				t.Errorf("what was slow is still usual: %s", time.Duration(p.limit.usual))
			}
		})
	}
}

// A few that are lost do not hold the many back; when all are, few are let in.
func TestAdaptiveWithLoss(t *testing.T) {
	t.Parallel()
	p := play(t, 0, 0, 20*time.Millisecond)
	p.most, p.lost = 100, 0.01
	p.run(time.Minute, 1000)
	p.holds(30, 100, "with one of a hundred lost")
	p.lost = 1
	p.run(time.Minute, 10000)
	p.holds(p.config.Least, p.config.Least, "with all lost")
}

// Quick refusals do not make quick answers usual.
func TestAdaptiveWithQuickRefusals(t *testing.T) {
	t.Parallel()
	p := play(t, 100, 0, 100*time.Millisecond)
	p.run(10*time.Second, 100)
	for range 1000 {
		p.now += time.Millisecond
		p.limit.record(p.now, time.Millisecond, 5, true, p.most, &p.config)
	}
	if p.limit.usual < float64(90*time.Millisecond) {
		t.Errorf("usual is %s", time.Duration(p.limit.usual))
	}
	p.run(10*time.Second, 500)
	p.holds(50, 1000, "after refusals")
}

// A number of the plan that rises counts at once.
func TestAdaptiveBegin(t *testing.T) {
	t.Parallel()
	p := play(t, 8, 0, 20*time.Millisecond)
	p.most = 8
	p.run(5*time.Second, 1000)
	p.holds(8, 8, "at first")
	p.most = 50
	p.limit.start(50)
	p.holds(50, 50, "afterwards")
}
