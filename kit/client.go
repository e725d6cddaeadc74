package kit

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

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/plat-dev/plat/kit/admit"
	"github.com/plat-dev/plat/kit/internal/environ"
	"github.com/plat-dev/plat/kit/policy"
	"github.com/plat-dev/plat/kit/reuse"
)

const (
	defaultCallTimeout = 5 * time.Second
	maxAnswer          = 10 << 20
	maxDrained         = 64 << 10 // of an answer nobody wants, to keep its connection
	maxDetail          = 200      // of an answer that is no problem+json
)

// Client calls one neighbour. It is safe for concurrent use; make one in
// setup and keep it.
type Client struct {
	// HTTP sends the requests. Its Transport carries trace, correlation ID
	// and deadline downstream, and gRPC by HTTP/2, so that it serves a
	// generated gRPC client as well; wrap it to add retries or a breaker of
	// your own. Requests made with HTTP directly must close the answer's body.
	HTTP *http.Client
	Base *url.URL // PLAT_URL_<SERVICE>; nil where the call is not declared

	service string
	missing error // why Base is nil
}

// Client makes a client of a neighbour that service.yaml declares under
// consumes.services; its address is PLAT_URL_<SERVICE>. Of one that is not
// declared every call fails, saying what to add.
func (s *Service) Client(service string) *Client {
	c := &Client{service: service}
	carries := &carrier{next: s.transport, service: s, callee: service}
	c.HTTP = &http.Client{
		Transport:     carries,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	variable := environ.Variable("PLAT_URL_", service)
	address := s.Env(variable)
	base, err := url.Parse(address)
	switch {
	case address == "" && s.underPlat():
		c.missing = fmt.Errorf("call to %s: declare it: consumes.services.%s in service.yaml", service, service)
	case address == "":
		c.missing = fmt.Errorf("call to %s: no address: set %s, or run under plat and declare it: consumes.services.%s in service.yaml", service, variable, service)
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		c.missing = fmt.Errorf("call to %s: %s is wrong, expected an http URL", service, variable)
	default:
		base.Path = strings.TrimSuffix(base.Path, "/")
		c.Base = base
		if s.direct != nil {
			carries.next = s.direct.RoundTripper(service, base, s.transport)
		}
	}
	if c.missing != nil {
		s.log.Warn("a neighbour has no address: calls to it will fail", "callee", service, "error", c.missing.Error())
	}
	return c
}

// CallOption changes one call of [Client.Do].
type CallOption func(*call)

type call struct {
	header  http.Header
	answer  *http.Header
	same    *bool
	timeout time.Duration
}

// Header sets a header of the request.
func Header(key, value string) CallOption {
	return func(c *call) { c.header.Set(key, value) }
}

// Timeout bounds the call when ctx has no earlier deadline. The default is
// 5 s, and none where ctx has a deadline.
func Timeout(d time.Duration) CallOption {
	return func(c *call) { c.timeout = d }
}

// AnswerHeader puts the header of the answer, whatever its status, into dst.
func AnswerHeader(dst *http.Header) CallOption {
	return func(c *call) { c.answer = dst }
}

// NotModified makes an answer 304 no error: it sets dst, and out stays as it
// is. Use it with [Header] and If-None-Match or If-Modified-Since.
func NotModified(dst *bool) CallOption {
	return func(c *call) { c.same = dst }
}

// Get reads path (with its query) and decodes the JSON answer into out, which
// may be nil. Errors are those of [Client.Do].
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.Do(ctx, http.MethodGet, path, nil, out)
}

// Do sends in as JSON (nil: no body) to path, which may have a query, and
// decodes the JSON answer into out (nil: the answer is not read). An answer
// that is not 2xx is a *[Problem], made of its problem+json if it is one;
// redirects are not followed. A ctx without deadline gets 5 s; at most 10 MiB
// of an answer are read. Under plat the call is protected and tried again as
// the plan says, by an instance that this client chooses or by plat's listener.
// What was refused for a time (Retry-After, while a breaker is open or
// a rate is exceeded) is not asked again before.
func (c *Client) Do(ctx context.Context, method, path string, in, out any, opts ...CallOption) error {
	if c.missing != nil {
		return &callError{c.service, c.missing}
	}
	call := call{header: http.Header{}}
	for _, opt := range opts {
		opt(&call)
	}
	if _, bounded := ctx.Deadline(); !bounded && call.timeout == 0 {
		call.timeout = defaultCallTimeout
	}
	if call.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, call.timeout)
		defer cancel()
	}
	req, err := c.request(ctx, method, path, in)
	if err != nil {
		return err
	}
	for key, values := range call.header {
		req.Header[key] = values
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // without the address, which is plat's affair
		}
		return &callError{c.service, fmt.Errorf("%s %s: %w", method, path, err)}
	}
	defer resp.Body.Close()
	defer drain(resp.Body)
	if call.answer != nil {
		*call.answer = resp.Header
	}
	if call.same != nil {
		if *call.same = resp.StatusCode == http.StatusNotModified; *call.same {
			return nil
		}
	}
	return c.read(method, path, resp, out)
}

func (c *Client) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	ref, err := url.Parse(path)
	if err != nil || ref.Host != "" || ref.Scheme != "" || !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("call to %s: %q is no path, expected one such as /api/things?limit=10", c.service, path)
	}
	u := *c.Base
	u.Path, u.RawPath, u.RawQuery = c.Base.Path+ref.Path, "", ref.RawQuery
	if ref.RawPath != "" {
		u.RawPath = c.Base.EscapedPath() + ref.RawPath
	}
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("call to %s: encode the body: %w", c.service, err)
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("call to %s: %w", c.service, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	return req, nil
}

