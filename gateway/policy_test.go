package gateway_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// guarded serves web's declared call of shop, with the policies that the plan
// says.
func (r *rig) guarded(t *testing.T, e plan.Edge) string {
	t.Helper()
	e.Caller, e.Callee = "web", "shop"
	if e.Timeout == 0 {
		e.Timeout = plan.Duration(patience)
	}
	r.SetCalls([]plan.Edge{e})
	return r.serve(t, r.Edge("web", "shop", e.Timeout.Std()))
}

// TestEdgeRetries: an answer that says that another try may do better brings
// one, which says so downstream; what may have had an effect is not repeated,
// nor what was tried again above or below.
func TestEdgeRetries(t *testing.T) {
	t.Parallel()
	var marks []string
	var mu sync.Mutex
	var status, header atomic.Value
	status.Store(503)
	header.Store("")
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		marks = append(marks, req.Header.Get("Plat-Retry"))
		n := len(marks)
		mu.Unlock()
		if name, value, ok := strings.Cut(header.Load().(string), ": "); ok {
			w.Header().Set(name, value)
		}
		if n < 3 {
			w.WriteHeader(status.Load().(int))
		}
		_, _ = io.WriteString(w, "answer")
	}))
	edge := r.guarded(t, plan.Edge{})
	c := client(t, false)
	for _, test := range []struct {
		name, method, body, header, answered string
		status                               int
		want                                 string // marks of the tries
		code                                 int
	}{
		{name: "idempotent", method: "GET", status: 503, want: ",1,2", code: 200},
		{name: "delete", method: "DELETE", status: 504, want: ",1,2", code: 200},
		{name: "bad gateway", method: "PUT", status: 502, want: ",1,2", code: 200},
		{name: "not idempotent", method: "POST", status: 503, want: "", code: 503},
		{name: "with a body", method: "PUT", body: "x", status: 503, want: "", code: 503},
		{name: "an error of its own", method: "GET", status: 500, want: "", code: 500},
		{name: "retried above", method: "GET", header: "1", status: 503, want: "1", code: 503},
		{name: "retried below", method: "GET", answered: "Plat-Retry: 2", status: 503, want: "", code: 503},
		{name: "asks for too much patience", method: "GET", answered: "Retry-After: 30", status: 503, want: "", code: 503},
		{name: "asks for none", method: "GET", answered: "Retry-After: 0", status: 429, want: ",1,2", code: 200},
		{name: "asks until a time that has passed", method: "GET", answered: "Retry-After: Fri, 01 Jan 2021 00:00:00 GMT", status: 503, want: ",1,2", code: 200},
		{name: "too many, and no time", method: "GET", status: 429, want: "", code: 429},
	} {
		mu.Lock()
		marks = nil
		mu.Unlock()
		status.Store(test.status)
		header.Store(test.answered)
		headers := []string{}
		if test.header != "" {
			headers = []string{"Plat-Retry", test.header}
		}
		a := do(t, c, test.method, "http://"+edge+"/", test.body, headers...)
		mu.Lock()
		got := strings.Join(marks, ",")
		mu.Unlock()
		if got != test.want || a.StatusCode != test.code || a.body != "answer" {
			t.Errorf("%s: tries marked %q, want %q; answered %d %q, want %d", test.name, got, test.want, a.StatusCode, a.body, test.code)
		}
	}
}

// TestEdgeBreaker: when most calls fail, no more are made; the answer says why
// and when to come again. A plan that changes does not make it forget.
func TestEdgeBreaker(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.WriteHeader(500)
	}))
	edge := r.guarded(t, plan.Edge{})
	c := client(t, false)
	for range 20 {
		if a := do(t, c, "POST", "http://"+edge+"/", "x"); a.StatusCode != 500 {
			t.Fatalf("got %d %s", a.StatusCode, a.body)
		}
	}
	r.SetCalls([]plan.Edge{{Caller: "web", Callee: "shop", Timeout: plan.Duration(patience)}})
	a := do(t, c, "GET", "http://"+edge+"/", "")
	problem(t, a, 503, "gateway-breaker-open")
	if after, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || after < 1 || after > 5 || a.Header.Get("Plat-Rejected") != "breaker-open" {
		t.Errorf("header %v", a.Header)
	}
	if calls.Load() != 20 {
		t.Errorf("%d calls were made", calls.Load())
	}
	// Others have breakers of their own, and nobody guards plat's own calls.
	r.SetCalls([]plan.Edge{{Caller: "web", Callee: "shop"}, {Caller: "cart", Callee: "shop"}})
	for _, caller := range []string{"cart", "plat"} {
		other := r.serve(t, r.Edge(caller, "shop", patience))
		if a := do(t, c, "POST", "http://"+other+"/", ""); a.StatusCode != 500 {
			t.Errorf("%s is answered %d", caller, a.StatusCode)
		}
	}
}

