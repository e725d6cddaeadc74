package prom

import (
	"errors"
	"hash"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// forgetDelta is after how long without a point a stream of deltas is
// forgotten; it then begins anew.
const forgetDelta = time.Hour

// maxBuckets is how many buckets an exponential histogram that is added up may
// have on each side; beyond, its scale is made coarser.
const maxBuckets = 320

var (
	errLateDelta  = errors.New("a delta is not newer than the last one of its stream")
	errManyDeltas = errors.New("there are too many streams of deltas")
)

// deltas adds up streams whose points tell what happened since the last point.
type deltas struct {
	most int

	mu      sync.Mutex
	streams map[[16]byte]*stream
	swept   time.Time
}

// stream is what was added up of one.
type stream struct {
	start, last pcommon.Timestamp
	seen        time.Time
	ints        int64
	floats      float64
	count, zero uint64
	sum         float64
	bounds      []float64
	counts      []uint64
	scale       int32
	threshold   float64
	pos, neg    buckets
}

func newDeltas(most int) *deltas {
	return &deltas{most: most, streams: make(map[[16]byte]*stream)}
}

// addUp makes cumulative values of the deltas among the metrics, in place.
// Points that come late or are of a stream too many are taken out and counted.
func (d *deltas) addUp(ms pmetric.Metrics, now time.Time) (lost int64, why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweep(now)
	for _, r := range ms.ResourceMetrics().All() {
		for _, sc := range r.ScopeMetrics().All() {
			for _, m := range sc.Metrics().All() {
				if !isDelta(m) {
					continue
				}
				id := func(attributes pcommon.Map) [16]byte {
					h := fnv.New128a()
					mix(h, r.Resource().Attributes())
					for _, part := range [...]string{sc.Scope().Name(), sc.Scope().Version(), m.Name(), m.Unit(), m.Type().String()} {
						_, _ = h.Write(append([]byte(part), 0))
					}
					mix(h, attributes)
					return [16]byte(h.Sum(nil))
				}
				drop := func(err error) bool {
					if err != nil {
						lost++
						why = err
					}
					return err != nil
				}
				d.metric(m, id, drop, now)
			}
		}
	}
	return lost, why
}

func (d *deltas) metric(m pmetric.Metric, id func(pcommon.Map) [16]byte, drop func(error) bool, now time.Time) {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		m.Sum().DataPoints().RemoveIf(func(p pmetric.NumberDataPoint) bool {
			s, err := d.next(id(p.Attributes()), p.StartTimestamp(), p.Timestamp(), now)
			if err == nil {
				s.number(p)
			}
			return drop(err)
		})
	case pmetric.MetricTypeHistogram:
		m.Histogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		m.Histogram().DataPoints().RemoveIf(func(p pmetric.HistogramDataPoint) bool {
			s, err := d.next(id(p.Attributes()), p.StartTimestamp(), p.Timestamp(), now)
			if err == nil {
				s.histogram(p)
			}
			return drop(err)
		})
	case pmetric.MetricTypeExponentialHistogram:
		m.ExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		m.ExponentialHistogram().DataPoints().RemoveIf(func(p pmetric.ExponentialHistogramDataPoint) bool {
			s, err := d.next(id(p.Attributes()), p.StartTimestamp(), p.Timestamp(), now)
			if err == nil {
				s.exponential(p)
			}
			return drop(err)
		})
	}
}

// next finds the stream of a point, or begins it.
func (d *deltas) next(id [16]byte, start, at pcommon.Timestamp, now time.Time) (*stream, error) {
	s := d.streams[id]
	switch {
	case s == nil && len(d.streams) >= d.most:
		return nil, errManyDeltas
	case s == nil:
		s = &stream{start: start}
		d.streams[id] = s
	case at <= s.last:
		return nil, errLateDelta
	}
	s.last, s.seen = at, now
	return s, nil
}

// sweep forgets streams that ended, once a minute.
func (d *deltas) sweep(now time.Time) {
	if now.Sub(d.swept) < time.Minute {
		return
	}
	d.swept = now
	for id, s := range d.streams {
		if now.Sub(s.seen) > forgetDelta {
			delete(d.streams, id)
		}
	}
}

func mix(h hash.Hash, attributes pcommon.Map) {
	pairs := make([]string, 0, attributes.Len())
	for k, v := range attributes.All() {
		pairs = append(pairs, k+"\x00"+v.AsString())
	}
	slices.Sort(pairs)
	_, _ = h.Write([]byte(strings.Join(pairs, "\x00") + "\x01"))
}

