package otlp

import (
	"encoding/base64"
	"encoding/hex"
	"errors"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// fromJSON makes protobuf of OTLP/JSON. Unknown fields are left out. The
// generated types of the data stand for those of the requests: on the wire
// they are the same, and come without a gRPC gateway.
func fromJSON(s signal, raw []byte) ([]byte, error) {
	var message proto.Message
	switch s {
	case traces:
		message = &tracepb.TracesData{}
	case metrics:
		message = &metricspb.MetricsData{}
	default:
		message = &logspb.LogsData{}
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, message); err != nil {
		return nil, errors.New("the JSON is malformed: " + err.Error())
	}
	switch m := message.(type) {
	case *tracepb.TracesData:
		for _, r := range m.GetResourceSpans() {
			for _, s := range r.GetScopeSpans() {
				for _, span := range s.GetSpans() {
					fixSpan(span)
				}
			}
		}
	case *logspb.LogsData:
		for _, r := range m.GetResourceLogs() {
			for _, s := range r.GetScopeLogs() {
				for _, l := range s.GetLogRecords() {
					l.TraceId, l.SpanId = fromHex(l.TraceId), fromHex(l.SpanId)
				}
			}
		}
	case *metricspb.MetricsData:
		fixMetrics(m)
	}
	return proto.MarshalOptions{AllowPartial: true}.Marshal(message)
}

// fromHex undoes what protojson did to an ID: OTLP/JSON has it in hex, and
// protojson read it as base64. 32 or 16 hex digits are base64 without padding,
// so that encoding gives them back. Whatever else there was is no ID, and
// comes to none.
func fromHex(id []byte) []byte {
	if len(id) == 0 {
		return nil
	}
	raw, err := hex.DecodeString(base64.StdEncoding.EncodeToString(id))
	if err != nil {
		return nil
	}
	return raw
}

func fixSpan(s *tracepb.Span) {
	if s == nil {
		return
	}
	s.TraceId, s.SpanId, s.ParentSpanId = fromHex(s.TraceId), fromHex(s.SpanId), fromHex(s.ParentSpanId)
	for _, l := range s.Links {
		l.TraceId, l.SpanId = fromHex(l.TraceId), fromHex(l.SpanId)
	}
}

// fixMetrics does it to the exemplars.
func fixMetrics(m *metricspb.MetricsData) {
	fix := func(exemplars []*metricspb.Exemplar) {
		for _, e := range exemplars {
			e.TraceId, e.SpanId = fromHex(e.TraceId), fromHex(e.SpanId)
		}
	}
	for _, r := range m.GetResourceMetrics() {
		for _, s := range r.GetScopeMetrics() {
			for _, metric := range s.GetMetrics() {
				for _, p := range metric.GetGauge().GetDataPoints() {
					fix(p.GetExemplars())
				}
				for _, p := range metric.GetSum().GetDataPoints() {
					fix(p.GetExemplars())
				}
				for _, p := range metric.GetHistogram().GetDataPoints() {
					fix(p.GetExemplars())
				}
				for _, p := range metric.GetExponentialHistogram().GetDataPoints() {
					fix(p.GetExemplars())
				}
			}
		}
	}
}
