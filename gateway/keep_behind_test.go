package gateway_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// cached is a rig with a cache in front of a service.
func cached(t *testing.T, rule plan.RouteCache, h http.HandlerFunc) *rig {
	t.Helper()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", h))
	rule.Longest = plan.Duration(time.Hour)
	all := route("/", "shop")
	all.Cache = &rule
	r.SetRoutes("public", []plan.Route{all})
	r.SetCache("public", &plan.Cache{Memory: 2 << 20, Object: 64 << 10})
	return r
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

func TestCacheStaleWhileRevalidate(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	rig := cached(t, plan.RouteCache{}, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			w.Header().Set("Age", "30")
		}
		w.Header().Set("Cache-Control", "max-age=20, stale-while-revalidate=600")
		_, _ = fmt.Fprint(w, n.Load())
	})
	c := client(t, false)
	for range 2 {
		if got := do(t, c, "GET", "http://"+rig.addr+"/", ""); got.body != "1" {
			t.Fatalf("got %q, want the first answer", got.body)
		}
	}
	until(t, "the answer is new", func() bool { return do(t, c, "GET", "http://"+rig.addr+"/", "").body == "2" })
	if got := n.Load(); got != 2 {
		t.Errorf("the service was asked %d times, want 2", got)
	}
}

func TestCacheCollapses(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	begun, on := make(chan struct{}), make(chan struct{})
	rig := cached(t, plan.RouteCache{}, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			close(begun)
		}
		<-on
		w.Header().Set("Cache-Control", "max-age=60")
	})
	var all sync.WaitGroup
	ask := func() { do(t, client(t, false), "GET", "http://"+rig.addr+"/", "") }
	all.Go(ask)
	<-begun
	for range 20 {
		all.Go(ask)
	}
	until(t, "20 wait", func() bool { return rig.CacheStats()[0].Collapsed == 20 })
	close(on)
	all.Wait()
	if n.Load() != 1 {
		t.Errorf("the service was asked %d times, want once", n.Load())
	}
}

func TestCacheCollapsesNothingThatIsNotKept(t *testing.T) {
	t.Parallel()
	begun, on := make(chan struct{}, 9), make(chan struct{})
	rig := cached(t, plan.RouteCache{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		begun <- struct{}{}
		<-on
	})
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { do(t, client(t, false), "GET", "http://"+rig.addr+"/", "") })
	}
	for range 3 { // all of them reach it while the first still answers
		select {
		case <-begun:
		case <-time.After(patience):
			t.Fatal("a request waits for one whose answer is not kept")
		}
	}
	close(on)
	all.Wait()
}

func TestCacheHidesTheOrigin(t *testing.T) {
	t.Parallel()
	on := make(chan struct{})
	var n atomic.Int64
	rig := cached(t, plan.RouteCache{HideOrigin: true}, func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		<-on
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = w.Write([]byte("here"))
	})
	c := client(t, false)
	for range 3 {
		got := do(t, c, "GET", "http://"+rig.addr+"/", "")
		problem(t, got, 503, "gateway-not-cached")
		if got.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	close(on)
	until(t, "it is kept", func() bool { return do(t, c, "GET", "http://"+rig.addr+"/", "").body == "here" })
	if n.Load() != 1 {
		t.Errorf("the service was asked %d times, want once", n.Load())
	}
}

func TestCacheWithoutItsOrigin(t *testing.T) {
	t.Parallel()
	rig := cached(t, plan.RouteCache{StaleIfError: plan.Duration(time.Hour)}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Age", "90")
		_, _ = w.Write([]byte("the last good one"))
	})
	c := client(t, false)
	do(t, c, "GET", "http://"+rig.addr+"/", "")
	rig.SetUpstreams("shop", nil)
	got := do(t, c, "GET", "http://"+rig.addr+"/", "")
	if got.StatusCode != 200 || got.body != "the last good one" {
		t.Errorf("got %d %q", got.StatusCode, got.body)
	}
	if want := `^plat; hit; ttl=-[3-5][0-9]; fwd=stale; fwd-status=503; detail=stale-if-error$`; !regexp.MustCompile(want).MatchString(got.Header.Get("Cache-Status")) {
		t.Errorf("Cache-Status %q, want %q", got.Header.Get("Cache-Status"), want)
	}
}

