package gateway_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

func hour() *plan.Duration { d := plan.Duration(time.Hour); return &d }

func TestRateOfAClient(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", echo))
	set := func(rate *plan.RouteRate) {
		r.SetRoutes("public", []plan.Route{
			{Gateway: "public", Path: "/", Service: "shop", Rate: rate},
			{Gateway: "public", Path: "/free", Service: "shop"},
		})
	}
	set(&plan.RouteRate{Limit: 2, Per: hour(), Header: "x-api-key"})
	c, url := client(t, false), "http://"+r.addr
	for _, key := range []string{"", "a", "b"} {
		header := []string{}
		if key != "" {
			header = []string{"X-Api-Key", key}
		}
		for range 2 {
			if a := do(t, c, "GET", url+"/", "", header...); a.StatusCode != 200 {
				t.Errorf("%q: %d", key, a.StatusCode)
			}
		}
		a := do(t, c, "GET", url+"/", "", header...)
		problem(t, a, 429, "gateway-rate-limited")
		if a.Header.Get("Retry-After") != "1800" || a.Header.Get("RateLimit-Policy") != `"default";q=2;w=3600` || a.Header.Get("RateLimit") != `"default";r=0;t=1800` {
			t.Errorf("%q: %v", key, a.Header)
		}
	}
	if a := do(t, c, "GET", url+"/free", ""); a.StatusCode != 200 {
		t.Errorf("another route: %d", a.StatusCode)
	}
	// A changed plan counts at once, and forgets nothing.
	set(&plan.RouteRate{Limit: 2, Per: hour(), Burst: 3, Header: "X-API-Key"})
	if a := do(t, c, "GET", url+"/", "", "X-Api-Key", "a"); a.StatusCode != 200 {
		t.Errorf("one more is allowed: %d", a.StatusCode)
	}
	problem(t, do(t, c, "GET", url+"/", "", "X-Api-Key", "a"), 429, "gateway-rate-limited")
	set(nil)
	if a := do(t, c, "GET", url+"/", "", "X-Api-Key", "a"); a.StatusCode != 200 {
		t.Errorf("without a rate: %d", a.StatusCode)
	}
}

func TestBodyOfARoute(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", echo))
	r.SetRoutes("public", []plan.Route{{Gateway: "public", Path: "/", Service: "shop", Body: 4}})
	if a := do(t, client(t, false), "POST", "http://"+r.addr+"/", "1234"); a.StatusCode != 200 {
		t.Errorf("within: %d", a.StatusCode)
	}
	problem(t, do(t, client(t, false), "POST", "http://"+r.addr+"/", "12345"), 413, "gateway-body-too-large")
	chunked := "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n"
	if a := raw(t, r.addr, chunked, patience); len(a) < 12 || a[9:12] != "413" {
		t.Errorf("without a length: %.80q", a)
	}
}

// As many as the service takes go in, some wait, the rest is turned away at
// once; a changed plan lets more in without a restart.
func TestConcurrencyOfAService(t *testing.T) {
	t.Parallel()
	enter, leave := make(chan struct{}, 100), make(chan struct{})
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(http.ResponseWriter, *http.Request) {
		enter <- struct{}{}
		<-leave
	}))
	var group sync.WaitGroup
	defer group.Wait()
	open := sync.OnceFunc(func() { close(leave) })
	defer open()
	r.SetIncoming([]plan.Service{{Name: "shop", Limits: plan.Limits{Concurrent: 2, Queue: 1}}})
	c, url := client(t, false), "http://"+r.addr+"/"
	for range 2 {
		group.Go(func() { do(t, c, "GET", url, "") })
		<-enter
	}
	a := do(t, c, "GET", url, "") // waits for its turn in vain
	problem(t, a, 503, "gateway-overloaded")
	if a.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	state := r.Incoming("shop")
	if len(state) != 1 || state[0].Lines[0].Count != 1 || state[0].Lines[0].Last == nil || state[0].Lines[0].State != "2 of 2 inside, 0 wait" || !state[0].Lines[0].Holds {
		t.Errorf("%+v", state)
	}
	r.SetIncoming([]plan.Service{{Name: "shop", Limits: plan.Limits{Concurrent: 3}}})
	group.Go(func() { do(t, c, "GET", url, "") })
	<-enter
	open()
	group.Wait()
	eventually(t, "all to leave", func() bool { return r.Incoming("shop")[0].Lines[0].State == "0 of 3 inside, 0 wait" })
}

func TestRateOfACallingService(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", echo))
	r.SetIncoming([]plan.Service{{Name: "shop", Limits: plan.Limits{Rate: &plan.CallerRate{Limit: 1, Per: hour()}}}})
	calls := []plan.Edge{{Caller: "web", Callee: "shop", OnFailure: "fail"}, {Caller: "app", Callee: "shop", OnFailure: "fail"}}
	r.SetCalls(calls)
	for _, call := range calls {
		addr := r.serve(t, r.Edge(call.Caller, call.Callee, 0))
		if a := do(t, client(t, false), "GET", "http://"+addr+"/", ""); a.StatusCode != 200 {
			t.Errorf("%s: %d", call.Caller, a.StatusCode)
		}
		problem(t, do(t, client(t, false), "GET", "http://"+addr+"/", ""), 429, "gateway-rate-limited")
	}
	// Nobody has bounded clients from outside, nor plat itself.
	if a := do(t, client(t, false), "GET", "http://"+r.addr+"/", ""); a.StatusCode != 200 {
		t.Errorf("a client: %d", a.StatusCode)
	}
	own := r.serve(t, r.Edge("plat", "shop", 0))
	for range 3 {
		if a := do(t, client(t, false), "GET", "http://"+own+"/", ""); a.StatusCode != 200 {
			t.Errorf("plat: %d", a.StatusCode)
		}
	}
}
