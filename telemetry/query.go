package telemetry

import (
	"context"
	"errors"
	"time"
)

// ErrEnough is what a yield returns that wants no more rows.
var ErrEnough = errors.New("enough")

// Match is a condition on an attribute: one of the row, of its resource, or
// one of the row's own columns by the name that OpenTelemetry gives it
// (service.name, service.instance.id, service.version, plat.correlation_id).
type Match struct {
	Key   string
	Value string // as Attribute.Value has it
	Not   bool   // the row has another value, or none
}

// SpanQuery says which spans are wanted. Zero values do not restrict.
type SpanQuery struct {
	From, To    time.Time // of Span.Start: From is within, To is not; both are needed, bar for a TraceID
	TraceID     TraceID
	Services    []string
	Name        string // exact
	Kinds       []SpanKind
	ErrorsOnly  bool
	MinDuration time.Duration
	MaxDuration time.Duration // 0: any
	Correlation string
	Where       []Match
	Text        string // words, all of which stand in name, status message or an attribute's value, whole and in any case
}

// LogQuery says which log records are wanted. Zero values do not restrict.
type LogQuery struct {
	From, To    time.Time // of Log.Time: From is within, To is not; both are needed, bar for a TraceID
	TraceID     TraceID
	SpanID      SpanID
	Services    []string
	Instance    string
	MinSeverity Severity
	Correlation string
	Where       []Match
	Text        string // words, all of which stand in the body or an attribute's value, whole and in any case; "a phrase" in quotes stands there as it is
}

// Store keeps rows. Its methods are safe for concurrent use. Rows that were
// appended are found within a second. A query ends with ctx's error when ctx
// ends, and with what yield returned when that is not nil (ErrEnough means
// that the asker has enough, and is no error of the query).
//
// What was found to be damaged is left out of answers and told by Stats.
type Store interface {
	// Append takes rows into the log. It fails when the disk has no room
	// (fault.TelemetryDiskFull) or the store is closed; then none is kept.
	Append(ctx context.Context, b Batch) error

	// Spans gives matching spans, the newest first by start (of those that
	// stand in different files only about so). The span given is valid until
	// yield returns: clone it to keep it.
	Spans(ctx context.Context, q SpanQuery, yield func(*Span) error) error

	// Logs gives matching records, the newest first by time. The record
	// given is valid until yield returns: clone it to keep it.
	Logs(ctx context.Context, q LogQuery, yield func(*Log) error) error

	// Stats tells how full it is and what was lost or damaged.
	Stats() StoreStats
}

// StoreStats is the state of a store.
type StoreStats struct {
	Path      string    // of the Parquet files
	Files     int       // sealed
	Bytes     int64     // of sealed files
	LogBytes  int64     // of the write-ahead log
	HeadRows  int       // in memory, not sealed yet
	Spans     int64     // rows that can be asked for
	Logs      int64     // likewise
	Oldest    time.Time // of what is kept
	Dropped   uint64    // rows refused since start: no room
	Expired   uint64    // rows deleted by age or size since start
	Damage    []Damage  // the last ones, at most 100
	DiskFull  bool      // rows are refused now
	Damaged   int       // that stand: of a file that is still kept, or found within DamageTold
	LostUntil time.Time // after a crash: rows that came up to a second before this time may be lost; zero: the last stop was clean
}

// Crashed tells whether rows may have been lost by a crash, less than DamageTold
// before a time. A crash is found when the store is opened.
func (s StoreStats) Crashed(opened, now time.Time) bool {
	return !s.LostUntil.IsZero() && now.Sub(opened) < DamageTold
}

// DamageTold is for how long damage stands of which nothing is kept any more.
const DamageTold = time.Hour

// Damage is a file of which a part or the whole cannot be used.
type Damage struct {
	Time time.Time
	File string // name within Path
	What string
}