func (s *stream) number(p pmetric.NumberDataPoint) {
	p.SetStartTimestamp(s.start)
	switch p.ValueType() {
	case pmetric.NumberDataPointValueTypeInt:
		s.ints += p.IntValue()
		if s.floats == 0 {
			p.SetIntValue(s.ints)
			return
		}
	case pmetric.NumberDataPointValueTypeDouble:
		s.floats += p.DoubleValue()
	}
	p.SetDoubleValue(s.floats + float64(s.ints))
}

func (s *stream) histogram(p pmetric.HistogramDataPoint) {
	bounds := p.ExplicitBounds().AsRaw()
	counts := p.BucketCounts().AsRaw()
	if !slices.Equal(bounds, s.bounds) || len(counts) != len(s.counts) {
		// Other buckets: it begins anew, as after a restart.
		*s = stream{start: p.StartTimestamp(), last: s.last, seen: s.seen, bounds: bounds, counts: make([]uint64, len(counts))}
	}
	for i, n := range counts {
		s.counts[i] += n
	}
	s.count += p.Count()
	s.sum += p.Sum()
	p.SetStartTimestamp(s.start)
	p.BucketCounts().FromRaw(s.counts)
	p.SetCount(s.count)
	if p.HasSum() {
		p.SetSum(s.sum)
	}
	p.RemoveMin() // of the last interval alone
	p.RemoveMax()
}

func (s *stream) exponential(p pmetric.ExponentialHistogramDataPoint) {
	pos := buckets{p.Positive().Offset(), p.Positive().BucketCounts().AsRaw()}
	neg := buckets{p.Negative().Offset(), p.Negative().BucketCounts().AsRaw()}
	scale := p.Scale()
	switch {
	case s.count == 0 && s.zero == 0:
		s.scale, s.threshold = scale, p.ZeroThreshold()
	case s.threshold != p.ZeroThreshold():
		*s = stream{start: p.StartTimestamp(), last: s.last, seen: s.seen, scale: scale, threshold: p.ZeroThreshold()}
	}
	for s.scale > scale {
		s.scale--
		s.pos, s.neg = s.pos.coarser(), s.neg.coarser()
	}
	for scale > s.scale {
		scale--
		pos, neg = pos.coarser(), neg.coarser()
	}
	for s.pos.span(pos) > maxBuckets || s.neg.span(neg) > maxBuckets {
		s.scale--
		s.pos, s.neg = s.pos.coarser(), s.neg.coarser()
		pos, neg = pos.coarser(), neg.coarser()
	}
	s.pos, s.neg = s.pos.plus(pos), s.neg.plus(neg)
	s.zero += p.ZeroCount()
	s.count += p.Count()
	s.sum += p.Sum()
	p.SetStartTimestamp(s.start)
	p.SetScale(s.scale)
	p.SetZeroCount(s.zero)
	p.SetCount(s.count)
	if p.HasSum() {
		p.SetSum(s.sum)
	}
	p.RemoveMin()
	p.RemoveMax()
	p.Positive().SetOffset(s.pos.offset)
	p.Positive().BucketCounts().FromRaw(s.pos.counts)
	p.Negative().SetOffset(s.neg.offset)
	p.Negative().BucketCounts().FromRaw(s.neg.counts)
}

// buckets of an exponential histogram, on one side of zero.
type buckets struct {
	offset int32
	counts []uint64
}

// coarser puts each two buckets together: the scale becomes one less.
func (b buckets) coarser() buckets {
	if len(b.counts) == 0 {
		return b
	}
	c := buckets{offset: b.offset >> 1}
	last := (int64(b.offset) + int64(len(b.counts)) - 1) >> 1
	c.counts = make([]uint64, last-int64(c.offset)+1)
	for i, n := range b.counts {
		c.counts[(int64(b.offset)+int64(i))>>1-int64(c.offset)] += n
	}
	return c
}

// span is how many buckets hold both.
func (b buckets) span(o buckets) int64 {
	switch {
	case len(b.counts) == 0:
		return int64(len(o.counts))
	case len(o.counts) == 0:
		return int64(len(b.counts))
	}
	first := min(int64(b.offset), int64(o.offset))
	end := max(int64(b.offset)+int64(len(b.counts)), int64(o.offset)+int64(len(o.counts)))
	return end - first
}

// plus adds o up with b. Both have the same scale.
func (b buckets) plus(o buckets) buckets {
	if len(b.counts) == 0 {
		return buckets{o.offset, slices.Clone(o.counts)}
	}
	if len(o.counts) == 0 {
		return b
	}
	sum := buckets{min(b.offset, o.offset), make([]uint64, b.span(o))}
	for _, x := range [...]buckets{b, o} {
		for i, n := range x.counts {
			sum.counts[int64(x.offset)-int64(sum.offset)+int64(i)] += n
		}
	}
	return sum
}
