package gateway_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway"
)

func TestEdge(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", echo))
	edge := r.serve(t, r.Edge("web", "shop", 20*time.Second))
	c := client(t, false)
	a := do(t, c, "GET", "http://"+edge+"/a/b?c", "", "Traceparent", parent, "Tracestate", "a=1", "Baggage", "k=v", "X-Correlation-ID", "work-1",
		"Plat-Caller", "somebody", "Plat-Experiment", "e1", "Authorization", "Bearer x", "User-Agent", "me", "Host", "shop.internal")
	s := decode(t, a)
	s.Header.Del("Accept-Encoding")
	want := http.Header{
		"Traceparent": {parent}, "Tracestate": {"a=1"}, "Baggage": {"k=v"}, "X-Correlation-Id": {"work-1"}, "Plat-Caller": {"web"}, "Plat-Admitted": {"1"},
		"Plat-Experiment": {"e1"}, "Plat-Timeout": {"20000"}, "Authorization": {"Bearer x"}, "User-Agent": {"me"}, "Via": {"1.1 plat"},
	}
	if diff := cmp.Diff(want, s.Header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if s.URI != "/a/b?c" || s.Host != "shop.internal" || a.Header.Get("X-Correlation-ID") != "work-1" {
		t.Errorf("%+v, answered %q", s, a.Header.Get("X-Correlation-ID"))
	}
	// Without a context one is made.
	s = decode(t, do(t, c, "GET", "http://"+edge+"/", "", "Tracestate", "a=1"))
	if len(s.Header.Get("Traceparent")) != 55 || len(s.Header.Get("X-Correlation-ID")) != 36 || s.Header.Get("Tracestate") != "" {
		t.Errorf("headers %v", s.Header)
	}
	for incoming, want := range map[string]string{"15000": "15000", "90000": "20000", "x": "20000", "-1": "20000", "99999999999999999999": "20000"} {
		if got := decode(t, do(t, c, "GET", "http://"+edge+"/", "", "Plat-Timeout", incoming)).Header.Get("Plat-Timeout"); got != want {
			t.Errorf("Plat-Timeout %s became %s, want %s", incoming, got, want)
		}
	}
	problem(t, do(t, c, "GET", "http://"+edge+"/", "", "Plat-Timeout", "0"), 504, "gateway-timeout")
	problem(t, do(t, c, "GET", "http://"+edge+"/a%2f..%2fb", ""), 400, "gateway-bad-request")
	unlimited := r.serve(t, r.Edge("cart", "shop", 0))
	if s := decode(t, do(t, c, "GET", "http://"+unlimited+"/", "")); s.Header.Get("Plat-Timeout") != "" || s.Header.Get("Plat-Caller") != "cart" {
		t.Errorf("headers %v", s.Header)
	}
	r.SetUpstreams("shop", nil)
	problem(t, do(t, c, "GET", "http://"+edge+"/", ""), 503, "gateway-no-instance")
	eventually(t, "the lines", func() bool { return len(r.log.all(t)) == 11 })
	line := r.log.all(t)[0]
	if line["edge"] != "web" || line["service"] != "shop" || line["upstream"] != "shop-1" || line["correlation_id"] != "work-1" || line["trace_id"] != parent[3:35] {
		t.Errorf("line %v", line)
	}
	got := r.Stats().Edges
	if diff := cmp.Diff([]gateway.EdgeStats{{Caller: "web", Callee: "shop", Answers: gateway.Answers{2: 7, 4: 1, 5: 2}}, {Caller: "cart", Callee: "shop", Answers: gateway.Answers{2: 1}}}, got); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// TestEdgeBudget: the caller's time counts from its arrival, with the body.
func TestEdgeBudget(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	edge := r.serve(t, r.Edge("web", "shop", time.Hour))
	c := dial(t, edge)
	start := time.Now()
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nPlat-Timeout: 150\r\nContent-Length: 4\r\n\r\n")
	problem(t, readResponse(t, bufio.NewReader(c), "POST"), 504, "gateway-timeout")
	if took := time.Since(start); took < 150*time.Millisecond {
		t.Errorf("the time was over after %v", took)
	}
}

func TestExternalEdge(t *testing.T) {
	t.Parallel()
	outside := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Plat-Degraded", "everybody") // is not his to say
		echo(w, req)
	}))
	t.Cleanup(outside.Close)
	roots := x509.NewCertPool()
	roots.AddCert(outside.Certificate())
	r := newRig(t, gateway.Options{RootCAs: roots})
	h, err := r.ExternalEdge("finance", "stripe", outside.URL+"/v1/", patience)
	if err != nil {
		t.Fatal(err)
	}
	edge := r.serve(t, h)
	c := client(t, false)
	a := do(t, c, "POST", "http://"+edge+"/charges/AC%2FDC?a=b", "body", "Authorization", "Bearer x", "Baggage", "user=1", "Plat-Experiment", "e",
		"X-Forwarded-For", "10.0.0.1", "Tracestate", "a=1", "X-Correlation-ID", "work-1")
	if got := a.Header.Get("Plat-Degraded"); got != "" {
		t.Errorf("somebody outside says who is degraded: %q", got)
	}
	s := decode(t, a)
	if s.URI != "/v1/charges/AC%2FDC?a=b" || s.Host != strings.TrimPrefix(outside.URL, "https://") {
		t.Errorf("asked %s of %s", s.URI, s.Host)
	}
	for _, name := range []string{"Baggage", "Plat-Experiment", "Plat-Caller", "Plat-Timeout", "X-Forwarded-For", "Tracestate"} {
		if s.Header.Get(name) != "" {
			t.Errorf("%s goes outside: %q", name, s.Header.Get(name))
		}
	}
	if s.Header.Get("Authorization") != "Bearer x" || s.Header.Get("X-Correlation-ID") != "work-1" {
		t.Errorf("headers %v", s.Header)
	}
	strange, err := gateway.New(gateway.Options{}).ExternalEdge("finance", "stripe", outside.URL, patience)
	if err != nil {
		t.Fatal(err)
	}
	problem(t, do(t, c, "GET", "http://"+r.serve(t, strange)+"/", ""), 502, "gateway-upstream-failed") // nobody vouches for it
	for _, url := range []string{"", "stripe.com", "ftp://stripe.com", "https://", "https://a:b@stripe.com", "https://stripe.com?x", "https://stripe.com#x", "http://[::1"} {
		if _, err := r.ExternalEdge("finance", "stripe", url, time.Second); !fault.Is(err, fault.GatewayExternalURL) {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// TestDrain: what is under way ends, WebSockets are ended, new connections
// are refused, and a connection in reserve holds nothing up.
func TestDrain(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	r := &rig{log: &lines{}}
	r.Gateway = gateway.New(gateway.Options{AccessLog: r.log, Limits: gateway.Limits{Drain: time.Hour}}) // what held it up would do so for long
	t.Cleanup(r.Close)
	r.SetUpstreams("shop", []gateway.Upstream{backend(t, "shop-1", func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Upgrade") != "" {
			if c, err := websocket.Accept(w, req, nil); err == nil {
				_, _, _ = c.Read(req.Context())
				_ = c.CloseNow()
			}
			return
		}
		begun <- struct{}{}
		time.Sleep(150 * time.Millisecond) // is the work
		_, _ = io.WriteString(w, "done")
	})})
	addr, stop := r.serveUntil(t, r.Edge("web", "shop", patience))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "ws://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	dial(t, addr) // says nothing
	got := make(chan answer, 2)
	for _, h2 := range []bool{false, true} {
		c := client(t, h2)
		go func() { got <- do(t, c, "GET", "http://"+addr+"/", "") }()
	}
	<-begun
	<-begun
	if err := stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	for range 2 {
		if a := <-got; a.StatusCode != 200 || a.body != "done" {
			t.Errorf("got %s %d %q", a.Proto, a.StatusCode, a.body)
		}
	}
	if _, _, err := ws.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the WebSocket lives on: %v", err)
	}
	if _, err := http.Get("http://" + addr); err == nil {
		t.Error("still answers")
	}
}

