package gateway

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/kit/policy"
)

const copySize = 32 << 10

var errTooSlow = errors.New("the answer came too slowly")

// buffer is to be put back into g.buffers.
func (g *Gateway) buffer() *[copySize]byte {
	if buf, ok := g.buffers.Get().(*[copySize]byte); ok {
		return buf
	}
	return new([copySize]byte)
}

// respond passes an answer on.
//
// INVARIANT: when the answer breaks off, so does the client's connection or
// stream: a part never looks like the whole.
func (x *exchange) respond(res *http.Response, a *answer) {
	defer func() { _ = res.Body.Close() }()
	w, r := x.w, x.r
	h := w.Header()
	connection := res.Header["Connection"]
	for name, values := range res.Header {
		if !hopByHop(name) && (connection == nil || !listed(connection, name)) {
			h[name] = values
		}
	}
	h["X-Correlation-Id"] = []string{x.CorrelationID}
	announced := len(res.Trailer)
	if announced > 0 {
		for name := range res.Trailer {
			h.Add("Trailer", name)
		}
		if r.ProtoMajor == 1 {
			delete(h, "Content-Length") // trailers need the chunked form
		}
	}
	out := &answerWriter{exchange: x}
	out.stream = res.ContentLength < 0 || announced > 0
	out.pace()
	x.Status = res.StatusCode
	w.WriteHeader(res.StatusCode)
	if r.Method == http.MethodHead || res.ContentLength == 0 && announced == 0 || res.StatusCode == http.StatusNoContent || res.StatusCode == http.StatusNotModified {
		return
	}
	body := io.Reader(res.Body)
	kept := x.record(res)
	if kept != nil {
		body = io.TeeReader(body, kept)
	}
	if err := out.copy(body, a, res.ContentLength); err != nil {
		if x.Err = err; out.slow.Load() {
			x.Err = errTooSlow
		}
		if out.failed || r.Context().Err() != nil {
			x.Code = fault.GatewayClientGone
		} else {
			x.Code = fault.GatewayUpstreamFailed
			x.permit.Report(policy.Failure)
			if x.grpcBroken(h) {
				return
			}
		}
		panic(http.ErrAbortHandler)
	}
	_ = res.Body.Close() // now, so that the trailers are whole
	x.trailers(h, res.Trailer, announced)
	if kept != nil {
		kept.Keep()
	}
	if o := policy.GRPCOutcome(res.Trailer); o != policy.Success {
		x.permit.Report(o)
	}
}

// trailers passes on what came after the body, announced or not.
func (x *exchange) trailers(h http.Header, trailer http.Header, announced int) {
	prefix := http.TrailerPrefix
	if len(trailer) == announced {
		prefix = ""
	}
	for name, values := range trailer {
		if !hopByHop(name) && name != "Content-Length" {
			h[prefix+name] = values
		}
	}
}

// restsAfter is how long an answer of known length may rest until the client
// is shown what has come of it.
const restsAfter = 100 * time.Millisecond

// answerWriter copies an answer's body to the client.
type answerWriter struct {
	exchange *exchange
	failed   bool // the client did not take it
	paced    time.Time
	got      atomic.Int64 // bytes that came from the instance
	slow     atomic.Bool  // it gave too little

	mu     sync.Mutex // held while the client is given something; guards what follows
	stream bool       // flush each piece; there may be long pauses
	ended  bool
	guard  *time.Timer // ends an HTTP/2 stream whose client takes nothing

	watch watch // look's own
}

// watch is what look knows of a body of known length.
type watch struct {
	every  time.Duration // it is looked; 0: after restsAfter
	seen   int64         // of got, when it was looked last
	rested time.Duration // without a byte
	waited time.Duration // for the instance, in this window …
	came   int64         // … and what came meanwhile
}

// copy passes the body on; a is told by whom, and length is what is promised,
// if it is known.
func (o *answerWriter) copy(body io.Reader, a *answer, length int64) (err error) {
	a.mu.Lock()
	a.out = o
	a.mu.Unlock()
	defer func() {
		// INVARIANT: nobody but the handler gives the client anything after this.
		o.mu.Lock()
		defer o.mu.Unlock()
		o.ended = true
		if err != nil && !o.failed && o.got.Load() < length {
			o.show() // what there is of it shows that the rest is missing
		}
	}()
	o.mu.Lock()
	if o.stream {
		o.show()
	}
	o.mu.Unlock()
	buf := o.exchange.gateway.buffer()
	defer o.exchange.gateway.buffers.Put(buf)
	for {
		n, err := body.Read(buf[:])
		if n > 0 {
			o.got.Add(int64(n))
			o.pace()
			if err := o.write(buf[:n]); err != nil {
				o.failed = true
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// look is called from time to time while the body comes, for as long as it
// tells when to look again; 0: the instance gives too little. What came is shown
// once nothing more has come for a moment. Time that the client takes is not the
// instance's.
func (o *answerWriter) look() (next time.Duration) {
	limits, w := &o.exchange.gateway.limits, &o.watch
	passed, got := max(w.every, restsAfter), o.got.Load()
	came := got - w.seen
	w.seen, w.came = got, w.came+came
	if came > 0 {
		w.rested = 0
	}
	if o.mu.TryLock() { // else the client is given something at this moment
		if came == 0 && !o.stream && !o.ended {
			o.stream = true
			o.show()
		}
		if o.stream {
			w.every = limits.Write / 60
		}
		o.mu.Unlock()
		w.waited += passed
		if came == 0 {
			w.rested += passed
		}
	}
	least := int64(float64(limits.BodyRate) * limits.Write.Seconds())
	if w.rested >= limits.Write || w.waited >= limits.Write && w.came < least {
		o.slow.Store(true)
		return 0
	}
	if w.waited >= limits.Write {
		w.waited, w.came = 0, 0
	}
	return max(w.every, restsAfter)
}

func (o *answerWriter) write(piece []byte) error {
	x := o.exchange
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.guarded()()
	n, err := x.w.Write(piece)
	x.BytesOut += int64(n)
	if err == nil && o.stream {
		o.flush()
	}
	return err
}

// guarded gives the client its time to take what it is given, where its
// connection has no deadline of its own, until the function that it gives is
// called. o.mu is held.
func (o *answerWriter) guarded() (over func()) {
	x := o.exchange
	if x.r.ProtoMajor != 2 {
		return func() {}
	}
	if o.guard == nil {
		o.guard = time.AfterFunc(x.gateway.limits.Write, func() { _ = x.control.SetWriteDeadline(x.Start) })
	} else {
		o.guard.Reset(x.gateway.limits.Write)
	}
	return func() { o.guard.Stop() }
}

// show gives the client what there is. o.mu is held.
func (o *answerWriter) show() {
	defer o.guarded()()
	o.flush()
}

// pace gives the client its time to take the next piece.
func (o *answerWriter) pace() {
	x := o.exchange
	if o.paced.IsZero() {
		o.paced = x.Start
	}
	if now := time.Now(); now.Sub(o.paced) > x.gateway.limits.Write/4 {
		o.paced = now
		x.renewWrite(now)
	}
}

func (o *answerWriter) flush() {
	_ = o.exchange.control.Flush() // unsupported: what takes the answer keeps it together
}
