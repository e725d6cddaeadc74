package kit

import (
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protowire"
)

// The encoding of opentelemetry.proto.collector.trace.v1
// ExportTraceServiceRequest, field numbers as in OTLP 1.x. It is written by
// hand because the generated types bring gRPC and cost a service 7 MB; a test
// decodes it with them.

// encodeSpans groups the spans, all of one resource, by their scope.
func encodeSpans(spans []sdk.ReadOnlySpan) []byte {
	if len(spans) == 0 {
		return nil
	}
	var resource []byte
	for _, kv := range spans[0].Resource().Attributes() {
		resource = appendKeyValue(resource, 1, kv)
	}
	group := appendMessage(nil, 1, resource)
	var order []string
	scopes := map[string][]byte{}
	for _, s := range spans {
		scope := s.InstrumentationScope()
		key := scope.Name + "\x00" + scope.Version
		if _, ok := scopes[key]; !ok {
			order = append(order, key)
			scopes[key] = appendMessage(nil, 1, appendText(appendText(nil, 1, scope.Name), 2, scope.Version))
		}
		scopes[key] = appendMessage(scopes[key], 2, encodeSpan(s))
	}
	for _, key := range order {
		group = appendMessage(group, 2, scopes[key])
	}
	group = appendText(group, 3, spans[0].Resource().SchemaURL())
	return appendMessage(nil, 1, group)
}

func encodeSpan(s sdk.ReadOnlySpan) []byte {
	sc, parent := s.SpanContext(), s.Parent()
	b := appendSpanContext(nil, sc)
	if parent.SpanID().IsValid() {
		id := parent.SpanID()
		b = appendMessage(b, 4, id[:])
	}
	b = appendText(b, 5, s.Name())
	b = appendNumber(b, 6, uint64(max(s.SpanKind(), 0))) // #nosec G115 -- not negative
	b = appendTime(b, 7, s.StartTime())
	b = appendTime(b, 8, s.EndTime())
	for _, kv := range s.Attributes() {
		b = appendKeyValue(b, 9, kv)
	}
	b = appendNumber(b, 10, dropped(s.DroppedAttributes()))
	for _, e := range s.Events() {
		event := appendText(appendTime(nil, 1, e.Time), 2, e.Name)
		for _, kv := range e.Attributes {
			event = appendKeyValue(event, 3, kv)
		}
		b = appendMessage(b, 11, appendNumber(event, 4, dropped(e.DroppedAttributeCount)))
	}
	b = appendNumber(b, 12, dropped(s.DroppedEvents()))
	for _, l := range s.Links() {
		link := appendSpanContext(nil, l.SpanContext)
		for _, kv := range l.Attributes {
			link = appendKeyValue(link, 4, kv)
		}
		link = appendNumber(link, 5, dropped(l.DroppedAttributeCount))
		b = appendMessage(b, 13, appendFlags(link, 6, l.SpanContext, l.SpanContext.IsRemote()))
	}
	b = appendNumber(b, 14, dropped(s.DroppedLinks()))
	status := appendText(nil, 2, s.Status().Description)
	switch s.Status().Code {
	case codes.Ok:
		status = appendNumber(status, 3, 1)
	case codes.Error:
		status = appendNumber(status, 3, 2)
	case codes.Unset:
	}
	b = appendMessage(b, 15, status)
	return appendFlags(b, 16, sc, parent.IsRemote())
}

// appendSpanContext writes the fields 1 to 3 that spans and links share.
func appendSpanContext(b []byte, sc trace.SpanContext) []byte {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	b = appendMessage(b, 1, traceID[:])
	b = appendMessage(b, 2, spanID[:])
	return appendText(b, 3, sc.TraceState().String())
}

// appendFlags writes the trace flags and whether the parent is remote.
func appendFlags(b []byte, field protowire.Number, sc trace.SpanContext, remote bool) []byte {
	flags := uint32(sc.TraceFlags()) | 0x100
	if remote {
		flags |= 0x200
	}
	return protowire.AppendFixed32(protowire.AppendTag(b, field, protowire.Fixed32Type), flags)
}

func appendKeyValue(b []byte, field protowire.Number, kv attribute.KeyValue) []byte {
	return appendMessage(b, field, appendMessage(appendText(nil, 1, string(kv.Key)), 2, encodeValue(kv.Value)))
}

// encodeValue is an AnyValue; an empty one is no value.
func encodeValue(v attribute.Value) []byte {
	switch v.Type() {
	case attribute.BOOL:
		return protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), protowire.EncodeBool(v.AsBool()))
	case attribute.INT64:
		return protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), uint64(v.AsInt64())) // #nosec G115 -- two's complement on the wire
	case attribute.FLOAT64:
		return protowire.AppendFixed64(protowire.AppendTag(nil, 4, protowire.Fixed64Type), math.Float64bits(v.AsFloat64()))
	case attribute.BOOLSLICE:
		return encodeValues(v.AsBoolSlice(), attribute.BoolValue)
	case attribute.INT64SLICE:
		return encodeValues(v.AsInt64Slice(), attribute.Int64Value)
	case attribute.FLOAT64SLICE:
		return encodeValues(v.AsFloat64Slice(), attribute.Float64Value)
	case attribute.STRINGSLICE:
		return encodeValues(v.AsStringSlice(), attribute.StringValue)
	case attribute.SLICE:
		return encodeValues(v.AsSlice(), func(v attribute.Value) attribute.Value { return v })
	case attribute.BYTESLICE:
		return appendMessage(nil, 7, v.AsByteSlice())
	case attribute.EMPTY:
		return nil
	case attribute.MAP:
		var list []byte
		for _, kv := range v.AsMap() {
			list = appendKeyValue(list, 1, kv)
		}
		return appendMessage(nil, 6, list)
	}
	text := v.String()
	return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), text)
}

func encodeValues[T any](list []T, value func(T) attribute.Value) []byte {
	var array []byte
	for _, v := range list {
		array = appendMessage(array, 1, encodeValue(value(v)))
	}
	return appendMessage(nil, 5, array)
}

func appendMessage(b []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), message)
}

func appendText(b []byte, field protowire.Number, text string) []byte {
	if text == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

func appendNumber(b []byte, field protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

func appendTime(b []byte, field protowire.Number, t time.Time) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), uint64(max(t.UnixNano(), 0))) // #nosec G115 -- not negative
}

func dropped(n int) uint64 {
	return uint64(min(max(n, 0), math.MaxInt32)) // #nosec G115 -- bounded
}
