// Package jaeger is the door by which clients of Jaeger ask for traces: its
// user interface, Grafana's data source, and programs, by the JSON API that
// they call and by version 3 of the HTTP API. See docs/traces.md.
//
// It only reads. It must never import a store, or another room.
package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/telemetry"
)

// Source is what is asked for spans; a telemetry.Store is one.
type Source interface {
	// Spans gives matching spans, the newest first, as telemetry.Store does.
	Spans(ctx context.Context, q telemetry.SpanQuery, yield func(*telemetry.Span) error) error
}

// Options of a Handler; zero values stand for the defaults.
type Options struct {
	Log   *slog.Logger     // nil: discard
	Now   func() time.Time // nil: time.Now
	Spans int              // of a trace, and of all traces of an answer, at most; 0: 100,000
}

// Bounds of an answer.
const (
	defaultTraces = 20
	maxTraces     = 1500
	defaultSpans  = 100_000
	maxScanned    = 500_000   // spans that are looked at for one answer
	around        = time.Hour // a found trace is read so far around the span that was found
	atOnce        = 4         // questions under way
	queryTime     = 30 * time.Second
	turnTime      = 5 * time.Second // for a turn among them
)

// Handler answers the API of Jaeger's query service: /api/services,
// /api/services/{service}/operations, /api/operations, /api/traces,
// /api/traces/{id}, /api/dependencies, and the same under /api/v3. It asks the
// source no more than four questions at once.
func Handler(q Source, o Options) http.Handler {
	h := &handler{source: q, log: o.Log, now: o.Now, spans: o.Spans, turns: make(chan struct{}, atOnce)}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.now == nil {
		h.now = time.Now
	}
	if h.spans <= 0 {
		h.spans = defaultSpans
	}
	mux := http.NewServeMux()
	for pattern, answer := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /api/services":                      h.services,
		"GET /api/services/{service}/operations": h.operationNames,
		"GET /api/operations":                    h.operations,
		"GET /api/traces":                        h.search,
		"GET /api/traces/{id}":                   h.trace,
		"GET /api/dependencies":                  h.dependencies,
		"GET /api/metrics/{what}":                noMetrics,
		"GET /api/v3/services":                   h.servicesV3,
		"GET /api/v3/operations":                 h.operationsV3,
		"GET /api/v3/traces":                     h.searchV3,
		"GET /api/v3/traces/{id}":                h.traceV3,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { h.answer(w, r, answer) })
	}
	return mux
}

type handler struct {
	source Source
	log    *slog.Logger
	now    func() time.Time
	spans  int // at most
	turns  chan struct{}

	mu    sync.Mutex // guards known
	known names
}

// asked is an error of the question, with its status.
type asked struct {
	status int
	text   string
}

func (a *asked) Error() string { return a.text }

func wrong(text string) error { return &asked{http.StatusBadRequest, text} }

// noMetrics is what Jaeger's own service answers that has no store of metrics
// made of spans: its UI then says so.
func noMetrics(http.ResponseWriter, *http.Request) error {
	return &asked{http.StatusNotImplemented, "metrics querying is currently disabled"}
}

// answer runs a question in its turn and within its time. The question has
// written nothing when it gives an error.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, question func(http.ResponseWriter, *http.Request) error) {
	ctx, cancel := context.WithTimeout(r.Context(), queryTime)
	defer cancel()
	turn := time.NewTimer(turnTime)
	defer turn.Stop()
	var err error
	select {
	case h.turns <- struct{}{}:
		err = question(w, r.WithContext(ctx))
		<-h.turns
	case <-turn.C:
		err = &asked{http.StatusServiceUnavailable, "too many questions at once"}
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		return
	}
	var a *asked
	switch {
	case errors.As(err, &a):
	case fault.Is(err, fault.TelemetryBadQuery):
		a = &asked{http.StatusBadRequest, err.Error()}
	case errors.Is(err, context.DeadlineExceeded):
		a = &asked{http.StatusGatewayTimeout, "it took longer than " + queryTime.String() + ": ask for less time, or for a service"}
	case r.Context().Err() != nil:
		return // nobody waits any more
	default:
		h.log.ErrorContext(ctx, "traces cannot be read", "path", r.URL.Path, "error", err)
		a = &asked{http.StatusInternalServerError, "internal: the log of plat has the cause"}
	}
	if a.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	write(w, a.status, structured{Errors: []mistake{{a.status, a.text, r.PathValue("id")}}})
}

// structured is the envelope of every answer but those of version 3.
type structured struct {
	Data   any       `json:"data"`
	Total  int       `json:"total"`
	Limit  int       `json:"limit"`
	Offset int       `json:"offset"`
	Errors []mistake `json:"errors"`
}

type mistake struct {
	Code    int    `json:"code,omitempty"`
	Msg     string `json:"msg"`
	TraceID string `json:"traceID,omitempty"`
}

func write(w http.ResponseWriter, status int, v any) {
	head(w, status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // the asker has gone: nobody to tell
}

func head(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
}
