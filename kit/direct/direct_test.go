package direct_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/plat-dev/plat/kit/direct"
	"github.com/plat-dev/plat/kit/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is a deadline, and no measure.
const patience = 30 * time.Second

// plat is a control plane and an edge, in memory.
type plat struct {
	*httptest.Server
	edge    *httptest.Server
	edged   atomic.Int64 // calls that came by the edge
	hangs   atomic.Bool  // asked, it says nothing
	refuses atomic.Bool  // to be told

	mu      sync.Mutex // guards what follows
	changed chan struct{}
	view    direct.View
	has     string // acknowledged
	told    []direct.Told
	last    direct.Telling
}

func newPlat(t *testing.T) *plat {
	t.Helper()
	p := &plat{changed: make(chan struct{})}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	p.edge = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.edged.Add(1)
		_, _ = io.WriteString(w, "edge")
	}))
	t.Cleanup(p.edge.Close)
	return p
}

// say brings another view.
func (p *plat) say(calls ...direct.Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.view = direct.View{Revision: fmt.Sprintf("%p %d", p, time.Now().UnixNano()), Calls: calls}
	close(p.changed)
	p.changed = make(chan struct{})
}

// ServeHTTP is the control plane.
func (p *plat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != direct.Path || r.Header.Get("Authorization") != "Bearer token" {
		http.Error(w, "not here", http.StatusForbidden)
		return
	}
	if p.hangs.Load() {
		_, _ = io.Copy(io.Discard, r.Body) // only then net/http sees that the client has gone
		<-r.Context().Done()
		return
	}
	if r.Method == http.MethodPost {
		p.take(w, r)
		return
	}
	has := r.URL.Query().Get("revision")
	p.mu.Lock()
	p.has = has
	changed, now := p.changed, p.view
	p.mu.Unlock()
	if now.Revision == has {
		select {
		case <-changed:
		case <-time.After(50 * time.Millisecond):
		case <-r.Context().Done():
			return
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = json.NewEncoder(w).Encode(p.view)
}

func (p *plat) take(w http.ResponseWriter, r *http.Request) {
	if p.refuses.Load() {
		http.Error(w, "later", http.StatusServiceUnavailable)
		return
	}
	var t direct.Telling
	if err := json.NewDecoder(r.Body).Decode(&t); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told, p.last = append(p.told, t.Calls...), t
	w.WriteHeader(http.StatusNoContent)
}

// inForce waits until the program has the present view.
func (p *plat) inForce(t *testing.T) {
	t.Helper()
	await(t, "the view to be in force", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.view.Revision != "" && p.has == p.view.Revision
	})
}

func (p *plat) heard() (told []direct.Told, last direct.Telling) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.told), p.last
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// web is a program that calls stock.
func (p *plat) web(t *testing.T) *http.Client {
	t.Helper()
	c := direct.New(direct.Options{API: p.URL, Token: "token", Service: "web", Instance: "web-1"})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	at, err := url.Parse(p.edge.URL)
	if err != nil {
		t.Fatal(err)
	}
	next := &http.Transport{}
	t.Cleanup(func() { cancel(); <-done; next.CloseIdleConnections() })
	return &http.Client{Transport: c.RoundTripper("stock", at, next)}
}

