package message

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// TestContinuation: what follows within a minute is of the event's trace, what
// follows later is one of its own that links to it.
func TestContinuation(t *testing.T) {
	t.Parallel()
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	ctx := trace.ContextWithSpanContext(t.Context(), parent)
	for name, c := range map[string]struct {
		ctx   context.Context
		at    time.Time
		later bool
	}{
		"at once":               {ctx, time.Now(), false},
		"later":                 {ctx, time.Now().Add(-2 * sameTrace), true},
		"without a time":        {ctx, time.Time{}, false},
		"later without a trace": {t.Context(), time.Now().Add(-2 * sameTrace), false},
	} {
		config := trace.NewSpanStartConfig(continuation(c.ctx, Event{Time: c.at})...)
		if linked := len(config.Links()) == 1 && config.Links()[0].SpanContext.Equal(parent); config.NewRoot() != c.later || linked != c.later {
			t.Errorf("%s: new trace %v, linked %v", name, config.NewRoot(), linked)
		}
	}
}
