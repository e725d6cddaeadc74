package jaeger

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/telemetry"
)

// Version 3 of the API answers with OTLP/JSON.

func (h *handler) servicesV3(w http.ResponseWriter, r *http.Request) error {
	list, err := h.serviceNames(r.Context())
	if err != nil {
		return err
	}
	write(w, http.StatusOK, map[string]any{"services": list})
	return nil
}

func (h *handler) operationsV3(w http.ResponseWriter, r *http.Request) error {
	service := r.FormValue("service")
	if service == "" {
		return wrong("malformed parameter service: it is required")
	}
	list, err := h.operationsOf(r.Context(), service, strings.ToLower(r.FormValue("span_kind")))
	if err != nil {
		return err
	}
	write(w, http.StatusOK, map[string]any{"operations": named(list)})
	return nil
}

// searchV3 reads its parameters, and searches as /api/traces does.
func (h *handler) searchV3(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return wrong("malformed parameters")
	}
	older := url.Values{}
	for from, to := range map[string]string{
		"query.service_name": "service", "query.operation_name": "operation", "query.num_traces": "limit", "query.search_depth": "limit",
		"query.duration_min": "minDuration", "query.duration_max": "maxDuration", "query.attributes": "tags",
	} {
		if v := r.Form.Get(from); v != "" {
			older.Set(to, v)
		}
	}
	for from, to := range map[string]string{"query.start_time_min": "start", "query.start_time_max": "end"} {
		v := r.Form.Get(from)
		if v == "" {
			return wrong("malformed parameter " + from + ": it is required")
		}
		at, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			return wrong("malformed parameter " + from + ": expected a time such as 2006-01-02T15:04:05Z")
		}
		older.Set(to, strconv.FormatInt(at.UnixMicro(), 10))
	}
	q, err := h.parse(older)
	if err != nil {
		return err
	}
	traces, err := h.find(r.Context(), q)
	if err != nil {
		return err
	}
	if len(traces) == 0 {
		return &asked{http.StatusNotFound, "No traces found"}
	}
	writeV3(w, traces, r.Form.Get("query.raw_traces") == "true")
	return nil
}

func (h *handler) traceV3(w http.ResponseWriter, r *http.Request) error {
	f, err := h.byID(r)
	if err != nil {
		return err
	}
	writeV3(w, []found{f}, r.FormValue("raw_traces") == "true")
	return nil
}

type object = map[string]any

// writeV3 writes traces as TracesData in OTLP/JSON.
func writeV3(w http.ResponseWriter, traces []found, raw bool) {
	groups := []object{}
	for _, f := range traces {
		var last *telemetry.Span
		var spans []object
		flush := func() {
			if last != nil {
				groups = append(groups, object{"resource": object{"attributes": attributesOf(resourceOf(last.Resource))},
					"scopeSpans": []object{{"scope": object{"name": last.Scope}, "spans": spans}}})
			}
			spans = nil
		}
		for _, n := range telemetry.Assemble(f.spans).Nodes {
			if last == nil || last.Resource != n.Span.Resource || last.Scope != n.Span.Scope {
				flush()
			}
			last, spans = n.Span, append(spans, otlpSpan(n, raw))
		}
		flush()
	}
	write(w, http.StatusOK, object{"result": object{"resourceSpans": groups}})
}

func resourceOf(r *telemetry.Resource) []telemetry.Attribute {
	list := []telemetry.Attribute{{Key: "service.name", Value: r.Service}}
	for _, a := range [...]telemetry.Attribute{{Key: "service.instance.id", Value: r.Instance}, {Key: "service.version", Value: r.Version}} {
		if a.Value != "" {
			list = append(list, a)
		}
	}
	return append(list, r.Attributes...)
}

func otlpSpan(n *telemetry.Node, raw bool) object {
	s, skew := n.Span, int64(0)
	start := s.Start
	if raw {
		start -= n.Skew
	} else {
		skew = n.Skew
	}
	list := s.Attributes
	if s.CorrelationID != "" {
		list = append(list[:len(list):len(list)], telemetry.Attribute{Key: "plat.correlation_id", Value: s.CorrelationID})
	}
	o := object{
		"traceId": s.TraceID.String(), "spanId": s.ID.String(), "name": s.Name, "kind": int(s.Kind), "attributes": attributesOf(list),
		"startTimeUnixNano": strconv.FormatInt(start, 10), "endTimeUnixNano": strconv.FormatInt(start+s.Duration, 10),
		"status": object{"code": int(s.Status), "message": s.StatusMessage},
	}
	if !s.Parent.IsZero() {
		o["parentSpanId"] = s.Parent.String()
	}
	events := []object{}
	for _, e := range s.Events {
		events = append(events, object{"timeUnixNano": strconv.FormatInt(e.Time+skew, 10), "name": e.Name, "attributes": attributesOf(e.Attributes)})
	}
	links := []object{}
	for _, l := range s.Links {
		links = append(links, object{"traceId": l.TraceID.String(), "spanId": l.SpanID.String(), "attributes": attributesOf(l.Attributes)})
	}
	o["events"], o["links"] = events, links
	return o
}

func attributesOf(list []telemetry.Attribute) []object {
	out := make([]object, len(list))
	for i, a := range list {
		out[i] = object{"key": a.Key, "value": valueOf(a)}
	}
	return out
}

// valueOf is an AnyValue.
func valueOf(a telemetry.Attribute) object {
	switch a.Kind {
	case telemetry.Int:
		return object{"intValue": a.Value}
	case telemetry.Float:
		if v, err := strconv.ParseFloat(a.Value, 64); err == nil && v-v == 0 {
			return object{"doubleValue": v}
		}
		return object{"doubleValue": strings.TrimPrefix(strings.Replace(a.Value, "Inf", "Infinity", 1), "+")}
	case telemetry.Bool:
		return object{"boolValue": a.Value == "true"}
	case telemetry.Bytes:
		return object{"bytesValue": a.Value}
	case telemetry.JSON:
		d := json.NewDecoder(strings.NewReader(a.Value))
		d.UseNumber()
		var v any
		if d.Decode(&v) == nil {
			return ofJSON(v)
		}
	case telemetry.Text:
	}
	return object{"stringValue": a.Value}
}

func ofJSON(v any) object {
	switch v := v.(type) {
	case bool:
		return object{"boolValue": v}
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return object{"doubleValue": v}
		}
		return object{"intValue": v.String()}
	case string:
		return object{"stringValue": v}
	case []any:
		values := make([]object, len(v))
		for i, item := range v {
			values[i] = ofJSON(item)
		}
		return object{"arrayValue": object{"values": values}}
	case map[string]any:
		values := []object{}
		for key, item := range v {
			values = append(values, object{"key": key, "value": ofJSON(item)})
		}
		return object{"kvlistValue": object{"values": values}}
	}
	return object{}
}
