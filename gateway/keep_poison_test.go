package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// TestCacheAndCapitalsOfTheHost: a service that takes another host by capitals
// answers that to nobody else, since it never sees them.
func TestCacheAndCapitalsOfTheHost(t *testing.T) {
	t.Parallel()
	rig := cached(t, plan.RouteCache{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		if r.Host != "shop.example" || r.Header.Get("X-Forwarded-Host") != "shop.example" {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	c := client(t, false)
	for i, host := range []string{"SHOP.example", "shop.example", "Shop.Example"} {
		got := do(t, c, "GET", "http://"+rig.addr+"/", "", "Host", host)
		if hit := strings.Contains(got.Header.Get("Cache-Status"), "hit"); got.StatusCode != http.StatusOK || hit != (i > 0) {
			t.Errorf("%s: %d, %s", host, got.StatusCode, got.Header.Get("Cache-Status"))
		}
	}
}

// TestCacheAndAnotherRepresentation: what a 304 says of another than the one
// that was asked about does not come over what is kept.
func TestCacheAndAnotherRepresentation(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	rig := cached(t, plan.RouteCache{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=0")
		if n.Add(1); n.Load() == 1 {
			w.Header().Set("Etag", `"1"`)
		} else {
			w.Header().Set("Etag", `"2"`)
		}
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = fmt.Fprint(w, n.Load())
	})
	c := client(t, false)
	for i, want := range []string{"1", "3", "3"} { // the second 304 is of "2" indeed
		if got := do(t, c, "GET", "http://"+rig.addr+"/", ""); got.body != want {
			t.Errorf("answer %d is %q under %s, want %q", i+1, got.body, got.Header.Get("Etag"), want)
		}
	}
}

// TestCacheLearnsOfVary: who is told of by a 304 that answers vary gets no more
// what was kept before it was said.
func TestCacheLearnsOfVary(t *testing.T) {
	tag := []string{"Etag", `"1"`, "Cache-Control"}
	for name, steps := range map[string][]step{
		"of a field": {
			{ask: []string{"Cookie", "me"}, from: origin, say: append(tag, "max-age=0")},
			{ask: []string{"Cookie", "me"}, from: validated, want: 200, reads: "answer 1", say: append(tag, "max-age=60", "Vary", "Cookie")},
			{ask: []string{"Cookie", "me"}, from: kept, reads: "answer 1"},
			{ask: []string{"Cookie", "you"}, from: origin, has: []string{"Cache-Status: plat; fwd=vary-miss; stored"}, say: append(tag, "max-age=60", "Vary", "Cookie")},
		},
		"of everything": {
			get(origin, append(tag, "max-age=0")...),
			{from: validated, want: 200, reads: "answer 1", has: []string{"Cache-Status: plat; fwd=stale; fwd-status=304"}, say: append(tag, "max-age=60", "Vary", "*")},
			{from: origin, has: []string{"Cache-Status: plat; fwd=uri-miss; stored"}, say: append(tag, "max-age=60")},
		},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); play(t, nil, steps) })
	}
}

// TestCacheKeepsTestCustomersApart: what they get while something is broken on
// purpose is for nobody else, and a write or a purge reaches it all the same.
func TestCacheKeepsTestCustomersApart(t *testing.T) {
	t.Parallel()
	rig := newRig(t, gateway.Options{
		Synthetic: func(mark string, _ bool) (string, bool) { return "purchase", mark == "good" },
	}, backend(t, "shop-1", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Cache-Tag", "a")
		_, _ = fmt.Fprint(w, "for "+r.Header.Get("Plat-Test"))
	}))
	all := route("/", "shop")
	all.Cache = &plan.RouteCache{Longest: plan.Duration(time.Hour)}
	rig.SetRoutes("public", []plan.Route{all})
	rig.SetCache("public", &plan.Cache{Memory: 2 << 20, Object: 64 << 10})
	c := client(t, false)
	ask := func(method, mark, body string, hit bool) {
		t.Helper()
		got := do(t, c, method, "http://"+rig.addr+"/", "", "Host", "shop.example", "Plat-Test", mark)
		if is := strings.Contains(got.Header.Get("Cache-Status"), "hit"); is != hit || got.body != body {
			t.Errorf("%s as %q: %q, %s; want %q, a hit: %v", method, mark, got.body, got.Header.Get("Cache-Status"), body, hit)
		}
	}
	both := func(hit bool) {
		t.Helper()
		ask("GET", "good", "for good", hit)
		ask("GET", "forged", "for ", hit)
	}
	both(false)
	both(true)
	if list, found, err := rig.CacheList("public", "", 10); err != nil || found != 1 || len(list) != 1 {
		t.Errorf("%d are listed, %v; want that of all alone", found, err)
	}
	ask("DELETE", "good", "for good", false)
	both(false)
	ask("DELETE", "", "for ", false)
	both(false)
	purge(t, rig, "/")
	both(false)
	if got, _, err := rig.CachePurgeTag("public", "a"); err != nil || len(got) != 1 || got[0].Resources != 1 {
		t.Errorf("%v purged by the tag, %v; want one resource", got, err)
	}
	both(false)
}