// stock is an instance.
func stock(t *testing.T, id string, handle http.HandlerFunc) (direct.Instance, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return direct.Instance{ID: id, Addr: server.Listener.Addr().String()}, server
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func byKit(instances ...direct.Instance) direct.Call {
	return direct.Call{Service: "stock", By: direct.ByKit, Instances: instances, Timeout: patience, OnFailure: "fail", Policy: policy.Config{Breaker: policy.Breaker{Off: true}}}
}

func get(t *testing.T, c *http.Client, at string, header ...string) (status int, body string, h http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

// TestTheViewSaysWhoCalls follows one program from its start: by the edge, by
// itself, by the edge, and by itself with what the edge alone can do.
func TestTheViewSaysWhoCalls(t *testing.T) {
	t.Parallel()
	p := newPlat(t)
	one, _ := stock(t, "stock-1", says("one"))
	c := p.web(t)
	if _, body, _ := get(t, c, p.edge.URL); body != "edge" {
		t.Errorf("before any view: %q", body)
	}
	p.say(byKit(one))
	p.inForce(t)
	if _, body, _ := get(t, c, p.edge.URL); body != "one" {
		t.Errorf("by itself: %q", body)
	}
	for name, header := range map[string][]string{
		"a test customer": {"Plat-Test", "v1.journey.run.1.sig"}, "gRPC": {"Content-Type", "application/grpc"},
		"an upgrade": {"Upgrade", "websocket"}, "events": {"Accept", "text/event-stream"},
	} {
		if _, body, _ := get(t, c, p.edge.URL, header...); body != "edge" {
			t.Errorf("%s: %q", name, body)
		}
	}
	again := byKit(one)
	again.By, again.Why = direct.ByEdge, "an experiment"
	p.say(again)
	p.inForce(t)
	if _, body, _ := get(t, c, p.edge.URL); body != "edge" {
		t.Errorf("during an experiment: %q", body)
	}
}

// TestACallLooksAsByAnEdge holds what the instance gets, and what is told.
func TestACallLooksAsByAnEdge(t *testing.T) {
	t.Parallel()
	p := newPlat(t)
	got := make(chan *http.Request, 1)
	one, _ := stock(t, "stock-1", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got <- r
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "three")
	})
	call := byKit(one)
	call.Timeout = 20 * time.Second
	p.say(call)
	c := p.web(t)
	p.inForce(t)
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.edge.URL+"/a%2Fb?secret=1", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", "00-"+trace+"-"+parent+"-01")
	req.Header.Set("X-Correlation-Id", "c-1")
	req.Header.Set("Plat-Caller", "finance") // it cannot pass for another
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	r := <-got
	left := r.Header.Get("Plat-Timeout")
	if r.Header.Get("Plat-Caller") != "web" || len(left) != 5 || r.URL.EscapedPath() != "/a%2Fb" || r.URL.RawQuery != "secret=1" || r.Host != strings.TrimPrefix(p.edge.URL, "http://") {
		t.Errorf("%s %s, host %s, %v", r.Method, r.URL, r.Host, r.Header)
	}
	if resp.Header.Get("X-Correlation-Id") != "c-1" || resp.StatusCode != http.StatusCreated {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	await(t, "the call to be told", func() bool { told, _ := p.heard(); return len(told) == 1 })
	told, last := p.heard()
	x := told[0]
	if x.Service != "stock" || x.Instance != "stock-1" || x.Method != "POST" || x.Path != "/a%2Fb" || x.Status != 201 || x.BytesIn != 4 || x.BytesOut != 5 || x.CorrelationID != "c-1" || x.Duration <= 0 {
		t.Errorf("told %+v", x)
	}
	if x.Trace != trace || x.Parent != parent || !x.Sampled || r.Header.Get("Traceparent") != "00-"+trace+"-"+x.Span+"-01" || x.Span == parent {
		t.Errorf("told %+v; the instance got %s", x, r.Header.Get("Traceparent"))
	}
	if len(last.States) != 1 || last.States[0].Service != "stock" || last.Instance != "web-1" {
		t.Errorf("told %+v", last)
	}
}

// TestAnInstanceThatDiesCostsNoCall kills one of two while calls are made.
func TestAnInstanceThatDiesCostsNoCall(t *testing.T) {
	t.Parallel()
	p := newPlat(t)
	one, dies := stock(t, "stock-1", says("one"))
	two, _ := stock(t, "stock-2", says("two"))
	p.say(byKit(one, two))
	c := p.web(t)
	p.inForce(t)
	var failed, both atomic.Int64
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				status, body, _ := get(t, c, p.edge.URL)
				if status != http.StatusOK {
					failed.Add(1)
				}
				if body == "one" {
					both.Add(1)
				}
			}
		})
	}
	await(t, "both to be called", func() bool { return both.Load() > 10 })
	dies.CloseClientConnections()
	dies.Close()
	at := len(told(p))
	await(t, "calls after that", func() bool { return len(told(p)) > at+50 })
	close(stop)
	callers.Wait()
	if n := failed.Load(); n > 0 || p.edged.Load() > 0 {
		t.Errorf("%d calls failed, %d went by the edge", n, p.edged.Load())
	}
}

func told(p *plat) []direct.Told { all, _ := p.heard(); return all }

