package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

func TestWebSocket(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"chat"}})
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		for {
			kind, msg, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), kind, append([]byte("echo "), msg...)); err != nil {
				return
			}
		}
	}))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, res, err := websocket.Dial(ctx, "ws://"+r.addr+"/chat", &websocket.DialOptions{Subprotocols: []string{"chat"}})
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("X-Correlation-ID") == "" || c.Subprotocol() != "chat" {
		t.Errorf("handshake %v", res.Header)
	}
	for i := range 20 {
		want := strings.Repeat("x", i*i*50)
		if err := c.Write(ctx, websocket.MessageText, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.Read(ctx); err != nil || string(got) != "echo "+want {
			t.Fatalf("message %d: %d bytes, %v", i, len(got), err)
		}
	}
	if n := r.InFlight("shop-1"); n != 1 || r.Busy("shop-1") != 0 || r.Stats().Tunnels != 1 {
		t.Errorf("in flight %d, %d of them with an end, tunnels %d", n, r.Busy("shop-1"), r.Stats().Tunnels)
	}
	if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
		t.Errorf("close: %v", err)
	}
	eventually(t, "the tunnel's end", func() bool { return r.InFlight("shop-1") == 0 && r.Stats().Tunnels == 0 })
	eventually(t, "the line", func() bool { return len(r.log.all(t)) == 1 })
	if line := r.log.all(t)[0]; line["status"] != 101.0 || line["bytes_in"].(float64) < 20 || line["bytes_out"].(float64) < 20 {
		t.Errorf("line %v", line)
	}
}

// TestUpgradeToAnything uses a protocol of our own, which ends one direction
// before the other.
func TestUpgradeToAnything(t *testing.T) {
	t.Parallel()
	h := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "shout/1" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: shout/1\r\n\r\n")
		all, _ := io.ReadAll(rw)
		_, _ = io.WriteString(c, strings.ToUpper(string(all)))
	}
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", h))
	c := dial(t, r.addr)
	// The first words come in one packet with the request.
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: shout/1\r\n\r\nhel")
	br := bufio.NewReader(c)
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "shout/1" {
		t.Fatalf("%v %v", res, err)
	}
	_, _ = io.WriteString(c, "lo")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(br); string(got) != "HELLO" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for _, refused := range []string{"h2c", "H2C", "HTTP/2.0", "TLS/1.3", "h2c, shout/1"} {
		got := raw(t, r.addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: "+refused+"\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", patience)
		if !strings.HasPrefix(got, "HTTP/1.1 418 ") {
			t.Errorf("Upgrade %s reached the instance: %q", refused, got)
		}
	}
	// An instance that switches unasked is at fault.
	liar := backend(t, "shop-1", func(w http.ResponseWriter, _ *http.Request) {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: shout/1\r\n\r\n")
			_ = c.Close()
		}
	})
	r.SetUpstreams("shop", []gateway.Upstream{liar})
	problem(t, do(t, client(t, false), "GET", "http://"+r.addr+"/", ""), 502, "gateway-upstream-failed")
}

func TestServerSentEvents(t *testing.T) {
	t.Parallel()
	next := make(chan string)
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Plat-Timeout") != "" {
			t.Error("a stream was given a time budget")
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case e := <-next:
				_, _ = fmt.Fprintf(w, "data: %s\n\n", e)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done(): // the client's going away comes through
				return
			}
		}
	}))
	for _, h2 := range []bool{false, true} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+r.addr+"/", nil)
		req.Header.Set("Accept", "text/event-stream")
		res, err := client(t, h2).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReader(res.Body)
		for i := range 3 {
			next <- fmt.Sprint(i) // only once the one before was read: nothing is held back
			if line, err := br.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
				t.Fatalf("%q %v", line, err)
			}
			_, _ = br.ReadString('\n')
		}
		if n := r.InFlight("shop-1"); n != 1 || r.Busy("shop-1") != 0 {
			t.Errorf("in flight %d, %d of them with an end", n, r.Busy("shop-1"))
		}
		_ = res.Body.Close()
		eventually(t, "the end of the stream", func() bool { return r.InFlight("shop-1") == 0 && r.Busy("shop-1") == 0 })
	}
}

