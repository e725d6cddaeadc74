package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// TestFallbacks: what stands in for an answer, by what failed and how it is
// declared.
func TestFallbacks(t *testing.T) {
	t.Parallel()
	var mode atomic.Value // how the instance fails
	mode.Store("")
	up := backend(t, "shop-1", func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body) // else net/http does not see the caller go
		switch mode.Load() {
		case "500":
			w.WriteHeader(500)
			_, _ = io.WriteString(w, "its own words")
		case "hang":
			<-req.Context().Done()
		case "reset":
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Cache-Control", req.Header.Get("X-Answer-Cache"))
			_, _ = io.WriteString(w, "fresh "+req.URL.RequestURI())
		}
	})
	setUp := func(t *testing.T, e plan.Edge) (*rig, string, *http.Client) {
		r := newRig(t, gateway.Options{}, up)
		return r, "http://" + r.guarded(t, e), client(t, false)
	}
	failures := []string{"500", "hang", "reset", "gone"}
	fail := func(r *rig, how string) (headers []string) {
		mode.Store(how)
		if how == "gone" {
			r.SetUpstreams("shop", nil)
		} else {
			r.SetUpstreams("shop", []gateway.Upstream{up})
		}
		if how == "hang" { // what waits for it has little time, all others have enough
			return []string{"Plat-Timeout", "200"}
		}
		return nil
	}

	t.Run("fail", func(t *testing.T) {
		r, edge, c := setUp(t, plan.Edge{OnFailure: plan.OnFail})
		for how, want := range map[string]int{"500": 500, "hang": 504, "reset": 502, "gone": 503} {
			hurry := fail(r, how)
			a := do(t, c, "POST", edge+"/", "x", hurry...)
			if a.StatusCode != want || a.Header.Get("Plat-Degraded") != "" || (a.Header.Get("Retry-After") != "") != (want > 502) {
				t.Errorf("%s: %d %v", how, a.StatusCode, a.Header)
			}
		}
	})
	t.Run("degrade", func(t *testing.T) {
		r, edge, c := setUp(t, plan.Edge{OnFailure: plan.OnDegrade})
		for _, how := range failures {
			hurry := fail(r, how)
			a := do(t, c, "POST", edge+"/", "x", hurry...)
			if a.Header.Get("Plat-Degraded") != "shop" {
				t.Errorf("%s: no mark: %v", how, a.Header)
			}
			if how == "500" {
				if a.StatusCode != 500 || a.body != "its own words" {
					t.Errorf("its own answer became %d %q", a.StatusCode, a.body)
				}
			} else if a.StatusCode != 503 || a.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %d %s", how, a.StatusCode, a.body)
			}
		}
		fail(r, "")
		if a := do(t, c, "GET", edge+"/", ""); a.StatusCode != 200 || a.Header.Get("Plat-Degraded") != "" {
			t.Errorf("a good answer: %d %v", a.StatusCode, a.Header)
		}
	})
	t.Run("default", func(t *testing.T) {
		r, edge, c := setUp(t, plan.Edge{OnFailure: plan.OnDefault, Default: &plan.DefaultAnswer{Status: 200, Type: "application/json", Body: "[]"}})
		for _, how := range failures {
			hurry := fail(r, how)
			a := do(t, c, "GET", edge+"/", "", hurry...)
			if a.StatusCode != 200 || a.body != "[]" || a.Header.Get("Plat-Fallback") != "default" || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Retry-After") != "" {
				t.Errorf("%s: %d %q %v", how, a.StatusCode, a.body, a.Header)
			}
			if a := do(t, c, "HEAD", edge+"/", "", hurry...); a.StatusCode != 200 || a.body != "" || a.ContentLength != 2 {
				t.Errorf("%s, HEAD: %d %q %d", how, a.StatusCode, a.body, a.ContentLength)
			}
			if a := do(t, c, "POST", edge+"/", "x", hurry...); a.StatusCode < 500 {
				t.Errorf("%s: what was not done is said to be: %d", how, a.StatusCode)
			}
		}
	})
	t.Run("last-good", func(t *testing.T) {
		r, edge, c := setUp(t, plan.Edge{OnFailure: plan.OnLastGood, LastGood: &plan.LastGood{Keep: plan.Duration(time.Hour)}})
		fail(r, "")
		for _, path := range []string{"/a?b", "/c"} {
			if a := do(t, c, "GET", edge+path, ""); a.StatusCode != 200 || a.Header.Get("Plat-Fallback") != "" {
				t.Fatalf("%d %v", a.StatusCode, a.Header)
			}
		}
		do(t, c, "GET", edge+"/secret", "", "Authorization", "Bearer x")
		do(t, c, "GET", edge+"/unkept", "", "X-Answer-Cache", "no-store")
		for _, how := range failures {
			hurry := fail(r, how)
			for _, path := range []string{"/a?b", "/c"} {
				a := do(t, c, "GET", edge+path, "", hurry...)
				if a.StatusCode != 200 || a.body != "fresh "+path || a.Header.Get("Plat-Fallback") != "last-good" || a.Header.Get("Age") == "" || a.Header.Get("Content-Type") != "text/plain" {
					t.Errorf("%s: %d %q %v", how, a.StatusCode, a.body, a.Header)
				}
				if a := do(t, c, "HEAD", edge+path, "", hurry...); a.StatusCode != 200 || a.Header.Get("Plat-Fallback") != "last-good" {
					t.Errorf("%s, HEAD: %d %v", how, a.StatusCode, a.Header)
				}
			}
			for _, path := range []string{"/never", "/secret", "/unkept"} {
				if a := do(t, c, "GET", edge+path, "", hurry...); a.StatusCode < 500 {
					t.Errorf("%s %s: %d %q", how, path, a.StatusCode, a.body)
				}
			}
		}
	})
}

