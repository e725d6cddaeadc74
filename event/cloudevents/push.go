package cloudevents

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
)

// PushTimeout is how long a service may take to answer an event.
const PushTimeout = 30 * time.Second

const maxExcerpt = 1024 // of an answer, for the dead letter

// Target tells where services are. It is safe for concurrent use.
type Target interface {
	// Address is where a request for a service goes, as http://127.0.0.1:9000
	// without a path; ready tells that an instance is in rotation. Without an
	// address a service is not ready.
	Address(service string) (base string, ready bool)
}

// Receiver hands events to services by HTTP; it is an event.Receiver. It is
// safe for concurrent use.
type Receiver struct {
	target  Target
	client  *http.Client
	timeout time.Duration
	tell    func(Span)
}

var _ event.Receiver = (*Receiver)(nil)

// NewReceiver makes one; a timeout of 0 is PushTimeout. tell is told of the
// spans of events that are pushed late, and must not block; nil: nobody is.
// Close it in the end.
func NewReceiver(target Target, timeout time.Duration, tell func(Span)) *Receiver {
	if timeout <= 0 {
		timeout = PushTimeout
	}
	return &Receiver{
		target: target, timeout: timeout, tell: tell,
		client: &http.Client{
			// No proxy: services are on this machine.
			Transport: &http.Transport{
				DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
				MaxIdleConnsPerHost:    event.PushAtOnce,
				MaxIdleConns:           256,
				IdleConnTimeout:        90 * time.Second,
				MaxResponseHeaderBytes: 64 << 10,
				DisableCompression:     true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Close lets go of idle connections.
func (r *Receiver) Close() { r.client.CloseIdleConnections() }

// Ready tells whether the service has an instance in rotation.
func (r *Receiver) Ready(service string) bool {
	base, ready := r.target.Address(service)
	return ready && base != ""
}

// Receive posts an event and tells of its span, where a trace begins with it.
func (r *Receiver) Receive(ctx context.Context, service, path string, e event.Event, published time.Time) error {
	span := r.late(service, e, published)
	err := r.post(ctx, service, path, e, span)
	var refusal *event.Refusal
	if !errors.As(err, &refusal) || !refusal.Absent { // else nobody has seen it
		span.end(err)
	}
	return err
}

// post sends an event in binary mode and returns nil for an answer of 2xx.
// Every other error is an *event.Refusal, with the answer's status and the
// beginning of its body.
func (r *Receiver) post(ctx context.Context, service, path string, e event.Event, span *started) error {
	base, ready := r.target.Address(service)
	if !ready || base == "" {
		return &event.Refusal{Reason: service + " has no instance in rotation", Absent: true}
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, bytes.NewReader(e.Data))
	if err != nil {
		return &event.Refusal{Reason: fmt.Sprintf("POST %s: %v", path, bare(err))}
	}
	setHeaders(req.Header, e)
	if span != nil {
		req.Header.Set("Traceparent", span.traceparent())
		req.Header.Del("Tracestate") // it belongs to the publisher's trace
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return r.failed(ctx, path, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read as far as it is wanted
	if resp.StatusCode/100 == 2 {
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // the connection is kept if it ends here
		return nil
	}
	excerpt, _ := io.ReadAll(io.LimitReader(resp.Body, maxExcerpt)) // as much as there is
	refusal := &event.Refusal{Reason: fmt.Sprintf("POST %s answered %d", path, resp.StatusCode)}
	if resp.StatusCode/100 == 3 {
		refusal.Reason += ", and redirects are not followed"
	}
	if text := strings.TrimSpace(string(excerpt)); text != "" {
		refusal.Reason += ": " + text
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		refusal.After = retryAfter(resp.Header.Get("Retry-After"))
	}
	refusal.Absent = nobodyThere(resp, excerpt)
	return refusal
}

func (r *Receiver) failed(ctx context.Context, path string, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &event.Refusal{Reason: fmt.Sprintf("POST %s: no answer within %s", path, r.timeout)}
	case errors.Is(err, io.EOF):
		return &event.Refusal{Reason: fmt.Sprintf("POST %s: the connection was closed without an answer", path)}
	}
	return &event.Refusal{Reason: fmt.Sprintf("POST %s: %v", path, bare(err))}
}

// bare is an error without the address, which means nothing to a reader.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// nobodyThere tells whether plat's own gateway answered for a service that has
// no instance left.
func nobodyThere(resp *http.Response, body []byte) bool {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	var p struct {
		Code string `json:"code"`
	}
	return resp.StatusCode == http.StatusServiceUnavailable && mediaType == "application/problem+json" &&
		json.Unmarshal(body, &p) == nil && p.Code == string(fault.GatewayNoInstance)
}

// retryAfter reads seconds or a date; 0 for anything else.
func retryAfter(s string) time.Duration {
	if seconds, err := strconv.Atoi(s); err == nil {
		return time.Duration(min(max(seconds, 0), 86400)) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// setHeaders maps the attributes to those of binary mode. The trace and the
// correlation ID stand in the headers that everybody reads as well.
func setHeaders(h http.Header, e event.Event) {
	h.Set("User-Agent", "plat")
	for name, value := range e.Attributes() {
		if name == "datacontenttype" {
			h.Set("Content-Type", value)
			continue
		}
		h.Set("Ce-"+name, event.Escape(value))
	}
	if parent := e.Extensions["traceparent"]; validTraceparent(parent) {
		h.Set("Traceparent", parent)
		if state := e.Extensions["tracestate"]; validTracestate(state) {
			h.Set("Tracestate", state)
		}
	}
	if mark := e.Extensions[markAttribute]; validMark(mark) {
		h.Set(markHeader, mark) // what the service calls in turn belongs to the test as well
	}
	if id := e.Extensions["correlationid"]; validCorrelation(id) {
		h.Set("X-Correlation-Id", id)
	}
}
