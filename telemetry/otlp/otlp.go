// Package otlp is the door of OTLP: traces, log records and metrics come in by
// gRPC and HTTP from any SDK of OpenTelemetry, and go on to any other backend.
// See docs/wire/otlp.md.
//
// It maps between OTLP's messages and the rows of telemetry, bounds them, and
// keeps nothing. Metrics pass as they came. It must never import a store, or
// another room.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/telemetry"
)

// Rows takes spans and log records. Its error wraps telemetry.ErrBusy, or is
// a fault.TelemetryDiskFull, when the sender shall try again; any other is a
// failure of plat's.
type Rows interface {
	Take(ctx context.Context, b telemetry.Batch) error
}

// Metrics takes metrics: an ExportMetricsServiceRequest in protobuf, of which
// it tells how many points it rejected, and why. It must not keep the request.
// Its errors are those of Rows, or telemetry.ErrMalformed.
type Metrics interface {
	TakeOTLP(ctx context.Context, request []byte) (rejected int64, message string, err error)
}

// Limits of a Receiver; zero values stand for the defaults.
type Limits struct {
	Body     int           // of a request, in bytes when decompressed; 20 MiB
	Requests int           // under way at once; 32
	Bytes    int           // of all requests under way, by HTTP; 64 MiB
	Read     time.Duration // for the body of a request; 10 s
	Wait     time.Duration // for a place among the Requests; 1 s
}

// Options of a Receiver.
type Options struct {
	Rows    Rows         // required
	Metrics Metrics      // nil: metrics are taken and rejected as a partial success
	Log     *slog.Logger // nil: discard
	Limits  Limits
}

// Receiver answers OTLP. Its methods are safe for concurrent use.
type Receiver struct {
	rows    Rows
	metrics Metrics
	log     *slog.Logger
	limits  Limits
	places  chan struct{}
	bytes   atomic.Int64 // of the bodies under way
	reading sync.WaitGroup
	large   sync.Mutex // held while a large body of JSON is converted

	mu    sync.Mutex
	stats Stats
}

// Stats counts what came since the start.
type Stats struct {
	Requests  uint64 // of all signals, answered or refused
	Spans     uint64 // taken
	Logs      uint64 // taken
	Metrics   uint64 // requests taken
	Rejected  uint64 // spans, records and points within requests that were taken
	Malformed uint64 // requests that cannot be understood, or are too large
	Refused   uint64 // requests to be sent again later: too many at once, busy, disk full
	Failed    uint64 // requests that plat failed to keep
	Cut       Cut
}

// New makes a Receiver.
func New(o Options) *Receiver {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &o.Limits
	l.Body, l.Requests, l.Bytes = or(l.Body, 20<<20), or(l.Requests, 32), or(l.Bytes, 64<<20)
	l.Read, l.Wait = or(l.Read, 10*time.Second), or(l.Wait, time.Second)
	return &Receiver{rows: o.Rows, metrics: o.Metrics, log: o.Log, limits: o.Limits, places: make(chan struct{}, l.Requests)}
}

func or[T comparable](value, otherwise T) T {
	if value == *new(T) {
		return otherwise
	}
	return value
}

// Stats tells what came.
func (r *Receiver) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// signal is what a request is about.
type signal int

const (
	traces signal = iota
	metrics
	logs
)

func (s signal) String() string { return [...]string{"traces", "metrics", "logs"}[s] }

// outcome is how a request ended, before it is put into a wire's words.
type outcome struct {
	kind     kind
	rejected int64  // of kind taken
	message  string // for the sender
	later    time.Duration
}

type kind int

const (
	taken kind = iota
	malformed
	tooLarge
	tooSlow
	crowded // too many requests at once
	refused // the store is busy or full
	failed
)

const (
	laterCrowded = time.Second
	laterBusy    = 2 * time.Second
	laterFull    = 30 * time.Second // somebody has to make room
)

// enter waits for a place among the requests; leave must be called when it
// gives true.
func (r *Receiver) enter(ctx context.Context) bool {
	select {
	case r.places <- struct{}{}:
		return true
	default:
	}
	wait := time.NewTimer(r.limits.Wait)
	defer wait.Stop()
	select {
	case r.places <- struct{}{}:
		return true
	case <-wait.C:
	case <-ctx.Done():
	}
	return false
}

