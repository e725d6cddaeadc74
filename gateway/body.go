package gateway

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
)

var (
	errBodyTooLarge = errors.New("the request's body is over the limit")
	errBodyTooSlow  = errors.New("the request's body arrives too slowly")
	errBodyClosed   = errors.New("the exchange is over")
)

// requestBody is the body on its way to an instance: counted, limited, and
// held to a least rate. The transport reads it on a goroutine of its own and
// may do so after the exchange is over.
type requestBody struct {
	answer  *answer
	source  io.Reader
	control *http.ResponseController
	shared  bool // its connection has other streams: HTTP/2
	paced   bool // deadlines apply: not to an open-ended HTTP/2 stream
	start   time.Time
	stall   time.Duration
	rate    int64
	trailer http.Header
	outside bool // nothing in it is believed

	reading sync.Mutex // held while the source is read; taken before mu

	mu     sync.Mutex // guards what follows
	limit  int64
	count  int64
	read   bool
	whole  bool // read to its end
	closed bool
	err    error
}

// attachBody gives out the exchange's body, if it has one.
func (x *exchange) attachBody(out *http.Request, a *answer) {
	r := x.r
	if x.held != nil {
		x.giveHeld(out)
		return
	}
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		out.Body, out.ContentLength = nil, 0
		return
	}
	l := x.gateway.limits
	x.body = &requestBody{
		answer: a, source: r.Body, control: x.control, limit: x.bodyLimit(), shared: r.ProtoMajor == 2,
		paced: r.ProtoMajor == 1 || r.ContentLength > 0, start: x.Start, stall: l.BodyStall, rate: l.BodyRate,
	}
	out.Body = x.body
	if len(r.Trailer) > 0 {
		out.ContentLength = -1 // trailers need the chunked form
	}
	// out.Trailer is r.Trailer, the same map: the server fills it at the
	// body's end, and the transport sends it after that.
	x.body.trailer, x.body.outside = r.Trailer, x.Gateway != ""
	x.body.cleanTrailer()
}

// duplex lets an answer that comes before the body's end be passed on at once.
// It is called when somebody begins to read the body: else net/http, which
// then does not read what is left of it, would close the connection unsaid.
func (b *requestBody) duplex() {
	if b != nil && !b.shared {
		_ = b.control.EnableFullDuplex() // unsupported: net/http reads on a little first
	}
}

// cleanTrailer removes what is no more believed there than in the header.
func (b *requestBody) cleanTrailer() {
	for name := range b.trailer {
		if hopByHop(name) || b.outside && foreign(name) || disguised(name, b.outside) {
			delete(b.trailer, name)
		}
	}
}

// Read is called by the transport.
func (b *requestBody) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	b.mu.Lock()
	b.read = true
	if b.closed {
		b.mu.Unlock()
		return 0, errBodyClosed
	}
	if b.err != nil {
		defer b.mu.Unlock()
		return 0, b.err
	}
	if b.paced {
		allowed := b.stall + time.Duration(b.count/b.rate)*time.Second
		_ = b.control.SetReadDeadline(b.start.Add(allowed)) // unsupported in tests' recorders alone
	}
	b.mu.Unlock()

	n, err := b.source.Read(p)

	b.mu.Lock()
	defer b.mu.Unlock()
	b.count += int64(n)
	switch {
	case b.closed:
		return 0, errBodyClosed
	case b.limit > 0 && b.count > b.limit:
		b.err = errBodyTooLarge
		return 0, b.err
	case err == nil:
		return n, nil
	case err == io.EOF:
		if b.paced {
			// INVARIANT: no deadline is left when net/http begins to watch
			// the connection for the client's going away.
			_ = b.control.SetReadDeadline(time.Time{})
		}
		b.whole = true
		b.cleanTrailer()
		b.answer.start()
	case isTimeout(err):
		b.err, err = errBodyTooSlow, errBodyTooSlow
	default:
		b.err = err
	}
	return n, err
}

// Close is called by the transport, which then waits for its reader. An HTTP/2
// client may be silent for long: nobody waits for its next piece when there is
// nobody left to have it. (In HTTP/1.1 that would end the client's connection,
// with an answer that may be on its way.) Before the first Read another try
// may follow.
func (b *requestBody) Close() error {
	if b.shared && b.touched() {
		b.abort()
	}
	return nil
}

// close lets the connection alone from now on, and gives the count.
func (b *requestBody) close() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return b.count
}

// abort ends a read that waits for the client: net/http's transport returns
// no sooner.
func (b *requestBody) abort() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed && !b.whole {
		b.closed = true
		_ = b.control.SetReadDeadline(b.start) // unsupported in tests' recorders alone
	}
}

// unlimited is for a stream that may last for days.
func (b *requestBody) unlimited() {
	b.mu.Lock()
	b.limit = 0
	b.mu.Unlock()
}

// Unread implements reuse.Body.
func (b *requestBody) Unread() bool { return !b.touched() }

func (b *requestBody) touched() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read
}

// failure is why the body could not be read. net/http ends the request's
// context when a read fails, the client's fault or not, before the read
// returns: gone waits for that.
func (b *requestBody) failure(gone bool) error {
	if gone {
		b.reading.Lock()
		defer b.reading.Unlock()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// bodyFailed answers for a body that could not be passed on whole.
func (x *exchange) bodyFailed(err error) {
	x.closeAfter()
	x.Err = err
	switch {
	case errors.Is(err, errBodyTooLarge):
		x.problem(http.StatusRequestEntityTooLarge, fault.GatewayBodyTooLarge, errBodyTooLarge.Error())
	case errors.Is(err, errBodyTooSlow):
		x.problem(http.StatusRequestTimeout, fault.GatewayBodyTooSlow, errBodyTooSlow.Error())
	default:
		x.problem(http.StatusBadRequest, fault.GatewayBodyBroken, "the request's body broke off")
	}
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}
