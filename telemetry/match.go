package telemetry

import "slices"

// Of tells whether a condition holds of a value that may lack.
func (m Match) Of(value string, ok bool) bool { return (ok && value == m.Value) != m.Not }

// LookUp is the value that a key means on a row: a column of the row, by the
// name that OpenTelemetry gives it; else an attribute of the row; else one of
// its resource.
func LookUp(key string, res *Resource, correlation string, attributes []Attribute) (value string, ok bool) {
	switch key {
	case "service.name":
		return res.Service, true
	case "service.instance.id":
		return res.Instance, res.Instance != ""
	case "service.version":
		return res.Version, res.Version != ""
	case "plat.correlation_id":
		return correlation, correlation != ""
	}
	if value, ok = Find(attributes, key); ok {
		return value, true
	}
	return Find(res.Attributes, key)
}

func matchWhere(where []Match, res *Resource, correlation string, attributes []Attribute) bool {
	for i := range where {
		if !where[i].Of(LookUp(where[i].Key, res, correlation, attributes)) {
			return false
		}
	}
	return true
}

// Matches tells whether a record is asked for. Terms are those of q.Text, read
// once by [ParseText].
func (q *LogQuery) Matches(l *Log, terms Terms) bool {
	switch {
	case !q.From.IsZero() && l.Time < q.From.UnixNano(),
		!q.To.IsZero() && l.Time >= q.To.UnixNano(),
		!q.TraceID.IsZero() && l.TraceID != q.TraceID,
		!q.SpanID.IsZero() && l.SpanID != q.SpanID,
		len(q.Services) > 0 && !slices.Contains(q.Services, l.Resource.Service),
		q.Instance != "" && l.Resource.Instance != q.Instance,
		l.Severity < q.MinSeverity,
		q.Correlation != "" && l.CorrelationID != q.Correlation,
		!matchWhere(q.Where, l.Resource, l.CorrelationID, l.Attributes):
		return false
	}
	return terms.In(l.Attributes, l.Body, l.CorrelationID)
}

// Matches tells whether a span is asked for. Terms are those of q.Text, read
// once by [ParseText].
func (q *SpanQuery) Matches(s *Span, terms Terms) bool {
	switch {
	case !q.From.IsZero() && s.Start < q.From.UnixNano(),
		!q.To.IsZero() && s.Start >= q.To.UnixNano(),
		!q.TraceID.IsZero() && s.TraceID != q.TraceID,
		len(q.Services) > 0 && !slices.Contains(q.Services, s.Resource.Service),
		q.Name != "" && s.Name != q.Name,
		len(q.Kinds) > 0 && !slices.Contains(q.Kinds, s.Kind),
		q.ErrorsOnly && s.Status != StatusError,
		s.Duration < int64(q.MinDuration),
		q.MaxDuration > 0 && s.Duration > int64(q.MaxDuration),
		q.Correlation != "" && s.CorrelationID != q.Correlation,
		!matchWhere(q.Where, s.Resource, s.CorrelationID, s.Attributes):
		return false
	}
	return terms.In(s.Attributes, s.Name, s.StatusMessage, s.CorrelationID)
}
