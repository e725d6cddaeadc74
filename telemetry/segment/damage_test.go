package segment_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/telemetry"
	"github.com/plat-dev/plat/telemetry/segment"
)

// sealed makes a folder with the rows of a batch: sealed ones, and then some in
// the log.
func sealed(t *testing.T, sealed, logged telemetry.Batch) string {
	t.Helper()
	dir := t.TempDir()
	s, err := segment.Open(t.Context(), thatDay(segment.Options{Dir: dir}))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Append(t.Context(), sealed), s.Seal(t.Context(), true), s.Append(t.Context(), logged), s.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v, %v", pattern, names, err)
	}
	return names
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// subset fails when got has a row that is not among want.
func subset(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, row := range got {
		if _, ok := slices.BinarySearch(want, row); !ok {
			t.Fatalf("%s: a row that was never written: %s", what, row)
		}
	}
}

// TestFlippedBitsAreNeverServed flips a bit anywhere in each kind of file, in
// turn, and asks for everything.
func TestFlippedBitsAreNeverServed(t *testing.T) {
	t.Parallel()
	m := newMaker(3)
	first, second := m.batch(70, 70), m.batch(20, 20)
	dir := sealed(t, first, second)
	all := model{batch: telemetry.Batch{Spans: append(slices.Clone(first.Spans), second.Spans...), Logs: append(slices.Clone(first.Logs), second.Logs...)}}
	wantSpans, wantLogs := all.spans(telemetry.SpanQuery{}), all.logs(telemetry.LogQuery{})
	for _, pattern := range []string{"spans-*.parquet", "logs-*.parquet", "wal-*.log", "manifest.json"} {
		name := files(t, dir, pattern)[0]
		whole := read(t, name)
		for range 4 {
			copied := t.TempDir()
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			at, bit := m.IntN(len(whole)), byte(1)<<m.IntN(8)
			b := bytes.Clone(whole)
			b[at] ^= bit
			write(t, filepath.Join(copied, filepath.Base(name)), b)
			what := fmt.Sprintf("%s with bit %d of byte %d flipped", filepath.Base(name), bit, at)
			s, err := segment.Open(t.Context(), thatDay(segment.Options{Dir: copied}))
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			gotSpans, gotLogs := spansOf(t.Context(), t, s, telemetry.SpanQuery{}), logsOf(t.Context(), t, s, telemetry.LogQuery{})
			subset(t, what, gotSpans, wantSpans)
			subset(t, what, gotLogs, wantLogs)
			for range s.Stats().Files {
				s.Scrub()
			}
			if st := s.Stats(); len(st.Damage) == 0 {
				t.Fatalf("%s: nobody says so: %+v", what, st)
			}
			if strings.HasPrefix(pattern, "spans") && (len(gotLogs) != len(wantLogs) || len(gotSpans) < 20) || pattern == "manifest.json" && len(gotSpans)+len(gotLogs) != len(wantSpans)+len(wantLogs) {
				t.Fatalf("%s: %d spans and %d logs are left", what, len(gotSpans), len(gotLogs))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestABitThatFlipsWhileTheStoreIsOpenIsFound(t *testing.T) {
	t.Parallel()
	m := newMaker(4)
	s := open(t, segment.Options{Dir: t.TempDir()})
	if err := errors.Join(s.Append(t.Context(), m.batch(500, 0)), s.Seal(t.Context(), true)); err != nil {
		t.Fatal(err)
	}
	want := spansOf(t.Context(), t, s, telemetry.SpanQuery{})
	name := files(t, s.Stats().Path, "spans-*")[0]
	b := read(t, name)
	b[len(b)/3] ^= 4
	write(t, name, b) // in place: the store has the file open
	subset(t, "flipped", spansOf(t.Context(), t, s, telemetry.SpanQuery{}), want)
	if got := spansOf(t.Context(), t, s, telemetry.SpanQuery{}); len(got) != 0 {
		t.Errorf("%d rows of a damaged file are served", len(got))
	}
	if st := s.Stats(); len(st.Damage) != 1 || st.Damage[0].File != filepath.Base(name) || !strings.Contains(st.Damage[0].What, "checksum") {
		t.Errorf("damage = %+v", st.Damage)
	}
}

func TestMissingAndShortFilesAreToldAtOpen(t *testing.T) {
	t.Parallel()
	m := newMaker(5)
	dir := sealed(t, m.batch(50, 50), m.batch(10, 10))
	if err := errors.Join(os.Remove(files(t, dir, "spans-*")[0]), os.Truncate(files(t, dir, "logs-*")[0], 300)); err != nil {
		t.Fatal(err)
	}
	s := open(t, segment.Options{Dir: dir})
	st := s.Stats()
	var what []string
	for _, d := range st.Damage {
		what = append(what, d.What)
	}
	slices.Sort(what)
	if len(what) != 2 || !strings.HasPrefix(what[0], "has 300 bytes") || what[1] != "is missing" || st.Spans != 10 || st.Logs != 10 {
		t.Errorf("damage %q, stats %+v", what, st)
	}
	if got := len(spansOf(t.Context(), t, s, telemetry.SpanQuery{})); got != 10 {
		t.Errorf("%d spans", got)
	}
}

func TestAFileThatVanishesIsFoundByScrubbing(t *testing.T) {
	t.Parallel()
	m := newMaker(6)
	s := open(t, segment.Options{Dir: t.TempDir()})
	if err := errors.Join(s.Append(t.Context(), m.batch(50, 0)), s.Seal(t.Context(), true), os.Remove(files(t, s.Stats().Path, "spans-*")[0])); err != nil {
		t.Fatal(err)
	}
	s.Scrub()
	if st := s.Stats(); len(st.Damage) != 1 || st.Spans != 0 {
		t.Errorf("%+v", st)
	}
}

func TestATornTailIsCutAndSaid(t *testing.T) {
	t.Parallel()
	m := newMaker(7)
	dir := t.TempDir()
	s, err := segment.Open(t.Context(), thatDay(segment.Options{Dir: dir}))
	if err != nil {
		t.Fatal(err)
	}
	var ends []int64
	for range 4 {
		ends = append(ends, s.Stats().LogBytes)
		if err := s.Append(t.Context(), m.batch(5, 5)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole := read(t, files(t, dir, "wal-*")[0])
	for cut := len(whole) - 1; cut >= 0; cut -= 517 {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "wal-000000000001.log"), whole[:cut])
		s, err := segment.Open(t.Context(), thatDay(segment.Options{Dir: dir}))
		if err != nil {
			t.Fatal(err)
		}
		frames := 0 // a batch is two: spans, and logs
		for _, end := range ends[1:] {
			if int64(cut) >= end {
				frames++
			}
		}
		st := s.Stats()
		if st.Spans < int64(5*frames) || st.Logs < int64(5*frames) || st.Logs > st.Spans || st.LostUntil.IsZero() {
			t.Fatalf("cut at %d, %d batches are whole: %+v", cut, frames, st)
		}
		again := m.batch(3, 3) // goes on behind the cut
		before := spansOf(t.Context(), t, s, telemetry.SpanQuery{})
		if err := errors.Join(s.Append(t.Context(), again), s.Close()); err != nil {
			t.Fatal(err)
		}
		if s, err = segment.Open(t.Context(), thatDay(segment.Options{Dir: dir})); err != nil {
			t.Fatal(err)
		}
		if got := spansOf(t.Context(), t, s, telemetry.SpanQuery{}); len(got) != len(before)+3 || len(s.Stats().Damage) != 0 || !s.Stats().LostUntil.IsZero() {
			t.Fatalf("cut at %d: %d spans after %d and 3: %+v", cut, len(got), len(before), s.Stats())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// disk is full, or fails, when told to.
type disk struct {
	mu   sync.Mutex
	err  error
	some bool // half of a write goes through
}

func (d *disk) set(err error, some bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err, d.some = err, some
}

func (d *disk) create(name string) (segment.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: d.err}
	}
	f, err := segment.CreateFile(name)
	return &fragile{f, d}, err
}

type fragile struct {
	segment.File
	disk *disk
}

func (f *fragile) Write(b []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.err == nil {
		return f.File.Write(b)
	}
	n := 0
	if f.disk.some {
		n, _ = f.File.Write(b[:len(b)/2])
	}
	return n, f.disk.err
}

func TestAFullDiskRefusesAndRecovers(t *testing.T) {
	t.Parallel()
	m := newMaker(8)
	var d disk
	dir := t.TempDir()
	s, err := segment.Open(t.Context(), thatDay(segment.Options{Dir: dir, Rows: 50}.WithFiles(d.create)))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	add := func(b telemetry.Batch) {
		t.Helper()
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		for i := range b.Spans {
			want = append(want, plain(&b.Spans[i]))
		}
		slices.Sort(want)
	}
	add(m.batch(20, 0))
	d.set(syscall.ENOSPC, true)
	for range 3 {
		if err := s.Append(t.Context(), m.batch(10, 5)); !fault.Is(err, fault.TelemetryDiskFull) {
			t.Fatalf("got %v", err)
		}
	}
	if st := s.Stats(); st.Dropped != 45 || !st.DiskFull {
		t.Errorf("%+v", st)
	}
	d.set(nil, false)
	add(m.batch(40, 0))
	d.set(syscall.ENOSPC, true)
	if err := s.Seal(t.Context(), true); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("sealing on a full disk: %v", err)
	}
	if d := cmp.Diff(want, spansOf(t.Context(), t, s, telemetry.SpanQuery{})); d != "" {
		t.Errorf("after a seal that failed: %s", d)
	}
	d.set(nil, false)
	if err := s.Seal(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	add(m.batch(7, 0))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = segment.Open(t.Context(), thatDay(segment.Options{Dir: dir})); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, spansOf(t.Context(), t, s, telemetry.SpanQuery{})); d != "" {
		t.Errorf("opened again: %s", d)
	}
	if st := s.Stats(); len(st.Damage) > 0 || st.DiskFull {
		t.Errorf("%+v", st)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTheReserveIsKeptFree(t *testing.T) {
	t.Parallel()
	m := newMaker(9)
	left := uint64(1 << 30)
	s := open(t, segment.Options{Dir: t.TempDir(), Reserve: 1 << 20, Now: newClock(began).now, Free: func(string) (uint64, error) { return left, nil }})
	if err := s.Append(t.Context(), m.batch(1, 1)); err != nil {
		t.Fatal(err)
	}
	left = 1 << 19
	if err := s.Append(t.Context(), m.batch(1, 1)); !fault.Is(err, fault.TelemetryDiskFull) || !s.Stats().DiskFull {
		t.Errorf("got %v, %+v", err, s.Stats())
	}
	left = 1 << 30
	if err := s.Append(t.Context(), m.batch(1, 1)); err != nil || s.Stats().DiskFull || s.Stats().Dropped != 2 {
		t.Errorf("got %v, %+v", err, s.Stats())
	}
}

// clock goes on by a second each time it is asked.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock(at time.Time) *clock { return &clock{at: at} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Second)
	return c.at
}

func TestAppendWaitsForTheSealAndGivesUp(t *testing.T) {
	t.Parallel()
	m := newMaker(10)
	s := open(t, segment.Options{Dir: t.TempDir(), Rows: 10})
	for range 2 { // one that is frozen, one that is full
		if err := s.Append(t.Context(), m.batch(10, 0)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if err := s.Append(ctx, m.batch(10, 0)); !errors.Is(err, context.DeadlineExceeded) || s.Stats().Dropped != 10 {
		t.Errorf("got %v, %+v", err, s.Stats())
	}
	done := make(chan error)
	go func() { done <- s.Append(t.Context(), m.batch(10, 0)) }()
	if err := s.Seal(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || s.Stats().Spans != 30 {
		t.Errorf("got %v, %+v", err, s.Stats())
	}
}

func FuzzTheLogIsReadWithoutHarm(f *testing.F) {
	dir := f.TempDir()
	s, err := segment.Open(f.Context(), thatDay(segment.Options{Dir: dir}))
	if err != nil {
		f.Fatal(err)
	}
	m := newMaker(11)
	if err := errors.Join(s.Append(f.Context(), m.batch(2, 2)), s.Append(f.Context(), m.batch(1, 0)), s.Close()); err != nil {
		f.Fatal(err)
	}
	in, err := os.Open(filepath.Join(dir, "wal-000000000001.log"))
	if err != nil {
		f.Fatal(err)
	}
	defer in.Close()
	whole, err := io.ReadAll(in)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("PLATWAL1"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, end, gaps := segment.ReadLog(data)
		if end > len(data) || rows > len(data) || gaps > len(data) {
			t.Errorf("%d rows, %d gaps and an end at %d of %d bytes", rows, gaps, end, len(data))
		}
	})
}

// TestDamageStandsAsLongAsItsFile: what is damaged is told until the file would
// be deleted anyway, and a part of the log for an hour.
func TestDamageStandsAsLongAsItsFile(t *testing.T) {
	t.Parallel()
	m := newMaker(12)
	dir := sealed(t, m.batch(50, 50), m.batch(10, 10))
	log := files(t, dir, "wal-*")[0]
	b := read(t, log)
	b[len(b)/2] ^= 1
	write(t, log, b)
	if err := os.Remove(files(t, dir, "spans-*")[0]); err != nil {
		t.Fatal(err)
	}
	now := began.Add(time.Hour)
	clock := func() time.Time { return now }
	keep := 10 * 24 * time.Hour
	s := open(t, segment.Options{Dir: dir, Now: clock, Keep: keep})
	stands := func(when string, want int) {
		t.Helper()
		if st := s.Stats(); st.Damaged != want {
			t.Errorf("%s %d stand, want %d: %+v", when, st.Damaged, want, st.Damage)
		}
	}
	all := len(s.Stats().Damage)
	if all < 2 {
		t.Fatalf("damage = %+v", s.Stats().Damage)
	}
	stands("at once", all)
	now = now.Add(telemetry.DamageTold)
	stands("after an hour", 1)
	now = began.Add(2 * keep)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for end := time.Now().Add(time.Minute); s.Stats().Damaged > 0 && time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	stands("when the file is too old", 0)
}