func (r *Receiver) leave() { <-r.places }

// take takes a request in protobuf.
func (r *Receiver) take(ctx context.Context, s signal, raw []byte) outcome {
	if s == metrics {
		return r.takeMetrics(ctx, raw)
	}
	d, err := decode(raw, s == logs, time.Now().UnixNano())
	if err != nil {
		return outcome{kind: malformed, message: err.Error()}
	}
	if d.batch.Rows() > 0 {
		if err := r.rows.Take(ctx, d.batch); err != nil {
			return r.failure(ctx, s, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Spans += uint64(len(d.batch.Spans))
	r.stats.Logs += uint64(len(d.batch.Logs))
	r.stats.Rejected += uint64(d.rejected) // #nosec G115 -- a count
	c := &r.stats.Cut
	c.Strings += d.cut.Strings
	c.Attributes += d.cut.Attributes
	c.Events += d.cut.Events
	c.Links += d.cut.Links
	c.Nested += d.cut.Nested
	return outcome{rejected: d.rejected, message: d.why}
}

func (r *Receiver) takeMetrics(ctx context.Context, raw []byte) outcome {
	points, err := countPoints(raw)
	if err != nil {
		return outcome{kind: malformed, message: err.Error()}
	}
	rejected, message := points, "plat keeps no metrics here"
	if r.metrics != nil {
		if rejected, message, err = r.metrics.TakeOTLP(ctx, raw); err != nil {
			return r.failure(ctx, metrics, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Metrics++
	r.stats.Rejected += uint64(max(rejected, 0)) // #nosec G115 -- just compared
	return outcome{rejected: rejected, message: message}
}

// failure is the outcome of an error of Rows or Metrics.
func (r *Receiver) failure(ctx context.Context, s signal, err error) outcome {
	switch {
	case errors.Is(err, telemetry.ErrMalformed):
		return outcome{kind: malformed, message: "the request cannot be understood"}
	case fault.Is(err, fault.TelemetryDiskFull):
		return outcome{kind: refused, message: "plat has no room on its disk for telemetry", later: laterFull}
	case errors.Is(err, telemetry.ErrBusy):
		return outcome{kind: refused, message: "plat is busy", later: laterBusy}
	case ctx.Err() != nil:
		return outcome{kind: refused, message: "the request was given up", later: laterBusy}
	}
	r.log.ErrorContext(ctx, "telemetry was not kept", "signal", s.String(), "error", err)
	return outcome{kind: failed, message: "plat could not keep it; its log has the cause"}
}

// count counts how a request ended.
func (r *Receiver) count(k kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Requests++
	switch k {
	case taken:
	case malformed, tooLarge, tooSlow:
		r.stats.Malformed++
	case crowded, refused:
		r.stats.Refused++
	case failed:
		r.stats.Failed++
	}
}

func (r *Receiver) tooLarge() outcome {
	return outcome{kind: tooLarge, message: fmt.Sprintf("the request is larger than %d bytes when it is decompressed", r.limits.Body)}
}

const (
	metricsScopes  = 2<<3 | asBytes
	scopeMetrics   = 2<<3 | asBytes
	metricGauge    = 5<<3 | asBytes
	metricSummary  = 11<<3 | asBytes
	metricPoints   = 1<<3 | asBytes // of every kind of metric
	metricsRequest = requestResources | asBytes
)

// countPoints counts the data points of a request of metrics, and finds out
// whether it is well-formed so far.
func countPoints(raw []byte) (int64, error) {
	b := &body{raw: raw}
	var points int64
	var walk func(p part, depth int) error
	walk = func(p part, depth int) error {
		c := b.fields(p)
		for c.next() {
			var err error
			switch {
			case depth == 0 && c.tag == metricsRequest, depth == 1 && c.tag == metricsScopes, depth == 2 && c.tag == scopeMetrics,
				depth == 3 && c.tag >= metricGauge && c.tag <= metricSummary && c.tag&7 == asBytes:
				err = walk(c.bytes, depth+1)
			case depth == 4 && c.tag == metricPoints:
				points++
			}
			if err != nil {
				return err
			}
		}
		return c.err
	}
	err := walk(b.whole(), 0)
	return points, err
}