func (c *Client) read(method, path string, resp *http.Response, out any) error {
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return problemOf(c.service, resp)
	}
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if resp.StatusCode == http.StatusAccepted && resp.Header.Get(headerFallback) == fallbackQueue {
		return queuedProblem(c.service, resp)
	}
	body, err := readBounded(resp.Body)
	if err == nil {
		err = json.Unmarshal(body, out)
	}
	if err != nil {
		return &callError{c.service, fmt.Errorf("%s %s: read the answer: %w", method, path, err)}
	}
	return nil
}

func readBounded(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		return nil, fmt.Errorf("it is over the limit of %d bytes", maxAnswer)
	}
	return body, err
}

// problemOf makes a problem of any answer that is not 2xx.
func problemOf(service string, resp *http.Response) *Problem {
	p := &Problem{}
	body, err := readBounded(resp.Body)
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // an unknown type is none
	if err != nil || kind != "application/problem+json" || json.Unmarshal(body, p) != nil {
		text := strings.ToValidUTF8(strings.TrimSpace(string(body[:min(len(body), maxDetail)])), "")
		if !strings.HasPrefix(kind, "text/plain") {
			text = ""
		}
		p = &Problem{Detail: text}
	}
	p.Status, p.service = resp.StatusCode, service
	p.degraded = resp.Header.Get(headerDegraded) != ""
	p.retryAfter, _ = policy.RetryAfter(resp.Header, time.Now())
	if p.CorrelationID == "" {
		p.CorrelationID = resp.Header.Get(headerCorrelation)
	}
	if p.Status < 400 {
		p.Title, p.Status = "Unexpected answer", http.StatusBadGateway
		p.Detail = "status " + strconv.Itoa(resp.StatusCode)
	}
	return p
}

// drain reads a little of what is left, so that the connection can be used
// again.
func drain(body io.Reader) {
	_, _ = io.CopyN(io.Discard, body, maxDrained) // best effort
}

// callError is a call that brought no answer.
type callError struct {
	service string
	err     error
}

func (e *callError) Error() string {
	text := e.err.Error()
	if strings.HasPrefix(text, "call to ") {
		return text
	}
	return "call to " + e.service + ": " + text
}

func (e *callError) Unwrap() error { return e.err }

// connections are those of all clients of a service.
type connections struct{ http1, http2 *http.Transport }

// RoundTrip implements http.RoundTripper: gRPC goes by HTTP/2, which it needs.
func (c connections) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		return c.http2.RoundTrip(r)
	}
	return reuse.Send(c.http1, r)
}

func (c connections) closeIdle() {
	c.http1.CloseIdleConnections()
	c.http2.CloseIdleConnections()
}

// newTransport makes connections of HTTP/1.1, or of HTTP/2. A call's context
// bounds the wait for its answer.
func newTransport(http2 bool) *http.Transport {
	dialer := &net.Dialer{Timeout: time.Second, KeepAlive: 30 * time.Second}
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2) // of an https address
	protocols.SetUnencryptedHTTP2(http2)
	dial := dialer.DialContext
	if !http2 {
		dial = reuse.Dialer(dial)
	}
	return &http.Transport{
		Protocols:              &protocols,
		DialContext:            dial,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    5 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// carrier sends trace, correlation ID and what is left of the deadline with
// each request, in a span of its own.
type carrier struct {
	next    http.RoundTripper
	service *Service
	callee  string
	holds   holds
}

// RoundTrip implements http.RoundTripper.
func (c *carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := c.service.traces.tracer.Start(r.Context(), r.Method+" "+c.callee, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", r.Method),
		attribute.String("url.path", r.URL.Path),
		attribute.String("peer.service", c.callee),
	))
	defer span.End()
	r = r.Clone(ctx)
	c.service.propagate.Inject(ctx, propagation.HeaderCarrier(r.Header))
	if id := CorrelationID(ctx); id != "" {
		r.Header.Set(headerCorrelation, id)
	}
	if mark := TestMark(ctx); mark != "" {
		r.Header.Set(headerTest, mark)
	}
	brought := marksOf(ctx)
	r.Header.Del(policy.MarkHeader)
	if brought != nil && brought.above > 0 { // what was tried again above is not below
		r.Header.Set(policy.MarkHeader, strconv.Itoa(brought.above))
	}
	r.Header.Del(admit.AdmittedHeader)
	r.Header.Del(admit.PriorityHeader)
	if brought != nil && brought.priority != admit.Normal { // what matters more goes first below, too
		r.Header.Set(admit.PriorityHeader, brought.priority.String())
	}
	r.Header.Del(headerTimeout)
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline).Milliseconds()
		r.Header.Set(headerTimeout, strconv.FormatInt(max(left, 1), 10))
	}
	resp := c.holds.answer(r)
	if resp == nil {
		var err error
		if resp, err = c.next.RoundTrip(r); err != nil {
			span.SetStatus(codes.Error, err.Error())
			return nil, err
		}
		c.holds.note(r, resp)
	}
	brought.note(c.callee, resp)
	span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	if resp.StatusCode >= 400 {
		span.SetStatus(codes.Error, http.StatusText(resp.StatusCode))
	}
	return resp, nil
}
