package otlp

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/plat-dev/plat/telemetry"
)

// encodeSpans makes an ExportTraceServiceRequest of rows. Those that stand
// together and are of one resource and scope share them.
func encodeSpans(spans []telemetry.Span) []byte {
	var out []byte
	for len(spans) > 0 {
		n := 1
		for n < len(spans) && spans[n].Resource == spans[0].Resource && spans[n].Scope == spans[0].Scope {
			n++
		}
		var rows []byte
		for i := range spans[:n] {
			rows = message(rows, scopeRows, appendSpan(nil, &spans[i]))
		}
		out = message(out, requestResources|asBytes, group(spans[0].Resource, spans[0].Scope, rows))
		spans = spans[n:]
	}
	return out
}

// encodeLogs makes an ExportLogsServiceRequest of rows.
func encodeLogs(logs []telemetry.Log) []byte {
	var out []byte
	for len(logs) > 0 {
		n := 1
		for n < len(logs) && logs[n].Resource == logs[0].Resource && logs[n].Scope == logs[0].Scope {
			n++
		}
		var rows []byte
		for i := range logs[:n] {
			rows = message(rows, scopeRows, appendLog(nil, &logs[i]))
		}
		out = message(out, requestResources|asBytes, group(logs[0].Resource, logs[0].Scope, rows))
		logs = logs[n:]
	}
	return out
}

// group is ResourceSpans or ResourceLogs with one scope.
func group(r *telemetry.Resource, scope string, rows []byte) []byte {
	var resource []byte
	for _, a := range [...]telemetry.Attribute{{Key: "service.name", Value: r.Service}, {Key: "service.instance.id", Value: r.Instance}, {Key: "service.version", Value: r.Version}} {
		if a.Value != "" {
			resource = message(resource, resourceAttributes, keyed(a))
		}
	}
	resource = attributes(resource, resourceAttributes, r.Attributes)
	inner := message(nil, scopeScope, text(nil, scopeName, scope))
	return message(message(nil, groupResource, resource), groupScopes, append(inner, rows...))
}

func appendSpan(b []byte, s *telemetry.Span) []byte {
	b = message(b, spanTraceID, s.TraceID[:])
	b = message(b, spanID, s.ID[:])
	if !s.Parent.IsZero() {
		b = message(b, spanParent, s.Parent[:])
	}
	b = text(b, spanName, s.Name)
	b = varint(b, spanKind, uint64(s.Kind))
	b = fixed(b, spanStart, uint64(s.Start)) // #nosec G115 -- not negative, as all times below
	b = fixed(b, spanEnd, uint64(s.End()))   // #nosec G115 -- as above
	b = attributes(b, spanAttributes, s.Attributes)
	b = correlation(b, spanAttributes, s.CorrelationID)
	for _, e := range s.Events {
		b = message(b, spanEvents, attributes(text(fixed(nil, eventTime, uint64(e.Time)), eventName, e.Name), eventAttributes, e.Attributes)) // #nosec G115 -- as above
	}
	for _, l := range s.Links {
		b = message(b, spanLinks, attributes(message(message(nil, linkTraceID, l.TraceID[:]), linkSpanID, l.SpanID[:]), linkAttributes, l.Attributes))
	}
	if s.Status != telemetry.StatusUnset || s.StatusMessage != "" {
		b = message(b, spanStatus, varint(text(nil, statusMessage, s.StatusMessage), statusCode, uint64(s.Status)))
	}
	return b
}

