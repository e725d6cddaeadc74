package jaeger

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/plat-dev/plat/telemetry"
)

// What the user interface of Jaeger calls its model. Times are microseconds.

type spanModel struct {
	TraceID       string      `json:"traceID"`
	SpanID        string      `json:"spanID"`
	Flags         int         `json:"flags"`
	OperationName string      `json:"operationName"`
	References    []reference `json:"references"`
	StartTime     int64       `json:"startTime"`
	Duration      int64       `json:"duration"`
	Tags          []tag       `json:"tags"`
	Logs          []logModel  `json:"logs"`
	ProcessID     string      `json:"processID"`
	Warnings      []string    `json:"warnings"`
}

type reference struct {
	RefType string `json:"refType"` // CHILD_OF, FOLLOWS_FROM
	TraceID string `json:"traceID"`
	SpanID  string `json:"spanID"`
}

type tag struct {
	Key   string `json:"key"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

type logModel struct {
	Timestamp int64 `json:"timestamp"`
	Fields    []tag `json:"fields"`
}

type process struct {
	ServiceName string `json:"serviceName"`
	Tags        []tag  `json:"tags"`
}

// writeTraces writes the answer span by span, since it may be large.
func writeTraces(w http.ResponseWriter, traces []found, raw bool, lacking []mistake) {
	head(w, http.StatusOK)
	out := bufio.NewWriter(w)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	put := func(text string) { _, _ = out.WriteString(text) } // the asker has gone: nobody to tell, as below
	put(`{"data":[`)
	for i, f := range traces {
		if i > 0 {
			put(",")
		}
		tree := telemetry.Assemble(f.spans)
		put(`{"traceID":"` + f.id.String() + `","spans":[`)
		p := processes{ids: map[*telemetry.Resource]string{}, all: map[string]process{}, same: map[string]string{}}
		for j, n := range tree.Nodes {
			if j > 0 {
				put(",")
			}
			_ = e.Encode(spanOf(n, p.of(n.Span.Resource), raw))
		}
		put(`],"processes":`)
		_ = e.Encode(p.all)
		put(`,"warnings":`)
		var warnings []string
		if f.more {
			warnings = append(warnings, fmt.Sprintf("the trace has more spans than the %d that are shown", len(f.spans)))
		}
		_ = e.Encode(append(warnings, tree.Warnings...))
		put("}")
	}
	put(`],"total":` + strconv.Itoa(len(traces)) + `,"limit":0,"offset":0,"errors":`)
	_ = e.Encode(lacking)
	put("}\n")
	_ = out.Flush()
}

// processes numbers who told of the spans.
type processes struct {
	ids  map[*telemetry.Resource]string
	same map[string]string // ID by what it looks like: each file has resources of its own
	all  map[string]process
}

func (p *processes) of(r *telemetry.Resource) string {
	if id, ok := p.ids[r]; ok {
		return id
	}
	model := process{ServiceName: r.Service, Tags: []tag{}}
	for _, a := range [...]telemetry.Attribute{{Key: "service.instance.id", Value: r.Instance}, {Key: "service.version", Value: r.Version}} {
		if a.Value != "" {
			model.Tags = append(model.Tags, tagOf(a))
		}
	}
	for _, a := range r.Attributes {
		model.Tags = append(model.Tags, tagOf(a))
	}
	look := fmt.Sprintf("%q", model)
	id, ok := p.same[look]
	if !ok {
		id = "p" + strconv.Itoa(len(p.all)+1)
		p.all[id], p.same[look] = model, id
	}
	p.ids[r] = id
	return id
}

// spanOf is a span at its place. With raw its clock is left as it was.
func spanOf(n *telemetry.Node, processID string, raw bool) spanModel {
	s := n.Span
	m := spanModel{
		TraceID: s.TraceID.String(), SpanID: s.ID.String(), Flags: 1, OperationName: s.Name, ProcessID: processID,
		StartTime: s.Start / int64(time.Microsecond), Duration: s.Duration / int64(time.Microsecond),
		References: []reference{}, Tags: tagsOfSpan(s), Logs: []logModel{},
	}
	skew := n.Skew
	switch {
	case raw:
		m.StartTime, skew = (s.Start-n.Skew)/int64(time.Microsecond), 0
	case skew != 0:
		m.Warnings = append(m.Warnings, fmt.Sprintf("clock skew: the span lay outside of the call that caused it, and was moved by %s", time.Duration(skew)))
	}
	if n.Orphan {
		m.Warnings = append(m.Warnings, fmt.Sprintf("its parent %s is not among the spans of the trace", s.Parent))
	}
	if !s.Parent.IsZero() {
		m.References = append(m.References, reference{"CHILD_OF", m.TraceID, s.Parent.String()})
	}
	for _, l := range s.Links {
		kind := "FOLLOWS_FROM"
		if of, _ := telemetry.Find(l.Attributes, "opentracing.ref_type"); of == "child_of" {
			kind = "CHILD_OF"
		}
		m.References = append(m.References, reference{kind, l.TraceID.String(), l.SpanID.String()})
	}
	for _, e := range s.Events {
		l := logModel{Timestamp: (e.Time + skew) / int64(time.Microsecond), Fields: make([]tag, 0, len(e.Attributes)+1)}
		if e.Name != "" {
			l.Fields = append(l.Fields, tag{"event", "string", e.Name})
		}
		for _, a := range e.Attributes {
			l.Fields = append(l.Fields, tagOf(a))
		}
		m.Logs = append(m.Logs, l)
	}
	return m
}

// tagsOfSpan are its attributes, and what Jaeger makes tags of.
func tagsOfSpan(s *telemetry.Span) []tag {
	tags := make([]tag, 0, len(s.Attributes)+6)
	if s.Scope != "" {
		tags = append(tags, tag{"otel.scope.name", "string", s.Scope})
	}
	for _, a := range s.Attributes {
		tags = append(tags, tagOf(a))
	}
	if s.CorrelationID != "" {
		tags = append(tags, tag{"plat.correlation_id", "string", s.CorrelationID})
	}
	if s.Kind != telemetry.KindUnset {
		tags = append(tags, tag{"span.kind", "string", s.Kind.String()})
	}
	switch s.Status {
	case telemetry.StatusError:
		tags = append(tags, tag{"otel.status_code", "string", "ERROR"}, tag{"error", "bool", true})
	case telemetry.StatusOK:
		tags = append(tags, tag{"otel.status_code", "string", "OK"})
	case telemetry.StatusUnset:
	}
	if s.StatusMessage != "" {
		tags = append(tags, tag{"otel.status_description", "string", s.StatusMessage})
	}
	return tags
}

// exact is up to where a number of JavaScript is exact.
const exact = 1<<53 - 1

// tagOf is an attribute with its type. A number that JavaScript would round is
// written as a string, as Jaeger does.
func tagOf(a telemetry.Attribute) tag {
	switch a.Kind {
	case telemetry.Int:
		if v, err := strconv.ParseInt(a.Value, 10, 64); err == nil {
			if v > exact || v < -exact {
				return tag{a.Key, "int64", a.Value}
			}
			return tag{a.Key, "int64", v}
		}
	case telemetry.Float:
		if v, err := strconv.ParseFloat(a.Value, 64); err == nil && v-v == 0 { // JSON knows neither NaN nor infinity
			return tag{a.Key, "float64", v}
		}
	case telemetry.Bool:
		return tag{a.Key, "bool", a.Value == "true"}
	case telemetry.Bytes:
		return tag{a.Key, "binary", a.Value}
	case telemetry.Text, telemetry.JSON:
	}
	return tag{a.Key, "string", a.Value}
}
