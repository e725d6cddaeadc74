// Package reuse keeps answers apart on connections of HTTP/1.1 that are used
// again. A server that sends more than it said leaves bytes behind; net/http's
// Transport may give the connection to the next request before it has looked,
// and then takes what is left for its answer: one client gets what belongs to
// another. Here a request waits, before it is sent, until the connection's
// reader waits for the network with nothing left; where something is left, or
// the server has closed it, another connection is taken.
//
// What arrives after a request was sent is its answer, as HTTP/1.1 has it:
// there is no other sign of what belongs to what.
//
// A transport takes its connections of [Dialer]; each request has a [Check],
// whose GotConn is in its trace and whose Send sends it.
package reuse

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"
)

const (
	// patience bounds the wait for a reader, which takes microseconds: it has
	// only to be given a processor.
	patience = 2 * time.Second
	// mostRefused bounds how many connections are refused for one request.
	mostRefused = 32
)

// ErrRefused is that a request was not sent, since no connection was fit.
var ErrRefused = errors.New("not sent: the connections held bytes that nobody had asked for, or were closed")

// Dial is how a transport makes connections.
type Dial = func(ctx context.Context, network, addr string) (net.Conn, error)

// Dialer gives the connections of dial what a [Check] needs: for DialContext
// of a transport, with TLS above them or not. It is not for transports that
// speak nothing but HTTP/2.
func Dialer(dial Dial) Dial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return watched(c), nil
	}
}

// Body is a request's body that tells whether it was read. As long as it was
// not the request may be sent again, so that Close must not end it.
type Body interface{ Unread() bool }

// Check is of one request at a time. Its zero value is ready.
type Check struct {
	ctx     context.Context //nolint:containedctx // of the request that is sent: httptrace gives none
	refused bool            // the last connection was
}

// GotConn is for the trace of the request.
func (c *Check) GotConn(info httptrace.GotConnInfo) {
	c.refused = info.Reused && c.ctx != nil && !settled(c.ctx, info.Conn)
}

// Send sends r, as often as it takes to find a connection that is fit, while
// r has no body, or one that is a [Body]. (Those with a GetBody net/http sends
// again by itself.) Without a connection it fails with [ErrRefused], or with
// why its context ended; nothing was sent then.
func (c *Check) Send(to http.RoundTripper, r *http.Request) (*http.Response, error) {
	c.ctx = r.Context()
	for n := 1; ; n++ {
		c.refused = false
		res, err := to.RoundTrip(r)
		if !c.refused {
			return res, err
		}
		if err == nil {
			_ = res.Body.Close() // whatever it is, it was not asked for
		}
		if c.ctx.Err() != nil {
			return nil, context.Cause(c.ctx)
		}
		if n == mostRefused || err == nil || !again(r) {
			return nil, ErrRefused
		}
	}
}

// again tells whether all of the request is still there.
func again(r *http.Request) bool {
	if r.Body == nil || r.Body == http.NoBody {
		return true
	}
	b, ok := r.Body.(Body)
	return ok && b.Unread()
}

// Send sends r with a check of its own.
func Send(to http.RoundTripper, r *http.Request) (*http.Response, error) {
	c := &Check{}
	return c.Send(to, r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: c.GotConn})))
}
