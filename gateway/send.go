package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/kit/policy"
)

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
	tries    policy.Tries
	tried    []*instance
	buf      [3]*instance // of tried, most often
}

// send tries until somebody answers or it would no longer be safe. The
// instance that answered is to be released.
func (x *exchange) send(out *http.Request, c *call, upgrade bool) (*http.Response, *instance, error) {
	s := &sending{call: c, exchange: x, out: out, upgrade: upgrade}
	s.tries = policy.Tries{Start: x.Start, Timeout: c.timeout, Above: policy.Retried(x.r.Header)}
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
		if err := policy.Rest(s.out.Context(), res, pause); err != nil {
			return nil, nil, err
		}
		s.next()
	}
}

// try asks one instance.
func (s *sending) try() (*http.Response, *instance, error) {
	x := s.exchange
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

// again tells whether another try follows, and after what pause.
func (s *sending) again(res *http.Response, err error) (pause time.Duration, ok bool) {
	x := s.exchange
	if s.out.Context().Err() != nil || errors.Is(err, errNone) || x.body != nil && x.body.touched() {
		return 0, false
	}
	was := policy.Try{
		Res: res, Err: err, Unreached: dialing(err), Begun: x.answer.hasBegun(),
		Idempotent: x.body == nil && policy.Idempotent(x.r.Method), Another: s.pool != nil && s.pool.another(s.tried),
	}
	pause, ok = s.tries.Again(&x.permit, was)
	if !ok && x.terms == nil && err != nil && was.Idempotent && !was.Begun {
		ok = s.tries.Elsewhere(was) // nobody guards these calls: there is no budget to ask
	}
	return pause, ok
}

func dialing(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
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
		s.out.Header[policy.MarkHeader] = []string{strconv.Itoa(s.tries.Above + x.Retries)}
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
