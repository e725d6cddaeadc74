package gateway

import (
	"io"
	"net/http"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/kit/policy"
)

const copySize = 32 << 10

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
	out := &answerWriter{exchange: x, answer: a}
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
	if err := out.copy(body); err != nil {
		x.Err = err
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

// answerWriter copies an answer's body to the client.
type answerWriter struct {
	exchange *exchange
	answer   *answer
	stream   bool // flush each piece; there may be long pauses
	failed   bool // the client did not take it
	paced    time.Time
	guard    *time.Timer // ends an HTTP/2 stream whose client takes nothing
}

func (o *answerWriter) copy(body io.Reader) error {
	if o.stream {
		o.flush()
	}
	buf := o.exchange.gateway.buffer()
	defer o.exchange.gateway.buffers.Put(buf)
	for {
		n, err := body.Read(buf[:])
		if n > 0 {
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

func (o *answerWriter) write(piece []byte) error {
	x := o.exchange
	if x.r.ProtoMajor == 2 {
		if o.guard == nil {
			o.guard = time.AfterFunc(x.gateway.limits.Write, func() { _ = x.control.SetWriteDeadline(x.Start) })
		} else {
			o.guard.Reset(x.gateway.limits.Write)
		}
		defer o.guard.Stop()
	}
	n, err := x.w.Write(piece)
	x.BytesOut += int64(n)
	if err == nil && o.stream {
		o.flush()
	}
	return err
}

// pace gives the next piece its time: the client to take it, and the instance
// to send another.
func (o *answerWriter) pace() {
	x := o.exchange
	if o.paced.IsZero() {
		o.paced = x.Start
	}
	if now := time.Now(); now.Sub(o.paced) > x.gateway.limits.Write/4 {
		o.paced = now
		x.renewWrite(now)
		o.answer.extend(x.gateway.limits.Write)
	}
}

func (o *answerWriter) flush() {
	_ = o.exchange.control.Flush() // unsupported: what takes the answer keeps it together
}

// extend gives a body of known length more time.
func (a *answer) extend(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil && a.timer.Stop() {
		a.timer.Reset(d)
	}
}
