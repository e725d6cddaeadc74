package runner_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/runner"
)

// TestWhatIsUnderWayEndsBeforeTheProgram: also where it has become unready with
// requests in flight.
func TestWhatIsUnderWayEndsBeforeTheProgram(t *testing.T) {
	t.Parallel()
	for _, unready := range []bool{false, true} {
		pace := quick()
		pace.Drain = time.Hour
		order := svc("order", 1)
		order.Grace = plan.Duration(time.Hour)
		r := start(t, pace, order)
		r.wait(t, "order")
		request := make(chan struct{})
		r.rotation.occupy("order-1", request)
		if unready {
			r.machine.of("order").unready.Store(true)
			r.eventually(t, "it to leave the rotation", func() bool { return len(r.rotation.ids()) == 0 })
		}
		scaled := make(chan error, 1)
		go func() { scaled <- r.Scale(t.Context(), "order", 0) }()
		r.eventually(t, "it to be drained", func() bool { return slices.Contains(r.rotation.drained(), "order-1") })
		if diff := cmp.Diff([]string{"order-1"}, r.machine.running()); diff != "" {
			t.Error("it was ended with a request in flight: " + diff)
		}
		close(request)
		if err := <-scaled; err != nil {
			t.Error(err)
		}
		r.stop()
	}
}

// TestDrainingIsBounded: by the pace, and by the service's grace.
func TestDrainingIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ drain, grace time.Duration }{{20 * time.Millisecond, time.Hour}, {time.Hour, 20 * time.Millisecond}} {
		pace := quick()
		pace.Drain = c.drain
		order := svc("order", 1)
		order.Grace = plan.Duration(c.grace)
		r := start(t, pace, order)
		r.wait(t, "order")
		r.rotation.occupy("order-1", make(chan struct{}))
		if err := r.Scale(t.Context(), "order", 0); err != nil {
			t.Error(err)
		}
		r.stop()
	}
}

// TestWhoGoesFirst: of those that are too many, who is of the least use.
func TestWhoGoesFirst(t *testing.T) {
	t.Parallel()
	r := startWith(t, runner.Options{Pace: quick(), Ejected: func(service, id string) bool {
		return service == "order" && (id == "order-1" || id == "order-4")
	}}, svc("order", 4))
	r.wait(t, "order")
	for _, want := range [][]string{{"order-1", "order-2", "order-3"}, {"order-2", "order-3"}, {"order-2"}} {
		if err := r.Scale(t.Context(), "order", len(want)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, r.rotation.ids()); diff != "" {
			t.Error(diff)
		}
	}
}

// TestWhoIsNotReadyGoesFirst: a crash loop is of no use, whatever its number.
func TestWhoIsNotReadyGoesFirst(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), svc("order", 2))
	r.wait(t, "order")
	r.machine.of("order").exits.Store(1 << 20)
	r.machine.crash(t, "order-1")
	if err := r.Scale(t.Context(), "order", 1); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"order-2"}, r.rotation.ids()); diff != "" {
		t.Error(diff)
	}
}
