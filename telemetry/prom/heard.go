package prom

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxHeard is how many warnings are remembered.
const maxHeard = 20

// Warning is what Prometheus's libraries warned of.
type Warning struct {
	Time time.Time
	What string
}

// heard passes on what is worth an operator's time (what the libraries warn
// of, not what they do), and remembers the last of it.
type heard struct {
	to      slog.Handler
	broken  func() // called when a compaction failed
	mu      *sync.Mutex
	last    *[]Warning
	written []slog.Attr
}

func newHeard(log *slog.Logger, broken func()) *heard {
	return &heard{to: log.Handler(), broken: broken, mu: new(sync.Mutex), last: new([]Warning)}
}

func (h *heard) all() []Warning {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(*h.last)
}

// Enabled holds for warnings and errors.
func (h *heard) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle remembers a warning and passes it on.
func (h *heard) Handle(ctx context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		b.WriteString(" " + a.String())
		return true
	}
	for _, a := range h.written {
		add(a)
	}
	r.Attrs(add)
	h.mu.Lock()
	*h.last = append(*h.last, Warning{r.Time, b.String()})
	*h.last = slices.Delete(*h.last, 0, max(0, len(*h.last)-maxHeard))
	h.mu.Unlock()
	if strings.HasPrefix(r.Message, "compaction failed") {
		h.broken()
	}
	if !h.to.Enabled(ctx, r.Level) {
		return nil
	}
	return h.to.Handle(ctx, r)
}

// WithAttrs keeps what it remembers.
func (h *heard) WithAttrs(a []slog.Attr) slog.Handler {
	with := *h
	with.to, with.written = h.to.WithAttrs(a), append(slices.Clone(h.written), a...)
	return &with
}

// WithGroup keeps what it remembers.
func (h *heard) WithGroup(name string) slog.Handler {
	with := *h
	with.to = h.to.WithGroup(name)
	return &with
}
