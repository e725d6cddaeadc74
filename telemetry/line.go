package telemetry

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/severity"
)

// Names that loggers of common languages give to what every record has: slog,
// zap, zerolog, logrus, pino, bunyan, structlog, python-json-logger, ECS, Serilog.
const (
	levelNames       = "level severity lvl levelname log_level loglevel log.level @l"
	messageNames     = "msg message event @m @mt"
	timeNames        = "time ts timestamp @timestamp asctime @t"
	traceNames       = "trace_id traceid traceId trace.id otelTraceID"
	spanNames        = "span_id spanid spanId span.id otelSpanID"
	correlationNames = "correlation_id correlationId plat.correlation_id correlation.id"
)

// LogOf makes a record of a line of output, at the time when it was written: of
// a JSON object its level, message, trace and correlation ID, and the rest as
// attributes; of any other line its text, with a severity by a rule of thumb.
func LogOf(res *Resource, at time.Time, stream, text string) Log {
	l := Log{Resource: res, Stream: stream, Time: at.UnixNano(), Body: text}
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "{") && strings.HasSuffix(trimmed, "}") {
		d := json.NewDecoder(strings.NewReader(trimmed))
		d.UseNumber()
		var fields map[string]any
		if d.Decode(&fields) == nil && !d.More() {
			l.structured(fields)
			return l
		}
	}
	l.Severity = plainSeverity(text)
	return l
}

func (l *Log) structured(fields map[string]any) {
	take := func(names string) string {
		for name := range strings.SplitSeq(names, " ") {
			if v, ok := fields[name]; ok {
				if text, _ := textOf(v); text != "" {
					delete(fields, name)
					return text
				}
			}
		}
		return ""
	}
	l.Severity = levelSeverity(take(levelNames))
	if said := take(messageNames); said != "" {
		l.Body = said
	}
	take(timeNames) // the line has that of its writing
	if id, err := ParseTraceID(take(traceNames)); err == nil {
		l.TraceID = id
	}
	if id, err := ParseSpanID(take(spanNames)); err == nil {
		l.SpanID = id
	}
	l.CorrelationID = take(correlationNames)
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value, kind := textOf(fields[key])
		if key == "service" && value == l.Resource.Service || key == "instance" && value == l.Resource.Instance {
			continue // the resource says it
		}
		l.Attributes = append(l.Attributes, Attribute{Key: key, Value: value, Kind: kind})
	}
}

// textOf is a JSON value as an attribute has it.
func textOf(v any) (string, ValueKind) {
	switch v := v.(type) {
	case nil:
		return "", Text
	case string:
		return v, Text
	case bool:
		return strconv.FormatBool(v), Bool
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return v.String(), Float
		}
		return v.String(), Int
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "", Text // cannot be: it was read from JSON
	}
	return string(text), JSON
}

// levelSeverity reads a level as loggers write it: a word, slog's word with
// an offset, or a number of the scale of pino and bunyan, or of Python.
func levelSeverity(level string) Severity {
	if n, err := strconv.ParseFloat(level, 64); err == nil {
		switch {
		case n < 10:
			return 0
		case n < 20:
			return SeverityTrace
		case n < 30:
			return SeverityDebug
		case n < 40:
			return SeverityInfo
		case n < 50:
			return SeverityWarn
		case n < 60:
			return SeverityError
		}
		return SeverityFatal
	}
	word, offset := strings.ToUpper(level), 0
	if at := strings.LastIndexAny(word, "+-"); at > 0 {
		if n, err := strconv.Atoi(word[at:]); err == nil {
			word, offset = word[:at], n
		}
	}
	var s Severity
	switch word {
	case "TRACE", "VERBOSE", "SILLY":
		s = SeverityTrace
	case "DEBUG", "DBG":
		s = SeverityDebug
	case "INFO", "INFORMATION", "NOTICE", "LOG":
		s = SeverityInfo
	case "WARN", "WARNING", "WRN":
		s = SeverityWarn
	case "ERROR", "ERR", "SEVERE":
		s = SeverityError
	case "FATAL", "PANIC", "DPANIC", "CRITICAL", "CRIT", "ALERT", "EMERG", "EMERGENCY":
		s = SeverityFatal
	default:
		return 0
	}
	return Severity(min(max(int(s)+offset, 1), 24)) // #nosec G115 -- within 1 to 24
}

// plainSeverity judges a line without structure.
func plainSeverity(text string) Severity {
	if severity.IsError(text) {
		return SeverityError
	}
	for _, word := range [...]string{"level=", "lvl="} {
		if _, rest, ok := strings.Cut(text, word); ok {
			level, _, _ := strings.Cut(strings.Trim(rest, `"`), " ")
			return levelSeverity(strings.Trim(level, `"`))
		}
	}
	head := text[:min(len(text), 80)]
	for _, level := range [...]string{"WARNING", "WARN", "INFO", "DEBUG", "TRACE"} {
		if strings.Contains(head, level) {
			return levelSeverity(level)
		}
	}
	return 0
}
