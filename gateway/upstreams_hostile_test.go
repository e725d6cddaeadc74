package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// hostile starts an upstream that reads a request and then does as it likes
// with the connection.
func hostile(t *testing.T, id string, answer func(net.Conn)) gateway.Upstream {
	t.Helper()
	l := listen(t)
	converse(t, l, func(br *bufio.Reader, c net.Conn) {
		if _, err := http.ReadRequest(br); err == nil {
			answer(c)
		}
	})
	return gateway.Upstream{ID: id, Addr: l.Addr().String()}
}

// converse serves each connection of l by how, until the test ends.
func converse(t *testing.T, l net.Listener, how func(*bufio.Reader, net.Conn)) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				how(bufio.NewReader(c), c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}

// TestHostileUpstreams: whatever an instance does, the caller has an end in
// time, a part never looks like the whole, nothing is kept, and it counts as a
// failure of the instance.
func TestHostileUpstreams(t *testing.T) {
	t.Parallel()
	drip := func(c net.Conn, head string) {
		for _, b := range []byte(head) {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond) // is what it does
		}
	}
	for _, test := range []struct {
		name   string
		answer func(net.Conn)
		status int    // 0: the answer breaks off
		code   string // of the problem
	}{
		{"never answers", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, 504, "gateway-timeout"},
		{"closes at once", func(net.Conn) {}, 502, "gateway-upstream-failed"},
		{"a byte now and then", func(c net.Conn) { drip(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }, 504, "gateway-timeout"},
		{"closes in mid-body", func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") }, 0, ""},
		{"closes in mid-chunk", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf")
		}, 0, ""},
		{"promises less than it sends", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and much more that nobody asked for")
		}, 200, "ok"},
		{"contradicts itself", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk")
		}, 502, "gateway-upstream-failed"},
		{"a negative length", func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n") }, 502, "gateway-upstream-failed"},
		{"a million headers", func(c net.Conn) {
			w := bufio.NewWriter(c)
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\n")
			for i := range 1_000_000 {
				if _, err := fmt.Fprintf(w, "X-%d: 1\r\n", i); err != nil {
					return
				}
			}
			_ = w.Flush()
		}, 502, "gateway-upstream-failed"},
		{"a header above 256 KiB", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Long: "+strings.Repeat("x", 260<<10)+"\r\n\r\nok")
		}, 502, "gateway-upstream-failed"},
		{"a header below it", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Long: "+strings.Repeat("x", 250<<10)+"\r\n\r\nok")
		}, 200, "ok"},
		{"no HTTP", func(c net.Conn) { _, _ = io.WriteString(c, "220 mail ESMTP\r\n") }, 502, "gateway-upstream-failed"},
		{"endless informational answers", func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n"); err != nil {
					return
				}
			}
		}, 502, "gateway-upstream-failed"},
	} {
		both := func(t *testing.T, outside bool) {
			t.Parallel()
			r := newRig(t, gateway.Options{}, hostile(t, "shop-1", test.answer))
			timeout := patience / 3
			if test.status == http.StatusGatewayTimeout {
				timeout = 400 * time.Millisecond
			}
			addr := r.addr
			if outside {
				r.SetRoutes("public", []plan.Route{{Gateway: "public", Path: "/", Service: "shop", Timeout: plan.Duration(timeout)}})
			} else {
				addr = r.guarded(t, plan.Edge{Timeout: plan.Duration(timeout)})
			}
			c := client(t, false)
			start := time.Now()
			res, err := c.Post("http://"+addr+"/", "text/plain", strings.NewReader("x"))
			if err != nil && test.status == 0 {
				return // it broke off before anything of it was passed on
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			body, err := io.ReadAll(res.Body)
			if took := time.Since(start); took > patience/2 {
				t.Errorf("it took %v", took)
			}
			switch test.status {
			case 0:
				if err == nil {
					t.Errorf("a part looks like the whole: %d %q", res.StatusCode, body)
				}
			case 200:
				if err != nil || res.StatusCode != 200 || string(body) != test.code {
					t.Errorf("got %d %q %v", res.StatusCode, body, err)
				}
			default:
				problem(t, answer{res, string(body)}, test.status, test.code)
			}
			eventually(t, "the instance to be free", func() bool { return r.InFlight("shop-1") == 0 && r.Stats().InFlight == 0 })
		}
		t.Run(test.name, func(t *testing.T) { both(t, false) })
		t.Run(test.name+", asked from outside", func(t *testing.T) { both(t, true) })
	}
}

// TestAGigabyte: an answer that never ends, and a body that would not, are let
// go when nobody wants them any more; nothing of them is kept.
func TestAGigabyte(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	r := newRig(t, gateway.Options{}, hostile(t, "shop-1", func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
		for piece := make([]byte, 64<<10); ; {
			n, err := c.Write(piece)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	}))
	for _, addr := range []string{r.addr, r.serve(t, r.Edge("web", "shop", patience))} {
		sent.Store(0)
		res, err := client(t, false).Get("http://" + addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, res.Body, 4<<20); err != nil {
			t.Error(err)
		}
		_ = res.Body.Close() // the rest is not wanted
		eventually(t, "the instance to be let go", func() bool { return r.InFlight("shop-1") == 0 && r.Stats().InFlight == 0 })
		if n := sent.Load(); n > 256<<20 {
			t.Errorf("%d MiB were taken from the instance", n>>20)
		}
		a := raw(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\nx", patience)
		if !strings.HasPrefix(a, "HTTP/1.1 413 ") {
			t.Errorf("a body of 1 GiB: %.60q", a)
		}
	}
}
