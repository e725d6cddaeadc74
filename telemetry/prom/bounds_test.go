package prom_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/telemetry/prom"
)

// TestCap sends a million label values of one metric: memory stays as it is,
// other metrics are kept, and the culprit is named.
//
// It runs before the tests that run beside one another, since it looks at the
// memory of all.
func TestCap(t *testing.T) {
	s := open(t, prom.Options{MaxSeriesPerMetric: 100, SelfEvery: 20 * time.Millisecond})
	all := 1_000_000
	if raced {
		all = 100_000
	}
	now := time.Now()
	batch := make([]prom.Sample, 0, 10_000)
	send := func(from, to int) {
		for i := from; i < to; i += cap(batch) {
			batch = batch[:0]
			for n := i; n < i+cap(batch); n++ {
				batch = append(batch, prom.Sample{Name: "requests_total", Labels: []prom.Label{{"job", "order"}, {"customer", fmt.Sprint(n)}}, Value: 1, Time: now})
			}
			keep(t, s, batch...)
		}
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	send(0, 10_000)
	before := heap()
	send(10_000, all)
	if grown := int64(heap()) - int64(before); grown > 8<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	keep(t, s, prom.Sample{Name: "requests_total", Labels: []prom.Label{{"job", "catalog"}}, Value: 5, Time: now})
	want := []prom.Culprit{{Metric: "requests_total", Job: "order", Series: 100, Dropped: uint64(all - 100)}}
	if d := cmp.Diff(want, s.Capped(), cmpopts.IgnoreFields(prom.Culprit{}, "Last")); d != "" {
		t.Error(d)
	}
	run(t, s)
	until(t, "the figure that names it", func() bool {
		v, found := one(t, s, `increase(plat_telemetry_series_dropped_total{metric="requests_total",job="order"}[1m])`)
		return found && v > 0
	})
	if v, found := one(t, s, `count(requests_total)`); !found || v != 101 {
		t.Errorf("%v series are kept", v)
	}
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{MaxSeriesPerMetric: 10})
	now := time.Now()
	// Ten histograms of ten buckets are as many series as the metric may have.
	for i := range 11 {
		keep(t, s, prom.Histogram("took_seconds", "How long.", []prom.Label{{"job", "order"}, {"n", fmt.Sprint(i)}},
			[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9}, []uint64{4, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 25.5, now)...)
	}
	for expr, want := range map[string]float64{
		`count(took_seconds_count)`:                                    10,
		`count(took_seconds_bucket)`:                                   100,
		`took_seconds_bucket{n="3",le="1"}`:                            4,
		`took_seconds_bucket{n="3",le="+Inf"}`:                         5,
		`took_seconds_sum{n="3"}`:                                      25.5,
		`histogram_quantile(0.4, took_seconds_bucket{n="3"}) < bool 1`: 1,
	} {
		if v, found := one(t, s, expr); !found || v != want {
			t.Errorf("%s: %v %v, want %v", expr, v, found, want)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{})
	now := time.Now()
	sample := func(name string, v float64, at time.Time, ls ...prom.Label) prom.Sample {
		return prom.Sample{Name: name, Labels: ls, Value: v, Time: at}
	}
	keep(t, s, sample("a", 1, now))
	keep(t, s, sample("a", 2, now), sample("a", 1, now.Add(time.Hour)), sample("a", 1, now.Add(-time.Hour)),
		sample("a", 1, now.Add(-time.Minute)), // late, within the window
		sample("", 1, now), sample("b", 1, now, prom.Label{"x", "\xff"}), sample("b", 1, now, prom.Label{"x", "1"}, prom.Label{"x", "2"}),
		sample("c", math.NaN(), now))
	want := prom.Refused{Future: 1, Late: 1, Twice: 1, Malformed: 3}
	if d := cmp.Diff(want, s.Stats().Refused); d != "" {
		t.Error(d)
	}
	if v, _ := one(t, s, `count_over_time(a[5m])`); v != 2 {
		t.Errorf("%v samples of a", v)
	}
	if st := s.Stats(); st.Series != 2 || st.Samples != 3 || st.Oldest.After(now) || st.LogBytes == 0 {
		t.Errorf("%+v", st)
	}
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{Reserve: math.MaxInt64})
	err := s.Append(t.Context(), []prom.Sample{{Name: "a", Value: 1, Time: time.Now()}})
	if !fault.Is(err, fault.TelemetryDiskFull) {
		t.Error(err)
	}
	if _, _, err := s.TakeOTLP(t.Context(), points(t, time.Now(), "a", "b")); !fault.Is(err, fault.TelemetryDiskFull) {
		t.Error(err)
	}
	if st := s.Stats(); !st.DiskFull || st.Refused.DiskFull != 3 {
		t.Errorf("%+v", st)
	}
	if _, found := one(t, s, `a`); found {
		t.Error("it was kept")
	}
}

// TestDamaged damages what is on disk, one thing after another: the store
// opens, says so and goes on.
func TestDamaged(t *testing.T) {
	t.Parallel()
	block := func(t *testing.T, dir string) string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(dir, "01*"))
		if err != nil || len(found) == 0 {
			t.Fatal(found, err)
		}
		return found[0]
	}
	for name, harm := range map[string]func(t *testing.T, dir string){
		"wal torn":    func(t *testing.T, dir string) { cut(t, filepath.Join(dir, "wal", "00000000"), 32<<10-1000) },
		"wal flipped": func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "wal", "00000000"), 20) },
		"wal is a file": func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "wal")); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "wal"), []byte("what"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"block without meta": func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(block(t, dir), "meta.json")); err != nil {
				t.Fatal(err)
			}
		},
		"block with a torn index": func(t *testing.T, dir string) { cut(t, filepath.Join(block(t, dir), "index"), 100) },
		"block with a flipped chunk": func(t *testing.T, dir string) {
			// In each block: what the query reads depends on the hour, by which blocks are cut.
			chunks, err := filepath.Glob(filepath.Join(filepath.Dir(block(t, dir)), "01*", "chunks", "000001"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range chunks {
				flip(t, file, 20) // within the data of a chunk of one sample too
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s, err := prom.Open(t.Context(), prom.Options{Dir: dir, Reserve: -1, OutOfOrder: 12 * time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			for i := range 100 {
				keep(t, s, prom.Sample{Name: "a", Value: float64(i), Time: now.Add(time.Duration(i-100) * 4 * time.Minute)})
			}
			keep(t, s, prom.Sample{Name: "b", Value: 1, Time: now})
			if strings.HasPrefix(name, "block") {
				if err := prom.Seal(s); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			harm(t, dir)
			s = open(t, prom.Options{Dir: dir})
			run(t, s)
			until(t, "a word of the damage", func() bool {
				// A chunk's checksum is looked at when it is read.
				_, err := s.Query(t.Context(), `count_over_time(a[12h])`, time.Now())
				if err != nil && !fault.Is(err, fault.TelemetryBadQuery) {
					t.Fatal(err)
				}
				return len(s.Stats().Damage) > 0
			})
			until(t, "answers", func() bool {
				_, err := s.Query(t.Context(), `count_over_time(a[12h])`, time.Now())
				return err == nil
			})
			keep(t, s, prom.Sample{Name: "c", Value: 1, Time: time.Now()})
			if v, found := one(t, s, `c`); !found || v != 1 {
				t.Error("nothing is kept any more")
			}
		})
	}
}

func cut(t *testing.T, file string, bytes int64) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, info.Size()-bytes); err != nil {
		t.Fatal(err)
	}
}

func flip(t *testing.T, file string, at int) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 0x10
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
