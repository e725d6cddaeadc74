package otlp_test

import (
	"context"
	"testing"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/otlp"
)

// TestForwardsChangeWhileTheyRun: a backend that is new gets what comes from
// then on, one that stays goes on, one that is gone gets nothing more.
func TestForwardsChangeWhileTheyRun(t *testing.T) {
	t.Parallel()
	first, second := &sink{}, &sink{}
	_, one := serve(t, first, otlp.Limits{})
	_, two := serve(t, second, otlp.Limits{})
	var f otlp.Forwards
	set := func(urls ...string) error {
		var list []otlp.ForwardOptions
		for _, url := range urls {
			list = append(list, otlp.ForwardOptions{URL: url})
		}
		return f.Set(list)
	}
	record := func() {
		f.Take(telemetry.Batch{Logs: []telemetry.Log{{Resource: &telemetry.Resource{Service: "order"}, Time: 5, Body: "b"}}})
	}
	sent := func(what, url string, n uint64) {
		t.Helper()
		eventually(t, what, func() bool {
			for _, s := range f.Stats() {
				if s.URL == url {
					return s.Sent == n
				}
			}
			return false
		})
	}
	record() // nobody is there
	if err := set(one); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	record()
	sent("the first has it", one, 1)
	if err := set(one, two); err != nil {
		t.Fatal(err)
	}
	record()
	sent("the first goes on", one, 2)
	sent("the second has it, too", two, 1)
	if err := set(two, "nonsense"); err == nil {
		t.Error("nonsense was taken")
	}
	if n := len(f.Stats()); n != 2 {
		t.Errorf("what was refused changed them: %d", n)
	}
	if err := set(two); err != nil {
		t.Fatal(err)
	}
	record()
	sent("the second goes on", two, 2)
	if n := len(f.Stats()); n != 1 {
		t.Errorf("%d are told of", n)
	}
	record()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := len(first.logs); n != 2 {
		t.Errorf("the first has %d", n)
	}
	if n := len(second.logs); n != 3 {
		t.Errorf("the second has %d: what waited at the end is lost", n)
	}
}
