package kit

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// newLog makes the service's logger: one JSON object a line. An unknown
// LOG_LEVEL is said once and means info.
func newLog(w io.Writer, level, service, instance string) *slog.Logger {
	var lv slog.Level
	err := lv.UnmarshalText([]byte(strings.TrimSpace(level)))
	if level != "" && err != nil {
		lv = slog.LevelInfo
	}
	h := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: lv})
	log := slog.New(contextHandler{h}).With("service", service, "instance", instance)
	if level != "" && err != nil {
		log.Warn("LOG_LEVEL is unknown: info is used", "value", level, "expected", "debug, info, warn or error")
	}
	return log
}

// contextHandler adds what the context knows to each line.
type contextHandler struct{ slog.Handler }

func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	if id := CorrelationID(ctx); id != "" {
		r.AddAttrs(slog.String("correlation_id", id))
	}
	if journey, ok := Synthetic(ctx); ok {
		r.AddAttrs(slog.String("test", journey))
	}
	return h.Handler.Handle(ctx, r)
}

func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs)}
}

func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}
