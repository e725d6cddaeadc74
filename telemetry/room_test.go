package telemetry_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a store in memory; it can be made to wait and to fail.
type memory struct {
	mu   sync.Mutex
	rows telemetry.Batch
	fail error
	hold chan struct{} // nil: appends do not wait
	told telemetry.StoreStats
}

func (m *memory) Append(_ context.Context, b telemetry.Batch) error {
	if m.hold != nil { // is taken twice: when somebody waits, and when he may go on
		<-m.hold
		<-m.hold
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.rows.Spans = append(m.rows.Spans, b.Spans...)
	m.rows.Logs = append(m.rows.Logs, b.Logs...)
	return nil
}

func (m *memory) Spans(_ context.Context, q telemetry.SpanQuery, yield func(*telemetry.Span) error) error {
	m.mu.Lock()
	spans := slices.Clone(m.rows.Spans)
	m.mu.Unlock()
	slices.SortStableFunc(spans, func(a, b telemetry.Span) int { return int(b.Start - a.Start) })
	for i := range spans {
		if q.Matches(&spans[i], telemetry.ParseText(q.Text)) {
			if err := yield(&spans[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) Logs(_ context.Context, q telemetry.LogQuery, yield func(*telemetry.Log) error) error {
	m.mu.Lock()
	logs := slices.Clone(m.rows.Logs)
	m.mu.Unlock()
	slices.SortStableFunc(logs, func(a, b telemetry.Log) int { return int(b.Time - a.Time) })
	for i := range logs {
		if q.Matches(&logs[i], telemetry.ParseText(q.Text)) {
			if err := yield(&logs[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) Stats() telemetry.StoreStats { return m.told }

func record(service, body string, at int64, more ...telemetry.Attribute) telemetry.Log {
	return telemetry.Log{Resource: &telemetry.Resource{Service: service}, Body: body, Time: at, Attributes: more}
}

func TestTakeMakesRowsSafe(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	store := &memory{}
	var forwarded telemetry.Batch
	r := telemetry.New(telemetry.Options{Store: store, Now: func() time.Time { return now }, Forward: func(b telemetry.Batch) { forwarded = b }})
	r.SetRules(telemetry.Rules{Names: []string{"iban"}})
	future := span("a", 1, 0, now.Add(time.Hour).UnixNano(), 5)
	endless := span("a", 2, 0, now.UnixNano(), int64(1000*time.Hour))
	err := r.Take(t.Context(), telemetry.Batch{
		Spans: []telemetry.Span{future, endless, span("a", 3, 0, 900e9, 7)},
		Logs:  []telemetry.Log{record("a", "iban: DE02", 0), record("a", "password=x", 999e9)},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range store.rows.Spans {
		got = append(got, time.Unix(0, s.Start).UTC().Format("15:04:05")+" "+time.Duration(s.Duration).String())
	}
	for _, l := range store.rows.Logs {
		got = append(got, time.Unix(0, l.Time).UTC().Format("15:04:05")+" "+l.Body)
	}
	want := []string{"00:16:39 5ns", "00:16:40 24h0m0s", "00:15:00 7ns", "00:16:40 iban: [redacted]", "00:16:39 password=[redacted]"}
	want[1] = "00:16:40 24h0m0s"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(store.rows, forwarded); diff != "" {
		t.Error(diff)
	}
	if told, ok := telemetry.Find(store.rows.Spans[0].Attributes, "plat.time_told"); !ok || told != "1970-01-01T01:16:40Z" {
		t.Errorf("the time of a span from the future is not kept: %+v", store.rows.Spans[0].Attributes)
	}
	if s := r.Stats(); s.Redacted != 2 || s.Shifted != 3 {
		t.Errorf("%+v", s)
	}
}

// TestBusy refuses rows while too many wait for the store, and takes them when
// these are through.
func TestBusy(t *testing.T) {
	t.Parallel()
	store := &memory{hold: make(chan struct{})}
	r := telemetry.New(telemetry.Options{Store: store})
	one := record("a", "x", 1)
	b := telemetry.Batch{Logs: slices.Repeat([]telemetry.Log{one}, 150_000)}
	done := make(chan error)
	go func() { done <- r.Take(t.Context(), b) }()
	store.hold <- struct{}{} // it waits for the store now
	if err := r.Take(t.Context(), telemetry.Batch{Logs: slices.Clone(b.Logs)}); !errors.Is(err, telemetry.ErrBusy) || r.Stats().Busy != 150_000 {
		t.Errorf("%v, %+v", err, r.Stats())
	}
	store.hold <- struct{}{}
	if err := <-done; err != nil {
		t.Error(err)
	}
	store.hold = nil
	if err := r.Take(t.Context(), telemetry.Batch{Logs: []telemetry.Log{one}}); err != nil {
		t.Error(err)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	r := telemetry.New(telemetry.Options{Store: &memory{}})
	ctx, cancel := context.WithCancel(t.Context())
	logs, err := r.Follow(ctx, telemetry.LogQuery{Services: []string{"a"}, Text: "sold"})
	if err != nil {
		t.Fatal(err)
	}
	err = r.Take(t.Context(), telemetry.Batch{Logs: []telemetry.Log{record("b", "sold", 1), record("a", "not so", 1), record("a", "Sold 7", 2)}})
	if err != nil {
		t.Fatal(err)
	}
	if l := <-logs; l.Body != "Sold 7" {
		t.Errorf("%q", l.Body)
	}
	cancel()
	for l := range logs { // ends, since it is closed
		t.Errorf("%q", l.Body)
	}
}

// TestOffered takes within a moment what was offered, and all that is left
// at the end.
func TestOffered(t *testing.T) {
	t.Parallel()
	store := &memory{}
	r := telemetry.New(telemetry.Options{Store: store})
	for range 20_001 {
		r.OfferLog(record("a", "x", 1))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil || len(store.rows.Logs) != 20_000 || r.Stats().Lost != 1 {
		t.Errorf("%v, %d kept, %+v", err, len(store.rows.Logs), r.Stats())
	}
	store.fail = errors.New("no room")
	r.OfferSpan(span("a", 1, 0, 1, 1))
	if err := r.Run(ctx); err != nil || r.Stats().Lost != 2 {
		t.Errorf("%v, %+v", err, r.Stats())
	}
}

func TestTraces(t *testing.T) {
	t.Parallel()
	store := &memory{}
	r := telemetry.New(telemetry.Options{Store: store})
	of := func(id byte) func(*telemetry.Span) {
		return func(s *telemetry.Span) { s.TraceID, s.CorrelationID = telemetry.TraceID{id}, "c" }
	}
	store.rows.Spans = []telemetry.Span{
		span("a", 1, 0, 10e9, 5, of(1)), span("b", 2, 1, 10e9+1, 3, of(1), failed),
		span("a", 1, 0, 20e9, 5, of(2)),
		span("b", 2, 1, 30e9, 5, of(3)), span("a", 1, 0, 30e9+1, 9, of(3)),
	}
	list, more, err := r.Traces(t.Context(), telemetry.SpanQuery{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := []telemetry.Summary{
		{ID: telemetry.TraceID{3}, CorrelationID: "c", Root: "a1", Service: "a", Start: 30e9, End: 30e9 + 10, Spans: 2, Services: map[string]int{"a": 1, "b": 1}},
		{ID: telemetry.TraceID{2}, CorrelationID: "c", Root: "a1", Service: "a", Start: 20e9, End: 20e9 + 5, Spans: 1, Services: map[string]int{"a": 1}},
	}
	if diff := cmp.Diff(want, list); diff != "" || !more {
		t.Errorf("%s more=%v", diff, more)
	}
	list, more, err = r.Traces(t.Context(), telemetry.SpanQuery{ErrorsOnly: true}, 2)
	if err != nil || more || len(list) != 1 || list[0].Errors != 1 || list[0].Spans != 2 {
		t.Errorf("%v %+v more=%v", err, list, more)
	}
	if _, _, err := r.Trace(t.Context(), telemetry.TraceID{9}); err == nil {
		t.Error("an unknown trace was found")
	}
	store.rows.Logs = []telemetry.Log{record("a", "x", 5e9, telemetry.Attribute{Key: "order", Value: "o7"})}
	store.rows.Logs[0].TraceID = telemetry.TraceID{4}
	ids, err := r.TracesOf(t.Context(), time.Time{}, time.Time{}, "c", []string{"order"}, "o7")
	if diff := cmp.Diff([]telemetry.TraceID{{4}, {1}, {2}, {3}}, ids); diff != "" || err != nil {
		t.Errorf("%s %v", diff, err)
	}
}

func TestLogOf(t *testing.T) {
	t.Parallel()
	res := &telemetry.Resource{Service: "order", Instance: "order-1"}
	at := time.Unix(5, 0)
	for text, want := range map[string]telemetry.Log{
		`{"time":"2026-01-02T03:04:05Z","level":"WARN","msg":"slow","service":"order","instance":"order-1","trace_id":"0102030405060708090a0b0c0d0e0f10","span_id":"0102030405060708","correlation_id":"c1","n":7,"f":1.5,"ok":true,"m":{"a":[1]}}`: {
			Severity: 13, Body: "slow", CorrelationID: "c1",
			TraceID: telemetry.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, SpanID: telemetry.SpanID{1, 2, 3, 4, 5, 6, 7, 8},
			Attributes: []telemetry.Attribute{{Key: "f", Value: "1.5", Kind: telemetry.Float}, {Key: "m", Value: `{"a":[1]}`, Kind: telemetry.JSON}, {Key: "n", Value: "7", Kind: telemetry.Int}, {Key: "ok", Value: "true", Kind: telemetry.Bool}},
		},
		`{"level":50,"msg":"pino"}`:              {Severity: 17, Body: "pino"},
		`{"level":"INFO+2","message":"slog"}`:    {Severity: 11, Body: "slog"},
		`{"levelname":"CRITICAL","message":"p"}`: {Severity: 21, Body: "p"},
		`{"a":1}`:                                {Body: `{"a":1}`, Attributes: []telemetry.Attribute{{Key: "a", Value: "1", Kind: telemetry.Int}}},
		`{"a":`:                                  {Body: `{"a":`},
		`{"a":1} {"b":2}`:                        {Body: `{"a":1} {"b":2}`},
		"panic: no":                              {Severity: 17, Body: "panic: no"},
		"t=1 level=warn msg=x":                   {Severity: 13, Body: "t=1 level=warn msg=x"},
		"2026-01-02 INFO started":                {Severity: 9, Body: "2026-01-02 INFO started"},
		"hello":                                  {Body: "hello"},
	} {
		want.Resource, want.Stream, want.Time = res, "out", at.UnixNano()
		if diff := cmp.Diff(want, telemetry.LogOf(res, at, "out", text)); diff != "" {
			t.Errorf("%s\n%s", text, diff)
		}
	}
}

// TestWhatIsNotFoundMayBeDamaged: an ID that is not found is no proof that there
// was nothing, where something is damaged.
func TestWhatIsNotFoundMayBeDamaged(t *testing.T) {
	t.Parallel()
	crash := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for want, st := range map[string]telemetry.StoreStats{
		"": {},
		"a file of telemetry is damaged, which may have held it":                                       {Damage: make([]telemetry.Damage, 1)},
		"3 files of telemetry are damaged, one of which may have held it":                              {Damage: make([]telemetry.Damage, 3), LostUntil: crash},
		"the last run ended by a crash, so that up to a second before 2026-11-23 12:00:00 UTC is lost": {LostUntil: crash},
	} {
		r := telemetry.New(telemetry.Options{Store: &memory{told: st}})
		_, _, err := r.Trace(t.Context(), telemetry.TraceID{1})
		f, ok := errors.AsType[*fault.Fault](err)
		if !ok || f.Code != fault.TelemetryNotFound || f.Expected != want || (want == "") != (f.Remedy == "") {
			t.Errorf("%+v, want %q", err, want)
		}
		if f := r.Doubt(fault.New(fault.NoSuchFinding, "nothing").Why("it is none").Fix("look")); f.Remedy != "look" || want != "" && f.Expected != "it is none; "+want {
			t.Errorf("%+v", f)
		}
	}
}
