// Package smtp is the door by which mail comes into the development mailbox:
// an SMTP server that takes every mail for every recipient and relays nothing,
// anywhere, ever. It owns the limits of a connection and the words of the
// protocol; it must never keep a mail itself or open a connection.
package smtp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	smtp "github.com/emersion/go-smtp"

	"github.com/plat-dev/plat/mail"
)

// Limits of what is taken.
const (
	MaxBytes       = 10 << 20         // of one mail
	MaxRecipients  = 100              // of one mail
	MaxLine        = 1 << 20          // bytes of one line; RFC 5321 allows 1000, and programs send more
	MaxConnections = 100              // at once; one more is answered 421 and closed
	IdleTimeout    = time.Minute      // for the next command, and for a whole mail
	Lifetime       = 10 * time.Minute // of a connection, whatever it does
)

// Serve takes mails from a listener into the box until ctx ends, which ends
// every connection; all that it started has ended when it returns. It closes
// the listener. The error is nil when ctx ended, else why the listener failed.
func Serve(ctx context.Context, l net.Listener, box *mail.Box, log *slog.Logger) error {
	return serve(ctx, l, box, log, limits{IdleTimeout, Lifetime, MaxConnections})
}

// limits are those that tests shorten.
type limits struct {
	idle, lifetime time.Duration
	connections    int
}

func serve(ctx context.Context, l net.Listener, box *mail.Box, log *slog.Logger, lim limits) error {
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{box: box, log: log, end: c.Conn().Close}, nil
	}))
	server.Domain = "plat.localhost"
	server.MaxMessageBytes, server.MaxRecipients, server.MaxLineLength = MaxBytes, MaxRecipients, MaxLine
	server.ReadTimeout, server.WriteTimeout = lim.idle, lim.idle
	server.AllowInsecureAuth = true // any credentials do, so there is nothing to protect
	server.EnableSMTPUTF8 = true
	server.ErrorLog = errorLog{log}

	door := &gate{Listener: l, limits: lim, log: log, open: map[*guarded]struct{}{}}
	ended, failed := make(chan struct{}), error(nil)
	go func() {
		failed = server.Serve(door)
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	// No new connection is served once the gate is shut and the listener has
	// ended, so that what Shutdown waits for grows no more.
	door.shut()
	<-ended
	_ = server.Shutdown(context.Background()) // ends, as every connection does; that the listener is closed already is no news
	if ctx.Err() == nil {
		return fmt.Errorf("the mail listener ended: %w", failed)
	}
	return nil
}

// gate bounds the connections of a listener, and ends them.
type gate struct {
	net.Listener
	limits
	log *slog.Logger

	mu     sync.Mutex
	open   map[*guarded]struct{}
	closed bool
	full   bool // the last connection was one too many; so that it is said once
}

// Accept gives the next connection that there is room for.
func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := g.admit(conn); c != nil {
			return c, nil
		}
	}
}

func (g *gate) admit(conn net.Conn) net.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		_ = conn.Close()
		return nil
	}
	if len(g.open) >= g.connections {
		if !g.full {
			g.log.Warn("the mailbox refuses connections, it has as many as it can serve", "limit", g.connections)
		}
		g.full = true
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = conn.Write([]byte("421 4.3.2 plat.localhost has too many connections, try again later\r\n")) // whoever is not there to read it loses nothing
		_ = conn.Close()
		return nil
	}
	g.full = false
	c := &guarded{Conn: conn, gate: g, until: time.Now().Add(g.lifetime)}
	g.open[c] = struct{}{}
	return c
}

// shut closes the listener and ends every connection, and each that still comes.
func (g *gate) shut() {
	g.mu.Lock()
	g.closed = true
	all := make([]*guarded, 0, len(g.open))
	for c := range g.open {
		all = append(all, c)
	}
	g.mu.Unlock()
	_ = g.Close()
	for _, c := range all {
		_ = c.Close()
	}
}

// guarded is a connection that ends after its lifetime.
type guarded struct {
	net.Conn
	gate  *gate
	until time.Time
}

// SetReadDeadline never sets one beyond the connection's lifetime.
func (c *guarded) SetReadDeadline(t time.Time) error {
	if t.After(c.until) {
		t = c.until
	}
	return c.Conn.SetReadDeadline(t)
}

// Close gives the connection's place to another.
func (c *guarded) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.open, c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// errorLog takes what the library has to say.
type errorLog struct{ log *slog.Logger }

// Printf logs one line.
func (l errorLog) Printf(format string, args ...any) {
	if slices.ContainsFunc(args, func(a any) bool {
		err, ok := a.(error)
		return ok && errors.Is(err, net.ErrClosed)
	}) {
		return // a connection that was ended here
	}
	l.log.Warn("mail: " + fmt.Sprintf(format, args...))
}

// Println logs one line.
func (l errorLog) Println(args ...any) { l.log.Warn("mail: " + fmt.Sprint(args...)) }
