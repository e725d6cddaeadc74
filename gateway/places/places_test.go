package places_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/gateway/cache"
	"github.com/plat-dev/plat/gateway/lastgood"
	"github.com/plat-dev/plat/gateway/places"
	"github.com/plat-dev/plat/plan"
)

// system is web, which calls catalog, which calls stock and web again; mail
// calls catalog, too.
func system() *plan.System {
	fresh, hour := plan.Duration(30*time.Second), &plan.LastGood{Keep: plan.Duration(time.Hour)}
	return &plan.System{Services: []plan.Service{
		{Name: "catalog", Calls: []plan.Dependency{{Service: "bank", External: true, LastGood: hour}, {Service: "stock", LastGood: hour}, {Service: "web", LastGood: hour}}},
		{Name: "mail", Calls: []plan.Dependency{{Service: "catalog", Fresh: &fresh, LastGood: hour}}},
		{Name: "stock"},
		{Name: "web", Calls: []plan.Dependency{{Service: "catalog", LastGood: hour}}},
	}}
}

func TestOf(t *testing.T) {
	t.Parallel()
	scope := func(caller, callee string) lastgood.Scope { return lastgood.Scope{Caller: caller, Callee: callee} }
	kept := []lastgood.Kept{
		{Scope: scope("mail", "catalog"), Target: "/albums?a=1", Age: 10 * time.Minute},
		{Scope: scope("mail", "catalog"), Target: "/else", Age: time.Minute},
		{Scope: scope("web", "catalog"), Target: "/albums?a=1", Age: 2 * time.Hour}, // over its time
		{Scope: scope("catalog", "stock"), Target: "/1", Age: 20 * time.Minute},
		{Scope: scope("catalog", "stock"), Target: "/2", Age: 30 * time.Minute},
		{Scope: scope("catalog", "bank"), Target: "/2", Age: 45 * time.Minute},
	}
	down := cache.Downstream{Client: time.Minute, Shared: 2 * time.Minute, SharedStale: time.Hour}
	chosen := cache.Answer{Chosen: true, Downstream: down, Lifetime: time.Minute, Age: 20 * time.Second, OnError: time.Hour, Meanwhile: time.Second}
	const url, reload = "http://localhost/albums?a=1", "nothing from here; the client can reload, or the URL change"
	outside := []places.Place{{"the client's own cache", time.Minute, 0, reload}, {"shared caches outside plat", 2 * time.Minute, time.Hour, "their own purge"}}
	gateway := places.Place{"the gateway public", 40 * time.Second, time.Hour, "plat cache purge " + url}
	between := []places.Place{
		{"the call from mail to catalog (1 last good)", 0, 50 * time.Minute, "plat cache purge " + url},
		{"copies of catalog in mail", 30 * time.Second, 0, "nothing from here; mail asks again after that"},
		{"the call from catalog to bank (1 last good)", 0, 15 * time.Minute, "the next good answer of bank"},
		{"the call from catalog to stock (2 last good)", 0, 40 * time.Minute, "the next good answer of stock"},
	}
	old := chosen
	old.Age = 31 * time.Minute
	for name, test := range map[string]struct {
		why  cache.Why
		want []places.Place
	}{
		"kept":               {cache.Why{Variants: []cache.Answer{{Age: time.Hour}, chosen}}, append(append(outside[:2:2], gateway), between...)},
		"stale":              {cache.Why{Variants: []cache.Answer{old}}, append(append(outside[:2:2], places.Place{"the gateway public", 0, 30 * time.Minute, "plat cache purge " + url}), between...)},
		"not kept":           {cache.Why{Passed: &down}, append(outside[:2:2], between...)},
		"never asked for":    {cache.Why{}, between},
		"other fields' only": {cache.Why{Variants: []cache.Answer{{Age: time.Hour}}}, between},
	} {
		q := places.Question{URL: url, Target: "/albums?a=1"}
		if diff := cmp.Diff(test.want, places.Of(q, []places.Front{{"public", "catalog", test.why}}, system(), kept)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, fronts := range map[string][]places.Front{"of no service": {{Gateway: "public", Service: "nobody"}}, "of no gateway": nil} {
		if got := places.Of(places.Question{}, fronts, system(), kept); got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestOfTwoGateways: both are told, what is outside once and for the longest of
// both, and so is what lies behind the services that they lead to.
func TestOfTwoGateways(t *testing.T) {
	t.Parallel()
	kept := []lastgood.Kept{{Scope: lastgood.Scope{Caller: "mail", Callee: "catalog"}, Target: "/albums", Age: 10 * time.Minute}}
	at := func(lifetime, client, shared time.Duration) cache.Why {
		return cache.Why{Variants: []cache.Answer{{Chosen: true, Lifetime: lifetime, Downstream: cache.Downstream{Client: client, Shared: shared}}}}
	}
	const url = "http://shop.example/albums"
	got := places.Of(places.Question{URL: url, Target: "/albums"}, []places.Front{
		{"partner", "catalog", at(time.Minute, time.Second, time.Minute)}, {"public", "catalog", at(time.Hour, time.Hour, time.Second)}, {"third", "stock", cache.Why{}},
	}, system(), kept)
	want := []places.Place{
		{"the client's own cache", time.Hour, 0, "nothing from here; the client can reload, or the URL change"},
		{"shared caches outside plat", time.Minute, 0, "their own purge"},
		{"the gateway partner", time.Minute, 0, "plat cache purge " + url},
		{"the gateway public", time.Hour, 0, "plat cache purge " + url},
		{"the call from mail to catalog (1 last good)", 0, 50 * time.Minute, "plat cache purge " + url},
		{"copies of catalog in mail", 30 * time.Second, 0, "nothing from here; mail asks again after that"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}
