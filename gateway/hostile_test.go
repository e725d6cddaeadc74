package gateway_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/plat-dev/plat/gateway"
)

// TestSlowloris: 50 connections that never end their header are closed
// within the header time-out, while others are served.
func TestSlowloris(t *testing.T) {
	t.Parallel()
	const timeout = 1500 * time.Millisecond
	r := newRig(t, gateway.Options{Limits: gateway.Limits{HeaderTimeout: timeout}}, backend(t, "shop-1", echo))
	var wg sync.WaitGroup
	var closed atomic.Int64
	for i := range 50 {
		c := dial(t, r.addr)
		wg.Go(func() {
			if i%5 > 0 { // every fifth says nothing at all
				_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n")
			}
			done := make(chan struct{})
			go func() { // goes on slowly
				defer close(done)
				for n := 0; i%5 > 0; n++ {
					if _, err := fmt.Fprintf(c, "X-%d: y\r\n", n); err != nil {
						return
					}
					time.Sleep(50 * time.Millisecond)
				}
			}()
			if _, err := io.Copy(io.Discard, c); !errors.Is(err, os.ErrDeadlineExceeded) { // that of dial
				closed.Add(1)
			}
			_ = c.Close()
			<-done
		})
	}
	c := client(t, false)
	for range 100 {
		if a := do(t, c, "GET", "http://"+r.addr+"/", ""); a.StatusCode != 200 {
			t.Fatalf("others are not served: %d", a.StatusCode)
		}
	}
	wg.Wait()
	if closed.Load() != 50 {
		t.Errorf("%d of 50 were closed", closed.Load())
	}
}

// TestSlowBody: a body must come at the least rate; a long-lived stream may
// rest.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	limits := gateway.Limits{BodyStall: 500 * time.Millisecond, Write: time.Second}
	up := h2cBackend(t, "shop-1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(flushing{w}, r.Body)
	}))
	slow := backend(t, "shop-2", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	r := newRig(t, gateway.Options{Limits: limits}, slow)
	for _, framing := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
		c := dial(t, r.addr)
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\n"+framing+"\r\n\r\n")
		a := readResponse(t, bufio.NewReader(c), "POST") // before the deadline of dial
		problem(t, a, 408, "gateway-body-too-slow")
		if _, err := io.ReadAll(c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: the connection stays open: %v", framing, err)
		}
	}
	// A two-way HTTP/2 stream rests longer than any of the limits.
	r.SetUpstreams("shop", []gateway.Upstream{up})
	pr, pw := io.Pipe()
	req, _ := http.NewRequestWithContext(t.Context(), "POST", "http://"+r.addr+"/", pr)
	res, err := client(t, true).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	buf := make([]byte, 4)
	for i := range 2 {
		time.Sleep(time.Duration(i) * limits.Write * 6 / 5) // is the rest
		go func() { _, _ = io.WriteString(pw, "ping") }()
		if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != "ping" {
			t.Fatalf("%q %v", buf, err)
		}
	}
	_ = pw.Close()
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Errorf("end of the stream: %q %v", rest, err)
	}
}

type flushing struct{ http.ResponseWriter }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	_ = http.NewResponseController(f.ResponseWriter).Flush()
	return n, err
}

