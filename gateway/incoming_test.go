package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/kit/admit"
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
		// Half an hour for the next one, less what the first three took.
		after, err := strconv.Atoi(a.Header.Get("Retry-After"))
		if err != nil || after > 1800 || after < 1700 || a.Header.Get("RateLimit-Policy") != `"default";q=2;w=3600` || a.Header.Get("RateLimit") != fmt.Sprintf(`"default";r=0;t=%d`, after) {
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

// A rate holds for the whole system: however many instances ask, by whichever
// listener, and however many are asked. Each route of each gateway has its own.
func TestRatesHoldForTheSystem(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", echo), backend(t, "shop-2", echo))
	r.SetIncoming([]plan.Service{{Name: "shop", Limits: plan.Limits{Rate: &plan.CallerRate{Limit: 4, Per: hour()}}}})
	r.SetCalls([]plan.Edge{{Caller: "web", Callee: "shop", OnFailure: "fail"}})
	addrs := []string{r.serve(t, r.Edge("web", "shop", 0)), r.serve(t, r.Edge("web", "shop", 0))}
	for i := range 10 {
		a := do(t, client(t, false), "GET", "http://"+addrs[i%2]+"/", "")
		if i >= 4 {
			problem(t, a, 429, "gateway-rate-limited")
		} else if a.StatusCode != 200 {
			t.Errorf("call %d: %d", i, a.StatusCode)
		}
	}
	for _, name := range []string{"public", "partners"} {
		r.SetRoutes(name, []plan.Route{{Gateway: name, Path: "/", Service: "shop", Rate: &plan.RouteRate{Limit: 2, Per: hour()}}})
		addr := r.serve(t, r.Public(name))
		for range 2 {
			if a := do(t, client(t, false), "GET", "http://"+addr+"/", ""); a.StatusCode != 200 {
				t.Errorf("%s: %d", name, a.StatusCode)
			}
		}
		problem(t, do(t, client(t, false), "GET", "http://"+addr+"/", ""), 429, "gateway-rate-limited")
	}
}

// TestSizesOfARoute: URL, header fields and their bytes, by HTTP/1.1 and
// HTTP/2, below what the gateway takes at all.
func TestSizesOfARoute(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", echo))
	r.SetRoutes("public", []plan.Route{
		{Gateway: "public", Path: "/", Service: "shop"},
		{Gateway: "public", Path: "/small", Service: "shop", URL: 100, Headers: &plan.HeaderLimit{Count: 20, Bytes: 2000}},
	})
	many := func(n int) (header []string) {
		for i := range n {
			header = append(header, fmt.Sprintf("X-%d", i), "y")
		}
		return header
	}
	long := "?q=" + strings.Repeat("x", 100)
	for _, h2 := range []bool{false, true} {
		c, url := client(t, h2), "http://"+r.addr
		for _, test := range []struct {
			name, path string
			header     []string
			status     int
			code       string
		}{
			{"all within", "/small/thing?q=1", many(10), 200, ""},
			{"a long URL", "/small" + long, nil, 414, "gateway-url-too-long"},
			{"many fields", "/small", many(20), 431, "gateway-headers-too-large"},
			{"one field many times", "/small", slices.Repeat([]string{"X-A", "y"}, 20), 431, "gateway-headers-too-large"},
			{"large fields", "/small", []string{"X-A", strings.Repeat("y", 2000)}, 431, "gateway-headers-too-large"},
			{"another route", "/" + long, append(many(100), "X-A", strings.Repeat("y", 2000)), 200, ""},
			{"more than the gateway takes", "/", many(300), 431, "gateway-headers-too-large"},
			{"longer than the gateway takes", "/?q=" + strings.Repeat("x", 70<<10), nil, 414, "gateway-url-too-long"},
		} {
			a := do(t, c, "GET", url+test.path, "", test.header...)
			if test.status != 200 {
				problem(t, a, test.status, test.code)
			} else if a.StatusCode != 200 {
				t.Errorf("h2 %v, %s: %d %s", h2, test.name, a.StatusCode, a.body)
			}
		}
	}
}

// TestPriorityTravels: what a route says of a request is told to who gets it,
// and by it to those whom it calls, never to others; nobody else says it.
func TestPriorityTravels(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	hear := func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Clone() }
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", hear))
	r.SetRoutes("public", []plan.Route{
		{Gateway: "public", Path: "/", Service: "shop"},
		{Gateway: "public", Path: "/low", Service: "shop", Priority: "low"},
	})
	foreign := httptest.NewServer(http.HandlerFunc(hear))
	t.Cleanup(foreign.Close)
	external, err := r.ExternalEdge("web", "bank", foreign.URL, 0)
	if err != nil {
		t.Fatal(err)
	}
	public, edge, outside := "http://"+r.addr, "http://"+r.serve(t, r.Edge("web", "shop", 0)), "http://"+r.serve(t, external)
	for _, test := range []struct{ url, said, want, admitted string }{
		{public + "/", "critical", "", "1"}, // a customer does not say what matters
		{public + "/low", "critical", "low", "1"},
		{edge + "/", "low", "low", "1"},
		{edge + "/", "critical", "critical", "1"},
		{edge + "/", "", "", "1"},
		{edge + "/", "urgent", "", "1"},
		{outside + "/", "high", "", ""},
	} {
		for _, h2 := range []bool{false, true} {
			header := []string{"Plat-Admitted", "by me"}
			if test.said != "" {
				header = append(header, "Plat-Priority", test.said, "Plat_Priority", test.said)
			}
			if a := do(t, client(t, h2), "GET", test.url, "", header...); a.StatusCode != 200 {
				t.Fatalf("%+v: %d %s", test, a.StatusCode, a.body)
			}
			h := <-got
			if h.Get(admit.PriorityHeader) != test.want || h.Get(admit.AdmittedHeader) != test.admitted {
				t.Errorf("%+v, h2 %v: got %v", test, h2, h)
			}
		}
	}
}
