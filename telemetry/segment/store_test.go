package segment_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/segment"
)

func TestRowsOfAnySizeAreTakenOrRefusedWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := segment.Open(t.Context(), segment.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	r := &telemetry.Resource{Service: "order"}
	long := strings.Repeat("long ", 300<<10/5)
	var b telemetry.Batch
	for i := range 6 { // together longer than a frame
		n := strconv.Itoa(i)
		b.Spans = append(b.Spans, telemetry.Span{Resource: r, Name: n + long})
		b.Logs = append(b.Logs, telemetry.Log{Resource: r, Body: n + long})
	}
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	huge := strings.Repeat("x", 10<<20)
	for _, b := range []telemetry.Batch{
		{Logs: []telemetry.Log{{Resource: r, Body: "small"}, {Resource: r, Body: huge}}},
		{Spans: []telemetry.Span{{Resource: r, Name: huge}}},
	} {
		if err := s.Append(t.Context(), b); err == nil {
			t.Error("a row of ten mebibytes is taken")
		}
	}
	for _, where := range []string{"head", "log", "file"} {
		if where != "head" {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s, err = segment.Open(t.Context(), segment.Options{Dir: dir}); err != nil {
				t.Fatal(err)
			}
		}
		if where == "file" {
			if err := s.Seal(t.Context(), true); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		err := errors.Join(
			s.Spans(t.Context(), telemetry.SpanQuery{Name: "3" + long}, func(*telemetry.Span) error { n++; return nil }),
			s.Logs(t.Context(), telemetry.LogQuery{Text: "4long"}, func(*telemetry.Log) error { n++; return nil }))
		if st := s.Stats(); err != nil || n != 2 || st.Spans != 6 || st.Logs != 6 || len(st.Damage) > 0 {
			t.Errorf("%s: %v, %d found, %+v", where, err, n, st)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRowsComeBackFromHeadFileAndLog(t *testing.T) {
	t.Parallel()
	m := newMaker(1)
	b := m.batch(120, 120)
	var wantSpans, wantLogs []string
	for i := range b.Spans {
		wantSpans = append(wantSpans, plain(&b.Spans[i]))
	}
	for i := range b.Logs {
		wantLogs = append(wantLogs, plain(&b.Logs[i]))
	}
	sortStrings(wantSpans, wantLogs)
	dir := t.TempDir()
	s, err := segment.Open(t.Context(), segment.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	check := func(where string) {
		t.Helper()
		if d := cmp.Diff(wantSpans, spansOf(t.Context(), t, s, telemetry.SpanQuery{})); d != "" {
			t.Fatalf("spans %s: %s", where, d)
		}
		if d := cmp.Diff(wantLogs, logsOf(t.Context(), t, s, telemetry.LogQuery{})); d != "" {
			t.Fatalf("logs %s: %s", where, d)
		}
		if st := s.Stats(); st.Spans != 120 || st.Logs != 120 || len(st.Damage) != 0 || !st.LostUntil.IsZero() {
			t.Fatalf("%s: %+v", where, st)
		}
	}
	reopen := func() {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = segment.Open(t.Context(), segment.Options{Dir: dir}); err != nil {
			t.Fatal(err)
		}
	}
	check("in the head")
	reopen()
	check("from the log")
	if err := s.Seal(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Files != 2 || st.HeadRows != 0 {
		t.Fatalf("sealed: %+v", st)
	}
	check("sealed")
	reopen()
	check("sealed and opened again")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHoldingIsContainsOfTheLowerCase(t *testing.T) {
	t.Parallel()
	m := newMaker(15)
	for range 3000 {
		values := make([]string, m.IntN(6))
		var want []int
		word := pick(m, "a", "za", "kk", "i", "ä", "a7", "ⱥ", "zzzzzzzzz", "a1[z")
		for i := range values {
			var in strings.Builder
			for range m.IntN(20) {
				in.WriteString(pick(m, "a", "A", "z", "Z", "k", "\u212a", "\u0130", "i", "ß", "Ä", "ä", "Ⱥ", "[", "@", "1", "7"))
			}
			if values[i] = in.String(); m.IntN(3) > 0 {
				values[i] = strings.NewReplacer("\u212a", "", "\u0130", "").Replace(values[i])
			}
			if strings.Contains(strings.ToLower(values[i]), word) {
				want = append(want, i)
			}
		}
		if got := segment.Holding(word, values...); !slices.Equal(got, want) {
			t.Fatalf("%q in %q: got %v, want %v", word, values, got, want)
		}
	}
}
