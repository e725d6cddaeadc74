package prom_test

import (
	"strings"
	"testing"
	"time"

	"github.com/plat-dev/plat/telemetry/prom"
)

// TestLimitsChangeWhileItRuns: as the status tells, which clients ask.
func TestLimitsChangeWhileItRuns(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{Keep: 48 * time.Hour, Size: 1 << 30})
	flags := func() string { return get(t, s.Handler(), "/api/v1/status/flags").Body.String() }
	for _, c := range []struct {
		keep time.Duration
		size int64
		want []string
	}{
		{6 * time.Hour, 64 << 20, []string{`"6h0m0s"`, `"67108864B"`}},
		{6 * time.Hour, 64 << 20, []string{`"6h0m0s"`}},
		{0, 0, []string{`"360h0m0s"`, `"2147483648B"`}},
	} {
		if err := s.SetLimits(c.keep, c.size); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if got := flags(); !strings.Contains(got, want) {
				t.Errorf("%s: it says %s, not %s", c.keep, got, want)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.SetLimits(time.Hour, 0); err != nil {
		t.Errorf("after its end: %v", err)
	}
}
