package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
)

// call is what a handler wants of an instance.
type call struct {
	pool     *pool
	remote   *remote // instead of pool
	header   http.Header
	host     string
	timeout  time.Duration // until the answer begins; 0: none
	absolute bool          // the time-out counts from arrival, not from the body's end
}

// maxRetries are the tries after the first.
const maxRetries = 2

var (
	errTimeout  = errors.New("no answer in time")
	errFinished = errors.New("exchange finished")
	errStatus   = errors.New("no status of HTTP")
	errInformed = errors.New("too many informational answers")
)

// answer watches over the wait for an answer: it is told by the transport's
// goroutines what happens, and ends the wait when its time is over.
type answer struct {
	exchange *exchange
	cancel   context.CancelCauseFunc
	timeout  time.Duration

	mu       sync.Mutex // guards what follows
	begun    bool       // a byte of an answer has come
	done     bool       // the final header has come, or the wait is over
	informed int        // informational answers passed on
	timer    *time.Timer
}

// forward passes the request on and answers with what comes back.
func (x *exchange) forward(c *call) {
	ctx, cancel := context.WithCancelCause(x.r.Context())
	defer cancel(errFinished)
	a := &answer{exchange: x, cancel: cancel, timeout: c.timeout}
	x.answer = a
	defer a.end()
	out := x.r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotFirstResponseByte: a.firstByte, Got1xxResponse: a.informational,
	}))
	out.RequestURI, out.TransferEncoding, out.Close = "", nil, false
	out.Header, out.Host = c.header, c.host
	upgrade := upgradeOf(x.r)
	if upgrade != "" {
		out.Header["Connection"], out.Header["Upgrade"] = []string{"Upgrade"}, []string{upgrade}
	}
	x.attachBody(out, a)
	if grpc(x.r) {
		a.timeout = 0 // it has a deadline of its own; a stream may begin late
		if x.body != nil {
			x.body.unlimited()
		}
	}
	if x.body == nil || c.absolute {
		a.start()
	}
	res, inst, err := x.send(out, c, upgrade != "")
	if inst != nil {
		defer inst.release()
	}
	switch {
	case err != nil:
		a.end() // nobody else writes from here on
		x.fail(ctx, err)
	case !a.settle(res.ContentLength > 0, x.gateway.limits.Write):
		_ = res.Body.Close() // given up: nothing to learn from it
		x.fail(ctx, errTimeout)
	case res.StatusCode < http.StatusOK && res.StatusCode != http.StatusSwitchingProtocols:
		_ = res.Body.Close() // no answer
		x.Err = errStatus
		x.problem(http.StatusBadGateway, fault.GatewayUpstreamFailed, x.Service+" answered with a status that is none")
	case res.StatusCode == http.StatusSwitchingProtocols:
		x.switchProtocols(res, upgrade)
	default:
		x.respond(res, a)
	}
}

// errNone is send's answer when no instance is left to try.
var errNone = errors.New("no instance in rotation")

// send tries instances until one answers or it would no longer be safe. The
// instance that answered is to be released.
func (x *exchange) send(out *http.Request, c *call, upgrade bool) (*http.Response, *instance, error) {
	if c.remote != nil {
		x.Upstream = c.remote.target.Host
		target := *x.r.URL
		target.Scheme, target.Host, target.User = c.remote.target.Scheme, c.remote.target.Host, nil
		if c.remote.target.Path != "" {
			joinPath(&target, c.remote.target)
		}
		out.URL = &target
		res, err := c.remote.transport(x.r).RoundTrip(out)
		return res, nil, err
	}
	var triedBuf [maxRetries + 1]*instance
	tried := triedBuf[:0]
	var last error
	for {
		inst := c.pool.acquire(tried)
		if inst == nil {
			if last == nil {
				last = errNone
			}
			return nil, nil, last
		}
		x.Upstream = inst.ID
		if len(tried) > 0 {
			x.Retries++
		}
		target := *x.r.URL // afresh: an abandoned try may still look at it
		target.Scheme, target.Host, target.User = "http", inst.Addr, nil
		out.URL = &target
		res, err := inst.transport(x.r, upgrade).RoundTrip(out)
		if err == nil {
			return res, inst, nil
		}
		inst.release()
		tried = append(tried, inst)
		if last = err; len(tried) > maxRetries || !x.mayRetry(out, err) {
			return nil, nil, err
		}
		out = out.WithContext(out.Context()) // a request is not changed after RoundTrip had it
	}
}

