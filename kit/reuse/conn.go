//go:build linux || darwin || freebsd

package reuse

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn knows whether its reader waits for the network, with nothing left to
// read.
type conn struct {
	net.Conn
	tcp  *net.TCPConn
	raw  syscall.RawConn
	try  func(fd uintptr) bool // c.readOnce, bound once
	look func(fd uintptr)      // c.peek, bound once

	reading sync.Mutex // held by the reader; guards what follows
	into    []byte
	n       int
	err     error

	left bool    // what the last peek found; of the one request that has the connection
	byte [1]byte // for peek

	mu      sync.Mutex    // guards what follows
	waits   bool          // the reader does, since it found nothing
	closed  bool          // nothing can be sent any more
	changed chan struct{} // of capacity 1; one of them became true
}

// watched is c, as something that settled can ask; other connections than TCP's
// stay as they are.
func watched(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	w := &conn{Conn: c, tcp: tcp, raw: raw, changed: make(chan struct{}, 1)}
	w.try, w.look = w.readOnce, w.peek
	return w
}

// Read implements net.Conn. It reads by itself, since only so it is known
// whether there was nothing.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return c.Conn.Read(p)
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	c.into, c.n, c.err = p, 0, nil
	err := c.raw.Read(c.try)
	c.into = nil
	if err != nil { // closed, or the deadline is over
		c.set(&c.waits, false)
		if op, ok := errors.AsType[*net.OpError](err); ok {
			op.Op = "read"
		}
		return 0, err
	}
	switch {
	case c.err != nil:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("read", c.err)}
	case c.n == 0:
		return 0, io.EOF
	}
	return c.n, nil
}

// readOnce reads what there is; false where there is nothing yet.
func (c *conn) readOnce(fd uintptr) bool {
	if c.waits { // written by this goroutine alone
		c.set(&c.waits, false)
	}
	for {
		n, err := syscall.Read(int(fd), c.into) // #nosec G115 -- a descriptor
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			c.set(&c.waits, true)
			return false
		}
		c.n, c.err = n, err
		return true
	}
}

// set changes waits or closed, and says so to who waits for it.
func (c *conn) set(what *bool, to bool) {
	c.mu.Lock()
	*what = to
	c.mu.Unlock()
	if to {
		select {
		case c.changed <- struct{}{}:
		default: // it is said already
		}
	}
}

// peek looks whether there is something to read, the end included.
func (c *conn) peek(fd uintptr) {
	for {
		_, _, err := syscall.Recvfrom(int(fd), c.byte[:], syscall.MSG_PEEK) // #nosec G115 -- a descriptor
		if !errors.Is(err, syscall.EINTR) {
			c.left = !errors.Is(err, syscall.EAGAIN)
			return
		}
	}
}

// ReadFrom implements io.ReaderFrom: bodies go as fast as without us.
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return c.tcp.ReadFrom(r) }

// CloseWrite ends one half of what a connection became (101 Switching
// Protocols).
func (c *conn) CloseWrite() error { return c.tcp.CloseWrite() }

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.set(&c.closed, true)
	return err
}

// quiet tells whether the reader waits and nothing has come meanwhile.
func (c *conn) quiet() (quiet, closed bool) {
	c.mu.Lock() // held until the end: the reader takes nothing unseen
	defer c.mu.Unlock()
	if !c.waits || c.closed {
		return false, c.closed
	}
	c.left = true
	_ = c.raw.Control(c.look) // fails when it is closed: then something is left
	return !c.left, false
}

// settled waits until nothing is left on a connection of HTTP/1.1 and tells
// whether a request may be sent on it: else it is closed.
func settled(ctx context.Context, nc net.Conn) bool {
	c := under(nc)
	if c == nil {
		return true
	}
	quiet, closed := c.quiet()
	if quiet || closed {
		return quiet
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case <-c.changed:
			if quiet, closed := c.quiet(); quiet || closed {
				return quiet
			}
		case <-ctx.Done():
			_ = c.Close() // whatever is on it, nobody gets it
			return false
		case <-timer.C:
			_ = c.Close()
			return false
		}
	}
}

// under finds ours below TLS; nil where there is none, or HTTP/2 is spoken,
// whose frames say what they belong to.
func under(nc net.Conn) *conn {
	for {
		switch c := nc.(type) {
		case *conn:
			return c
		case *tls.Conn:
			if c.ConnectionState().NegotiatedProtocol == "h2" {
				return nil
			}
			nc = c.NetConn()
		default:
			return nil
		}
	}
}