// trailing answers with trailers, announced and not, and tells those of the
// request.
func trailing(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	w.Header().Set("Trailer", "X-Announced")
	if r.URL.Query().Has("length") && r.ProtoMajor == 2 {
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	}
	_, _ = w.Write(b)
	w.Header().Set("X-Announced", "sum "+r.Trailer.Get("X-Sum")+r.Trailer.Get("Plat-Caller"))
	if r.URL.Query().Has("more") {
		w.Header().Set(http.TrailerPrefix+"X-Late", "late")
	}
}

func TestTrailersBothWays(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{})
	for name, up := range map[string]gateway.Upstream{"h1": backend(t, "shop-1", trailing), "h2c": h2cBackend(t, "shop-2", http.HandlerFunc(trailing))} {
		r.SetUpstreams("shop", []gateway.Upstream{up})
		for _, h2 := range []bool{false, true} {
			for _, query := range []string{"", "length", "more", "length&more"} {
				pr, pw := io.Pipe()
				req, _ := http.NewRequestWithContext(t.Context(), "POST", "http://"+r.addr+"/?"+query, pr)
				req.Trailer = http.Header{"X-Sum": nil, "Plat-Caller": nil}
				go func() {
					_, _ = io.WriteString(pw, "body")
					req.Trailer.Set("X-Sum", "42")
					req.Trailer.Set("Plat-Caller", "spoofed")
					_ = pw.Close()
				}()
				res, err := client(t, h2).Do(req)
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				late := ""
				if strings.Contains(query, "more") {
					late = "late"
				}
				if err != nil || string(b) != "body" || res.Trailer.Get("X-Announced") != "sum 42" || res.Trailer.Get("X-Late") != late {
					t.Errorf("client h2 %v, instance %s, %q: %q %v %v", h2, name, query, b, res.Trailer, err)
				}
			}
		}
	}
}

func TestInformational(t *testing.T) {
	t.Parallel()
	hints := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Link", "</script.js>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		_, _ = io.Copy(w, r.Body)
	}
	r := newRig(t, gateway.Options{})
	for _, up := range []gateway.Upstream{backend(t, "shop-1", hints), h2cBackend(t, "shop-2", http.HandlerFunc(hints))} {
		r.SetUpstreams("shop", []gateway.Upstream{up})
		for _, h2 := range []bool{false, true} {
			var got []string
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				got = append(got, fmt.Sprint(code, h.Get("Link")))
				return nil
			}})
			req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+r.addr+"/", strings.NewReader("body"))
			res, err := client(t, h2).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if strings.Join(got, " ") != "103</style.css>; rel=preload 103</script.js>; rel=preload" || string(b) != "body" || res.Header.Get("Link") != "" {
				t.Errorf("h2c instance %v, client h2 %v: %q %q %v", up.H2C, h2, got, b, res.Header)
			}
		}
	}
	old := raw(t, r.addr, "GET / HTTP/1.0\r\n\r\n", patience)
	if !strings.HasPrefix(old, "HTTP/1.0 200") && !strings.HasPrefix(old, "HTTP/1.1 200") {
		t.Errorf("an HTTP/1.0 client got %q", old)
	}
}

// TestExpectContinue: the instance decides whether the body is sent.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Refuse") != "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.Copy(w, r.Body)
	}))
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n"
	c := dial(t, r.addr)
	br := bufio.NewReader(c)
	_, _ = io.WriteString(c, head+"\r\n")
	if a := readResponse(t, br, "POST"); a.StatusCode != 100 {
		t.Fatalf("got %d, want 100", a.StatusCode)
	}
	_, _ = io.WriteString(c, "body")
	if a := readResponse(t, br, "POST"); a.StatusCode != 200 || a.body != "body" {
		t.Errorf("got %d %q", a.StatusCode, a.body)
	}
	_, _ = io.WriteString(c, head+"X-Refuse: 1\r\n\r\n")
	if a := readResponse(t, br, "POST"); a.StatusCode != 403 {
		t.Errorf("got %d, want 403 without 100", a.StatusCode)
	}
}

func TestShapesOfRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Saw", fmt.Sprintf("%s %s %s %d %v", r.Method, r.RequestURI, r.Host, r.ContentLength, r.TransferEncoding))
		if r.URL.Path == "/stream" {
			_, _ = io.WriteString(w, "a")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "b")
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(b)+2))
		_, _ = w.Write(append([]byte("ok"), b...))
	}))
	for _, tt := range []struct{ name, request, status, saw, body string }{
		{"HEAD", "HEAD /h HTTP/1.1\r\nHost: x\r\n", "200", "HEAD /h x 0 []", ""},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n", "204", "", ""},
		{"OPTIONS", "OPTIONS /o HTTP/1.1\r\nHost: x\r\n", "200", "OPTIONS /o x 0 []", "ok"},
		{"GET *", "GET * HTTP/1.1\r\nHost: x\r\n", "400", "", "-"},
		{"absolute", "GET http://shop.example/a?b HTTP/1.1\r\nHost: other\r\n", "200", "GET /a?b shop.example 0 []", "ok"},
		{"absolute bare", "GET http://shop.example HTTP/1.1\r\nHost: other\r\n", "200", "GET / shop.example 0 []", "ok"},
		{"absolute ftp", "GET ftp://shop.example/a HTTP/1.1\r\nHost: other\r\n", "400", "", "-"},
		{"HTTP/1.0", "GET /old HTTP/1.0\r\n", "200", "GET /old", "ok"},
		{"HTTP/1.0 stream", "GET /stream HTTP/1.0\r\nHost: x\r\n", "200", "GET /stream x 0 []", "ab"},
		{"chunked", "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n", "200", "POST /c x -1 [chunked]", "okabcde"},
		{"GET with body", "GET /g HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", "200", "GET /g x 2 []", "okhi"},
		{"unknown method", "BREW /pot HTTP/1.1\r\nHost: x\r\n", "200", "BREW /pot x 0 []", "ok"},
		{"CONNECT", "CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n", "405", "", "-"},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: x\r\n", "405", "", "-"},
	} {
		request := tt.request
		if !strings.HasSuffix(request, "hi") {
			request += "\r\n"
		}
		c := dial(t, r.addr)
		_, _ = io.WriteString(c, request)
		a := readResponse(t, bufio.NewReader(c), strings.Fields(request)[0])
		if fmt.Sprint(a.StatusCode) != tt.status || !strings.HasPrefix(a.Header.Get("X-Saw"), tt.saw) || tt.body != "-" && a.body != tt.body {
			t.Errorf("%s: got %d %q %q", tt.name, a.StatusCode, a.Header.Get("X-Saw"), a.body)
		}
		if a.Header.Get("X-Correlation-ID") == "" {
			t.Errorf("%s: no correlation ID", tt.name)
		}
	}
	// HTTP/2 can carry what would break an HTTP/1.1 request line.
	req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+r.addr+"/x", nil)
	req.URL.RawQuery = "a HTTP/1.1"
	res, err := client(t, true).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 400 {
		t.Errorf("a space in the query: got %d %s", res.StatusCode, res.Header.Get("X-Saw"))
	}
}

func TestGRPC(t *testing.T) {
	t.Parallel()
	l := listen(t)
	server, checks := grpc.NewServer(), health.NewServer()
	healthpb.RegisterHealthServer(server, checks)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	r := newRig(t, gateway.Options{}, gateway.Upstream{ID: "shop-1", Addr: l.Addr().String(), H2C: true})
	quick := route("/", "shop")
	quick.Timeout = 1 // a nanosecond: gRPC has deadlines of its own
	r.SetRoutes("public", []plan.Route{quick})
	edge := r.serve(t, r.Edge("web", "shop", 1))
	for _, addr := range []string{r.addr, edge} {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		c := healthpb.NewHealthClient(conn)
		checks.SetServingStatus("shop", healthpb.HealthCheckResponse_SERVING)
		if got, err := c.Check(ctx, &healthpb.HealthCheckRequest{Service: "shop"}); err != nil || got.Status != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("Check: %v %v", got, err)
		}
		if _, err := c.Check(ctx, &healthpb.HealthCheckRequest{Service: "none"}); status.Code(err) != codes.NotFound {
			t.Errorf("the status in the trailers: %v", err)
		}
		watch, err := c.Watch(ctx, &healthpb.HealthCheckRequest{Service: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []healthpb.HealthCheckResponse_ServingStatus{healthpb.HealthCheckResponse_SERVING, healthpb.HealthCheckResponse_NOT_SERVING} {
			if got, err := watch.Recv(); err != nil || got.Status != want {
				t.Fatalf("Watch: %v %v", got, err)
			}
			checks.SetServingStatus("shop", healthpb.HealthCheckResponse_NOT_SERVING)
		}
		cancel()
		_ = conn.Close()
	}
	r.SetUpstreams("shop", nil)
	conn, err := grpc.NewClient(r.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("without an instance: %v", err)
	}
}
