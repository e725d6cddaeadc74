package kit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/plat-dev/plat/kit/admit"
	"github.com/plat-dev/plat/kit/policy"
)

const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute // longer than clients keep theirs
	maxHeaderBytes    = 64 << 10
	maxTimeout        = 24 * time.Hour         // a longer Plat-Timeout is none
	quietTime         = 100 * time.Millisecond // without a request before a drain is over
)

// newServer serves HTTP/1.1 and HTTP/2 without TLS.
func (s *Service) newServer(base context.Context) *http.Server {
	s.mux.HandleFunc("GET /health/live", s.live)
	s.mux.HandleFunc("GET /health/ready", s.ready)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		Protocols:         &protocols,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnState:         s.traffic.unused.note,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// serve is the middleware around everything served.
func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/health/live" || r.URL.Path == "/health/ready" {
		s.mux.ServeHTTP(w, r) // neither traced nor logged, and answered in every phase
		return
	}
	s.traffic.begin()
	defer s.traffic.end()
	begun := time.Now()
	ctx := WithCorrelationID(r.Context(), r.Header.Get(headerCorrelation))
	ctx = context.WithValue(ctx, callerKey, r.Header.Get(headerCaller))
	ctx = WithTestMark(ctx, r.Header.Get(headerTest))
	ctx = s.propagate.Extract(ctx, propagation.HeaderCarrier(r.Header))
	ctx, span := s.traces.tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", r.Method),
		attribute.String("url.path", r.URL.Path),
	))
	defer span.End()
	w.Header().Set(headerCorrelation, CorrelationID(ctx))
	if s.phase.Load() == phaseDraining && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	ctx, cancel := withTimeout(ctx, r.Header.Get(headerTimeout))
	defer cancel()
	brought := &marks{above: policy.Retried(r.Header), priority: admit.ParsePriority(r.Header.Get(admit.PriorityHeader))}
	rec := &recorder{ResponseWriter: w, marks: brought}
	r = r.WithContext(context.WithValue(ctx, marksKey, brought))
	aborted := s.dispatch(rec, r)
	s.finish(span, rec, r, time.Since(begun))
	if aborted {
		panic(http.ErrAbortHandler) // the connection cannot be used any more
	}
}

// withTimeout ends ctx when the time is over that the caller gives; a header
// that makes no sense is no limit.
func withTimeout(ctx context.Context, header string) (context.Context, context.CancelFunc) {
	ms, err := strconv.ParseInt(header, 10, 64)
	if err != nil || ms > maxTimeout.Milliseconds() {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Duration(max(ms, 0))*time.Millisecond)
}

// dispatch runs the handler, unless there is a reason not to. It reports
// whether the answer broke off in the middle.
func (s *Service) dispatch(w *recorder, r *http.Request) (aborted bool) {
	limit := s.limits.Load().Body
	switch {
	case s.phase.Load() == phaseStarting:
		w.Header().Set("Retry-After", "1")
		WriteProblem(w, r, NewProblem(http.StatusServiceUnavailable, CodeUnavailable, s.name+" is starting"))
		return false
	case r.Context().Err() != nil:
		WriteProblem(w, r, ProblemFrom(r.Context().Err()))
		return false
	case limit > 0 && r.ContentLength > limit:
		WriteProblem(w, r, tooLarge())
		return false
	case limit > 0 && r.Body != nil && r.Body != http.NoBody:
		r.Body = http.MaxBytesReader(w.ResponseWriter, r.Body, limit)
	}
	pass, ok := s.enter(w, r)
	if !ok {
		return false
	}
	w.pass = pass
	defer func() { pass.Release(late(r.Context())) }()
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			aborted = true
			return
		}
		s.log.ErrorContext(r.Context(), "panic in a handler", "method", r.Method, "path", r.URL.Path,
			"error", fmt.Sprint(p), "stack", string(debug.Stack()))
		if aborted = w.status != 0; !aborted {
			WriteProblem(w, r, internalProblem())
		}
	}()
	s.mux.ServeHTTP(w, r)
	return false
}

// finish ends the span's data and writes the access log.
func (s *Service) finish(span trace.Span, w *recorder, r *http.Request, took time.Duration) {
	status := w.status
	if status == 0 {
		status = http.StatusOK // net/http's answer to a handler that writes nothing
		w.begin(status)
	}
	if r.Pattern != "" {
		span.SetName(r.Pattern)
		span.SetAttributes(attribute.String("http.route", r.Pattern[strings.IndexByte(r.Pattern, '/'):]))
	}
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(status))
	}
	if s.log.Enabled(r.Context(), slog.LevelDebug) {
		s.log.DebugContext(r.Context(), "request", "method", r.Method, "path", r.URL.Path, "status", status,
			"bytes", w.bytes, "ms", float64(took.Microseconds())/1000, "caller", Caller(r.Context()))
	}
}

// recorder notes status and size. Unwrap keeps what the connection can do
// (flush, hijack, deadlines) for http.ResponseController.
type recorder struct {
	http.ResponseWriter
	marks  *marks
	pass   *admit.Pass // nil: not let in
	status int
	bytes  int64
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader notes the final status; 1xx are not final, except 101.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.begin(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// begin is called before the final status is written.
func (w *recorder) begin(status int) {
	w.status = status
	w.marks.tell(w.Header(), status)
	if status == http.StatusSwitchingProtocols || policy.Lasting(w.Header().Get("Content-Type")) {
		w.pass.Leave()
	}
}

// Write counts the bytes.
func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.begin(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Flush is for those who ask for an http.Flusher.
func (w *recorder) Flush() {
	if w.status == 0 {
		w.begin(http.StatusOK)
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush() // http.Flusher has no error
}

// Hijack is for those who ask for an http.Hijacker.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.status == 0 {
		w.status = http.StatusSwitchingProtocols
		w.pass.Leave()
	}
	return conn, rw, err
}

// unused are the connections that have not sent a byte yet.
type unused struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (u *unused) note(c net.Conn, state http.ConnState) {
	if state == http.StateIdle {
		return // it is known to be used; most states are this one or the next
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if state != http.StateNew {
		delete(u.conns, c)
		return
	}
	if u.conns == nil {
		u.conns = map[net.Conn]bool{}
	}
	u.conns[c] = true
}

func (u *unused) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.conns {
		_ = c.Close() // nothing was asked on it
	}
}

// traffic counts the requests in flight.
type traffic struct {
	unused unused
	mu     sync.Mutex
	count  int
	last   time.Time // when the last one ended or began
}

func (t *traffic) begin() { t.add(1) }
func (t *traffic) end()   { t.add(-1) }

func (t *traffic) add(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count += n
	t.last = time.Now()
}

func (t *traffic) inFlight() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}

// quiet says how much longer no request must come for all to be over, and
// never less than a moment while one is in flight.
func (t *traffic) quiet(since time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last.After(since) {
		since = t.last
	}
	if t.count > 0 {
		return quietTime / 10
	}
	return time.Until(since.Add(quietTime))
}

// wait returns when nothing has been in flight for a short time (requests
// that were on their way when the end began are still answered), or when
// patience is over.
func (t *traffic) wait(patience time.Duration) {
	begun := time.Now()
	for time.Since(begun) < patience {
		left := t.quiet(begun)
		if left <= 0 {
			return
		}
		time.Sleep(left)
	}
}
