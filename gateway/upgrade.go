package gateway

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plat-dev/plat/fault"
)

var (
	errSwitched = errors.New("the instance switched protocols unasked")
	errHijack   = errors.New("the client's connection cannot be taken over")
)

// tunnelSize is small, since a tunnel is mostly at rest and keeps two.
const tunnelSize = 8 << 10

// halfClosed is how long one direction of a tunnel may go on after the other
// has ended.
const halfClosed = 30 * time.Second

// tunnel is a connection that became something else, such as a WebSocket.
type tunnel struct {
	client net.Conn
	server io.ReadWriteCloser
	once   sync.Once

	mu   sync.Mutex // guards what follows
	late *time.Timer
}

// halfClose gives the other direction its last time.
func (t *tunnel) halfClose() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.late == nil {
		t.late = time.AfterFunc(halfClosed, t.close)
	}
}

// close ends both sides; it may be called more than once.
func (t *tunnel) close() {
	t.once.Do(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.late != nil {
			t.late.Stop()
		}
		_ = t.client.Close() // the tunnel is over either way
		_ = t.server.Close()
	})
}

// switchProtocols joins the client's connection to the instance's until one
// of them ends.
func (x *exchange) switchProtocols(res *http.Response, asked string) {
	server, ok := res.Body.(io.ReadWriteCloser)
	if got := res.Header["Upgrade"]; asked == "" || !ok || len(got) != 1 || !strings.EqualFold(got[0], asked) {
		_ = res.Body.Close() // not what was asked for
		x.Err = errSwitched
		x.problem(http.StatusBadGateway, fault.GatewayUpstreamFailed, x.Service+" switched to a protocol that was not asked for")
		return
	}
	conn, rw, err := x.control.Hijack()
	if err != nil {
		_ = server.Close() // nobody to join it to
		x.Err = errors.Join(errHijack, err)
		x.problem(http.StatusBadGateway, fault.GatewayUpstreamFailed, "the connection cannot be switched")
		return
	}
	t := &tunnel{client: conn, server: server}
	leave := x.gateway.enter(x.r, t)
	defer leave()
	defer t.close()
	// The request's context ends with a Hijack'ed client no more: the copies
	// below see to both ends.
	_ = conn.SetDeadline(time.Time{}) // closed: the next write tells
	x.Status = http.StatusSwitchingProtocols
	if err := x.writeSwitch(rw.Writer, res, asked); err != nil {
		x.Code, x.Err = fault.GatewayClientGone, err
		return
	}
	var in, out atomic.Int64
	var both sync.WaitGroup
	direction := func(dst io.Writer, src io.Reader, count *atomic.Int64) {
		if err := pump(dst, src, count); err != nil {
			t.close()
			return
		}
		t.halfClose()
	}
	both.Go(func() { direction(server, rw.Reader, &in) })
	both.Go(func() { direction(conn, server, &out) })
	both.Wait()
	x.BytesIn, x.BytesOut = in.Load(), out.Load()
}

// writeSwitch answers the client with the instance's 101.
func (x *exchange) writeSwitch(w *bufio.Writer, res *http.Response, protocol string) error {
	h := make(http.Header, len(res.Header)+3)
	for name, values := range res.Header {
		if !hopByHop(name) {
			h[name] = values
		}
	}
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{protocol}
	h["X-Correlation-Id"] = []string{x.CorrelationID}
	if _, err := w.WriteString("HTTP/1.1 101 Switching Protocols\r\n"); err != nil {
		return err
	}
	if err := h.Write(w); err != nil {
		return err
	}
	if _, err := w.WriteString("\r\n"); err != nil {
		return err
	}
	return w.Flush()
}

// pump copies one direction and, at its end, tells the other side that no
// more comes.
func pump(dst io.Writer, src io.Reader, count *atomic.Int64) error {
	buf := make([]byte, tunnelSize)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			written, werr := dst.Write(buf[:n])
			count.Add(int64(written))
			if werr != nil {
				return werr
			}
		}
		if err == io.EOF {
			if half, ok := dst.(interface{ CloseWrite() error }); ok {
				return half.CloseWrite()
			}
			return io.EOF
		}
		if err != nil {
			return err
		}
	}
}

// enter makes the tunnel known to the server it came through, which ends it
// when it stops.
func (g *Gateway) enter(r *http.Request, t *tunnel) (leave func()) {
	server, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tunnels[server] == nil {
		g.tunnels[server] = map[*tunnel]struct{}{}
	}
	g.tunnels[server][t] = struct{}{}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if delete(g.tunnels[server], t); len(g.tunnels[server]) == 0 {
			delete(g.tunnels, server)
		}
	}
}

// closeTunnels ends the tunnels of a server.
func (g *Gateway) closeTunnels(server *http.Server) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for t := range g.tunnels[server] {
		t.close()
	}
}
