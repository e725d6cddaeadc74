package segment_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/segment"
)

const childEnv = "PLAT_TEST_SEGMENT_DIR"

// TestMain appends without end when a test asks for it by the environment.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		appendForEver(dir)
	}
	os.Exit(m.Run())
}

// appendForEver prints how many batches were taken, each of two numbered rows.
func appendForEver(dir string) {
	s, err := segment.Open(context.Background(), thatDay(segment.Options{Dir: dir, Rows: 500}))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() { _ = s.Run(context.Background()) }() // until it is killed
	resource := &telemetry.Resource{Service: "order"}
	for i := 1; ; i++ {
		now := time.Now().UnixNano()
		err := s.Append(context.Background(), telemetry.Batch{
			Spans: []telemetry.Span{{Resource: resource, Start: now, Name: strconv.Itoa(i)}},
			Logs:  []telemetry.Log{{Resource: resource, Time: now, Body: strconv.Itoa(i)}},
		})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

func TestWhatWasTakenOutlivesSIGKILL(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	total, killed := 0, 0
	counts := map[string]int{}
	for round := range 3 {
		c := exec.CommandContext(t.Context(), self)
		c.Env = append(os.Environ(), childEnv+"="+dir)
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		taken := 0
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatalf("the child says %s", lines.Text())
			}
			if taken = n; taken == 300+100*round {
				if err := c.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				killed++
			}
		}
		if err := c.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		for i := 1; i <= taken; i++ {
			counts[strconv.Itoa(i)]++
		}
		total += taken
	}
	s := open(t, segment.Options{Dir: dir})
	spans, logs := map[string]int{}, map[string]int{}
	err = errors.Join(
		s.Spans(t.Context(), telemetry.SpanQuery{}, func(r *telemetry.Span) error { spans[r.Name]++; return nil }),
		s.Logs(t.Context(), telemetry.LogQuery{}, func(r *telemetry.Log) error { logs[r.Body]++; return nil }))
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range counts {
		if spans[i] < n || logs[i] < n {
			t.Errorf("row %s was taken %d times; %d spans and %d logs are there", i, n, spans[i], logs[i])
		}
	}
	if st := s.Stats(); killed != 3 || total < 1200 || st.LostUntil.IsZero() || st.Spans > int64(total+6) {
		t.Errorf("killed %d times after %d batches: %+v", killed, total, st)
	}
}

// TestQueriesWhileRowsAreSealedCompactedAndDeleted holds each query to what was
// there when it began.
func TestQueriesWhileRowsAreSealedCompactedAndDeleted(t *testing.T) {
	t.Parallel()
	s := open(t, segment.Options{Dir: t.TempDir(), Rows: 40})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var taken atomic.Int64
	wg.Go(func() { _ = s.Run(ctx) })
	wg.Go(func() {
		resource := &telemetry.Resource{Service: "order"}
		for i := range 16 {
			b := telemetry.Batch{}
			for j := range 10 {
				n := int64(i*10 + j)
				b.Spans = append(b.Spans, telemetry.Span{Resource: resource, Start: began.UnixNano() + n, Name: "n", Duration: n})
				b.Logs = append(b.Logs, telemetry.Log{Resource: resource, Time: began.UnixNano() + n, Body: "n"})
			}
			if err := s.Append(ctx, b); err != nil {
				t.Error(err) // or the test has failed, and nobody seals any more
				return
			}
			taken.Add(10)
		}
	})
	for range 3 {
		wg.Go(func() {
			for taken.Load() < 160 && !t.Failed() {
				before := taken.Load()
				seen := map[int64]bool{}
				if err := s.Spans(t.Context(), telemetry.SpanQuery{}, func(r *telemetry.Span) error {
					if seen[r.Duration] {
						t.Errorf("span %d comes twice", r.Duration)
					}
					seen[r.Duration] = true
					return nil
				}); err != nil {
					t.Error(err)
				}
				if int64(len(seen)) < before {
					t.Errorf("%d spans where %d were taken; the store says %+v", len(seen), before, s.Stats())
				}
				s.Scrub()
			}
		})
	}
	for taken.Load() < 160 && !t.Failed() {
		if err := s.Compact(t.Context()); err != nil {
			t.Error(err)
		}
	}
	stop()
	wg.Wait()
	if err := s.Seal(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); len(st.Damage) > 0 || st.Spans != 160 || st.Logs != 160 {
		t.Errorf("%+v", st)
	}
}

