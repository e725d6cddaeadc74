package telemetry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// Summary is a trace in a list.
type Summary struct {
	ID            TraceID
	CorrelationID string
	Root          string // name of its first span
	Service       string // of its first span
	Start         int64
	End           int64
	Spans         int
	Errors        int
	Services      map[string]int // spans by service
	Synthetic     bool           // of a test customer
}

// Bounds of a search.
const (
	MaxTraces    = 1500
	around       = time.Hour // a trace is looked for so far around one of its spans
	maxScanned   = 500_000   // matching spans that are looked at for traces
	maxTraceLogs = 10_000
)

// AttributeTest marks spans and records of test customers: the journey's name.
const AttributeTest = "plat.test"

// Traces lists the newest traces with a span that matches; more tells whether
// there are more than limit, which is at most MaxTraces.
func (r *Room) Traces(ctx context.Context, q SpanQuery, limit int) (list []Summary, more bool, err error) {
	limit = min(max(limit, 1), MaxTraces)
	found := map[TraceID]int64{}
	var order []TraceID
	scanned := 0
	err = r.store.Spans(ctx, q, func(s *Span) error {
		if scanned++; scanned > maxScanned {
			more = true
			return ErrEnough
		}
		if _, ok := found[s.TraceID]; ok {
			return nil
		}
		if len(order) == limit {
			more = true
			return ErrEnough
		}
		found[s.TraceID] = s.Start
		order = append(order, s.TraceID)
		return nil
	})
	if err != nil && !errors.Is(err, ErrEnough) {
		return nil, false, err
	}
	for _, id := range order {
		at := time.Unix(0, found[id])
		s, err := r.summary(ctx, SpanQuery{TraceID: id, From: at.Add(-around), To: at.Add(around)})
		if err != nil {
			return nil, false, err
		}
		list = append(list, s)
	}
	slices.SortStableFunc(list, func(a, b Summary) int { return int(max(min(b.Start-a.Start, 1), -1)) })
	return list, more, nil
}

// summary reads a trace and keeps what a list shows.
func (r *Room) summary(ctx context.Context, q SpanQuery) (Summary, error) {
	out := Summary{ID: q.TraceID, Services: map[string]int{}}
	rooted := false
	err := r.store.Spans(ctx, q, func(s *Span) error {
		root := s.Parent.IsZero()
		if out.Spans == 0 || root && !rooted || root == rooted && s.Start < out.Start {
			out.Root, out.Service = strings.Clone(s.Name), s.Resource.Service
			rooted = rooted || root
		}
		if out.Spans == 0 || s.Start < out.Start {
			out.Start = s.Start
		}
		out.End = max(out.End, s.End())
		out.Spans++
		out.Services[s.Resource.Service]++
		if s.Status == StatusError {
			out.Errors++
		}
		if out.CorrelationID == "" {
			out.CorrelationID = strings.Clone(s.CorrelationID)
		}
		if _, ok := Find(s.Attributes, AttributeTest); ok {
			out.Synthetic = true
		}
		if out.Spans == maxTraceSpans {
			return ErrEnough
		}
		return nil
	})
	if errors.Is(err, ErrEnough) {
		err = nil
	}
	return out, err
}

// LogsOf reads the records that belong to spans: by their trace, or by the
// correlation ID, at most 10,000, by time.
func (r *Room) LogsOf(ctx context.Context, q LogQuery) ([]Log, error) {
	var logs []Log
	err := r.store.Logs(ctx, q, func(l *Log) error {
		if len(logs) == maxTraceLogs {
			return ErrEnough
		}
		logs = append(logs, l.Clone())
		return nil
	})
	if errors.Is(err, ErrEnough) {
		err = nil
	}
	slices.SortStableFunc(logs, func(a, b Log) int { return int(max(min(a.Time-b.Time, 1), -1)) })
	return logs, err
}

// Bare is a trace of which records alone are kept, with no nodes and the time of its
// records: a program that samples sends fewer spans than records, and spans and
// records may be damaged apart. A zero ID: there are none either.
func (r *Room) Bare(ctx context.Context, id TraceID, from, to time.Time) (Tree, error) {
	logs, err := r.LogsOf(ctx, LogQuery{From: from, To: to, TraceID: id})
	if err != nil || len(logs) == 0 {
		return Tree{}, err
	}
	return Tree{ID: id, Start: logs[0].Time, End: logs[len(logs)-1].Time}, nil
}

// TracesOf finds the traces that belong to an ID: a correlation ID, or a
// value that an attribute of the given names has (a business key, an event's
// ID), within a time. At most MaxTraces, in order of time.
func (r *Room) TracesOf(ctx context.Context, from, to time.Time, correlation string, keys []string, value string) ([]TraceID, error) {
	first := map[TraceID]int64{}
	note := func(id TraceID, at int64) error {
		if id.IsZero() {
			return nil
		}
		if old, ok := first[id]; ok {
			first[id] = min(old, at)
			return nil
		}
		if len(first) == MaxTraces {
			return ErrEnough
		}
		first[id] = at
		return nil
	}
	span := func(s *Span) error { return note(s.TraceID, s.Start) }
	log := func(l *Log) error { return note(l.TraceID, l.Time) }
	var errs []error
	if correlation != "" {
		errs = append(errs, r.store.Spans(ctx, SpanQuery{From: from, To: to, Correlation: correlation}, span),
			r.store.Logs(ctx, LogQuery{From: from, To: to, Correlation: correlation}, log))
	}
	for _, key := range keys {
		where := []Match{{Key: key, Value: value}}
		errs = append(errs, r.store.Spans(ctx, SpanQuery{From: from, To: to, Where: where}, span),
			r.store.Logs(ctx, LogQuery{From: from, To: to, Where: where}, log))
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, ErrEnough) {
			return nil, err
		}
	}
	ids := make([]TraceID, 0, len(first))
	for id := range first {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b TraceID) int {
		if first[a] != first[b] {
			return int(max(min(first[a]-first[b], 1), -1))
		}
		return strings.Compare(a.String(), b.String())
	})
	return ids, nil
}

// Summarize is a trace in a list, of one that was read whole.
func Summarize(t *Tree) Summary {
	out := Summary{ID: t.ID, Start: t.Start, End: t.End, Spans: len(t.Nodes), Services: map[string]int{}}
	for i, n := range t.Nodes {
		s := n.Span
		if i == 0 {
			out.Root, out.Service = s.Name, s.Resource.Service
		}
		out.Services[s.Resource.Service]++
		if s.Status == StatusError {
			out.Errors++
		}
		if out.CorrelationID == "" {
			out.CorrelationID = s.CorrelationID
		}
		if _, ok := Find(s.Attributes, AttributeTest); ok {
			out.Synthetic = true
		}
	}
	return out
}
