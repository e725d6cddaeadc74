package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// patience bounds every wait of these tests.
const patience = time.Minute

// rig is a gateway under test, serving its entrance "public".
type rig struct {
	*gateway.Gateway
	addr string
	log  *lines
}

// newRig starts a gateway with one route, / to the service "shop", whose
// instances are given.
func newRig(t testing.TB, o gateway.Options, upstreams ...gateway.Upstream) *rig {
	t.Helper()
	r := &rig{log: &lines{}}
	o.AccessLog = r.log
	r.Gateway = gateway.New(o)
	r.SetRoutes("public", []plan.Route{route("/", "shop")})
	r.SetUpstreams("shop", upstreams)
	r.addr = r.serve(t, r.Public("public"))
	return r
}

func route(path, service string, methods ...string) plan.Route {
	return plan.Route{Gateway: "public", Path: path, Service: service, Methods: methods, Timeout: plan.Duration(patience)}
}

// serve serves h by the rig's gateway until the test ends.
func (r *rig) serve(t testing.TB, h http.Handler) string {
	t.Helper()
	addr, stop := r.serveUntil(t, h)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
		r.Close()
	})
	return addr
}

// serveUntil serves h until stop is called.
func (r *rig) serveUntil(t testing.TB, h http.Handler) (addr string, stop func() error) {
	t.Helper()
	l := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, l, h) }()
	return l.Addr().String(), func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			t.Error("Serve did not end")
			return nil
		}
	}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// backend starts an instance of a service, written with net/http.
func backend(t *testing.T, id string, h http.HandlerFunc) gateway.Upstream {
	t.Helper()
	return serveBackend(t, id, &http.Server{Handler: h, ReadHeaderTimeout: patience}, false)
}

// h2cBackend is a backend that speaks HTTP/2 without TLS alone.
func h2cBackend(t *testing.T, id string, h http.Handler) gateway.Upstream {
	t.Helper()
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return serveBackend(t, id, &http.Server{Handler: h, Protocols: p, ReadHeaderTimeout: patience}, true)
}

func serveBackend(t testing.TB, id string, s *http.Server, h2c bool) gateway.Upstream {
	t.Helper()
	l := listen(t)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }() // ends by Close
	t.Cleanup(func() { _ = s.Close(); <-done })
	return gateway.Upstream{ID: id, Addr: l.Addr().String(), Version: "1", H2C: h2c}
}

// client makes an HTTP client of its own connections; h2c speaks HTTP/2.
func client(t *testing.T, h2c bool) *http.Client {
	t.Helper()
	p := new(http.Protocols)
	p.SetHTTP1(!h2c)
	p.SetUnencryptedHTTP2(h2c)
	tr := &http.Transport{Protocols: p, DisableCompression: true, MaxIdleConnsPerHost: 64}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer is a response, read whole.
type answer struct {
	*http.Response
	body string
}

func do(t *testing.T, c *http.Client, method, url, body string, header ...string) answer {
	t.Helper()
	var rd io.Reader
	if body != "" {
		rd = bytes.NewBufferString(body)
	}
	req, err := http.NewRequest(method, url, rd)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		} else {
			req.Header.Add(header[i], header[i+1])
		}
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, string(b)}
}

// problem checks that an answer is the gateway's own error.
func problem(t *testing.T, a answer, status int, code string) {
	t.Helper()
	var p struct {
		Title, Detail, Code, CorrelationID, Remedy string
		Status                                     int
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Errorf("the answer %d %q is no problem: %v", a.StatusCode, a.body, err)
		return
	}
	if a.StatusCode != status || p.Status != status || p.Code != code {
		t.Errorf("got %d %s, want %d %s", a.StatusCode, a.body, status, code)
	}
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	if p.Title == "" || p.Detail == "" || p.Remedy == "" || p.CorrelationID == "" || p.CorrelationID != a.Header.Get("X-Correlation-ID") {
		t.Errorf("problem lacks something: %s", a.body)
	}
}

// raw speaks bytes to addr and reads until the other side closes or the time
// is over.
func raw(t *testing.T, addr, request string, wait time.Duration) string {
	t.Helper()
	c := dial(t, addr)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(wait))
	b, _ := io.ReadAll(c) // by time or by the peer: what came is what counts
	return string(b)
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// readResponse reads one response from a raw connection.
func readResponse(t *testing.T, br *bufio.Reader, method string) answer {
	t.Helper()
	res, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, string(b)}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain: %s", what)
}

// lines gathers an access log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// all decodes the lines written so far.
func (l *lines) all(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []map[string]any
	for line := range bytes.Lines(l.buf.Bytes()) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, m)
	}
	return all
}