func TestOldAndTooManyFilesAreDeletedWhole(t *testing.T) {
	t.Parallel()
	now := began
	o := segment.Options{Dir: t.TempDir(), Keep: time.Hour, Now: func() time.Time { return now }}
	s := open(t, o)
	resource := &telemetry.Resource{Service: "order"}
	for i := range 3 {
		b := telemetry.Batch{Spans: []telemetry.Span{{Resource: resource, Start: began.Add(time.Duration(i) * time.Hour).UnixNano(), Name: strconv.Itoa(i)}}}
		if err := errors.Join(s.Append(t.Context(), b), s.Seal(t.Context(), true)); err != nil {
			t.Fatal(err)
		}
	}
	now = began.Add(90 * time.Minute)
	released := make(chan struct{})
	reading := make(chan struct{})
	result := make(chan error)
	var names []string
	go func() { // a query that reads while its file is deleted
		first := true
		result <- s.Spans(t.Context(), telemetry.SpanQuery{}, func(r *telemetry.Span) error {
			if first {
				first = false
				close(reading)
				<-released
			}
			names = append(names, r.Name)
			return nil
		})
	}()
	<-reading
	if err := s.Expire(); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Files != 2 || st.Expired != 1 {
		t.Errorf("by age: %+v", st)
	}
	close(released)
	if err := <-result; err != nil || fmt.Sprint(names) != "[2 1 0]" {
		t.Errorf("the query that began before: %v, %v", names, err)
	}
	if got := files(t, o.Dir, "spans-*"); len(got) != 2 {
		t.Errorf("left on the disk: %v", got)
	}
	s.SetLimits(24*time.Hour, 0)
	if err := s.Expire(); err != nil || s.Stats().Files != 2 {
		t.Errorf("within wider limits: %v, %+v", err, s.Stats())
	}
	s.SetLimits(20*time.Minute, 0)
	if err := s.Expire(); err != nil || s.Stats().Files != 1 {
		t.Errorf("within narrower limits: %v, %+v", err, s.Stats())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.Size = 1
	small := open(t, o)
	if err := small.Expire(); err != nil {
		t.Fatal(err)
	}
	if st := small.Stats(); st.Files != 0 || st.Expired != 1 || st.Spans != 0 {
		t.Errorf("by size: %+v", st)
	}
}

func TestSmallNeighboursBecomeOneFile(t *testing.T) {
	t.Parallel()
	m := newMaker(12)
	dir := t.TempDir()
	s := open(t, segment.Options{Dir: dir})
	var all model
	for range 9 {
		b := m.batch(20, 20)
		all.batch.Spans, all.batch.Logs = append(all.batch.Spans, b.Spans...), append(all.batch.Logs, b.Logs...)
		if err := errors.Join(s.Append(t.Context(), b), s.Seal(t.Context(), true)); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.Files != 18 {
		t.Fatalf("%+v", st)
	}
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Files != 4 || st.Spans != 180 || len(st.Damage) > 0 || len(files(t, dir, "*.parquet")) != 4 {
		t.Fatalf("%+v", st)
	}
	for range 6 {
		q, l := m.spanQuery(), m.logQuery()
		if got, want := spansOf(t.Context(), t, s, q), all.spans(q); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v: %d spans, want %d", q, len(got), len(want))
		}
		if got, want := logsOf(t.Context(), t, s, l), all.logs(l); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v: %d logs, want %d", l, len(got), len(want))
		}
	}
}

func TestAQueryEndsWithItsContextAndWithItsAsker(t *testing.T) {
	t.Parallel()
	m := newMaker(13)
	var batch telemetry.Batch
	for range 9000 {
		batch.Spans = append(batch.Spans, telemetry.Span{Resource: &telemetry.Resource{Service: "order"}, Start: m.tick(), Name: "n"})
	}
	s := open(t, segment.Options{Dir: t.TempDir()})
	if err := errors.Join(s.Append(t.Context(), batch), s.Seal(t.Context(), true)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	n, last := 0, int64(1)<<62
	err := s.Spans(ctx, telemetry.SpanQuery{}, func(r *telemetry.Span) error {
		if r.Start > last {
			t.Errorf("a newer span comes later")
		}
		last = r.Start
		n++
		stop()
		return nil
	})
	if !errors.Is(err, context.Canceled) || n > 4096 {
		t.Errorf("%d spans and %v after the context's end", n, err)
	}
	n = 0
	if err := s.Spans(t.Context(), telemetry.SpanQuery{}, func(*telemetry.Span) error { n++; return telemetry.ErrEnough }); !errors.Is(err, telemetry.ErrEnough) || n != 1 {
		t.Errorf("%d spans and %v after enough", n, err)
	}
	func() {
		defer func() {
			if p := recover(); p != "mine" {
				t.Errorf("the asker's panic came back as %v", p)
			}
		}()
		_ = s.Spans(t.Context(), telemetry.SpanQuery{}, func(*telemetry.Span) error { panic("mine") })
	}()
	if st := s.Stats(); len(st.Damage) > 0 {
		t.Errorf("taken for damage: %+v", st.Damage)
	}
}
