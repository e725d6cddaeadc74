package telemetry

import (
	"math"
	"math/bits"
	"time"
)

// Group is what a number of spans have in common, and their figures.
type Group struct {
	Key       []string  // the values of what was grouped by, in that order; "" where a span has none
	Other     bool      // the rest, when there were more groups than fit; Key is empty
	Start     time.Time // of its step; zero when no steps were asked for
	Count     uint64
	Errors    uint64 // of Count: with status error
	Durations Sketch
}

// LogBucket is how many log records came in a part of time.
type LogBucket struct {
	Start  time.Time
	Counts [7]uint64 // unknown severity, then each range from TRACE to FATAL
}

// Facet is the values that log records have for one key.
type Facet struct {
	Key    string
	Values []ValueCount // the most frequent first
	Other  uint64       // records with another value
	None   uint64       // records that have none
}

// ValueCount is how many records have a value.
type ValueCount struct {
	Value string
	Count uint64
}

// Range is a severity's place in LogBucket.Counts.
func (s Severity) Range() int {
	if s == 0 || s > 24 {
		return 0
	}
	return int(s-1)/4 + 1
}

// Sketch is a histogram of durations in nanoseconds, from which quantiles are
// told with an error of at most 0.8 %: each power of two has 64 buckets. Its
// zero value is empty. It is not safe for concurrent use.
type Sketch struct {
	Count uint64
	Sum   float64 // nanoseconds
	Max   int64

	first   int // bucket that buckets begins with
	buckets []uint32
}

const perPower = 6 // as a power of two

func bucketOf(v int64) int {
	if v < 1<<perPower {
		return int(max(v, 0))
	}
	e := bits.Len64(uint64(v)) - perPower - 1 // #nosec G115 -- positive
	return e<<perPower + int(v>>e)
}

// middle is the value that stands for a bucket.
func middle(bucket int) int64 {
	if bucket < 2<<perPower {
		return int64(bucket)
	}
	e := bucket>>perPower - 1
	low := int64(bucket-e<<perPower) << e
	return low + int64(1)<<e/2
}

// Add counts a duration.
func (s *Sketch) Add(v int64) {
	s.Count++
	s.Sum += float64(v)
	s.Max = max(s.Max, v)
	s.add(bucketOf(v), 1)
}

func (s *Sketch) add(bucket int, n uint32) {
	const spare = 16
	switch {
	case s.buckets == nil:
		s.first = max(bucket-spare, 0)
		s.buckets = make([]uint32, 2*spare+1)
	case bucket < s.first:
		first := max(bucket-spare, 0)
		s.buckets = append(make([]uint32, s.first-first), s.buckets...)
		s.first = first
	case bucket >= s.first+len(s.buckets):
		s.buckets = append(s.buckets, make([]uint32, bucket-s.first-len(s.buckets)+spare)...)
	}
	if at := &s.buckets[bucket-s.first]; *at <= math.MaxUint32-n {
		*at += n
	}
}

// Merge adds what another sketch has counted.
func (s *Sketch) Merge(o *Sketch) {
	s.Count += o.Count
	s.Sum += o.Sum
	s.Max = max(s.Max, o.Max)
	for i, n := range o.buckets {
		if n > 0 {
			s.add(o.first+i, n)
		}
	}
}

// Quantile is the duration that a share q of all does not exceed (0.99: the
// 99th percentile), 0 when nothing was counted.
func (s *Sketch) Quantile(q float64) time.Duration {
	rank := uint64(math.Ceil(min(max(q, 0), 1) * float64(s.Count)))
	rank = max(rank, 1)
	seen := uint64(0)
	for i, n := range s.buckets {
		if seen += uint64(n); seen >= rank {
			return time.Duration(min(middle(s.first+i), s.Max))
		}
	}
	return time.Duration(s.Max)
}
