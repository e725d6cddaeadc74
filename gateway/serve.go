package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/plat-dev/plat/gateway/framing"
)

// Serve answers HTTP/1.1 and HTTP/2 without TLS on l with h, within the
// Limits, until ctx ends. Then it takes no more connections, lets exchanges
// end for at most Limits.Drain, ends WebSockets and what is left, and returns
// nil. It returns earlier, with the cause, when l fails. l is closed.
func (g *Gateway) Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	fresh := &freshConns{since: map[net.Conn]struct{}{}}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler:           h,
		Protocols:         protocols,
		ReadHeaderTimeout: g.limits.HeaderTimeout,
		IdleTimeout:       g.limits.Idle,
		// Over twice the limit net/http answers 431 itself, so that what is
		// merely over it gets the gateway's answer.
		MaxHeaderBytes:               2 * g.limits.Header,
		DisableGeneralOptionsHandler: true,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: g.limits.Streams,
			SendPingTimeout:      g.limits.Idle,
			PingTimeout:          g.limits.HeaderTimeout,
			WriteByteTimeout:     g.limits.Write,
		},
		ConnState: fresh.note,
		ErrorLog:  slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(framing.Listener{Listener: l}) }()
	select {
	case err := <-failed:
		g.closeTunnels(server)
		_ = server.Close() // the cause is err
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.limits.Drain)
	defer cancel()
	early := time.AfterFunc(min(g.limits.Drain, 200*time.Millisecond), fresh.close)
	defer early.Stop()
	err := server.Shutdown(drain)
	g.closeTunnels(server)
	if err != nil {
		g.log.Warn("exchanges cut off at the end of the drain", "listener", l.Addr().String(), "after", g.limits.Drain.String())
		err = server.Close()
	}
	if served := <-failed; err == nil && !errors.Is(served, http.ErrServerClosed) {
		err = served
	}
	return err
}

// freshConns knows the connections on which no request has come yet: a
// browser keeps some in reserve, and Shutdown would wait for them.
type freshConns struct {
	mu    sync.Mutex
	since map[net.Conn]struct{}
}

func (f *freshConns) note(c net.Conn, state http.ConnState) {
	if state == http.StateIdle {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if state == http.StateNew {
		f.since[c] = struct{}{}
	} else {
		delete(f.since, c)
	}
}

func (f *freshConns) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.since {
		_ = c.Close() // nothing was said on it
	}
}
