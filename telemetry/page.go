package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
)

// Page is a part of the records that match, the newest first.
type Page struct {
	Logs     []Log
	Inferred []Inference // of each record
	More     bool        // there are older ones
	Before   string      // where the next page begins
}

// Page finds up to limit records that match, from where the page before ended;
// "" is the first one. Of a trace, those that are inferred are among them,
// but when a span is asked for.
func (r *Room) Page(ctx context.Context, q LogQuery, before string, limit int) (Page, error) {
	var out Page
	skip := 0
	if before != "" {
		at, seen, _ := strings.Cut(before, "-")
		ns, err := strconv.ParseInt(at, 10, 64)
		n, err2 := strconv.Atoi(seen)
		if err != nil || err2 != nil || n < 0 {
			return out, fault.Newf(fault.TelemetryBadQuery, "before is %q", before).Why("expected what the page before says")
		}
		q.To, skip = time.Unix(0, ns+1), n // those of that moment come again, and are passed over
	}
	var last int64
	same := skip // records of the moment last that were given, the pages before included
	first := true
	take := func(l *Log, x Inference) error {
		if skip > 0 {
			skip--
			last, first = l.Time, false
			return nil
		}
		if len(out.Logs) == limit {
			out.More, out.Before = true, fmt.Sprintf("%d-%d", last, same)
			return ErrEnough
		}
		if first || l.Time != last {
			same = 0
		}
		last, first = l.Time, false
		same++
		out.Logs, out.Inferred = append(out.Logs, l.Clone()), append(out.Inferred, x)
		return nil
	}
	if !q.TraceID.IsZero() && q.SpanID.IsZero() {
		found, err := r.ofTrace(ctx, q)
		for i := range found {
			if take(&found[i].log, found[i].inference) != nil {
				break
			}
		}
		return out, err
	}
	err := r.store.Logs(ctx, q, func(l *Log) error { return take(l, Inference{}) })
	if err != nil && !errors.Is(err, ErrEnough) {
		return out, err
	}
	out.Inferred, err = r.Infer(ctx, out.Logs, TraceID{})
	return out, err
}

// maybe is a record with what is inferred of it.
type maybe struct {
	log       Log
	inference Inference
}

// ofTrace reads the records of a trace that match, the newest first: those that
// name it, and those that are inferred.
func (r *Room) ofTrace(ctx context.Context, q LogQuery) ([]maybe, error) {
	named, err := r.LogsOf(ctx, q)
	if err != nil {
		return nil, err
	}
	found := make([]maybe, 0, len(named))
	for i := range named {
		found = append(found, maybe{log: named[i]})
	}
	spans, _, err := r.Trace(ctx, q.TraceID)
	if fault.Is(err, fault.TelemetryNotFound) { // its records may be all that is kept
		err = nil
	}
	if err != nil {
		return nil, err
	}
	tree := Assemble(spans)
	logs, inferred, err := r.InferredLogs(ctx, &tree)
	if err != nil {
		return nil, err
	}
	bare, terms := q, ParseText(q.Text)
	bare.TraceID = TraceID{}
	for i := range logs {
		if bare.Matches(&logs[i], terms) {
			found = append(found, maybe{logs[i], inferred[i]})
		}
	}
	slices.SortStableFunc(found, func(a, b maybe) int { return cmp.Compare(b.log.Time, a.log.Time) })
	return found, nil
}
