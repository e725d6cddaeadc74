package api

import (
	"time"

	"github.com/plat-dev/plat/fault"
)

// Telemetry is what is kept of spans, log records and metrics, and what was
// lost: GET /v1/telemetry.
type Telemetry struct {
	Path       string         `json:"path" doc:"folder of the Parquet files"`
	OTLP       []Listener     `json:"otlp" doc:"where OTLP is taken"`
	Prometheus string         `json:"prometheus" doc:"address of the Prometheus HTTP API"`
	Jaeger     string         `json:"jaeger" doc:"address of the Jaeger query API"`
	Files      int            `json:"files"`
	Bytes      int64          `json:"bytes" doc:"of files and the write-ahead log"`
	Spans      int64          `json:"spans"`
	Logs       int64          `json:"logs" doc:"log records"`
	Oldest     time.Time      `json:"oldest,omitzero"`
	Series     int64          `json:"series" doc:"of metrics, now"`
	Lost       []Lost         `json:"lost" doc:"what was dropped since plat started"`
	Changed    []Lost         `json:"changed,omitempty" doc:"what was kept otherwise than it came, likewise"`
	DiskFull   bool           `json:"diskFull,omitempty" doc:"nothing is kept now"`
	LostUntil  time.Time      `json:"lostUntil,omitzero" doc:"the last run ended by a crash: rows of up to a second before may be lost"`
	Faults     []*fault.Fault `json:"faults" doc:"damaged files"`
	Forwards   []Forward      `json:"forwards"`
}

// Listener is an address with its protocol.
type Listener struct {
	Protocol string `json:"protocol" enum:"grpc,http"`
	URL      string `json:"url"`
}

// Lost counts what telemetry dropped, or changed, by what and why.
type Lost struct {
	What   string `json:"what" enum:"spans,logs,samples,series,rows"`
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
}

// Forward is a backend to which telemetry is passed on.
type Forward struct {
	URL     string `json:"url"`
	Sent    uint64 `json:"sent" doc:"rows"`
	Dropped uint64 `json:"dropped" doc:"rows"`
	Queued  int    `json:"queued" doc:"rows"`
	Error   string `json:"error,omitempty" doc:"of the last try, while it fails"`
}

// Traces is the answer of GET /v1/traces: the newest first.
type Traces struct {
	Traces []TraceSummary `json:"traces"`
	More   bool           `json:"more,omitempty" doc:"there are more than limit"`
}

// TraceSummary is a trace in a list.
type TraceSummary struct {
	TraceID       string         `json:"traceId"`
	CorrelationID string         `json:"correlationId,omitempty"`
	Root          string         `json:"root" doc:"name of the first span"`
	Service       string         `json:"service" doc:"of the first span"`
	Start         time.Time      `json:"start"`
	Duration      int64          `json:"duration" doc:"nanoseconds, from the first start to the last end"`
	Spans         int            `json:"spans"`
	Errors        int            `json:"errors" doc:"spans with status error"`
	Services      map[string]int `json:"services" doc:"spans by service"`
}

// Trace is one trace with its log records: GET /v1/traces/{id}. The ID is a
// trace's, a correlation ID (then all its traces are joined) or the ID of an
// event.
type Trace struct {
	TraceID       string      `json:"traceId"`
	CorrelationID string      `json:"correlationId,omitempty"`
	Start         time.Time   `json:"start"`
	Duration      int64       `json:"duration" doc:"nanoseconds"`
	Spans         []Span      `json:"spans" doc:"parents before children, siblings by start"`
	Logs          []LogRecord `json:"logs" doc:"by time; at most 10000"`
	Linked        []string    `json:"linked" doc:"traces that it links to, or that share its correlation ID"`
	Warnings      []string    `json:"warnings" doc:"spans that lack, clocks that differ, what was cut"`
}

// Span is one operation of a trace.
type Span struct {
	ID            string            `json:"id"`
	TraceID       string            `json:"traceId"`
	Parent        string            `json:"parent,omitempty"`
	Depth         int               `json:"depth" doc:"0 for a root"`
	Service       string            `json:"service"`
	Instance      string            `json:"instance,omitempty"`
	Version       string            `json:"version,omitempty"`
	CorrelationID string            `json:"correlationId,omitempty"`
	Name          string            `json:"name"`
	Kind          string            `json:"kind,omitempty" enum:"internal,server,client,producer,consumer"`
	Start         time.Time         `json:"start" doc:"put right where clocks differ"`
	Duration      int64             `json:"duration" doc:"nanoseconds"`
	Status        string            `json:"status,omitempty" enum:"ok,error"`
	StatusMessage string            `json:"statusMessage,omitempty"`
	Critical      bool              `json:"critical,omitempty" doc:"on the critical path: the trace is as long as these spans"`
	Skew          int64             `json:"skew,omitempty" doc:"nanoseconds by which its clock was put right"`
	Attributes    map[string]string `json:"attributes,omitempty"`
	Events        []SpanEvent       `json:"events,omitempty"`
	Links         []SpanLink        `json:"links,omitempty"`
}

