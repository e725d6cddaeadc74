package admit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plat-dev/plat/kit/admit"
)

// refusal is why somebody was turned away, empty if nobody was.
func refusal(err error) admit.Reason {
	if r, ok := errors.AsType[*admit.Refusal](err); ok {
		return r.Reason
	}
	return ""
}

func TestPlacesAreGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := admit.NewGate(admit.Config{Concurrent: 2, Queue: -1})
		a, errA := g.Enter(t.Context(), admit.Normal)
		b, errB := g.Enter(t.Context(), admit.Normal)
		if _, err := g.Enter(t.Context(), admit.Normal); errA != nil || errB != nil || refusal(err) != admit.QueueFull {
			t.Errorf("%v %v %v", errA, errB, err)
		}
		a.Release(false)
		a.Release(false) // once more changes nothing
		b.Leave()
		b.Release(false)
		var none *admit.Pass
		none.Release(false)
		none.Leave()
		if s := g.Snapshot(); s.Inside != 0 || s.Shed[admit.Shed{Reason: admit.QueueFull, Priority: admit.Normal}] != 1 || s.Last == nil {
			t.Errorf("%+v", s)
		}
	})
}

// What matters more goes first, and takes the place of what matters less.
func TestPriorities(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := admit.NewGate(admit.Config{Concurrent: 1, Queue: 4})
		first, err := g.Enter(t.Context(), admit.Low)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var in []string
		var group sync.WaitGroup
		for i, p := range []admit.Priority{admit.Low, admit.Low, admit.Normal, admit.High, admit.Critical, admit.Low} {
			group.Go(func() {
				pass, err := g.Enter(t.Context(), p)
				mu.Lock()
				in = append(in, fmt.Sprintf("%d %s %s", i, p, refusal(err)))
				mu.Unlock()
				pass.Release(false)
			})
			synctest.Wait()
		}
		first.Release(false)
		group.Wait()
		want := []string{"1 low displaced", "5 low queue-full", "4 critical ", "3 high ", "2 normal ", "0 low "}
		if !slices.Equal(in, want) {
			t.Errorf("order %q, want %q", in, want)
		}
	})
}

// A queue that never empties is turned over: it waits less, and the newest go
// first.
func TestAStandingQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := admit.NewGate(admit.Config{Concurrent: 1, Queue: 100, Wait: 100 * time.Millisecond, Target: 5 * time.Millisecond})
		pass, err := g.Enter(t.Context(), admit.Normal)
		if err != nil {
			t.Fatal(err)
		}
		enter := func(p admit.Priority) (waited func() (time.Duration, error)) {
			var took time.Duration
			var err error
			done := make(chan struct{})
			go func() {
				defer close(done)
				begun := time.Now()
				var p2 *admit.Pass
				p2, err = g.Enter(t.Context(), p)
				took = time.Since(begun)
				p2.Release(false)
			}()
			synctest.Wait()
			return func() (time.Duration, error) { <-done; return took, err }
		}
		early := enter(admit.Normal)
		time.Sleep(99 * time.Millisecond)
		bridge := enter(admit.Normal) // so that the queue is never empty
		if took, err := early(); took != 100*time.Millisecond || refusal(err) != admit.WaitedLong {
			t.Errorf("the first waited %s: %v", took, err)
		}
		time.Sleep(time.Millisecond)
		critical, normal, low := enter(admit.Critical), enter(admit.Normal), enter(admit.Low)
		if took, err := low(); took != 0 || refusal(err) != admit.Overloaded {
			t.Errorf("low: %s %v", took, err)
		}
		if took, err := normal(); took != 5*time.Millisecond || refusal(err) != admit.WaitedLong {
			t.Errorf("normal: %s %v", took, err)
		}
		old := enter(admit.High)
		time.Sleep(time.Millisecond)
		young := enter(admit.High)
		pass.Release(false)
		for name, wait := range map[string]func() (time.Duration, error){"critical": critical, "bridge": bridge, "old": old, "young": young} {
			took, err := wait()
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if name == "young" && took != 0 {
				t.Errorf("the youngest waited %s", took)
			}
		}
		if s := g.Snapshot(); s.Inside != 0 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		again := enter(admit.Normal)
		if took, err := again(); err != nil || took != 0 {
			t.Errorf("afterwards: %s %v", took, err)
		}
	})
}

func TestWhoGoesAwayLeavesNoTrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := admit.NewGate(admit.Config{Concurrent: 1})
		pass, err := g.Enter(t.Context(), admit.Normal)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := g.Enter(ctx, admit.Normal); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("gone: %v", err)
		}
		if s := g.Snapshot(); s.Waiting != 0 || s.Inside != 1 || len(s.Shed) != 0 {
			t.Errorf("%+v", s)
		}
		done := make(chan error)
		go func() { p, err := g.Enter(t.Context(), admit.Normal); p.Release(false); done <- err }()
		synctest.Wait()
		g.Set(admit.Config{Concurrent: 2}) // room for it, without a restart
		if err := <-done; err != nil {
			t.Errorf("after the limit was raised: %v", err)
		}
		pass.Release(false)
	})
}

