package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/kit/policy"
	"github.com/plat-dev/plat/kit/reuse"
)

// call is what a handler wants of an instance.
type call struct {
	pool     *pool
	remote   *remote // instead of pool
	header   http.Header
	host     string
	timeout  time.Duration // until the answer begins; 0: none
	perTry   time.Duration // of it, for one try; 0: all of it
	connect  time.Duration // for a connection; 0: as the limits say
	total    time.Duration // until the answer's end; 0: none
	absolute bool          // the time-out counts from arrival, not from the body's end
	hurried  bool          // the caller has less than half of the time that is declared
}

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
	check    reuse.Check // of its connection
	cancel   context.CancelCauseFunc
	timeout  time.Duration

	mu       sync.Mutex // guards what follows
	begun    bool       // a byte of an answer has come
	done     bool       // the final header has come, or the wait is over
	over     bool       // nobody waits for anything any more
	out      *answerWriter
	informed int // informational answers passed on
	timer    *time.Timer
}

// forward passes the request on and answers with what comes back.
func (x *exchange) forward(c *call) {
	ctx, cancel := context.WithCancelCause(x.r.Context())
	defer cancel(errFinished)
	if c.connect > 0 && (c.remote != nil || c.connect != x.gateway.limits.Connect) {
		ctx = context.WithValue(ctx, connectKey{}, c.connect)
	}
	a := &answer{exchange: x, cancel: cancel, timeout: c.timeout}
	x.answer = a
	defer a.end()
	out := x.r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: a.check.GotConn, GotFirstResponseByte: a.firstByte, Got1xxResponse: a.informational,
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
	err := x.enter(ctx)
	defer x.permit.Release()
	var res *http.Response
	var inst *instance
	if err == nil {
		res, inst, err = x.send(out, c, upgrade != "")
	}
	if inst != nil {
		defer inst.release()
	}
	switch {
	case err != nil:
		a.end() // nobody else writes from here on
		x.fail(ctx, err, c.slow())
	case !a.settle(res.ContentLength > 0):
		_ = res.Body.Close() // given up: nothing to learn from it
		x.fail(ctx, errTimeout, c.slow())
	case res.StatusCode < http.StatusOK && res.StatusCode != http.StatusSwitchingProtocols:
		_ = res.Body.Close() // no answer
		x.Err = errStatus
		x.problem(http.StatusBadGateway, fault.GatewayUpstreamFailed, x.Service+" answered with a status that is none")
	case res.StatusCode == http.StatusSwitchingProtocols:
		x.permit.Report(policy.Success)
		x.permit.Release()
		x.place.Leave()
		defer inst.endless()()
		x.switchProtocols(res, upgrade)
	default:
		outcome := policy.OutcomeOf(res)
		x.permit.Report(outcome)
		if (outcome != policy.Success && res.StatusCode >= http.StatusInternalServerError || x.notNow(res)) && x.standIn(x.Service+" answered "+res.Status) {
			_ = res.Body.Close() // nobody gets it
			return
		}
		if lasting(x.r, res) {
			x.permit.Release()
			x.place.Leave()
		} else if c.total > 0 {
			over := time.AfterFunc(c.total-time.Since(x.Start), a.giveUp)
			defer over.Stop()
		}
		if policy.Endless(res.Header.Get("Content-Type")) {
			defer inst.endless()()
		}
		x.respond(res, a)
	}
}

// enter lets the call begin, as its guard allows.
func (x *exchange) enter(ctx context.Context) (err error) {
	if x.terms == nil {
		return nil
	}
	if !x.dependency.used.Load() { // most often it is said already: no write to what all share
		x.dependency.used.Store(true)
	}
	x.permit, err = x.dependency.guard.Begin(ctx)
	return err
}

// fail answers for an instance that did not. slow is what it means that it did
// not in time.
func (x *exchange) fail(ctx context.Context, err error, slow policy.Outcome) {
	x.Err = err
	cause, gone := context.Cause(ctx), x.r.Context().Err() != nil
	var bodyErr error
	var refused *policy.Rejection
	if x.body != nil {
		bodyErr = x.body.failure(gone)
	}
	switch {
	case errors.Is(cause, errReset):
		x.reset()
	case errors.Is(err, errNone):
		x.Err = nil
		x.unavailable()
	case errors.Is(bodyErr, errBodyTooSlow) || errors.Is(bodyErr, errBodyTooLarge):
		x.bodyFailed(bodyErr)
	case errors.As(err, &refused):
		x.refused(refused)
	case errors.Is(cause, errTimeout) || errors.Is(err, errTimeout) || errors.Is(err, errTryIsOver) || !gone && x.grpcLate():
		x.Err = errTimeout
		x.permit.Report(slow)
		if x.body != nil {
			x.closeAfter()
		}
		x.failed(http.StatusGatewayTimeout, fault.GatewayTimeout, x.Service+" did not answer in time")
	case gone:
		x.Code = fault.GatewayClientGone
		panic(http.ErrAbortHandler) // nobody to answer; Status stays 0
	case bodyErr != nil:
		x.bodyFailed(bodyErr)
	default:
		x.permit.Report(policy.Failure)
		x.failed(http.StatusBadGateway, fault.GatewayUpstreamFailed, x.Service+" could not be reached or broke off")
	}
}

// start lets the time run. It may be called again after that.
func (a *answer) start() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timeout <= 0 || a.done || a.timer != nil {
		return
	}
	a.timer = time.AfterFunc(a.timeout, a.fire)
}

// giveUp ends the wait, and what the transport waits for.
func (a *answer) giveUp() {
	a.cancel(errTimeout)
	if body := a.exchange.body; body != nil {
		body.abort()
	}
}

// settle ends the wait for the header, and tells whether it came in time. From
// then on it is looked how a body of known length comes.
func (a *answer) settle(more bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = true
	if a.timer != nil && !a.timer.Stop() {
		return false
	}
	if more {
		if a.timer == nil {
			a.timer = time.AfterFunc(restsAfter, a.fire)
		} else {
			a.timer.Reset(restsAfter)
		}
	}
	return true
}

// end stops what runs.
func (a *answer) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done, a.over = true, true
	if a.timer != nil {
		a.timer.Stop()
	}
}

// fire is called when the timer runs out: for the header it was the last, of
// a body it looks how it comes, again and again.
func (a *answer) fire() {
	a.mu.Lock()
	waits, over, out := !a.done, a.over, a.out
	a.mu.Unlock()
	if over {
		return
	}
	next := restsAfter
	if out != nil {
		next = out.look()
	}
	if waits || next <= 0 {
		a.giveUp()
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.over {
		a.timer.Reset(next)
	}
}

func (a *answer) firstByte() {
	a.mu.Lock()
	a.begun = true
	a.mu.Unlock()
}

// forget is for another try.
func (a *answer) forget() {
	a.mu.Lock()
	a.begun = false
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
