package telemetry

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// TraceID identifies a trace (W3C Trace Context); zero is none.
type TraceID [16]byte

// SpanID identifies a span within its trace; zero is none.
type SpanID [8]byte

// String is 32 lower-case hex digits.
func (t TraceID) String() string { return hex.EncodeToString(t[:]) }

// IsZero tells whether it is none.
func (t TraceID) IsZero() bool { return t == TraceID{} }

// String is 16 lower-case hex digits.
func (s SpanID) String() string { return hex.EncodeToString(s[:]) }

// IsZero tells whether it is none.
func (s SpanID) IsZero() bool { return s == SpanID{} }

var errZeroID = errors.New("an ID of zeros alone stands for none")

// ParseTraceID reads 32 hex digits of either case; fewer are filled with
// zeros from the left, as Jaeger does. Zero is an error.
func ParseTraceID(s string) (t TraceID, err error) {
	if err = parseHex(t[:], s); err == nil && t.IsZero() {
		err = errZeroID
	}
	return t, err
}

// ParseSpanID reads 16 hex digits of either case; fewer are filled with zeros
// from the left. Zero is an error.
func ParseSpanID(s string) (id SpanID, err error) {
	if err = parseHex(id[:], s); err == nil && id.IsZero() {
		err = errZeroID
	}
	return id, err
}

func parseHex(into []byte, s string) error {
	n := 2 * len(into)
	if s == "" || len(s) > n {
		return fmt.Errorf("expected up to %d hex digits", n)
	}
	for len(s) < n {
		s = "0" + s
	}
	if _, err := hex.Decode(into, []byte(s)); err != nil {
		return fmt.Errorf("expected up to %d hex digits", n)
	}
	return nil
}

// ValueKind is the type that an attribute had before it became text.
type ValueKind uint8

// The kinds of values. A list or a map is JSON; bytes are base64.
const (
	Text ValueKind = iota
	Int
	Float
	Bool
	JSON
	Bytes
)

// Attribute is a name with a value, which is kept as text.
type Attribute struct {
	Key   string
	Value string
	Kind  ValueKind
}

// Find is the value of the first attribute of that name.
func Find(attributes []Attribute, key string) (string, bool) {
	for i := range attributes {
		if attributes[i].Key == key {
			return attributes[i].Value, true
		}
	}
	return "", false
}

// Resource is who told: shared by the rows of one intake, never changed once
// a row points to it. Service is never empty.
type Resource struct {
	Service    string      // service.name
	Instance   string      // service.instance.id
	Version    string      // service.version
	Attributes []Attribute // the others
}

// SpanKind is OTLP's.
type SpanKind uint8

// The kinds of spans, numbered as OTLP does.
const (
	KindUnset SpanKind = iota
	KindInternal
	KindServer
	KindClient
	KindProducer
	KindConsumer
)

// String is the kind in lower case, as Jaeger's span.kind has it; "" where
// none is said.
func (k SpanKind) String() string {
	return [...]string{"", "internal", "server", "client", "producer", "consumer"}[min(k, KindConsumer)]
}

// Status is OTLP's status code of a span.
type Status uint8

// The statuses, numbered as OTLP does.
const (
	StatusUnset Status = iota
	StatusOK
	StatusError
)

// Span is one operation of a trace. Times are nanoseconds of Unix time.
type Span struct {
	Resource      *Resource
	Scope         string // of instrumentation: its name
	TraceID       TraceID
	ID            SpanID
	Parent        SpanID
	Start         int64
	Duration      int64 // nanoseconds, never negative
	Name          string
	Kind          SpanKind
	Status        Status
	StatusMessage string
	CorrelationID string // attribute plat.correlation_id; "" where none is known
	Attributes    []Attribute
	Events        []SpanEvent
	Links         []Link
}

// End is when the span ended, in nanoseconds of Unix time.
func (s *Span) End() int64 { return s.Start + s.Duration }

// SpanEvent is something that happened at a moment of a span.
type SpanEvent struct {
	Time       int64
	Name       string
	Attributes []Attribute
}

// Link points from a span to a span of another trace, or of the same.
type Link struct {
	TraceID    TraceID
	SpanID     SpanID
	Attributes []Attribute
}

// Severity is OTLP's number from 1 to 24; 0 is unknown.
type Severity uint8

// The lowest severity of each range of OTLP.
const (
	SeverityTrace Severity = 1
	SeverityDebug Severity = 5
	SeverityInfo  Severity = 9
	SeverityWarn  Severity = 13
	SeverityError Severity = 17
	SeverityFatal Severity = 21
)

// String is the name of the range in upper case; "" for unknown.
func (s Severity) String() string {
	if s == 0 || s > 24 {
		return ""
	}
	return [...]string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}[(s-1)/4]
}

// Log is one log record: a line of a program's output, or what came by OTLP.
// Times are nanoseconds of Unix time.
type Log struct {
	Resource      *Resource
	Scope         string // of instrumentation: its name
	Stream        string // out, err, plat: which output; "" by OTLP
	Time          int64
	Severity      Severity
	Body          string
	TraceID       TraceID
	SpanID        SpanID
	CorrelationID string
	Attributes    []Attribute
}

// Batch is rows that come in together. Whoever gave it away must not change
// it any more.
type Batch struct {
	Spans []Span
	Logs  []Log
}

// Rows is how many rows it has.
func (b Batch) Rows() int { return len(b.Spans) + len(b.Logs) }

// ParseSeverity reads the name of a range in either case, as WARN; 0 for what
// is none.
func ParseSeverity(name string) Severity { return levelSeverity(name) }
