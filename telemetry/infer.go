package telemetry

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// ScopeListener is the scope of the spans that plat's own listeners make: the
// requests that an instance was given, as plat saw them.
const ScopeListener = "plat/gateway"

// Inference says to which trace a record belongs that names none: its instance
// was answering a request of that trace when it was written. It is found out
// when somebody asks, is never kept, and may be wrong.
type Inference struct {
	TraceID TraceID // the only one, or that which was asked for; zero where there are several
	SpanID  SpanID  // of plat's listener in it
	OneOf   int     // traces of which requests were under way there at that moment; 0: nothing is inferred
}

// Bounds of inferring.
const (
	longestRequest = time.Minute           // requests that take longer are under way so long only
	lineDelay      = 50 * time.Millisecond // from a request's end to its last line, which is read from a pipe
	maxRequests    = 50_000                // that are read for one question
	gapOfQuestions = 5 * longestRequest    // records that are farther apart are asked for one by one
	maxQuestions   = 200
)

// Infer finds the traces of records that name none, and have no correlation ID
// either: one Inference a record. Where a trace is wanted, it finds that one
// alone. Beyond its bounds it infers nothing.
func (r *Room) Infer(ctx context.Context, logs []Log, wanted TraceID) ([]Inference, error) {
	out := make([]Inference, len(logs))
	byInstance := map[source][]int{}
	for i := range logs {
		if l := &logs[i]; inferable(l) {
			key := source{l.Resource.Service, l.Resource.Instance}
			byInstance[key] = append(byInstance[key], i)
		}
	}
	left := &budget{requests: maxRequests, questions: maxQuestions}
	for _, from := range slices.SortedFunc(maps.Keys(byInstance), source.compare) {
		records := byInstance[from]
		slices.SortStableFunc(records, func(a, b int) int { return cmp.Compare(logs[a].Time, logs[b].Time) })
		for len(records) > 0 {
			n := 1
			for n < len(records) && logs[records[n]].Time-logs[records[n-1]].Time < int64(gapOfQuestions) {
				n++
			}
			requests, err := r.requests(ctx, from, logs[records[0]].Time, logs[records[n-1]].Time, left)
			if err != nil {
				return nil, err
			}
			under(logs, records[:n], requests, wanted, out)
			records = records[n:]
		}
	}
	return out, nil
}

// inferable tells whether nothing but its time and instance tie a record to a
// trace. What plat says of an instance is no part of a request.
func inferable(l *Log) bool {
	return l.TraceID.IsZero() && l.CorrelationID == "" && l.Resource.Instance != "" && l.Stream != "plat"
}

// source is who wrote a record.
type source struct{ service, instance string }

func (s source) compare(other source) int {
	return cmp.Or(cmp.Compare(s.service, other.service), cmp.Compare(s.instance, other.instance))
}

// budget is what one question may still read.
type budget struct{ requests, questions int }

// request is what an instance was asked, as plat's listener saw it.
type request struct {
	start, end int64
	trace      TraceID
	span       SpanID
}

// requests reads those that may have been under way within a time, by start;
// none when they are more than the budget.
func (r *Room) requests(ctx context.Context, from source, first, last int64, left *budget) (list []request, err error) {
	if left.questions--; left.questions < 0 || left.requests <= 0 {
		return nil, nil
	}
	q := SpanQuery{
		From: time.Unix(0, first).Add(-longestRequest), To: time.Unix(0, last+1), Services: []string{from.service},
		Where: []Match{{Key: "service.instance.id", Value: from.instance}},
	}
	err = r.store.Spans(ctx, q, func(s *Span) error {
		if left.requests--; left.requests < 0 {
			return ErrEnough
		}
		if s.Scope == ScopeListener && s.End()+int64(lineDelay) >= first {
			list = append(list, request{s.Start, s.End(), s.TraceID, s.ID})
		}
		return nil
	})
	if errors.Is(err, ErrEnough) { // half of them would make one of one that is one of many
		return nil, nil
	}
	slices.SortFunc(list, func(a, b request) int { return cmp.Compare(a.start, b.start) })
	return list, err
}

// under finds what was under way at the time of each record. Records and
// requests come by time.
func under(logs []Log, records []int, requests []request, wanted TraceID, out []Inference) {
	var active []request
	for _, i := range records {
		at := logs[i].Time
		for len(requests) > 0 && requests[0].start <= at {
			active, requests = append(active, requests[0]), requests[1:]
		}
		active = slices.DeleteFunc(active, func(q request) bool { return q.end+int64(lineDelay) < at })
		now := slices.DeleteFunc(slices.Clone(active), func(q request) bool { return q.end < at })
		if len(now) == 0 { // it was read a moment after it was written
			now = active
		}
		out[i] = inference(now, wanted)
	}
}

// inference counts the traces of requests, and picks the only or the wanted one.
func inference(list []request, wanted TraceID) (out Inference) {
	spans := map[TraceID]SpanID{} // the last one
	for _, q := range list {
		spans[q.trace] = q.span
	}
	if id, ok := spans[wanted]; ok {
		return Inference{wanted, id, len(spans)}
	}
	if !wanted.IsZero() {
		return Inference{}
	}
	if len(spans) == 1 {
		out.TraceID, out.SpanID = list[0].trace, spans[list[0].trace]
	}
	out.OneOf = len(spans)
	return out
}

// InferredLogs finds the records that name no trace and were written while
// their instance answered a request of this one, by time, with what is inferred
// of each. At most 10,000.
func (r *Room) InferredLogs(ctx context.Context, t *Tree) (logs []Log, inferred []Inference, err error) {
	windows := map[source][][2]int64{}
	for _, n := range t.Nodes {
		if s := n.Span; s.Scope == ScopeListener && s.Resource.Instance != "" {
			from := source{s.Resource.Service, s.Resource.Instance}
			windows[from] = append(windows[from], [2]int64{s.Start - n.Skew, s.End() - n.Skew + int64(lineDelay)})
		}
	}
	for _, from := range slices.SortedFunc(maps.Keys(windows), source.compare) {
		for _, w := range joinWindows(windows[from]) {
			q := LogQuery{From: time.Unix(0, w[0]), To: time.Unix(0, w[1]+1), Services: []string{from.service}, Instance: from.instance}
			err := r.store.Logs(ctx, q, func(l *Log) error {
				if len(logs) == maxTraceLogs {
					return ErrEnough
				}
				if inferable(l) {
					logs = append(logs, l.Clone())
				}
				return nil
			})
			if err != nil && !errors.Is(err, ErrEnough) {
				return nil, nil, err
			}
		}
	}
	slices.SortStableFunc(logs, func(a, b Log) int { return cmp.Compare(a.Time, b.Time) })
	all, err := r.Infer(ctx, logs, t.ID)
	kept := logs[:0]
	for i, x := range all {
		if x.OneOf > 0 {
			kept, inferred = append(kept, logs[i]), append(inferred, x)
		}
	}
	return kept, inferred, err
}

// joinWindows makes one of those that overlap.
func joinWindows(list [][2]int64) [][2]int64 {
	slices.SortFunc(list, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	joined := list[:1]
	for _, w := range list[1:] {
		if last := &joined[len(joined)-1]; w[0] <= last[1] {
			last[1] = max(last[1], w[1])
		} else {
			joined = append(joined, w)
		}
	}
	return joined
}