// TestAPolicyHoldsAtOnce has the breaker open, and a changed plan take it away.
func TestAPolicyHoldsAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlat(t)
	one, _ := stock(t, "stock-1", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	call := byKit(one)
	call.OnFailure, call.Policy = "degrade", policy.Config{Breaker: policy.Breaker{Minimum: 2, Open: time.Hour, Longest: time.Hour}}
	p.say(call)
	c := p.web(t)
	p.inForce(t)
	for range 2 {
		if status, _, h := get(t, c, p.edge.URL); status != 500 || h.Get("Plat-Degraded") != "stock" {
			t.Fatalf("status %d, %v", status, h)
		}
	}
	status, body, h := get(t, c, p.edge.URL)
	if status != 503 || h.Get("Plat-Rejected") != "breaker-open" || h.Get("Plat-Degraded") != "stock" || h.Get("Retry-After") == "" || !strings.Contains(body, `"code":"gateway-breaker-open"`) {
		t.Errorf("open: %d %s %v", status, body, h)
	}
	call.Policy.Breaker.Off = true
	p.say(call)
	p.inForce(t)
	if status, _, _ := get(t, c, p.edge.URL); status != 500 {
		t.Errorf("without a breaker: %d", status)
	}
	await(t, "the states to be told", func() bool {
		_, last := p.heard()
		return len(last.States) == 1 && last.States[0].Guard.Breaker.Opened == 1 && last.States[0].Degraded == 4 && last.States[0].Last != nil
	})
}

// TestOneThatDoesNotAnswerIsGivenUp, whoever's time is over first.
func TestOneThatDoesNotAnswerIsGivenUp(t *testing.T) {
	t.Parallel()
	p := newPlat(t)
	over := make(chan struct{})
	one, _ := stock(t, "stock-1", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-over:
		}
	})
	defer close(over)
	call := byKit(one)
	call.Timeout = 50 * time.Millisecond
	p.say(call)
	c := p.web(t)
	p.inForce(t)
	if status, body, h := get(t, c, p.edge.URL); status != 504 || !strings.Contains(body, "gateway-timeout") || h.Get("Retry-After") != "1" {
		t.Errorf("%d %s", status, body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.edge.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := c.Do(req); err == nil {
		_ = resp.Body.Close() // the two times may be over together
	} else if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's own time: %v", err)
	}
	await(t, "both to be told", func() bool { return len(told(p)) == 2 })
	for _, x := range told(p) {
		if x.Status != 504 || x.Code != "gateway-timeout" {
			t.Errorf("told %+v", x)
		}
	}
}

// TestNobodyThere: every instance has gone.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	p := newPlat(t)
	one, gone := stock(t, "stock-1", says("one"))
	gone.Close()
	p.say(byKit(one))
	c := p.web(t)
	p.inForce(t)
	if status, body, _ := get(t, c, p.edge.URL); status != 502 || !strings.Contains(body, "gateway-upstream-failed") {
		t.Errorf("refused: %d %s", status, body)
	}
	p.say(byKit())
	p.inForce(t)
	if status, body, _ := get(t, c, p.edge.URL); status != 503 || !strings.Contains(body, "gateway-no-instance") {
		t.Errorf("none: %d %s", status, body)
	}
}

// TestAPostIsNotSentTwice where somebody may have dealt with it, and elsewhere
// where nobody was reached.
func TestAPostIsNotSentTwice(t *testing.T) {
	t.Parallel()
	p := newPlat(t)
	var asked atomic.Int64
	breaks, _ := stock(t, "stock-1", func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
	p.say(byKit(breaks))
	c := p.web(t)
	p.inForce(t)
	post := func() (int, string) {
		resp, err := c.Post(p.edge.URL, "text/plain", io.MultiReader(strings.NewReader("once")))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	if status, _ := post(); status != 502 || asked.Load() != 1 {
		t.Errorf("status %d after %d tries", status, asked.Load())
	}
	if status, _, h := get(t, c, p.edge.URL); status != 502 || asked.Load() != 4 || h.Get("Plat-Retry") != "2" {
		t.Errorf("GET: status %d, %d asked in all, %v", status, asked.Load(), h)
	}
	fine, _ := stock(t, "stock-2", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	closed, server := stock(t, "stock-3", says(""))
	server.Close()
	p.say(byKit(fine, closed))
	p.inForce(t)
	for range 20 {
		if status, body := post(); status != 200 || body != "once" {
			t.Fatalf("%d %q though another instance is there", status, body)
		}
	}
}
