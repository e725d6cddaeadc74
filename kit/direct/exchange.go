package direct

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/kit/internal/uuid"
	"github.com/plat-dev/plat/kit/policy"
	"github.com/plat-dev/plat/kit/reuse"
)

var (
	errTimeout  = errors.New("no answer in time")
	errTryOver  = errors.New("no answer in the time of one try")
	errNone     = errors.New("no instance in rotation")
	errFinished = errors.New("the call is over")
)

// exchange is one call under way.
type exchange struct {
	*dependency
	terms    *terms
	r        *http.Request // as it was given
	out      *http.Request // of the present try
	cancel   context.CancelCauseFunc
	timer    *time.Timer // until the answer begins, then until its end; nil: none
	permit   policy.Permit
	check    reuse.Check // of the present try's connection
	begun    atomic.Bool // a byte of the answer has come
	body     *body       // nil: the request has none
	with     *instance   // that answers
	endless  bool        // it is a stream that nobody waits for
	tried    []*instance
	tries    policy.Tries
	hurried  bool
	told     Told
	bytes    atomic.Int64 // of the answer's body
	finished sync.Once
}

// call makes a call by itself.
func (d *dependency) call(r *http.Request, t *terms) (*http.Response, error) {
	if !d.used.Load() { // most often it is said already: no write to what all share
		d.used.Store(true)
	}
	x := &exchange{dependency: d, terms: t, r: r, tries: policy.Tries{Start: time.Now(), Timeout: t.Timeout, Above: policy.Retried(r.Header)}}
	x.told = Told{Service: d.name, Start: x.tries.Start, Method: r.Method, Path: r.URL.EscapedPath()}
	ctx, cancel := context.WithCancelCause(r.Context())
	x.cancel = cancel
	x.prepare(ctx)
	var err error
	if x.permit, err = d.guard.Begin(ctx); err != nil {
		return x.failed(err)
	}
	res, err := x.send()
	if err != nil {
		return x.failed(err)
	}
	if x.timer != nil && !x.timer.Stop() {
		_ = res.Body.Close() // given up in the same moment
		return x.failed(errTimeout)
	}
	return x.answered(res), nil
}

// prepare makes what is sent of what was given.
func (x *exchange) prepare(ctx context.Context) {
	timeout := x.terms.Timeout
	if deadline, ok := x.r.Context().Deadline(); ok {
		if left := time.Until(deadline); timeout <= 0 || left < timeout {
			x.hurried = left < timeout/2
			timeout = max(left, time.Millisecond)
		}
	}
	if timeout > 0 {
		x.timer = time.AfterFunc(timeout, func() { x.cancel(errTimeout) })
	}
	x.out = x.r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: x.check.GotConn, GotFirstResponseByte: func() { x.begun.Store(true) },
	}))
	if x.out.Host == "" {
		x.out.Host = x.r.URL.Host
	}
	h := x.r.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h[headerCaller] = []string{x.caller.o.Service}
	if timeout > 0 {
		h[headerTimeout] = []string{strconv.FormatInt(max(timeout.Milliseconds(), 1), 10)}
	}
	if ids := h[headerCorrelation]; len(ids) != 1 || ids[0] == "" {
		h[headerCorrelation] = []string{uuid.New()}
	}
	x.told.CorrelationID = h[headerCorrelation][0]
	x.trace(h)
	x.out.Header = h
	if x.r.Body != nil && x.r.Body != http.NoBody {
		x.body = &body{ReadCloser: x.r.Body}
		x.out.Body = x.body
	}
}

// trace gives the call the place in the trace that a listener would have, so
// that it looks the same whoever made it.
func (x *exchange) trace(h http.Header) {
	parents := h[headerTrace]
	if len(parents) != 1 || len(parents[0]) < 55 {
		return
	}
	p := parents[0]
	var id [8]byte
	v := rand.Uint64() | 1 // #nosec G404 -- unique, not secret; never zero
	for i := range id {
		id[i] = byte(v >> (8 * i)) // #nosec G115 -- the lowest byte
	}
	span := hex.EncodeToString(id[:])
	x.told.Trace, x.told.Parent, x.told.Span, x.told.Sampled = p[3:35], p[36:52], span, p[54]&1 == 1
	h[headerTrace] = []string{p[:36] + span + p[52:55]}
}

// send tries until somebody answers or it would no longer be safe.
func (x *exchange) send() (*http.Response, error) {
	var last error
	for {
		res, i, err := x.try()
		if last != nil && errors.Is(err, errNone) {
			err = last // the others have gone meanwhile
		}
		last = err
		pause, again := x.again(res, err)
		if !again {
			if err != nil && i != nil {
				x.release(i)
				i = nil
			}
			x.with = i
			return res, err
		}
		if i != nil {
			x.release(i)
			x.tried = append(x.tried, i)
		}
		if err := policy.Rest(x.out.Context(), res, pause); err != nil {
			return nil, err
		}
		x.next()
	}
}

