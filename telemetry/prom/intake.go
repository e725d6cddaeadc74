package prom

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	"github.com/plat-dev/plat/fault"
)

// Label is a name with a value.
type Label struct{ Name, Value string }

// Sample is one value of one series. Of a counter, the value is the sum since
// its start.
type Sample struct {
	Name   string
	Labels []Label // in any order, no name twice
	Value  float64
	Time   time.Time
	Type   string // counter, gauge, histogram; what /api/v1/metadata tells
	Help   string // likewise

	Exemplar *Exemplar // of a bucket of a histogram; nil: none
}

// Exemplar is one observation that a bucket counts, and its trace.
type Exemplar struct {
	TraceID string
	Value   float64
	Time    time.Time
}

// Histogram gives the samples of a classic histogram. Bounds are the upper
// bounds of its buckets, rising; counts are how many observations each bucket
// has since its start, not added up, with one count more than bounds for what
// is above the last.
func Histogram(name, help string, ls []Label, bounds []float64, counts []uint64, sum float64, at time.Time) []Sample {
	all := make([]Sample, 0, len(counts)+2)
	total := uint64(0)
	for i, n := range counts {
		total += n
		le := "+Inf"
		if i < len(bounds) {
			le = strconv.FormatFloat(bounds[i], 'g', -1, 64)
		}
		with := append(slices.Clone(ls), Label{labels.BucketLabel, le})
		all = append(all, Sample{Name: name + "_bucket", Labels: with, Value: float64(total), Time: at, Type: "histogram", Help: help})
	}
	return append(all,
		Sample{Name: name + "_sum", Labels: ls, Value: sum, Time: at, Type: "histogram", Help: help},
		Sample{Name: name + "_count", Labels: ls, Value: float64(total), Time: at, Type: "histogram", Help: help})
}

// refused counts samples that were not kept, by the reason.
type refused struct {
	disk, capped, future, late, twice, malformed atomic.Uint64
}

var (
	errFuture    = errors.New("the sample is too far in the future")
	errMalformed = errors.New("the sample has no name, or a label whose name or value cannot be")
)

// longAgo is how long before now a start of a counter counts, in milliseconds.
const longAgo = int64(time.Hour / time.Millisecond)

func (s *Store) diskFull(samples int) error {
	if !s.disk.full() {
		return nil
	}
	s.refused.disk.Add(uint64(samples)) //nolint:gosec // a length
	return fault.New(fault.TelemetryDiskFull, "metrics are refused: the disk is too full")
}

// Append keeps samples. Those that cannot be kept (their metric has too many
// series, they are too late or of the future) are counted by Stats and do not
// keep others out. It fails when the disk has no room or the store is closed;
// then none is kept.
func (s *Store) Append(ctx context.Context, samples []Sample) error {
	a, err := s.intake(ctx, len(samples))
	if err != nil {
		return err
	}
	defer a.done()
	b := labels.NewScratchBuilder(8)
	for i := range samples {
		x := &samples[i]
		b.Reset()
		b.Add(model.MetricNameLabel, x.Name)
		for _, l := range x.Labels {
			if l.Value != "" {
				b.Add(l.Name, l.Value)
			}
		}
		b.Sort()
		meta := storage.AOptions{MetricFamilyName: x.Name, Metadata: metadata.Metadata{Type: model.MetricType(x.Type), Help: x.Help}}
		if e := x.Exemplar; e != nil {
			meta.Exemplars = []exemplar.Exemplar{{Labels: labels.FromStrings("trace_id", e.TraceID), Value: e.Value, Ts: e.Time.UnixMilli(), HasTs: true}}
		}
		// What is refused is counted there.
		_, _ = a.Append(0, b.Labels(), 0, x.Time.UnixMilli(), x.Value, nil, nil, meta)
	}
	return a.Commit()
}

// intake begins to take samples in; done ends it.
func (s *Store) intake(ctx context.Context, samples int) (*intake, error) {
	if err := s.diskFull(samples); err != nil {
		return nil, err
	}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return nil, ErrClosed
	}
	return &intake{AppenderV2: s.db.AppenderV2(ctx), s: s, ahead: time.Now().Add(s.opts.Ahead).UnixMilli()}, nil
}

// intake is an appender that counts what is refused and by the reason. An
// error of the disk is kept until the end.
type intake struct {
	storage.AppenderV2
	s       *Store
	ahead   int64 // no sample may be later, in milliseconds
	kept    uint64
	refused int64
	why     error // of the last one refused
	ended   bool
}

// Append takes a sample, or says why not.
func (a *intake) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AOptions) (storage.SeriesRef, error) {
	ref, err := a.try(ref, ls, st, t, v, h, fh, o)
	var partial *storage.AppendPartialError
	if partial, err = partial.Handle(err); partial != nil && err == nil {
		err = nil // an exemplar came late or has too long labels; its sample is kept
	}
	if err != nil {
		a.refused++
		a.why = err
		a.s.refused.count(err)
		return 0, err
	}
	a.kept++
	if o.MetricFamilyName != "" {
		a.s.known.learn(o.MetricFamilyName, o.Metadata)
	}
	return ref, nil
}

func (a *intake) try(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AOptions) (storage.SeriesRef, error) {
	if t > a.ahead {
		return 0, errFuture
	}
	if st < a.ahead-longAgo {
		st = 0 // a zero at the start of a counter is worth writing only while somebody may look there
	}
	return a.AppenderV2.Append(ref, ls, st, t, v, h, fh, o)
}

func (r *refused) count(err error) {
	switch {
	case errors.Is(err, errCapped):
		r.capped.Add(1)
	case errors.Is(err, errFuture):
		r.future.Add(1)
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		r.twice.Add(1)
	case errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfOrderSample):
		r.late.Add(1)
	default:
		r.malformed.Add(1)
	}
}

// Commit keeps what was taken.
func (a *intake) Commit() error {
	a.ended = true
	if err := a.AppenderV2.Commit(); err != nil {
		a.s.refused.disk.Add(a.kept)
		return fault.New(fault.TelemetryDiskFull, "metrics cannot be written").Because(err)
	}
	a.s.samples.Add(a.kept)
	return nil
}

// done gives up what was not committed.
func (a *intake) done() {
	if !a.ended {
		if err := a.Rollback(); err != nil {
			a.s.opts.Log.Warn("metrics: roll back", "err", err)
		}
	}
	a.s.mu.RUnlock()
}
