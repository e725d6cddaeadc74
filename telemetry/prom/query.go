package prom

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"github.com/plat-dev/plat/fault"
)

// maxSteps is how many points a series of a range may have, as in Prometheus.
const maxSteps = 11_000

// Series is a labelled line of points. A scalar is one without labels.
type Series struct {
	Labels map[string]string
	Points []Point
}

// Point is a value at a time. A native histogram's value is its count of
// observations.
type Point struct {
	Time  time.Time
	Value float64
}

// Querier reads what is kept between two times in milliseconds.
func (s *Store) Querier(mint, maxt int64) (storage.Querier, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrClosed
	}
	return s.db.Querier(mint, maxt)
}

// Query evaluates a PromQL expression at a time: each series of the answer has
// one point. It fails with fault.TelemetryBadQuery where the expression cannot
// be read, asks for too much or takes too long.
func (s *Store) Query(ctx context.Context, expr string, at time.Time) ([]Series, error) {
	q, err := s.engine.NewInstantQuery(ctx, s, nil, expr, at)
	if err != nil {
		return nil, goErr(ctx, err)
	}
	return s.values(ctx, q)
}

// QueryRange evaluates a PromQL expression at each step from start to end. It
// fails as Query does.
func (s *Store) QueryRange(ctx context.Context, expr string, start, end time.Time, step time.Duration) ([]Series, error) {
	if step <= 0 || end.Before(start) || end.Sub(start)/step > maxSteps {
		return nil, fault.Newf(fault.TelemetryBadQuery, "a step of %s from %s to %s", step, start.Format(time.RFC3339), end.Format(time.RFC3339)).
			Why("expected at most 11,000 steps, forward in time")
	}
	q, err := s.engine.NewRangeQuery(ctx, s, nil, expr, start, end, step)
	if err != nil {
		return nil, goErr(ctx, err)
	}
	return s.values(ctx, q)
}

// values runs q and copies what it answers, since the engine uses its memory
// again.
func (s *Store) values(ctx context.Context, q promql.Query) ([]Series, error) {
	defer q.Close()
	r := s.exec(ctx, q)
	if r.Err != nil {
		return nil, goErr(ctx, r.Err)
	}
	switch v := r.Value.(type) {
	case promql.Vector:
		all := make([]Series, len(v))
		for i, x := range v {
			all[i] = Series{x.Metric.Map(), []Point{point(x.T, x.F, x.H)}}
		}
		return all, nil
	case promql.Matrix:
		all := make([]Series, len(v))
		for i, x := range v {
			points := make([]Point, 0, len(x.Floats)+len(x.Histograms))
			for _, p := range x.Floats {
				points = append(points, point(p.T, p.F, nil))
			}
			for _, p := range x.Histograms {
				points = append(points, point(p.T, 0, p.H))
			}
			all[i] = Series{x.Metric.Map(), points}
		}
		return all, nil
	case promql.Scalar:
		return []Series{{nil, []Point{point(v.T, v.V, nil)}}}, nil
	}
	return nil, fault.New(fault.TelemetryBadQuery, "the expression is a text").Why("expected one that gives numbers")
}

// exec runs q; a block that turns out to be damaged is looked for.
func (s *Store) exec(ctx context.Context, q promql.Query) *promql.Result {
	r := q.Exec(ctx)
	if unreadable(r.Err) {
		s.damage.suspect()
	}
	return r
}

// unreadable tells whether an error is one of reading a block. The TSDB has no
// type for it.
func unreadable(err error) bool {
	if err == nil || errors.Is(err, ErrClosed) {
		return false
	}
	for _, says := range [...]string{"checksum", "cannot populate", "invalid size", "unexpected EOF", "segment index"} {
		if strings.Contains(err.Error(), says) {
			return true
		}
	}
	return false
}

func point(t int64, v float64, h *histogram.FloatHistogram) Point {
	if h != nil {
		v = h.Count
	}
	return Point{time.UnixMilli(t), v}
}

// goErr is what a caller of the Go methods gets for an error of the engine.
func goErr(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrClosed):
		return ErrClosed
	}
	return fault.New(fault.TelemetryBadQuery, "the PromQL cannot be answered").Why(err.Error()).Because(err)
}