// TestTimes: a try has its own time, a connection and all of an answer too.
func TestTimes(t *testing.T) {
	t.Parallel()
	const whole = 2 * time.Second
	var calls atomic.Int32
	shop := backend(t, "shop-1", func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/stream" { // lasts longer than a whole answer may
			w.Header().Set("Content-Type", "Application/Connect+proto; v=1")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(whole + whole/5) // is what it does
			_, _ = io.WriteString(w, "end")
			return
		}
		if req.URL.Path == "/drip" { // an answer that never ends
			for {
				if _, err := io.WriteString(w, "x"); err != nil || http.NewResponseController(w).Flush() != nil {
					return
				}
				select {
				case <-req.Context().Done():
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		}
		if calls.Add(1) == 1 {
			<-req.Context().Done()
		}
	})
	for name, test := range map[string]struct {
		policy plan.CallPolicy
		ask    func(t *testing.T, c *http.Client, edge string)
	}{
		"a try": {plan.CallPolicy{Header: plan.Duration(whole), Retries: 1}, func(t *testing.T, c *http.Client, edge string) {
			if a := do(t, c, "GET", edge+"/", ""); a.StatusCode != 200 || calls.Load() != 2 {
				t.Errorf("after a try that hung: %d, %d tries", a.StatusCode, calls.Load())
			}
		}},
		"a stream": {plan.CallPolicy{Total: plan.Duration(whole)}, func(t *testing.T, c *http.Client, edge string) {
			if a := do(t, c, "GET", edge+"/stream", ""); a.body != "end" {
				t.Errorf("a stream ended with %q", a.body)
			}
		}},
		"an answer": {plan.CallPolicy{Total: plan.Duration(whole)}, func(t *testing.T, c *http.Client, edge string) {
			res, err := c.Get(edge + "/drip")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			if n, err := io.Copy(io.Discard, res.Body); err == nil || n == 0 || errors.Is(err, context.DeadlineExceeded) { // which is the client's
				t.Errorf("an endless answer ended with %v after %d bytes", err, n)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, gateway.Options{}, shop)
			test.ask(t, client(t, false), "http://"+r.guarded(t, plan.Edge{Policy: test.policy}))
			eventually(t, "the instance to be free", func() bool { return r.InFlight("shop-1") == 0 })
		})
	}
}

// TestCalls: how the calls stand, in words and numbers.
func TestCalls(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{},
		backend(t, "shop-1", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }),
		backend(t, "shop-2", func(http.ResponseWriter, *http.Request) {}))
	edge := r.guarded(t, plan.Edge{
		OnFailure: plan.OnDegrade,
		Policy:    plan.CallPolicy{Retries: 1, Concurrent: 7, Breaker: &plan.Breaker{Failures: 100, Calls: 1000, Within: plan.Duration(time.Minute), Open: plan.Duration(time.Second)}},
	})
	r.Edge("plat", "shop", time.Second) // is guarded by nobody, and not told of
	c := client(t, false)
	for range 40 {
		do(t, c, "POST", "http://"+edge+"/", "")
	}
	all := r.Calls("")
	if len(all) != 1 || all[0].Caller != "web" || all[0].Callee != "shop" || !all[0].Declared {
		t.Fatalf("%+v", all)
	}
	got := map[string]string{}
	for _, l := range all[0].Lines {
		if l.Holds != (l.Policy == "ejection") {
			t.Errorf("%s holds calls back: %v", l.Policy, l.Holds)
		}
		got[l.Policy] = l.Setting + "; " + l.State
		if l.Last != nil {
			got[l.Policy] += "; " + l.Last.Why
			if age := time.Since(l.Last.Time); age < 0 || age > patience {
				t.Errorf("%s acted %v ago", l.Policy, age)
			}
		}
	}
	delete(got, "adaptive") // tells of latencies
	want := map[string]string{
		"timeout":  "answer 1m, connect 1s; 0 given up",
		"retries":  "1, of 20% of the calls; 0 made, 10 left",
		"breaker":  "100% of 1000 calls in 1m, open 1s; closed, 5 of 40 failed",
		"bulkhead": "7 at once, wait 50ms; 0 under way, 0 wait",
		"ejection": "5 in a row or 50% of 20, out 10s, at most 50%; out: shop-1; shop-1 ejected for 10s: 5 failures in a row",
		"fallback": "degrade; used 5 times; marked an answer as degraded: shop answered 500 Internal Server Error",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	numbers := map[string]float64{}
	for _, f := range all[0].Figures {
		numbers[f.Name+strings.Join(f.Labels, " ")] = f.Value
	}
	if numbers["plat_call_ejectedinstance shop-1"] != 1 || numbers["plat_call_fallback_totalkind degrade"] != 5 || numbers["plat_call_concurrent_limit"] != 7 {
		t.Errorf("%v", numbers)
	}
	if got := r.Calls("cart"); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