func appendLog(b []byte, l *telemetry.Log) []byte {
	b = fixed(b, logTime, uint64(l.Time))     // #nosec G115 -- not negative
	b = fixed(b, logObserved, uint64(l.Time)) // #nosec G115 -- not negative
	b = varint(b, logSeverity, uint64(l.Severity))
	b = text(b, logLevel, l.Severity.String())
	b = message(b, logBody, message(nil, valueText, []byte(l.Body)))
	b = attributes(b, logAttributes, l.Attributes)
	b = correlation(b, logAttributes, l.CorrelationID)
	switch l.Stream {
	case "":
	case "out", "err":
		b = message(b, logAttributes, keyed(telemetry.Attribute{Key: "log.iostream", Value: "std" + l.Stream}))
	default:
		b = message(b, logAttributes, keyed(telemetry.Attribute{Key: "plat.stream", Value: l.Stream}))
	}
	if !l.TraceID.IsZero() {
		b = message(b, logTraceID, l.TraceID[:])
		if !l.SpanID.IsZero() {
			b = message(b, logSpanID, l.SpanID[:])
		}
	}
	return b
}

func correlation(b []byte, as tag, id string) []byte {
	if id == "" {
		return b
	}
	return message(b, as, keyed(telemetry.Attribute{Key: "plat.correlation_id", Value: id}))
}

func attributes(b []byte, as tag, list []telemetry.Attribute) []byte {
	for _, a := range list {
		b = message(b, as, keyed(a))
	}
	return b
}

// keyed is a KeyValue.
func keyed(a telemetry.Attribute) []byte {
	return message(text(nil, keyKey, a.Key), keyValue, anyValue(a))
}

// anyValue is an AnyValue of the kind that the attribute had. What does not
// read as its kind is text.
func anyValue(a telemetry.Attribute) []byte {
	switch a.Kind {
	case telemetry.Int:
		if v, err := strconv.ParseInt(a.Value, 10, 64); err == nil {
			return present(valueInt, uint64(v)) // #nosec G115 -- two's complement, as protobuf has it
		}
	case telemetry.Float:
		if v, err := strconv.ParseFloat(a.Value, 64); err == nil {
			return protowire.AppendFixed64(protowire.AppendVarint(nil, uint64(valueFloat)), math.Float64bits(v))
		}
	case telemetry.Bool:
		if v, err := strconv.ParseBool(a.Value); err == nil {
			return present(valueBool, protowire.EncodeBool(v))
		}
	case telemetry.Bytes:
		if v, err := base64.StdEncoding.DecodeString(a.Value); err == nil {
			return message(nil, valueBytes, v)
		}
	case telemetry.JSON:
		d := json.NewDecoder(strings.NewReader(a.Value))
		d.UseNumber()
		var v any
		if d.Decode(&v) == nil && !d.More() {
			return fromAny(v)
		}
	case telemetry.Text:
	}
	return message(nil, valueText, []byte(a.Value))
}

func fromAny(v any) []byte {
	switch v := v.(type) {
	case bool:
		return present(valueBool, protowire.EncodeBool(v))
	case json.Number:
		kind := telemetry.Int
		if strings.ContainsAny(v.String(), ".eE") {
			kind = telemetry.Float
		}
		return anyValue(telemetry.Attribute{Value: v.String(), Kind: kind})
	case string:
		return message(nil, valueText, []byte(v))
	case []any:
		var items []byte
		for _, item := range v {
			items = message(items, listValues, fromAny(item))
		}
		return message(nil, valueList, items)
	case map[string]any:
		var items []byte
		for key, item := range v {
			items = message(items, listValues, message(text(nil, keyKey, key), keyValue, fromAny(item)))
		}
		return message(nil, valueMap, items)
	}
	return nil // null: an AnyValue without a value
}

// message appends a length-delimited field, an empty one too.
func message(b []byte, as tag, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendVarint(b, uint64(as)), content)
}

// text appends a string, unless it is empty.
func text(b []byte, as tag, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendVarint(b, uint64(as)), s)
}

// varint appends a number, unless it is zero.
func varint(b []byte, as tag, v uint64) []byte {
	if v == 0 {
		return b
	}
	return append(b, present(as, v)...)
}

// present is a number, zero too.
func present(as tag, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendVarint(nil, uint64(as)), v)
}

func fixed(b []byte, as tag, v uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendVarint(b, uint64(as)), v)
}
