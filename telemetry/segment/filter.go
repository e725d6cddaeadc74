package segment

import (
	"math"
	"slices"
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
	terms       []term
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
	f.terms = parseTerms(q)
	for _, t := range f.terms {
		for _, w := range t.tokens {
			f.words = append(f.words, tokenHash(w))
		}
	}
}

func spanFilter(q telemetry.SpanQuery) *filter {
	f := &filter{
		trace: q.TraceID, services: q.Services, name: q.Name, kinds: q.Kinds, errors: q.ErrorsOnly,
		shortest: q.MinDuration.Nanoseconds(), longest: q.MaxDuration.Nanoseconds(),
		correlation: q.Correlation, where: q.Where,
	}
	f.times(q.From, q.To)
	f.text(q.Text)
	return f
}

func logFilter(q telemetry.LogQuery) *filter {
	f := &filter{
		trace: q.TraceID, span: q.SpanID, services: q.Services, instance: q.Instance,
		severity: q.MinSeverity, correlation: q.Correlation, where: q.Where,
	}
	f.times(q.From, q.To)
	f.text(q.Text)
	return f
}

// origin is what both kinds of rows have.
func (f *filter) origin(r *telemetry.Resource, trace telemetry.TraceID, span telemetry.SpanID, correlation string) bool {
	return (f.trace.IsZero() || f.trace == trace) &&
		(f.span.IsZero() || f.span == span) &&
		(len(f.services) == 0 || slices.Contains(f.services, r.Service)) &&
		(f.instance == "" || f.instance == r.Instance) &&
		(f.correlation == "" || f.correlation == correlation)
}

func (f *filter) spanMatches(s *telemetry.Span) bool {
	if s.Start < f.from || s.Start >= f.to || !f.origin(s.Resource, s.TraceID, s.ID, s.CorrelationID) {
		return false
	}
	if f.name != "" && f.name != s.Name || len(f.kinds) > 0 && !slices.Contains(f.kinds, s.Kind) ||
		f.errors && s.Status != telemetry.StatusError ||
		s.Duration < f.shortest || f.longest > 0 && s.Duration > f.longest {
		return false
	}
	for i := range f.where {
		if !matches(&f.where[i], s.Resource, s.CorrelationID, s.Attributes) {
			return false
		}
	}
	return f.found(s.Attributes, s.CorrelationID, s.Name, s.StatusMessage)
}

func (f *filter) logMatches(l *telemetry.Log) bool {
	if l.Time < f.from || l.Time >= f.to || l.Severity < f.severity || !f.origin(l.Resource, l.TraceID, l.SpanID, l.CorrelationID) {
		return false
	}
	for i := range f.where {
		if !matches(&f.where[i], l.Resource, l.CorrelationID, l.Attributes) {
			return false
		}
	}
	return f.found(l.Attributes, l.CorrelationID, l.Body, "")
}

// found tells whether each term stands in one of the texts.
func (f *filter) found(attributes []telemetry.Attribute, texts ...string) bool {
	for i := range f.terms {
		t := &f.terms[i]
		in := false
		for _, s := range texts {
			in = in || s != "" && t.in(s)
		}
		for j := 0; !in && j < len(attributes); j++ {
			in = t.in(attributes[j].Value)
		}
		if !in {
			return false
		}
	}
	return true
}

func matches(m *telemetry.Match, r *telemetry.Resource, correlation string, attributes []telemetry.Attribute) bool {
	value, ok := lookUp(m.Key, r, correlation, attributes)
	return (ok && value == m.Value) != m.Not
}

// lookUp is the value of a key: a column of the row, an attribute of the row,
// or else one of its resource.
func lookUp(key string, r *telemetry.Resource, correlation string, attributes []telemetry.Attribute) (string, bool) {
	var own string
	switch key {
	case "service.name":
		own = r.Service
	case "service.instance.id":
		own = r.Instance
	case "service.version":
		own = r.Version
	case "plat.correlation_id":
		own = correlation
	default:
		if v, ok := telemetry.Find(attributes, key); ok {
			return v, true
		}
		return telemetry.Find(r.Attributes, key)
	}
	return own, own != ""
}

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