// try asks one instance.
func (x *exchange) try() (*http.Response, *instance, error) {
	i := x.acquire(x.terms, x.tried)
	if i == nil {
		return nil, nil, errNone
	}
	x.told.Instance = i.ID
	target := *x.r.URL // afresh: an abandoned try may still look at it
	target.Host = i.Addr
	x.out.URL = &target
	res, err := x.roundTrip(i.transport)
	x.outliers.Report(i.ID, x.outcome(res, err))
	return res, i, err
}

// roundTrip waits for the answer of one try, for its own time at most.
func (x *exchange) roundTrip(to *http.Transport) (*http.Response, error) {
	perTry := x.terms.Policy.Timeouts.Header
	if perTry <= 0 {
		return x.check.Send(to, x.out)
	}
	ctx, cancel := context.WithCancelCause(x.out.Context())
	timer := time.AfterFunc(perTry, func() { cancel(errTryOver) })
	res, err := x.check.Send(to, x.out.WithContext(ctx))
	if !timer.Stop() && x.out.Context().Err() == nil {
		if err == nil {
			_ = res.Body.Close() // it was given up in the same moment
		}
		return nil, errTryOver
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	res.Body = &closing{res.Body, func() { cancel(nil) }}
	return res, nil
}

// closing does something when it is closed.
type closing struct {
	io.ReadCloser
	also func()
}

// Close implements io.Closer.
func (c *closing) Close() error {
	err := c.ReadCloser.Close()
	c.also()
	return err
}

// outcome is what a try tells of the instance.
func (x *exchange) outcome(res *http.Response, err error) policy.Outcome {
	switch {
	case err == nil:
		return policy.OutcomeOf(res)
	case errors.Is(err, errTryOver):
		return policy.Slow
	case x.body.failure() != nil:
		return policy.Ignored
	case x.late():
		return x.slow()
	case x.r.Context().Err() != nil:
		return policy.Ignored
	}
	return policy.Failure
}

// late tells whether the call's time is over: its own, or its caller's.
func (x *exchange) late() bool {
	return errors.Is(context.Cause(x.out.Context()), errTimeout) || errors.Is(x.r.Context().Err(), context.DeadlineExceeded)
}

// slow is what it means that there was no answer in time: nothing, when the
// caller had less than half of the time that is declared.
func (x *exchange) slow() policy.Outcome {
	if x.hurried {
		return policy.Ignored
	}
	return policy.Slow
}

// again tells whether another try follows, and after what pause.
func (x *exchange) again(res *http.Response, err error) (pause time.Duration, ok bool) {
	if x.out.Context().Err() != nil || errors.Is(err, errNone) || x.body != nil && x.body.touched.Load() {
		return 0, false
	}
	return x.tries.Again(&x.permit, policy.Try{
		Res: res, Err: err, Unreached: dialing(err), Begun: x.begun.Load(),
		Idempotent: x.body == nil && policy.Idempotent(x.r.Method), Another: len(x.now.Load().instances) > len(x.tried)+1,
	})
}

// next makes the request of the next try, which says so to who gets it: a
// request is not changed after RoundTrip had it.
func (x *exchange) next() {
	x.told.Retries++
	x.begun.Store(false)
	x.out = x.out.WithContext(x.out.Context())
	x.out.Header = x.out.Header.Clone()
	x.out.Header[policy.MarkHeader] = []string{strconv.Itoa(x.tries.Above + x.told.Retries)}
	x.terms = x.now.Load() // the view may have changed meanwhile
	if len(x.terms.instances) <= len(x.tried) {
		x.tried = nil // all were asked: once more from the beginning
	}
}

// finish ends the call and tells of it, once.
func (x *exchange) finish() {
	x.finished.Do(func() {
		if x.timer != nil {
			x.timer.Stop()
		}
		x.cancel(errFinished)
		x.permit.Release()
		if x.with != nil {
			if x.endless {
				x.with.streams.Add(-1)
			}
			x.release(x.with)
		}
		if x.body != nil {
			x.told.BytesIn = x.body.count.Load()
			_ = x.body.ReadCloser.Close() // a RoundTripper always closes it
		}
		x.told.Duration, x.told.BytesOut = time.Since(x.told.Start), x.bytes.Load()
		x.caller.book.note(x.told)
	})
}

// body is a request's body: another try may follow as long as nobody has read
// it.
type body struct {
	io.ReadCloser
	touched atomic.Bool
	count   atomic.Int64
	broken  atomic.Pointer[error] // it could not be read
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.touched.Store(true)
	n, err := b.ReadCloser.Read(p)
	b.count.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		b.broken.CompareAndSwap(nil, &err)
	}
	return n, err
}

// failure is why the caller's body could not be read; nil: it could, or there
// is none.
func (b *body) failure() error {
	if b == nil || b.broken.Load() == nil {
		return nil
	}
	return *b.broken.Load()
}

// Unread implements reuse.Body.
func (b *body) Unread() bool { return !b.touched.Load() }

// Close leaves it to the call's end.
func (b *body) Close() error { return nil }
