package probe_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/probe"
)

// until waits for a condition, at most a minute.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within a minute: " + what)
		}
	}
}

func start(t *testing.T, o probe.SchedulerOptions) *probe.Scheduler {
	t.Helper()
	s := probe.NewScheduler(o)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = s.Run(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return s
}

func every(name string, d time.Duration) plan.Journey {
	return plan.Journey{Name: name, Every: plan.Duration(d), Timeout: plan.Duration(time.Second)}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	var good, bad atomic.Int32 // runs that were told
	s := start(t, probe.SchedulerOptions{
		Ready: ready.Load,
		Run: func(_ context.Context, j plan.Journey, scheduled bool) probe.Result {
			return probe.Result{Journey: j.Name, Scheduled: scheduled, Passed: j.Name == "good", Duration: time.Second}
		},
		Observe: func(r probe.Result) {
			switch r.Journey {
			case "good":
				good.Add(1)
			case "bad":
				bad.Add(1)
			}
		},
	})
	s.SetJourneys([]plan.Journey{every("good", 10*time.Millisecond), every("bad", 10*time.Millisecond), every("hand", 0)})
	if n := good.Load() + bad.Load(); n != 0 {
		t.Errorf("%d ran before the system was ready", n)
	}
	ready.Store(true)
	until(t, "more runs than are remembered", func() bool { return good.Load() > 60 && bad.Load() > 60 })
	all := s.Journeys()
	if len(all) != 3 || all[0].Journey.Name != "bad" || all[2].Journey.Name != "hand" {
		t.Fatalf("%+v", all)
	}
	failing, fine, hand := all[0], all[1], all[2]
	if share, ok := fine.Share(); share != 1 || !ok || fine.P95() != time.Second || len(fine.Runs) != 50 || fine.Failed != 0 {
		t.Errorf("good: %v %v %d", share, fine.P95(), len(fine.Runs))
	}
	if share, _ := failing.Share(); share != 0 || failing.Passed != 0 || failing.P95() != 0 || failing.Next.IsZero() {
		t.Errorf("bad: %v", share)
	}
	if _, ok := hand.Share(); ok || len(hand.Runs) != 0 || !hand.Next.IsZero() {
		t.Errorf("hand: %+v", hand)
	}
	if r, err := s.RunNow(t.Context(), "hand"); err != nil || r.Scheduled {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := s.RunNow(t.Context(), "goood"); !fault.Is(err, fault.ProbeUnknown) || fault.All(err)[0].Remedy != "did you mean good?" {
		t.Error(err)
	}
	s.SetJourneys([]plan.Journey{every("good", time.Hour)})
	if all := s.Journeys(); len(all) != 1 || len(all[0].Runs) != 50 {
		t.Errorf("a live change forgot the history: %+v", all)
	}
}

// TestNeverTwice: a run that takes longer than its schedule is not overtaken,
// neither by the schedule nor by hand.
func TestNeverTwice(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	release := make(chan struct{})
	s := start(t, probe.SchedulerOptions{Run: func(ctx context.Context, _ plan.Journey, _ bool) probe.Result {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		select {
		case <-release:
		case <-ctx.Done():
		}
		return probe.Result{Passed: true}
	}})
	s.SetJourneys([]plan.Journey{every("slow", 5*time.Millisecond)})
	until(t, "skipped runs", func() bool { return s.Journeys()[0].Skipped > 3 })
	if _, err := s.RunNow(t.Context(), "slow"); !fault.Is(err, fault.ProbeRunning) {
		t.Error(err)
	}
	s.SetJourneys(nil) // the run under way goes on, and one of the same name waits for none
	if len(s.Journeys()) != 0 {
		t.Error("a journey that is gone is told")
	}
	close(release)
	until(t, "the run's end", func() bool { return now.Load() == 0 })
	if most.Load() != 1 {
		t.Errorf("%d ran at once", most.Load())
	}
}
