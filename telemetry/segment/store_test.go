package segment_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/segment"
)

func TestRowsOfAnySizeAreTakenOrRefusedWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := segment.Open(t.Context(), thatDay(segment.Options{Dir: dir}))
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
			if s, err = segment.Open(t.Context(), thatDay(segment.Options{Dir: dir})); err != nil {
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
	s, err := segment.Open(t.Context(), thatDay(segment.Options{Dir: dir}))
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
		if s, err = segment.Open(t.Context(), thatDay(segment.Options{Dir: dir})); err != nil {
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

// TestWhatComesAgainIsFoundOnEveryPage: texts and attributes that were met
// before are written and found as those that were not.
func TestWhatComesAgainIsFoundOnEveryPage(t *testing.T) {
	t.Parallel()
	s := open(t, segment.Options{Dir: t.TempDir()})
	r := &telemetry.Resource{Service: "order", Attributes: []telemetry.Attribute{{Key: "host", Value: "h1"}}}
	attributes := func(i int) []telemetry.Attribute {
		return []telemetry.Attribute{
			{Key: "http.route", Value: "/route"}, {Key: "http.route", Value: "/again"}, {Key: "http.response.status_code", Value: "200", Kind: telemetry.Int},
			{Key: "n", Value: "200", Kind: telemetry.Int}, {Key: "n", Value: "200"}, {Key: "m", Value: "200"}, {Key: "http.request.method", Value: "1", Kind: telemetry.Int},
			{Key: "own", Value: "own" + strconv.Itoa(i)}, {Key: "long", Value: strings.Repeat("long ", 100*(i%512/511)) + "end"},
		}
	}
	const rows = 2 * 4096
	for from := 0; from < rows; from += 512 {
		var b telemetry.Batch
		for i := from; i < from+512; i++ {
			b.Logs = append(b.Logs, telemetry.Log{Resource: r, Time: int64(1e15 + i), Body: "payment taken", CorrelationID: "c-" + strconv.Itoa(i/4096), Attributes: attributes(i)})
		}
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Seal(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	sorted := func(list []telemetry.Attribute) []telemetry.Attribute {
		return slices.SortedFunc(slices.Values(list), func(a, b telemetry.Attribute) int {
			return strings.Compare(a.Key+a.Value+strconv.Itoa(int(a.Kind)), b.Key+b.Value+strconv.Itoa(int(b.Kind)))
		})
	}
	for text, want := range map[string]int{"payment again 200": rows, "c-1": 4096, "own8000": 1, "long": rows / 512, "nowhere": 0} {
		n := 0
		err := s.Logs(t.Context(), telemetry.LogQuery{Text: text}, func(l *telemetry.Log) error {
			i := int(l.Time - 1e15)
			if diff := cmp.Diff(sorted(attributes(i)), sorted(l.Attributes)); n == 0 && diff != "" {
				t.Errorf("row %d: %s", i, diff)
			}
			n++
			return nil
		})
		if err != nil || n != want {
			t.Errorf("%q: %d rows, %v, want %d", text, n, err, want)
		}
	}
}

// TestAHeadThatFillsIsSealedSoon, so that memory does not grow with the time
// that a load lasts.
func TestAHeadThatFillsIsSealedSoon(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	s := open(t, segment.Options{Dir: t.TempDir(), Now: func() time.Time { return time.Unix(0, now.Load()) }})
	r := &telemetry.Resource{Service: "order"}
	for _, step := range []struct {
		rows  int
		later time.Duration
		files int // then
	}{{100, 31 * time.Second, 0}, {8092, 0, 1}, {8192, 29 * time.Second, 1}, {0, 2 * time.Second, 2}, {100, 9 * time.Minute, 2}, {0, 2 * time.Minute, 3}} {
		b := telemetry.Batch{Logs: make([]telemetry.Log, step.rows)}
		for i := range b.Logs {
			b.Logs[i] = telemetry.Log{Resource: r, Time: now.Load(), Body: "order placed"}
		}
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		now.Add(int64(step.later))
		if err := s.Seal(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if st := s.Stats(); st.Files != step.files {
			t.Errorf("%d rows more and %s later: %d files, want %d", step.rows, step.later, st.Files, step.files)
		}
	}
}

func TestWhichFilesAreMadeOne(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ rows, want []int }{
		{[]int{100, 100, 100, 100, 100, 100, 100}, []int{0, 0}},
		{[]int{100, 100, 100, 100, 100, 100, 100, 100}, []int{0, 8}},
		{[]int{30_000, 30_000, 30_000, 30_000}, []int{0, 0}},         // one more may fit
		{[]int{30_000, 30_000, 30_000, 30_000, 30_000}, []int{0, 4}}, // none does
		{[]int{120_000, 20_000, 20_000, 20_000, 20_000, 120_000}, []int{1, 4}},
		{[]int{65_536, 65_536, 65_536, 65_536}, []int{0, 0}}, // as a full head makes them
		{[]int{120_000, 100, 100, 100, 100, 120_000}, []int{0, 0}},
	} {
		if first, n := segment.Neighbours(test.rows...); first != test.want[0] || n != test.want[1] {
			t.Errorf("%v: %d from %d on, want %v", test.rows, n, first, test.want)
		}
	}
}