func TestCacheKeepsNoTornAnswer(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	rig := cached(t, plan.RouteCache{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		if n.Add(1) == 1 {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("half"))
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte("whole"))
	})
	c := client(t, false)
	if res, err := c.Get("http://" + rig.addr + "/"); err == nil {
		_ = res.Body.Close()
	}
	if got := do(t, c, "GET", "http://"+rig.addr+"/", ""); got.body != "whole" {
		t.Errorf("got %q", got.body)
	}
}

func TestCacheBounds(t *testing.T) {
	t.Parallel()
	rig := cached(t, plan.RouteCache{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		size := 16 << 10
		if r.URL.Path == "/big" {
			size = 65 << 10
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush() // no length is said
		}
		_, _ = w.Write(make([]byte, size))
	})
	c := client(t, false)
	for i := range 300 { // 4.8 MB into 2 MiB
		do(t, c, "GET", fmt.Sprintf("http://%s/%d", rig.addr, i), "")
	}
	do(t, c, "GET", "http://"+rig.addr+"/big", "")
	s := rig.CacheStats()[0]
	if s.Bytes > 2<<20 || s.Evicted == 0 || s.TooLarge != 1 || s.Misses != 301 {
		t.Errorf("got %+v", s)
	}
}

func TestCachePurge(t *testing.T) {
	t.Parallel()
	rig := cached(t, plan.RouteCache{Tags: []string{"all"}}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Surrogate-Key", "album "+r.URL.Path[1:])
		w.Header().Set("Cache-Tag", "x, y")
	})
	c := client(t, false)
	ask := func(path string) string {
		return do(t, c, "GET", "http://"+rig.addr+path, "").Header.Get("Cache-Status")
	}
	fill := func() {
		for _, p := range []string{"/1", "/2", "/3"} {
			ask(p)
		}
	}
	for tag, want := range map[string]int{"2": 1, "album": 3, "y": 3, "all": 3, "none": 0} {
		fill()
		got, between, err := rig.CachePurgeTag("", tag)
		if want := []gateway.CachePurged{{Gateway: "public", Resources: want}}; !slices.Equal(got, want) || between != 0 || err != nil {
			t.Errorf("purged %v and %d by the tag %s, %v; want %v", got, between, tag, err, want)
		}
	}
	fill()
	for like, want := range map[string]int{"": 3, "/2": 1, "album": 3, "y": 3, "none": 0} {
		list, found, err := rig.CacheList("public", like, 2)
		if err != nil || found != want || len(list) != min(want, 2) {
			t.Errorf("%q finds %d and lists %d, %v; want %d", like, found, len(list), err, want)
		}
		for _, k := range list {
			if k.Latest.Status != http.StatusOK || k.Variants != 1 || k.Bytes < len(k.Key) || !slices.Contains(k.Latest.Tags, "album") {
				t.Errorf("%q lists %+v", like, k)
			}
		}
	}
	if _, _, err := rig.CacheList("nobody", "", 2); !fault.Is(err, fault.GatewayNoCache) {
		t.Errorf("a gateway that is not there: %v", err)
	}
	u := &url.URL{Scheme: "http", Host: rig.addr, Path: "/1"}
	if why, to, err := rig.CacheWhy("public", u, nil); err != nil || why.Verdict != "hit" || len(why.Variants) != 1 || to.Service != "shop" || why.Variants[0].Downstream.Client <= 0 {
		t.Errorf("why: %+v %v", why, err)
	}
	if got, _, err := rig.CachePurge([]string{"public"}, u, true); !slices.Equal(got, []gateway.CachePurged{{Gateway: "public", Resources: 1}}) || err != nil {
		t.Errorf("purged %v, %v", got, err)
	}
	if why, _, _ := rig.CacheWhy("public", u, nil); why.Verdict != "miss" {
		t.Errorf("why after the purge: %+v", why)
	}
}