// mayRetry tells whether another try cannot have an effect twice: nothing
// reached the instance, or the request is idempotent and without a body and
// no byte of an answer has come.
func (x *exchange) mayRetry(out *http.Request, err error) bool {
	if out.Context().Err() != nil || x.body != nil && x.body.touched() {
		return false
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	if x.body != nil || x.answer.hasBegun() {
		return false
	}
	switch x.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// joinPath puts base's path before u's, escaped as they were.
func joinPath(u, base *url.URL) {
	raw := base.EscapedPath() + u.EscapedPath()
	u.Path, u.RawPath = base.Path+u.Path, raw
}

// fail answers for an instance that did not.
func (x *exchange) fail(ctx context.Context, err error) {
	x.Err = err
	cause, gone := context.Cause(ctx), x.r.Context().Err() != nil
	var bodyErr error
	if x.body != nil {
		bodyErr = x.body.failure(gone)
	}
	switch {
	case errors.Is(err, errNone):
		x.Err = nil
		x.unavailable()
	case errors.Is(bodyErr, errBodyTooSlow) || errors.Is(bodyErr, errBodyTooLarge):
		x.bodyFailed(bodyErr)
	case errors.Is(cause, errTimeout) || errors.Is(err, errTimeout):
		x.Err = errTimeout
		if x.body != nil {
			x.closeAfter()
		}
		x.problem(http.StatusGatewayTimeout, fault.GatewayTimeout, x.Service+" did not answer in time")
	case gone:
		x.Code = fault.GatewayClientGone
		panic(http.ErrAbortHandler) // nobody to answer; Status stays 0
	case bodyErr != nil:
		x.bodyFailed(bodyErr)
	default:
		x.problem(http.StatusBadGateway, fault.GatewayUpstreamFailed, x.Service+" could not be reached or broke off")
	}
}

// start lets the time run. It may be called again after that.
func (a *answer) start() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timeout <= 0 || a.done || a.timer != nil {
		return
	}
	a.timer = time.AfterFunc(a.timeout, a.giveUp)
}

// giveUp ends the wait, and what the transport waits for.
func (a *answer) giveUp() {
	a.cancel(errTimeout)
	if body := a.exchange.body; body != nil {
		body.abort()
	}
}

// settle ends the wait for the header, and tells whether it came in time. A
// body of known length must then go on coming.
func (a *answer) settle(more bool, stall time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = true
	if a.timer != nil && !a.timer.Stop() {
		return false
	}
	if more {
		if a.timer == nil {
			a.timer = time.AfterFunc(stall, a.giveUp)
		} else {
			a.timer.Reset(stall)
		}
	}
	return true
}

// end stops what runs.
func (a *answer) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = true
	if a.timer != nil {
		a.timer.Stop()
	}
}

func (a *answer) firstByte() {
	a.mu.Lock()
	a.begun = true
	a.mu.Unlock()
}

func (a *answer) hasBegun() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.begun
}

// informational passes a 1xx on. 100 is not: net/http sends one of its own as
// soon as the instance lets the body be read.
func (a *answer) informational(code int, header textproto.MIMEHeader) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.exchange
	if a.done || code == http.StatusContinue || x.r.ProtoMajor == 1 && x.r.ProtoMinor == 0 {
		return nil
	}
	if a.informed++; a.informed > 16 {
		return errInformed
	}
	h := x.w.Header()
	kept := h["Connection"] // for the final answer
	delete(h, "Connection")
	for name, values := range header {
		if !hopByHop(name) {
			h[name] = values
		}
	}
	x.w.WriteHeader(code)
	if clear(h); kept != nil {
		h["Connection"] = kept
	}
	return nil
}