// TestEdgeBulkhead: no more calls than may be are under way; a stream holds no
// place once it has begun.
func TestEdgeBulkhead(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var inside atomic.Int32
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/stream" {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			<-req.Context().Done()
			return
		}
		inside.Add(1)
		defer inside.Add(-1)
		<-release
	}))
	r.SetIncoming([]plan.Service{{Name: "shop", Limits: plan.Limits{Concurrent: 1000}}}) // its gate is not what holds them
	edge := r.guarded(t, plan.Edge{Timeout: plan.Duration(patience)})
	c := client(t, false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 120 {
		req, err := http.NewRequestWithContext(ctx, "GET", "http://"+edge+"/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("a stream: %v", err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
	}
	var wg sync.WaitGroup
	var fine atomic.Int32
	for range 100 {
		wg.Go(func() {
			if a := do(t, c, "GET", "http://"+edge+"/", ""); a.StatusCode == 200 {
				fine.Add(1)
			}
		})
	}
	eventually(t, "100 calls", func() bool { return inside.Load() == 100 })
	a := do(t, c, "GET", "http://"+edge+"/", "")
	problem(t, a, 503, "gateway-bulkhead-full")
	if a.Header.Get("Retry-After") != "1" {
		t.Errorf("header %v", a.Header)
	}
	close(release)
	wg.Wait()
	if fine.Load() != 100 {
		t.Errorf("%d of 100 were answered", fine.Load())
	}
}

// TestEjection: an instance that fails gets no calls, the other has them all.
func TestEjection(t *testing.T) {
	t.Parallel()
	var bad atomic.Int32
	r := newRig(t, gateway.Options{},
		backend(t, "shop-1", func(w http.ResponseWriter, _ *http.Request) { bad.Add(1); w.WriteHeader(500) }),
		backend(t, "shop-2", func(http.ResponseWriter, *http.Request) {}))
	edge := r.guarded(t, plan.Edge{})
	c := client(t, false)
	failed := 0
	for range 40 { // within the 10s for which it is out
		if a := do(t, c, "POST", "http://"+edge+"/", ""); a.StatusCode == 500 {
			failed++
		}
	}
	if failed != 5 || bad.Load() != 5 {
		t.Errorf("%d calls failed, %d reached the bad instance, want 5", failed, bad.Load())
	}
	for id, want := range map[string]bool{"shop-1": true, "shop-2": false, "shop-3": false} {
		if got := r.Ejected("shop", id); got != want {
			t.Errorf("%s is ejected: %t", id, got)
		}
	}
	if r.Ejected("nobody", "shop-1") {
		t.Error("an instance of an unknown service is ejected")
	}
}

// TestEjectionDeclared: what the plan says of ejecting holds at once, also for
// instances that are there already.
func TestEjectionDeclared(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{},
		backend(t, "shop-1", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }),
		backend(t, "shop-2", func(http.ResponseWriter, *http.Request) {}))
	edge := r.guarded(t, plan.Edge{Policy: plan.CallPolicy{Concurrent: 100}}) // no breaker
	c := client(t, false)
	failures := func(calls int) (failed int) {
		for range calls {
			if a := do(t, c, "POST", "http://"+edge+"/", ""); a.StatusCode == 500 {
				failed++
			}
		}
		return failed
	}
	line := func() string {
		for _, l := range r.Calls("web")[0].Lines {
			if l.Policy == "ejection" {
				return l.Setting + "; " + l.State
			}
		}
		return ""
	}
	r.SetIncoming([]plan.Service{{Name: "shop"}})
	if n := failures(60); n < 6 || line() != "off; off" {
		t.Errorf("%d of 60 calls failed while nobody is ejected; %s", n, line())
	}
	hour := plan.Duration(time.Hour)
	r.SetIncoming([]plan.Service{{Name: "shop", Ejection: &plan.Ejection{Consecutive: 2, Failures: 100, Calls: 1000, Out: hour, Longest: hour, Most: 50}}})
	if n := failures(60); n != 2 || line() != "2 in a row or 100% of 1000, out 1h, at most 50%; out: shop-1" {
		t.Errorf("%d of 60 calls failed, expected 2; %s", n, line())
	}
}

// TestCallerGone: a caller that hangs up cancels what is under way for it, and
// that is no fault of the instance.
func TestCallerGone(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{}, 100)
	begun := make(chan struct{}, 100)
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(_ http.ResponseWriter, req *http.Request) {
		begun <- struct{}{}
		<-req.Context().Done()
		ended <- struct{}{}
	}))
	edge := r.guarded(t, plan.Edge{Timeout: plan.Duration(patience)})
	for range 30 {
		c := dial(t, edge)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
		<-begun
		_ = c.Close()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatal("the instance works on for nobody")
		}
	}
	// Nor is it when the caller had hardly any time.
	for range 30 {
		problem(t, do(t, client(t, false), "GET", "http://"+edge+"/", "", "Plat-Timeout", "5"), 504, "gateway-timeout")
	}
}
