package segment_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/segment"
)

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