// TestSlowReader: a client that takes nothing of a large answer is let go.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	shop := backend(t, "shop-1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("length") {
			w.Header().Set("Content-Length", fmt.Sprint(64<<20))
		}
		piece := make([]byte, 64<<10)
		for range 1024 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	for _, target := range []string{"/?length", "/"} {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprint(target, h2), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, gateway.Options{Limits: gateway.Limits{Write: time.Second}}, shop)
				if !h2 {
					c := dial(t, r.addr)
					_ = c.SetReadBuffer(4096)
					_, _ = io.WriteString(c, "GET "+target+" HTTP/1.1\r\nHost: x\r\n\r\n")
					eventually(t, "the client to be let go", func() bool { return r.Stats().InFlight == 0 && len(r.log.all(t)) == 1 })
					return
				}
				req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+r.addr+target, nil)
				res, err := client(t, true).Do(req) // the window fills
				if err != nil {
					t.Fatal(err)
				}
				eventually(t, "the stream to be let go", func() bool { return r.Stats().InFlight == 0 })
				_ = res.Body.Close()
			})
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	var got atomic.Int64
	r := newRig(t, gateway.Options{Limits: gateway.Limits{Header: 8 << 10, Body: 1 << 20}}, backend(t, "shop-1", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got.Store(n)
		_, _ = fmt.Fprint(w, n)
	}))
	for _, h2 := range []bool{false, true} {
		c := client(t, h2)
		url := "http://" + r.addr + "/"
		if a := do(t, c, "GET", url, "", "X-Large", strings.Repeat("x", 7<<10)); a.StatusCode != 200 {
			t.Errorf("h2 %v: a header within the limit: %d", h2, a.StatusCode)
		}
		problem(t, do(t, c, "GET", url, "", "X-Large", strings.Repeat("x", 9<<10)), 431, "gateway-headers-too-large")
		if a := do(t, c, "POST", url, strings.Repeat("x", 1<<20)); a.body != fmt.Sprint(1<<20) {
			t.Errorf("h2 %v: a body within the limit: %d %s", h2, a.StatusCode, a.body)
		}
		problem(t, do(t, c, "POST", url, strings.Repeat("x", 1<<20+1)), 413, "gateway-body-too-large")
		// Without a length it shows on the way.
		req, _ := http.NewRequestWithContext(t.Context(), "POST", url, io.LimitReader(endless{}, 2<<20))
		res, err := c.Do(req)
		if err != nil {
			t.Fatalf("h2 %v: %v", h2, err)
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		problem(t, answer{res, string(b)}, 413, "gateway-body-too-large")
	}
	if a := raw(t, r.addr, "GET / HTTP/1.1\r\nHost: x\r\nX-Huge: "+strings.Repeat("x", 40<<10)+"\r\n\r\n", patience); !strings.HasPrefix(a, "HTTP/1.1 431 ") {
		t.Errorf("a huge header: %.60q", a)
	}
	if a := raw(t, r.addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close"+strings.Repeat(",a", 1000)+"\r\n\r\n", patience); !strings.HasPrefix(a, "HTTP/1.1 400 ") {
		t.Errorf("a long Connection header: %.60q", a)
	}
	if got.Load() > 1<<20 {
		t.Errorf("the instance read %d bytes", got.Load())
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestSmuggling: none of these shapes reaches an instance as more than one
// request, and those that are ambiguous reach none.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var reached []string
	up := fake(t, "shop-1", func(c net.Conn) {
		br := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return // began, and was broken off
			}
			mu.Lock()
			reached = append(reached, req.RequestURI)
			mu.Unlock()
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	r := newRig(t, gateway.Options{}, up)
	edge := r.serve(t, r.Edge("web", "shop", patience))
	const inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, request := range map[string]string{
		"two lengths":           "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 38\r\n\r\n" + inner,
		"odd length":            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n" + inner,
		"list of lengths":       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 38\r\n\r\n" + inner,
		"negative length":       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n" + inner,
		"length and chunked":    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
		"chunked and length":    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + inner,
		"odd coding":            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inner,
		"two codings":           "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + inner,
		"coding with tab":       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + inner,
		"space before colon":    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + inner,
		"obs-fold":              "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + inner,
		"obs-fold of a value":   "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n",
		"bare LF in the header": "GET / HTTP/1.1\nHost: x\n\n",
		"bare LF in one line":   "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\nX-B: c\r\n\r\n",
		"bare CR":               "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\rX-B: c\r\n\r\n",
		"NUL":                   "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\x00c\r\n\r\n",
		"bare LF in a chunk":    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n" + inner,
		"odd chunk size":        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + inner,
		"huge chunk size":       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + inner,
		"chunk without its end": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc0\r\n\r\n" + inner,
		"CL.TE":                 "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
		"TE.CL":                 "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n23\r\n" + inner + "\r\n0\r\n\r\n",
		"same length twice":     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n" + inner,
		"length in hex":         "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x0\r\n\r\n" + inner,
		"empty length":          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n" + inner,
		"huge length":           "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n" + inner,
		"LF in an extension":    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;a\nxx\r\n0\r\n\r\n" + inner,
		"CR in an extension":    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;a\rb\r\nxx\r\n0\r\n\r\n" + inner,
		"an extension":          "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nxx\r\n0\r\n\r\n" + inner,
		"bare semicolon":        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0;\r\n\r\n" + inner,
		"space behind a size":   "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0 \r\n\r\n" + inner,
		"negative chunk":        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + inner,
		"two hosts":             "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"no host":               "GET / HTTP/1.1\r\n\r\n",
		"space in the target":   "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.0 chunked":      "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
		"line before":           " GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"fold in first field":   "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
		"chunked twice":         "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + inner,
		"after a good one":      "GET /good HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
		"after a good chunked":  "POST /good HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nGET / HTTP/1.1\nHost: x\n\n",
	} {
		for _, addr := range []string{r.addr, edge} {
			mu.Lock()
			reached = nil
			mu.Unlock()
			got := raw(t, addr, request, patience) // ends because the gateway closes
			eventually(t, "the instance's rest", func() bool { return r.Stats().InFlight == 0 })
			mu.Lock()
			for _, uri := range reached {
				if uri != "/good" {
					t.Errorf("%s: %s reached the instance", name, uri)
				}
			}
			mu.Unlock()
			last := got[strings.LastIndex(got, "HTTP/1.1 ")+1:]
			if !strings.HasPrefix(last, "TTP/1.1 400 ") && !strings.HasPrefix(last, "TTP/1.1 501 ") {
				t.Errorf("%s: answered %.80q", name, got)
			}
		}
	}
}

// TestAMillionFields: a client that never ends its header gets an answer, and
// no more of it is read.
func TestAMillionFields(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", echo))
	for _, addr := range []string{r.addr, r.serve(t, r.Edge("web", "shop", patience))} {
		c := dial(t, addr)
		sent := make(chan int, 1)
		go func() {
			w, n := bufio.NewWriter(c), 0
			_, _ = io.WriteString(w, "GET / HTTP/1.1\r\nHost: x\r\n")
			for ; n < 1_000_000; n++ {
				if _, err := fmt.Fprintf(w, "X-%d: 1\r\n", n); err != nil {
					break
				}
			}
			sent <- n
		}()
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil && !errors.Is(err, syscall.ECONNRESET) || err == nil && !strings.HasPrefix(line, "HTTP/1.1 431 ") {
			t.Errorf("answered %q %v", line, err)
		}
		_ = c.Close()
		if n := <-sent; n == 1_000_000 {
			t.Error("all of it was read")
		}
	}
}
