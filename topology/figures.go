package topology

import (
	"math"
	"time"
)

// Figures are how often, how slow and how wrong an edge or a route was of
// late. They are in memory alone and begin anew with plat.
type Figures struct {
	Rate1, Rate5, Rate60 float64 // exchanges a second over the last 1, 5, 60 minutes
	Last5, LastHour      Window
}

// Window is what an edge or a route did over some minutes. Quantiles are right
// to about an eighth; beyond 40 s they are told as 40 s.
type Window struct {
	Count, Errors uint64
	P50, P95, P99 time.Duration
}

// Durations are counted in buckets, the first up to base, each a third of an
// octave wide: constant memory, and an error of an eighth at most.
const (
	buckets = 57
	octave  = 3 // buckets an octave
	base    = 100 * time.Microsecond
)

// bucket is where a duration is counted.
func bucket(d time.Duration) int {
	if d <= base {
		return 0
	}
	return min(int(math.Ceil(octave*math.Log2(float64(d)/float64(base)))), buckets-1)
}

// bound is the longest duration of a bucket.
func bound(bucket int) float64 {
	return float64(base) * math.Exp2(float64(bucket)/octave)
}

// histogram counts durations.
type histogram [buckets]uint32

// quantile is the duration that a share of all is not above.
func (h *histogram) quantile(q float64) time.Duration {
	total := uint64(0)
	for _, n := range h {
		total += uint64(n)
	}
	rank, below := uint64(max(1, math.Ceil(q*float64(total)))), uint64(0)
	for i, n := range h {
		if below += uint64(n); n > 0 && below >= rank {
			if i == 0 {
				return base
			}
			return time.Duration(bound(i) / math.Exp2(0.5/octave)).Round(time.Microsecond) // its middle
		}
	}
	return 0
}

// slot counts what ended within one stretch of time.
type slot struct {
	number        int64 // of the stretch, since 1970
	count, errors uint32
	times         histogram
}

// Slots of a window: as many as it takes, and the one that is not over.
const (
	fineSlots, fine     = 6 + 1, 10 * time.Second // the last minute
	minuteSlots, minute = 5 + 1, time.Minute      // the last five
	coarseSlots, coarse = 12 + 1, 5 * time.Minute // the last hour
)

// windows are the figures of one edge as they are counted; guarded by the
// edge's lock.
type windows struct {
	fine [fineSlots]struct {
		number int64
		count  uint32
	}
	minutes [minuteSlots]slot
	coarse  [coarseSlots]slot
}

// add counts an exchange that ended at this time. What is older than the
// window is left out.
func (w *windows) add(end time.Time, took time.Duration, failed bool) {
	n := end.UnixNano() / int64(fine)
	if f := &w.fine[index(n, fineSlots)]; n >= f.number {
		if n > f.number {
			f.number, f.count = n, 0
		}
		f.count++
	}
	at := bucket(took)
	count(w.minutes[:], end.UnixNano()/int64(minute), at, failed)
	count(w.coarse[:], end.UnixNano()/int64(coarse), at, failed)
}

func count(slots []slot, n int64, bucket int, failed bool) {
	s := &slots[index(n, len(slots))]
	if n < s.number {
		return
	}
	if n > s.number {
		*s = slot{number: n}
	}
	s.count++
	if failed {
		s.errors++
	}
	s.times[bucket]++
}

func index(n int64, slots int) int {
	return int((n%int64(slots) + int64(slots)) % int64(slots)) // times before 1970 too
}

// read gives the figures at a time.
func (w *windows) read(now time.Time) Figures {
	if w == nil {
		return Figures{}
	}
	var f Figures
	n, sum := now.UnixNano()/int64(fine), uint64(0)
	for _, s := range w.fine {
		if s.number <= n && s.number > n-fineSlots {
			sum += uint64(s.count)
		}
	}
	f.Rate1 = rate(sum, now, fine, fineSlots)
	f.Last5 = window(w.minutes[:], now, minute)
	f.Rate5 = rate(f.Last5.Count, now, minute, minuteSlots)
	f.LastHour = window(w.coarse[:], now, coarse)
	f.Rate60 = rate(f.LastHour.Count, now, coarse, coarseSlots)
	return f
}

// rate divides by the time that the slots cover: the last is not over.
func rate(n uint64, now time.Time, width time.Duration, slots int) float64 {
	covered := time.Duration(slots-1)*width + time.Duration(now.UnixNano()%int64(width))
	return float64(n) / covered.Seconds()
}

// window sums the slots up.
func window(slots []slot, now time.Time, width time.Duration) Window {
	n := now.UnixNano() / int64(width)
	var (
		w   Window
		all histogram
	)
	for i := range slots {
		s := &slots[i]
		if s.number > n || s.number <= n-int64(len(slots)) {
			continue
		}
		w.Count += uint64(s.count)
		w.Errors += uint64(s.errors)
		for b, c := range s.times {
			all[b] += c
		}
	}
	if w.Count > 0 {
		w.P50, w.P95, w.P99 = all.quantile(0.5), all.quantile(0.95), all.quantile(0.99)
	}
	return w
}
