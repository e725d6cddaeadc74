package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/kit/policy"
)

// maxRetries are the tries after the first when nobody was reached.
const maxRetries = 2

// drained is how much of an answer that nobody gets is read, so that its
// connection can be used again.
const drained = 64 << 10

var (
	errNone      = errors.New("no instance in rotation")
	errTryIsOver = errors.New("no answer in the time of one try")
)

// sending is a request on its way, try by try.
type sending struct {
	*call
	exchange *exchange
	out      *http.Request
	upgrade  bool
	above    int // retries by who called before
	tried    []*instance
	buf      [maxRetries + 1]*instance
	tries    int // in all
	paid     int // of them, those that the budget of retries was asked for
}

// send tries until somebody answers or it would no longer be safe. The
// instance that answered is to be released.
func (x *exchange) send(out *http.Request, c *call, upgrade bool) (*http.Response, *instance, error) {
	s := &sending{call: c, exchange: x, out: out, upgrade: upgrade, above: policy.Retried(x.r.Header)}
	s.tried = s.buf[:0]
	var last error
	for {
		res, inst, err := s.try()
		if last != nil && errors.Is(err, errNone) {
			err = last // the others have gone meanwhile
		}
		last = err
		pause, again := s.again(res, err)
		if !again {
			if err != nil && inst != nil {
				inst.release()
				inst = nil
			}
			return res, inst, err
		}
		if inst != nil {
			inst.release()
			s.tried = append(s.tried, inst)
		}
		if res != nil {
			_, _ = io.CopyN(io.Discard, res.Body, drained) // best effort
			_ = res.Body.Close()
		}
		if err := rest(s.out.Context(), pause); err != nil {
			return nil, nil, err
		}
		s.next()
	}
}

// rest waits for a while, or until ctx ends.
func rest(ctx context.Context, pause time.Duration) error {
	if pause <= 0 {
		return nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// try asks one instance.
func (s *sending) try() (*http.Response, *instance, error) {
	x := s.exchange
	s.tries++
	target := *x.r.URL // afresh: an abandoned try may still look at it
	target.User = nil
	var transport *http.Transport
	var inst *instance
	if s.remote != nil {
		x.Upstream = s.remote.target.Host
		target.Scheme, target.Host = s.remote.target.Scheme, s.remote.target.Host
		if s.remote.target.Path != "" {
			joinPath(&target, s.remote.target)
		}
		transport = s.remote.transport(x.r)
	} else {
		if inst = s.pool.acquire(s.tried); inst == nil {
			return nil, nil, errNone
		}
		x.Upstream = inst.ID
		target.Scheme, target.Host = "http", inst.Addr
		transport = inst.transport(x.r, s.upgrade)
	}
	s.out.URL = &target
	x.body.duplex()
	res, err := s.roundTrip(transport)
	if s.remote != nil && err == nil {
		unmark(res.Header)
	}
	if inst != nil {
		s.pool.outliers.Report(inst.ID, s.outcome(res, err))
	}
	return res, inst, err
}

// unmark takes out what only plat may say, of the answer of somebody outside.
func unmark(h http.Header) {
	for name := range h {
		if strings.HasPrefix(name, "Plat-") {
			delete(h, name)
		}
	}
}

// roundTrip waits for the answer of one try, for its own time at most.
func (s *sending) roundTrip(transport *http.Transport) (*http.Response, error) {
	if s.perTry <= 0 {
		return s.exchange.roundTrip(transport, s.out)
	}
	ctx, cancel := context.WithCancelCause(s.out.Context()) // ends with its parent, when the exchange does
	timer := time.AfterFunc(s.perTry, func() { cancel(errTryIsOver) })
	res, err := s.exchange.roundTrip(transport, s.out.WithContext(ctx))
	if !timer.Stop() && s.out.Context().Err() == nil {
		if err == nil {
			_ = res.Body.Close() // it was given up in the same moment
		}
		return nil, errTryIsOver
	}
	return res, err
}

// outcome is what a try tells of the instance.
func (s *sending) outcome(res *http.Response, err error) policy.Outcome {
	x := s.exchange
	switch {
	case x.spared:
		return policy.Ignored
	case err == nil:
		return policy.OutcomeOf(res)
	case errors.Is(err, errTryIsOver):
		return policy.Slow
	case x.r.Context().Err() != nil || x.body != nil && x.body.failure(false) != nil:
		return policy.Ignored
	case errors.Is(context.Cause(s.out.Context()), errTimeout):
		return s.slow()
	}
	return policy.Failure
}

// slow is what it means that there was no answer in time: nothing, when the
// caller had less than half of the time that is declared.
func (c *call) slow() policy.Outcome {
	if c.hurried {
		return policy.Ignored
	}
	return policy.Slow
}

// again tells whether another try is worth while and cannot have an effect
// twice: nothing reached the callee, or the request is idempotent and without
// a body, and no byte of an answer has come, or one that says that it was not
// dealt with.
func (s *sending) again(res *http.Response, err error) (pause time.Duration, ok bool) {
	x := s.exchange
	if s.out.Context().Err() != nil || errors.Is(err, errNone) || x.body != nil && x.body.touched() {
		return 0, false
	}
	asked := time.Duration(0)
	switch {
	case err == nil:
		var worth bool
		if asked, worth = policy.WorthAgain(res); !worth || !x.idempotent() || x.terms == nil {
			return 0, false
		}
	case dialing(err):
		if s.pool != nil && s.tries <= maxRetries && s.pool.another(s.tried) {
			return 0, true // who is not there costs nothing: the next one
		}
	case !x.idempotent() || x.answer.hasBegun():
		return 0, false
	case x.terms == nil:
		return 0, s.pool != nil && s.tries <= maxRetries && s.pool.another(s.tried)
	}
	if x.terms == nil {
		return 0, false
	}
	if pause, ok = x.permit.Retry(s.paid+1, s.above, asked); !ok {
		return 0, false
	}
	s.paid++
	if s.timeout > 0 && time.Since(x.Start)+pause >= s.timeout {
		return 0, false // nobody would be there to hear of it
	}
	return pause, true
}

func dialing(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// idempotent tells whether the request may be sent twice, and can be.
func (x *exchange) idempotent() bool {
	return x.body == nil && policy.Idempotent(x.r.Method)
}

// next makes the request of the next try, which says so to who gets it: a
// request is not changed after RoundTrip had it.
func (s *sending) next() {
	x := s.exchange
	x.Retries++
	x.answer.forget()
	s.out = s.out.WithContext(s.out.Context())
	if x.held != nil {
		x.giveHeld(s.out)
	}
	if s.remote == nil {
		s.out.Header = s.out.Header.Clone()
		s.out.Header[policy.MarkHeader] = []string{strconv.Itoa(s.above + x.Retries)}
	}
	if s.pool != nil && x.terms != nil && len(s.pool.instances()) <= len(s.tried) {
		s.tried = s.tried[:0] // all were asked: once more from the beginning
	}
}

// joinPath puts base's path before u's, escaped as they were.
func joinPath(u, base *url.URL) {
	raw := base.EscapedPath() + u.EscapedPath()
	u.Path, u.RawPath = base.Path+u.Path, raw
}
