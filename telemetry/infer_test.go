package telemetry_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/telemetry"
)

const ms = int64(time.Millisecond)

// shop has three requests at one instance of a program that knows nothing of
// tracing: one alone, and two that overlap; and one at another instance.
func shop() *memory {
	at := int64(1000) * int64(time.Second)
	one := &telemetry.Resource{Service: "old", Instance: "old-1"}
	two := &telemetry.Resource{Service: "old", Instance: "old-2"}
	listener := func(r *telemetry.Resource, trace, id byte, from, to int64) telemetry.Span {
		return telemetry.Span{Resource: r, Scope: telemetry.ScopeListener, TraceID: telemetry.TraceID{trace}, ID: telemetry.SpanID{id}, Start: at + from*ms, Duration: (to - from) * ms}
	}
	line := func(r *telemetry.Resource, body string, after int64) telemetry.Log {
		return telemetry.Log{Resource: r, Stream: "out", Body: body, Time: at + after*ms}
	}
	m := &memory{}
	m.rows.Spans = []telemetry.Span{
		listener(one, 1, 1, 0, 100), listener(one, 2, 2, 1000, 1300), listener(one, 3, 3, 1200, 1400), listener(two, 4, 4, 0, 2000),
		{Resource: one, Scope: "own", TraceID: telemetry.TraceID{9}, ID: telemetry.SpanID{9}, Start: at, Duration: 3000 * ms},
	}
	named, correlated, plats := line(one, "named", 60), line(one, "correlated", 60), line(one, "plats", 60)
	named.TraceID, correlated.CorrelationID, plats.Stream = telemetry.TraceID{1}, "c", "plat"
	m.rows.Logs = []telemetry.Log{
		line(one, "alone", 50), named, correlated, plats, line(one, "read late", 130), line(one, "idle", 500),
		line(one, "second alone", 1100), line(one, "either", 1250), line(one, "third, though the second just ended", 1320), line(two, "other", 50),
	}
	return m
}

func words(l telemetry.Log, x telemetry.Inference) string {
	return fmt.Sprintf("%s: %x/%x of %d", l.Body, x.TraceID[0], x.SpanID[0], x.OneOf)
}

func TestInfer(t *testing.T) {
	t.Parallel()
	m := shop()
	r := telemetry.New(telemetry.Options{Store: m})
	inferred, err := r.Infer(t.Context(), m.rows.Logs, telemetry.TraceID{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, l := range m.rows.Logs {
		got = append(got, words(l, inferred[i]))
	}
	want := []string{
		"alone: 1/1 of 1", "named: 0/0 of 0", "correlated: 0/0 of 0", "plats: 0/0 of 0", "read late: 1/1 of 1", "idle: 0/0 of 0",
		"second alone: 2/2 of 1", "either: 0/0 of 2", "third, though the second just ended: 3/3 of 1", "other: 4/4 of 1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got): %s", d)
	}
}

func TestPageOfATraceHasWhatIsInferred(t *testing.T) {
	t.Parallel()
	r := telemetry.New(telemetry.Options{Store: shop()})
	all := func(q telemetry.LogQuery, limit int) (got []string) {
		before := ""
		for range 10 {
			page, err := r.Page(t.Context(), q, before, limit)
			if err != nil {
				t.Fatal(err)
			}
			for i, l := range page.Logs {
				got = append(got, words(l, page.Inferred[i]))
			}
			if before = page.Before; !page.More {
				return got
			}
		}
		t.Fatal("the pages do not end")
		return nil
	}
	for _, c := range []struct {
		name  string
		q     telemetry.LogQuery
		limit int
		want  []string
	}{
		{"of one trace", telemetry.LogQuery{TraceID: telemetry.TraceID{1}}, 100, []string{"read late: 1/1 of 1", "named: 0/0 of 0", "alone: 1/1 of 1"}},
		{"page after page", telemetry.LogQuery{TraceID: telemetry.TraceID{1}}, 1, []string{"read late: 1/1 of 1", "named: 0/0 of 0", "alone: 1/1 of 1"}},
		{"of one of two", telemetry.LogQuery{TraceID: telemetry.TraceID{2}}, 100, []string{"either: 2/2 of 2", "second alone: 2/2 of 1"}},
		{"what else is asked holds", telemetry.LogQuery{TraceID: telemetry.TraceID{2}, Text: "second"}, 100, []string{"second alone: 2/2 of 1"}},
		{"no plat's listener was asked", telemetry.LogQuery{TraceID: telemetry.TraceID{9}}, 100, nil},
		{"nothing is kept", telemetry.LogQuery{TraceID: telemetry.TraceID{77}}, 100, nil},
		{"of a span: facts alone", telemetry.LogQuery{TraceID: telemetry.TraceID{1}, SpanID: telemetry.SpanID{1}}, 100, nil},
		{"without a trace", telemetry.LogQuery{Text: "either"}, 100, []string{"either: 0/0 of 2"}},
	} {
		if d := cmp.Diff(c.want, all(c.q, c.limit)); d != "" {
			t.Errorf("%s (-want +got): %s", c.name, d)
		}
	}
	for _, before := range []string{"x", "1", "1-x", "1--1"} {
		if _, err := r.Page(t.Context(), telemetry.LogQuery{}, before, 1); !fault.Is(err, fault.TelemetryBadQuery) {
			t.Errorf("before %q: %v", before, err)
		}
	}
}

// TestInferIsBounded: of too many requests nothing is inferred, rather than
// from half of them.
func TestInferIsBounded(t *testing.T) {
	t.Parallel()
	m := shop()
	first := m.rows.Spans[0]
	for i := range 50_001 {
		s := first
		s.Start -= int64(i % 1000)
		m.rows.Spans = append(m.rows.Spans, s)
	}
	r := telemetry.New(telemetry.Options{Store: m})
	inferred, err := r.Infer(t.Context(), m.rows.Logs[:1], telemetry.TraceID{})
	if err != nil || inferred[0].OneOf != 0 {
		t.Errorf("%+v, %v", inferred, err)
	}
}
