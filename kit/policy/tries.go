package policy

import (
	"context"
	"io"
	"net/http"
	"time"
)

const (
	maxUnreached = 3        // tries of a call, when nobody was reached
	drained      = 64 << 10 // bytes of an answer that nobody gets, so that its connection can be used again
)

// Tries are those of one call. They know whether another one follows.
type Tries struct {
	Start   time.Time     // of the call
	Timeout time.Duration // from Start until the answer begins; 0: none
	Above   int           // retries by who called before

	made int
	paid int // of them, those that the budget was asked for
}

// Try is how one ended: with an answer, or with an error.
type Try struct {
	Res        *http.Response
	Err        error
	Unreached  bool // no connection was made, so nothing happened
	Begun      bool // a byte of an answer has come
	Idempotent bool // the request may be sent twice, and can be
	Another    bool // somebody can be asked who was not
}

// Again tells whether another try is worth while and cannot have an effect
// twice: nobody was reached, or the request is idempotent and no byte of an
// answer has come, or one that says that it was not dealt with. It is to be
// asked once for each try; before the next one, see [Tries.Rest].
func (t *Tries) Again(p *Permit, was Try) (pause time.Duration, ok bool) {
	t.made++
	var asked time.Duration
	switch {
	case was.Err == nil:
		var worth bool
		if asked, worth = WorthAgain(was.Res); !worth || !was.Idempotent {
			return 0, false
		}
	case was.Unreached:
		if t.Elsewhere(was) {
			return 0, true
		}
	case !was.Idempotent || was.Begun:
		return 0, false
	}
	if pause, ok = p.Retry(t.paid+1, t.Above, asked); !ok {
		return 0, false
	}
	t.paid++
	if t.Timeout > 0 && time.Since(t.Start)+pause >= t.Timeout {
		return 0, false // nobody would be there to hear of it
	}
	return pause, true
}

// Elsewhere tells whether somebody else is asked at once, which costs nothing
// where nobody was reached.
func (t *Tries) Elsewhere(was Try) bool { return was.Another && t.made < maxUnreached }

// Rest lets go of the answer of a try (nil: there was none) and waits for the
// pause before the next, or until ctx ends, whose cause it answers with.
func Rest(ctx context.Context, res *http.Response, pause time.Duration) error {
	if res != nil {
		Discard(res)
	}
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

// Discard ends an answer that nobody gets, and keeps its connection where that
// is quickly done.
func Discard(res *http.Response) {
	_, _ = io.CopyN(io.Discard, res.Body, drained) // best effort
	_ = res.Body.Close()
}
