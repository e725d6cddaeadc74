package segment

import (
	"math"
	"time"

	"github.com/plat-dev/plat/telemetry"
)

// filter is a query as rows are held against it.
type filter struct {
	from, to    int64 // to is not within
	trace       telemetry.TraceID
	span        telemetry.SpanID
	services    []string
	instance    string
	name        string
	kinds       []telemetry.SpanKind
	errors      bool
	shortest    int64
	longest     int64
	severity    telemetry.Severity
	correlation string
	where       []telemetry.Match
	terms       telemetry.Terms
	ofSpans     telemetry.SpanQuery // what was asked, of either
	ofLogs      telemetry.LogQuery
	words       []uint64 // hashes of what the terms hold
}

func (f *filter) times(from, to time.Time) {
	f.from, f.to = math.MinInt64, math.MaxInt64
	if !from.IsZero() {
		f.from = from.UnixNano()
	}
	if !to.IsZero() {
		f.to = to.UnixNano()
	}
}

func (f *filter) text(q string) {
	f.terms = telemetry.ParseText(q)
	for _, t := range f.terms {
		for _, w := range t.Words {
			f.words = append(f.words, tokenHash(w))
		}
	}
}

func spanFilter(q telemetry.SpanQuery) *filter {
	f := &filter{
		trace: q.TraceID, services: q.Services, name: q.Name, kinds: q.Kinds, errors: q.ErrorsOnly,
		shortest: q.MinDuration.Nanoseconds(), longest: q.MaxDuration.Nanoseconds(),
		correlation: q.Correlation, where: q.Where, ofSpans: q,
	}
	f.times(q.From, q.To)
	f.text(q.Text)
	return f
}

func logFilter(q telemetry.LogQuery) *filter {
	f := &filter{
		trace: q.TraceID, span: q.SpanID, services: q.Services, instance: q.Instance,
		severity: q.MinSeverity, correlation: q.Correlation, where: q.Where, ofLogs: q,
	}
	f.times(q.From, q.To)
	f.text(q.Text)
	return f
}

func (f *filter) spanMatches(s *telemetry.Span) bool { return f.ofSpans.Matches(s, f.terms) }

func (f *filter) logMatches(l *telemetry.Log) bool { return f.ofLogs.Matches(l, f.terms) }

// condition is a part of a filter that one column decides.
type condition struct {
	column column
	values []string // one of them; "" stands for null
	not    bool
	key    string // of an attribute that may stand elsewhere when the column is null
}

// conditions are the filter's parts that columns of text decide.
func (f *filter) conditions() []condition {
	var list []condition
	add := func(c column, values ...string) { list = append(list, condition{column: c, values: values}) }
	if !f.trace.IsZero() {
		add(colTrace, string(f.trace[:]))
	}
	if !f.span.IsZero() {
		add(colSpan, string(f.span[:]))
	}
	if len(f.services) > 0 {
		add(colService, f.services...)
	}
	if f.instance != "" {
		add(colInstance, f.instance)
	}
	if f.correlation != "" {
		add(colCorrelation, f.correlation)
	}
	if f.name != "" {
		add(colName, f.name)
	}
	if len(f.kinds) > 0 {
		c := condition{column: colKind}
		for _, k := range f.kinds {
			c.values = append(c.values, k.String())
		}
		list = append(list, c)
	}
	if f.errors {
		add(colStatus, statusName(telemetry.StatusError))
	}
	for _, m := range f.where {
		c, ok := named(m.Key)
		if !ok || c == colCode {
			continue
		}
		cond := condition{column: c, values: []string{m.Value}, not: m.Not}
		if _, is := promoted(m.Key); is {
			cond.key = m.Key
		} else if m.Value == "" { // absent is none, which equals nothing
			cond.values = nil
		}
		list = append(list, cond)
	}
	return list
}

// elsewhere are the conditions that no column decides.
func (f *filter) elsewhere() []telemetry.Match {
	var list []telemetry.Match
	for _, m := range f.where {
		if c, ok := named(m.Key); !ok || c == colCode {
			list = append(list, m)
		}
	}
	return list
}