// TestCachesOfTwoGateways: what is kept under one URL is found, and purged, in
// each gateway that leads it to a service, or in the one that is named.
func TestCachesOfTwoGateways(t *testing.T) {
	t.Parallel()
	rig := cached(t, plan.RouteCache{Tags: []string{"all"}}, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "max-age=60") })
	to := func(name, path string, kept bool) string {
		all := route(path, "shop")
		all.Gateway, all.Cache = name, &plan.RouteCache{Longest: plan.Duration(time.Hour), Tags: []string{"all"}}
		rig.SetRoutes(name, []plan.Route{all})
		if kept {
			rig.SetCache(name, &plan.Cache{Memory: 2 << 20, Object: 64 << 10})
		}
		return rig.serve(t, rig.Public(name))
	}
	addrs := []string{rig.addr, to("partner", "/", true), to("elsewhere", "/else", true), to("plain", "/", false)}
	c := client(t, false)
	fill := func() {
		for _, addr := range addrs[:2] {
			do(t, c, "GET", "http://"+addr+"/x", "", "Host", "shop.example")
		}
	}
	at := func(path string) *url.URL { return &url.URL{Scheme: "http", Host: "shop.example", Path: path} }
	for name, want := range map[string][]string{"": {"partner", "public"}, "public": {"public"}} {
		if got, err := rig.CachesOf(name, at("/x")); !slices.Equal(got, want) || err != nil {
			t.Errorf("caches of %q: %v %v, want %v", name, got, err, want)
		}
	}
	for _, refused := range []struct {
		only, path string
		code       fault.Code
	}{
		{"nobody", "/x", fault.GatewayNoCache}, {"plain", "/x", fault.GatewayNoCache}, {"elsewhere", "/x", fault.GatewayNoRoute}, {"", "/../x", fault.GatewayBadURL}, {"public", "/../x", fault.GatewayBadURL},
	} {
		if got, err := rig.CachesOf(refused.only, at(refused.path)); !fault.Is(err, refused.code) {
			t.Errorf("caches of %q for %s: %v %v, want %s", refused.only, refused.path, got, err, refused.code)
		}
	}
	only := newRig(t, gateway.Options{}, backend(t, "shop-1", echo))
	if got, err := only.CachesOf("", at("/x")); !fault.Is(err, fault.GatewayNoCache) {
		t.Errorf("caches where none is: %v %v", got, err)
	}
	only.SetRoutes("public", []plan.Route{route("/else", "shop")})
	if got, err := only.CachesOf("", at("/x")); !fault.Is(err, fault.GatewayNoRoute) {
		t.Errorf("caches where no route leads: %v %v", got, err)
	}
	for name, purge := range map[string]func() ([]gateway.CachePurged, int, error){
		"both by the URL": func() ([]gateway.CachePurged, int, error) {
			return rig.CachePurge([]string{"partner", "public"}, at("/x"), true)
		},
		"one by the URL": func() ([]gateway.CachePurged, int, error) {
			return rig.CachePurge([]string{"partner"}, at("/x"), false)
		},
		"all by a tag": func() ([]gateway.CachePurged, int, error) { return rig.CachePurgeTag("", "all") },
		"one by a tag": func() ([]gateway.CachePurged, int, error) { return rig.CachePurgeTag("partner", "all") },
	} {
		fill()
		want := map[string]string{
			"both by the URL": "[{partner 1} {public 1}]", "one by the URL": "[{partner 1}]", "all by a tag": "[{elsewhere 0} {partner 1} {public 1}]", "one by a tag": "[{partner 1}]",
		}[name]
		if got, between, err := purge(); fmt.Sprint(got) != want || between != 0 || err != nil {
			t.Errorf("%s: %v %d %v, want %s", name, got, between, err, want)
		}
	}
	for _, purge := range []func() error{
		func() error { _, _, err := rig.CachePurgeTag("nobody", "all"); return err },
		func() error { _, _, err := rig.CachePurge([]string{"nobody"}, at("/x"), true); return err },
	} {
		if err := purge(); !fault.Is(err, fault.GatewayNoCache) {
			t.Errorf("a purge of a gateway that is not there: %v", err)
		}
	}
}

func TestCachePassesInterimAnswers(t *testing.T) {
	t.Parallel()
	rig := cached(t, plan.RouteCache{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = w.Write([]byte("x"))
	})
	c := client(t, false)
	do(t, c, "GET", "http://"+rig.addr+"/", "")
	if got := do(t, c, "GET", "http://"+rig.addr+"/", ""); got.Header.Get("Link") != "" || got.body != "x" || got.Header.Get("Age") == "" {
		t.Errorf("got %v %q", got.Header, got.body)
	}
}