// TestDrainEnds: what does not end by itself is cut off.
func TestDrainEnds(t *testing.T) {
	t.Parallel()
	r := &rig{}
	r.Gateway = gateway.New(gateway.Options{Limits: gateway.Limits{Drain: 100 * time.Millisecond}})
	t.Cleanup(r.Close)
	r.SetUpstreams("shop", []gateway.Upstream{backend(t, "shop-1", func(w http.ResponseWriter, req *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done() // ends with its caller
	})})
	addr, stop := r.serveUntil(t, r.Edge("web", "shop", 0))
	res, err := client(t, false).Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("the stream seemed to end well")
	}
	eventually(t, "the instance to be free", func() bool { return r.InFlight("shop-1") == 0 })
}

// TestLogDoesNotHoldUp: a log that is not taken is dropped and counted.
func TestLogDoesNotHoldUp(t *testing.T) {
	t.Parallel()
	stuck := &stuckWriter{release: make(chan struct{})}
	g := gateway.New(gateway.Options{AccessLog: stuck})
	const n = 4000
	h := g.Public("public")
	for i := range n {
		req := httptest.NewRequest("GET", "/"+strings.Repeat("x", 900)+strconv.Itoa(i), nil)
		h.ServeHTTP(httptest.NewRecorder(), req)
	}
	eventually(t, "lines to be dropped", func() bool { return g.Stats().LogDropped > 0 })
	close(stuck.release)
	g.Close()
	if got := stuck.count + int(g.Stats().LogDropped); got != n || stuck.count == 0 {
		t.Errorf("%d lines written, %d counted as dropped, of %d", stuck.count, g.Stats().LogDropped, n)
	}
	g.Close() // again does nothing
}

type stuckWriter struct {
	release chan struct{}
	count   int
}

func (w *stuckWriter) Write(p []byte) (int, error) {
	<-w.release
	w.count += strings.Count(string(p), "\n")
	return len(p), nil
}