// Five times what a service can do: it goes on doing what it can, and what
// matters is done. The same without a gate does nothing in time.
func TestOverload(t *testing.T) {
	t.Parallel()
	const (
		capacity = 10                    // at a time
		each     = 10 * time.Millisecond // so 1,000 a second
		patience = 200 * time.Millisecond
		last     = 3 * time.Second
	)
	run := func(gate *admit.Gate, rate int) (good int, critical float64) {
		places := make(chan struct{}, capacity)
		var mu sync.Mutex
		var group sync.WaitGroup
		asked, answered := 0, 0
		for begun, i := time.Now(), 0; time.Since(begun) < last; i++ {
			p := admit.Normal
			if i%10 == 0 {
				p = admit.Critical
				asked++
			}
			group.Go(func() {
				begun := time.Now()
				if gate != nil {
					pass, err := gate.Enter(context.Background(), p)
					if err != nil {
						return
					}
					defer pass.Release(false)
				}
				places <- struct{}{}
				time.Sleep(each)
				<-places
				if time.Since(begun) <= patience {
					mu.Lock()
					defer mu.Unlock()
					good++
					if p == admit.Critical {
						answered++
					}
				}
			})
			time.Sleep(time.Second / time.Duration(rate))
		}
		group.Wait()
		return good, float64(answered) / float64(asked)
	}
	synctest.Test(t, func(t *testing.T) {
		peak, _ := run(admit.NewGate(admit.Config{Concurrent: capacity}), capacity*int(time.Second/each))
		for _, times := range []int{2, 5} {
			rate := times * capacity * int(time.Second/each)
			good, critical := run(admit.NewGate(admit.Config{Concurrent: capacity}), rate)
			if good*100 < peak*95 || critical < 0.99 {
				t.Errorf("%d times: %d answered in time, %d at the peak; %.2f of what is critical", times, good, peak, critical)
			}
			if bare, _ := run(nil, rate); bare*2 > peak {
				t.Errorf("%d times, without a gate: %d answered in time, %d at the peak: this is no overload", times, bare, peak)
			}
		}
	})
}

// Where nobody has said what a service can do, latency does.
func TestTheLimitFollowsLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := admit.NewGate(admit.Config{Concurrent: 100, Queue: -1})
		// A hundred clients, of whom the service works for so many at a time.
		load := func(workers int, last time.Duration) int {
			places := make(chan struct{}, workers)
			var group sync.WaitGroup
			for range 100 {
				group.Go(func() {
					for end := time.Now().Add(last); time.Now().Before(end); {
						pass, err := g.Enter(t.Context(), admit.Normal)
						if err != nil {
							time.Sleep(20 * time.Millisecond)
							continue
						}
						places <- struct{}{}
						time.Sleep(10 * time.Millisecond)
						<-places
						pass.Release(false)
					}
				})
			}
			group.Wait()
			return g.Snapshot().Limit
		}
		usual := load(100, time.Second)
		slow := load(5, 3*time.Second)
		if again := load(100, 6*time.Second); usual != 100 || slow > 20 || again < 3*slow {
			t.Errorf("limits %d, while slow %d, again %d", usual, slow, again)
		}
	})
}

func TestRates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := admit.NewRates(admit.Rate{Limit: 10, Per: time.Second, Burst: 3})
		for i, want := range []int{2, 1, 0} {
			if left, err := r.Take("a"); err != nil || left != want {
				t.Errorf("%d: %d left, %v", i, left, err)
			}
		}
		if _, err := r.Take("a"); err == nil || err.RetryAfter != 100*time.Millisecond {
			t.Errorf("after the burst: %v", err)
		}
		if _, err := r.Take("b"); err != nil {
			t.Errorf("another caller: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
		if _, err := r.Take("a"); err != nil {
			t.Errorf("when it may again: %v", err)
		}
		time.Sleep(time.Hour)
		if left, err := r.Take("a"); err != nil || left != 2 {
			t.Errorf("after a rest: %d left, %v", left, err)
		}
		got := 0
		for begun := time.Now(); time.Since(begun) < 10*time.Second; time.Sleep(time.Millisecond) {
			if _, err := r.Take("c"); err == nil {
				got++
			}
		}
		if got < 100 || got > 103 {
			t.Errorf("%d in 10 s, want 100 and the burst", got)
		}
		r.Set(admit.Rate{Limit: 1})
		r.Set(admit.Rate{})
		if s := r.Snapshot(); s.Rate != (admit.Rate{Limit: 1, Per: time.Second, Burst: 1}) || s.Keys != 3 || s.Refused == 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Nothing overflows, whatever the plan says.
func TestAnEndlessRate(t *testing.T) {
	t.Parallel()
	if _, err := admit.NewRates(admit.Rate{Limit: 1, Per: 1 << 62, Burst: 1 << 40}).Take("b"); err != nil {
		t.Error(err)
	}
}

// An attacker with a million addresses takes bounded memory, and is counted.
func TestAMillionCallers(t *testing.T) {
	t.Parallel()
	r := admit.NewRates(admit.Rate{Limit: 1, Per: time.Hour})
	for i := range 1_000_000 {
		if _, err := r.Take(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if s := r.Snapshot(); s.Keys != admit.MaxKeys || s.Evicted != 1_000_000-admit.MaxKeys {
		t.Errorf("%+v", s)
	}
}
