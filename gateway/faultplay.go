package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway/framing"
	"github.com/plat-dev/plat/kit/policy"
)

var (
	errPlayed = errors.New("an experiment broke the connection off")
	errReset  = errors.New("an experiment reset the caller's connection")
)

// faultHeader marks the answers that faults give, by the fault's ID.
const faultHeader = "Plat-Fault"

// broken is what comes of a call that a fault ends.
//
// INVARIANT: the wait is given up, so that no try elsewhere follows what ends
// the exchange itself.
func (x *exchange) broken(p *played, out *http.Request) (*http.Response, error) {
	if p.Kind == FaultReset {
		x.answer.cancel(errReset)
		return nil, errReset
	}
	if out.Body != nil { // it was sent: what is left of it would reset the caller's connection
		_, _ = io.CopyN(io.Discard, out.Body, 64<<10)
	}
	switch p.Kind {
	case FaultGone:
		x.answer.cancel(errNone)
		return nil, errNone
	case FaultError:
		return x.faultAnswer(p, out), nil
	}
	return nil, errPlayed
}

// faultAnswer is the answer of an instance that fails.
func (x *exchange) faultAnswer(p *played, out *http.Request) *http.Response {
	status := p.Status
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	x.Code = fault.ChaosPlayed
	b := make([]byte, 0, 256)
	b = appendField(b, '{', "title", x.gateway.entries[fault.ChaosPlayed].title)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = appendField(b, ',', "detail", x.Service+" fails on purpose: "+p.ID)
	b = appendField(b, ',', "code", string(fault.ChaosPlayed))
	b = appendField(b, ',', "correlationId", x.CorrelationID)
	b = append(b, "}\n"...)
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: out,
		Header: http.Header{
			"Content-Type": {"application/problem+json"}, "Content-Length": {strconv.Itoa(len(b))},
			"Cache-Control": {"no-store"}, faultHeader: {p.ID},
		},
		ContentLength: int64(len(b)), Body: io.NopCloser(bytes.NewReader(b)),
	}
}

// mostTwice bounds the body of a request that is sent twice; a longer one, and
// one of unknown length, is sent once.
const mostTwice = 1 << 20

// twice sends each request a second time when the first was answered.
type twice struct{ http.RoundTripper }

// RoundTrip gives the second answer.
func (t twice) RoundTrip(out *http.Request) (*http.Response, error) {
	if out.Body != nil && (out.ContentLength < 0 || out.ContentLength > mostTwice) || out.Header["Upgrade"] != nil {
		return t.RoundTripper.RoundTrip(out)
	}
	var text []byte
	if out.Body != nil {
		var err error
		if text, err = io.ReadAll(out.Body); err != nil {
			return nil, err
		}
	}
	once := func() (*http.Response, error) {
		again := out.WithContext(out.Context())
		if out.Body != nil {
			again.Body = io.NopCloser(bytes.NewReader(text))
		}
		return t.RoundTripper.RoundTrip(again)
	}
	res, err := once()
	if err != nil {
		return nil, err
	}
	policy.Discard(res)
	return once()
}

// reset ends the caller's connection without a word; of HTTP/2 its stream.
func (x *exchange) reset() {
	x.Code = fault.ChaosPlayed
	conn, _, err := x.control.Hijack()
	if err != nil { // HTTP/2: the server resets the stream
		panic(http.ErrAbortHandler)
	}
	inner := conn
	if c, ok := inner.(*framing.Conn); ok {
		inner = c.Conn
	}
	if tcp, ok := inner.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // then Close sends RST
	}
	_ = conn.Close() // that is the point
}

// faultyBody is an answer's body that does not come as it should.
type faultyBody struct {
	io.ReadCloser
	p    *played
	ctx  context.Context //nolint:containedctx // of the exchange that reads it
	left int64           // bytes until it breaks off or stops
}

// onBody makes the answer's body go wrong: half of it comes, or of one of
// unknown length a little.
func (p *played) onBody(res *http.Response, out *http.Request) io.ReadCloser {
	const little = 512
	b := &faultyBody{ReadCloser: res.Body, p: p, ctx: out.Context(), left: little}
	if res.ContentLength > 0 {
		b.left = res.ContentLength / 2
	}
	return b
}

func (b *faultyBody) Read(buf []byte) (int, error) {
	select {
	case <-b.p.lifted:
		if b.p.Kind != FaultTruncate {
			return b.ReadCloser.Read(buf)
		}
	default:
	}
	if b.p.Kind == FaultSlow {
		return b.slow(buf)
	}
	if b.left == 0 {
		return b.end(buf)
	}
	n, err := b.ReadCloser.Read(buf[:min(int64(len(buf)), b.left)])
	b.left -= int64(n)
	if err == io.EOF { // a body of unknown length was shorter than a little
		b.left = 0
		if n == 0 {
			return b.end(buf)
		}
		err = nil
	}
	return n, err
}

// end breaks the body off, or lets it stop until the fault is lifted.
func (b *faultyBody) end(buf []byte) (int, error) {
	if b.p.Kind == FaultTruncate {
		return 0, io.ErrUnexpectedEOF
	}
	select {
	case <-b.p.lifted:
		return b.ReadCloser.Read(buf)
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

// slow gives a tenth of a second's bytes each tenth of a second, but at least
// one byte at a time.
func (b *faultyBody) slow(buf []byte) (int, error) {
	const beats = 10
	piece, pause := max(b.p.Rate, 1)/beats, time.Second/beats
	if piece == 0 {
		piece, pause = 1, time.Second/time.Duration(max(b.p.Rate, 1))
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.p.lifted:
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
	return b.ReadCloser.Read(buf[:min(int64(len(buf)), piece)])
}