// SpanEvent is something that happened at a moment of a span.
type SpanEvent struct {
	Time       time.Time         `json:"time"`
	Name       string            `json:"name"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// SpanLink points to another span.
type SpanLink struct {
	TraceID string `json:"traceId"`
	SpanID  string `json:"spanId"`
}

// LogRecord is one record in answers of GET /v1/logs/search.
type LogRecord struct {
	Time          time.Time         `json:"time"`
	Service       string            `json:"service"`
	Instance      string            `json:"instance,omitempty"`
	Version       string            `json:"version,omitempty"`
	Stream        string            `json:"stream,omitempty" enum:"out,err,plat" doc:"none: it came by OTLP"`
	Severity      string            `json:"severity,omitempty" enum:"TRACE,DEBUG,INFO,WARN,ERROR,FATAL"`
	Body          string            `json:"body"`
	TraceID       string            `json:"traceId,omitempty"`
	SpanID        string            `json:"spanId,omitempty"`
	CorrelationID string            `json:"correlationId,omitempty"`
	Attributes    map[string]string `json:"attributes,omitempty"`
	Inferred      bool              `json:"inferred,omitempty" doc:"the record names no trace: its instance answered a request of traceId when it was written; without traceId, of oneOf traces"`
	OneOf         int               `json:"oneOf,omitempty" doc:"with inferred: traces of which requests were under way at the instance at that moment"`
}

// LogSearch is the answer of GET /v1/logs/search: the newest first. The same
// parameters with GET /v1/logs/stream give server-sent events, each a
// LogRecord, as they come.
type LogSearch struct {
	Records []LogRecord `json:"records"`
	More    bool        `json:"more,omitempty" doc:"there are older ones"`
	Before  string      `json:"before,omitempty" doc:"parameter before of the next page"`
}

// LogOverview is GET /v1/logs/overview: how the records of a question spread
// over time and values.
type LogOverview struct {
	From    time.Time   `json:"from"`
	Step    int64       `json:"step" doc:"nanoseconds of a bucket"`
	Buckets []LogBucket `json:"buckets"`
	Facets  []Facet     `json:"facets"`
	Total   int64       `json:"total"`
	Partial bool        `json:"partial,omitempty" doc:"a limit was reached: counts are too low"`
}

// LogBucket counts the records of a span of time.
type LogBucket struct {
	Counts map[string]int64 `json:"counts" doc:"by severity; the key other for records without"`
}

// Facet is an attribute with its most frequent values.
type Facet struct {
	Key    string       `json:"key"`
	Values []FacetValue `json:"values"`
}

// FacetValue is a value and how many records have it.
type FacetValue struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

// Story is everything behind an ID: GET /v1/why/{id}. The ID is a trace's, a
// correlation ID, an event's, a finding's, a refused call's, or the value of
// a declared business key such as an order number.
type Story struct {
	ID       string         `json:"id"`
	Is       string         `json:"is" enum:"trace,correlation,event,finding,call,key"`
	Key      string         `json:"key,omitempty" doc:"the declared business key"`
	Finding  *Finding       `json:"finding,omitempty"`
	Traces   []TraceSummary `json:"traces"`
	Steps    []Step         `json:"steps" doc:"what happened, by time"`
	Culprit  *Span          `json:"culprit,omitempty" doc:"the first cause of the failure, or what took longest"`
	Verdict  string         `json:"verdict,omitempty" doc:"in words: who has not received an event, where it failed, what was waited for, where the time went"`
	Warnings []string       `json:"warnings"`
}

// Step is one thing that happened.
type Step struct {
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind" enum:"request,call,event,handled,mail,log"`
	Service string    `json:"service"`
	Text    string    `json:"text"`
	Failed  bool      `json:"failed,omitempty"`
	TraceID string    `json:"traceId,omitempty"`
	SpanID  string    `json:"spanId,omitempty"`
}

// TraceQuery says which traces are wanted. The zero value is the newest ones.
type TraceQuery struct {
	From, To    time.Time // zero: all that is kept
	Service     string
	Name        string // of a span
	Errors      bool   // with a span that failed
	Min, Max    time.Duration
	Correlation string
	Where       []string // attribute=value, or attribute!=value
	Text        string   // words in a span's name, status or attributes
	Limit       int      // 20 where it is 0
}

// LogSearchQuery says which records are wanted. The zero value is the newest
// ones.
type LogSearchQuery struct {
	From, To    time.Time // zero: all that is kept
	Services    []string
	Severity    string // at least: TRACE, DEBUG, INFO, WARN, ERROR, FATAL
	Trace       string // ID
	Span        string // ID
	Correlation string
	Where       []string // attribute=value, or attribute!=value
	Text        string   // words, "phrases in quotes"
	Limit       int      // 100 where it is 0
	Before      string   // LogSearch.Before of the page before
}
