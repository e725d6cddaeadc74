package waterfall_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/cli/waterfall"
)

func TestPrint(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ms := func(n int64) int64 { return n * int64(time.Millisecond) }
	trace := api.Trace{Start: at, Duration: ms(100), Spans: []api.Span{
		{ID: "1", Service: "web", Name: "GET /", Start: at, Duration: ms(100), Critical: true},
		{ID: "2", Service: "order", Name: "POST order", Depth: 1, Start: at.Add(50 * time.Millisecond), Duration: ms(40), Status: "error", Attributes: map[string]string{"http.response.status_code": "503"}},
		{ID: "3", Service: "stock", Name: strings.Repeat("long ", 20), Depth: 2, Start: at.Add(99 * time.Millisecond), Duration: 1500},
	}, Logs: []api.LogRecord{
		{Time: at.Add(-time.Second), Service: "web", Body: "before", Severity: "INFO"},
		{Time: at, SpanID: "2", Service: "order", Body: "no stock", Severity: "ERROR", Attributes: map[string]string{"b": "2", "a": "1"}},
		{Time: at, SpanID: "3", Service: "stock", Body: "old", Inferred: true, OneOf: 1},
		{Time: at, SpanID: "3", Service: "stock", Body: "older", Inferred: true, OneOf: 3},
		{Time: at.Add(time.Hour), Service: "web", Body: "after"},
	}}
	for name, c := range map[string]struct {
		o    waterfall.Options
		want string
	}{
		"in a pipe": {waterfall.Options{Logs: true}, `
· web: INFO before
web  GET /                                                                    100ms
  order  POST order                                                            40ms  failed: 503
    · ERROR no stock a=1 b=2
    stock  long long long long long long long long long long long long …      1.5µs
      · old (inferred)
      · older (inferred: one of 3 traces)
· web: after
`},
		"on a terminal": {waterfall.Options{Width: 60}, `
web  GET /                          100ms  ━━━━━━━━━━━━━━━━━
  order  POST order                  40ms          ──────  failed: 503
    stock  long long long lon…      1.5µs                  ─
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := waterfall.Print(&b, trace, c.o); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), b.String()); diff != "" {
				t.Error(diff + b.String())
			}
		})
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{0: "0ns", 1500: "1.5µs", 12345678: "12.3ms", 999600: "1ms", 999600 * time.Microsecond: "1s", 1234567890: "1.23s", 61 * time.Second: "1m1s"} {
		if got := waterfall.Short(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}
