package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

// Tracer finds what is kept of what happened.
type Tracer interface {
	Telemetry(ctx context.Context) (api.Telemetry, error)
	Traces(ctx context.Context, q api.TraceQuery) (api.Traces, error)
	Trace(ctx context.Context, id string) (api.Trace, error)
	Story(ctx context.Context, id string) (api.Story, error)
	Traffic(ctx context.Context, window time.Duration) (api.Traffic, error)
}

// Logbook finds log records.
type Logbook interface {
	SearchLogs(ctx context.Context, q api.LogSearchQuery) (api.LogSearch, error)
	LogOverview(ctx context.Context, q api.LogSearchQuery) (api.LogOverview, error)
	FollowLogs(ctx context.Context, q api.LogSearchQuery) (<-chan api.LogRecord, error) // closed when ctx ends
}

type tracesInput struct {
	From        time.Time `query:"from" doc:"not before; absent: all that is kept"` // no embedded struct: huma passes over unexported fields
	To          time.Time `query:"to" doc:"before; absent: now"`
	Service     string    `query:"service" maxLength:"255" doc:"with a span of this service"`
	Name        string    `query:"name" maxLength:"1024" doc:"with a span of this name"`
	Error       bool      `query:"error" doc:"with a span that failed"`
	Min         string    `query:"min" maxLength:"32" doc:"with a span that took at least so long, as 100ms"`
	Max         string    `query:"max" maxLength:"32" doc:"with a span that took at most so long"`
	Correlation string    `query:"correlation" maxLength:"128"`
	Where       []string  `query:"where,explode" maxItems:"20" doc:"attribute=value of a span, or attribute!=value"`
	Text        string    `query:"text" maxLength:"1024" doc:"words in a span's name, status or attributes"`
	Limit       int       `query:"limit" minimum:"0" maximum:"1500" doc:"20 where it is absent"`
}

func (in *tracesInput) query() (q api.TraceQuery, err error) {
	q = api.TraceQuery{
		From: in.From, To: in.To, Service: in.Service, Name: in.Name, Errors: in.Error, Correlation: in.Correlation, Where: in.Where, Text: in.Text, Limit: in.Limit,
	}
	for _, d := range []struct {
		name, text string
		to         *time.Duration
	}{{"min", in.Min, &q.Min}, {"max", in.Max, &q.Max}} {
		if d.text == "" {
			continue
		}
		if *d.to, err = time.ParseDuration(d.text); err != nil || *d.to < 0 {
			return q, fault.Newf(fault.TelemetryBadQuery, "%s is %q", d.name, d.text).Why("expected a duration").Fix("write one such as 250ms or 2s")
		}
	}
	return q, nil
}

type logSearchInput struct {
	From        time.Time `query:"from" doc:"not before; absent: all that is kept"`
	To          time.Time `query:"to" doc:"before; absent: now"`
	Service     []string  `query:"service,explode" maxItems:"100"`
	Severity    string    `query:"severity" maxLength:"16" doc:"at least: TRACE, DEBUG, INFO, WARN, ERROR, FATAL"`
	Trace       string    `query:"trace" maxLength:"32"`
	Span        string    `query:"span" maxLength:"16"`
	Correlation string    `query:"correlation" maxLength:"128"`
	Where       []string  `query:"where,explode" maxItems:"20" doc:"attribute=value, or attribute!=value"`
	Text        string    `query:"text" maxLength:"1024" doc:"words, \"phrases in quotes\""`
	Limit       int       `query:"limit" minimum:"0" maximum:"10000" doc:"100 where it is absent"`
	Before      string    `query:"before" maxLength:"64" doc:"what the page before says"`
}

func (in *logSearchInput) query() api.LogSearchQuery {
	return api.LogSearchQuery{
		From: in.From, To: in.To, Services: in.Service, Severity: in.Severity, Trace: in.Trace, Span: in.Span,
		Correlation: in.Correlation, Where: in.Where, Text: in.Text, Limit: in.Limit, Before: in.Before,
	}
}

func registerTelemetry(a huma.API, t Tracer, l Logbook) {
	huma.Get(a, "/v1/telemetry", func(ctx context.Context, _ *struct{}) (*body[api.Telemetry], error) {
		out, err := t.Telemetry(ctx)
		return &body[api.Telemetry]{out}, problem(err)
	})
	huma.Get(a, "/v1/traffic", func(ctx context.Context, in *struct {
		Window string `query:"window" maxLength:"16" doc:"time that rates are over, as 5m; 1m where it is absent"`
	}) (*body[api.Traffic], error) {
		window := time.Minute
		if in.Window != "" {
			var err error
			if window, err = time.ParseDuration(in.Window); err != nil {
				return nil, problem(fault.Newf(fault.TelemetryBadQuery, "window is %q", in.Window).Why("expected a duration").Fix("write one such as 1m"))
			}
		}
		out, err := t.Traffic(ctx, window)
		return &body[api.Traffic]{out}, problem(err)
	})
	huma.Get(a, "/v1/traces", func(ctx context.Context, in *tracesInput) (*body[api.Traces], error) {
		q, err := in.query()
		if err != nil {
			return nil, problem(err)
		}
		out, err := t.Traces(ctx, q)
		return &body[api.Traces]{out}, problem(err)
	})
	huma.Get(a, "/v1/traces/{id}", func(ctx context.Context, in *identified) (*body[api.Trace], error) {
		out, err := t.Trace(ctx, in.ID)
		return &body[api.Trace]{out}, problem(err)
	})
	huma.Get(a, "/v1/why/{id}", func(ctx context.Context, in *identified) (*body[api.Story], error) {
		out, err := t.Story(ctx, in.ID)
		return &body[api.Story]{out}, problem(err)
	})
	huma.Get(a, "/v1/logs/search", func(ctx context.Context, in *logSearchInput) (*body[api.LogSearch], error) {
		out, err := l.SearchLogs(ctx, in.query())
		return &body[api.LogSearch]{out}, problem(err)
	})
	huma.Get(a, "/v1/logs/overview", func(ctx context.Context, in *logSearchInput) (*body[api.LogOverview], error) {
		out, err := l.LogOverview(ctx, in.query())
		return &body[api.LogOverview]{out}, problem(err)
	})
	huma.Get(a, "/v1/logs/stream", func(ctx context.Context, in *logSearchInput) (*huma.StreamResponse, error) {
		records, err := l.FollowLogs(ctx, in.query())
		if err != nil {
			return nil, problem(err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) { streamLogs(hc, records) }}, nil
	})
}

// streamLogs writes server-sent events, each an api.LogRecord, until the reader
// goes away or plat ends.
func streamLogs(hc huma.Context, records <-chan api.LogRecord) {
	hc.SetHeader("Content-Type", "text/event-stream")
	w := hc.BodyWriter()
	flusher, _ := w.(http.Flusher)
	flush := func() {
		if flusher != nil {
			flusher.Flush()
		}
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	_, err := fmt.Fprint(w, "retry: 1000\n\n")
	for err == nil {
		if len(records) == 0 {
			flush()
		}
		select {
		case <-beat.C:
			_, err = fmt.Fprint(w, ": still here\n\n")
		case l, ok := <-records:
			if !ok {
				return
			}
			var text []byte
			if text, err = json.Marshal(l); err == nil {
				_, err = fmt.Fprintf(w, "data: %s\n\n", text)
			}
		}
	}
}
