package kit

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plat-dev/plat/kit/admit"
	"github.com/plat-dev/plat/kit/policy"
)

// Marks of plat's listeners on answers.
const (
	headerDegraded = "Plat-Degraded" // neighbours that failed, on a failure or on what was made without them
	headerFallback = "Plat-Fallback" // what stands in for an answer: default, last-good, queue
)

// maxDegraded bounds the neighbours that an answer names.
const maxDegraded = 32

// marks are what the calls of one request brought back, to be told on.
type marks struct {
	above    int            // how often the request was retried by who called
	priority admit.Priority // how much the request matters, as plat's route says

	mu       sync.Mutex // guards what follows
	below    int        // retries that did not help
	degraded []string
}

func marksOf(ctx context.Context) *marks {
	m, _ := ctx.Value(marksKey).(*marks)
	return m
}

// note remembers what an answer tells of the neighbour and those behind it.
func (m *marks) note(callee string, resp *http.Response) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.below = max(m.below, policy.Retried(resp.Header))
	if resp.Header.Get(headerFallback) != "" {
		m.add(callee)
	}
	for _, line := range resp.Header.Values(headerDegraded) {
		for name := range strings.SplitSeq(line, ",") {
			m.add(strings.TrimSpace(name))
		}
	}
}

// add names a neighbour once; m.mu is held.
func (m *marks) add(name string) {
	if name != "" && len(name) <= 63 && printable(name) && len(m.degraded) < maxDegraded && !slices.Contains(m.degraded, name) {
		m.degraded = append(m.degraded, name)
	}
}

// tell marks the answer that is about to be written.
func (m *marks) tell(h http.Header, status int) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.degraded) > 0 && h.Get(headerDegraded) == "" {
		h.Set(headerDegraded, strings.Join(m.degraded, ", "))
	}
	if m.below > 0 && status >= http.StatusInternalServerError {
		h.Set(policy.MarkHeader, strconv.Itoa(m.below))
	}
}

// Degraded names the neighbours that ctx's request had to do without so far:
// those whose calls failed where the plan says on-failure: degrade, for whose
// answers a default or the last good one stands in, and those of neighbours'
// neighbours. The answer to the request names them too, in Plat-Degraded, so
// that a page or a gateway can tell the customer.
func Degraded(ctx context.Context) []string {
	m := marksOf(ctx)
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.degraded)
}

// IsDegraded tells whether err is a call's that failed where the plan says
// on-failure: degrade: the service goes on without its answer.
func IsDegraded(err error) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && p.degraded
}

// fallbackQueue stands in for the answer to a call that is done later.
const fallbackQueue = "queue"

// QueuedID is the ID of the call that err is of, when the plan says on-failure:
// queue and plat does it later: whoever wanted its answer has none. A call
// whose answer nobody reads has no error then, and ctx's [Degraded] names the
// neighbour.
func QueuedID(err error) (id string, ok bool) {
	p, is := errors.AsType[*Problem](err)
	if !is || p.queued == "" {
		return "", false
	}
	return p.queued, true
}

// queuedProblem tells whoever wants an answer that there is none yet.
func queuedProblem(service string, resp *http.Response) *Problem {
	return &Problem{
		Status: http.StatusServiceUnavailable, Title: "Done later", Code: CodeUnavailable, Detail: "the call is kept and will be done later, so it has no answer now",
		CorrelationID: resp.Header.Get(headerCorrelation), service: service, degraded: true, queued: path.Base(resp.Header.Get("Location")),
	}
}

// RetryAfter is how long to wait before the call that err is of is made again,
// if the answer said so.
func RetryAfter(err error) (time.Duration, bool) {
	p, ok := errors.AsType[*Problem](err)
	if !ok || p.retryAfter <= 0 {
		return 0, false
	}
	return p.retryAfter, true
}

// Bounds of what a client remembers not to ask.
const (
	maxHeld     = 256
	longestHold = 30 * time.Second
)

// holds are the questions that plat's listener did not pass on, and until when
// it will not: asked again before, they are answered here.
type holds struct {
	mu  sync.Mutex // guards what follows
	all map[string]hold
}

type hold struct {
	until    time.Time
	status   int
	rejected string
	degraded string
}

// note remembers a question that was refused for a time.
func (h *holds) note(r *http.Request, resp *http.Response) {
	why := resp.Header.Get(admit.RejectedHeader)
	if why != string(policy.BreakerOpen) && why != "rate-limited" {
		return
	}
	now := time.Now()
	after, ok := policy.RetryAfter(resp.Header, now)
	if !ok || after <= 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil || len(h.all) >= maxHeld {
		h.all = map[string]hold{} // those that are still refused come back by themselves
	}
	h.all[question(r)] = hold{now.Add(min(after, longestHold)), resp.StatusCode, why, resp.Header.Get(headerDegraded)}
}

// answer is the one to a question that is not to be asked yet; nil for others.
func (h *holds) answer(r *http.Request) *http.Response {
	h.mu.Lock()
	held, ok := h.all[question(r)]
	left := time.Until(held.until)
	if ok && left <= 0 {
		delete(h.all, question(r))
	}
	h.mu.Unlock()
	if !ok || left <= 0 {
		return nil
	}
	if r.Body != nil {
		_ = r.Body.Close() // a RoundTripper always closes it
	}
	header := http.Header{
		"Content-Type": {"application/problem+json"}, admit.RejectedHeader: {held.rejected},
		"Retry-After": {strconv.Itoa(int((left + time.Second - 1) / time.Second))},
	}
	if held.degraded != "" {
		header.Set(headerDegraded, held.degraded)
	}
	body := `{"status":` + strconv.Itoa(held.status) + `,"code":"` + CodeUnavailable + `","detail":"not asked: it was refused a moment ago, and asked for patience"}`
	return &http.Response{
		Status: strconv.Itoa(held.status) + " " + http.StatusText(held.status), StatusCode: held.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Request: r,
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
	}
}

func question(r *http.Request) string { return r.Method + " " + r.URL.RequestURI() }
