package drift_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plat-dev/plat/drift"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// only gives the one finding, and fails where there is another number.
func only(t *testing.T, what string, findings []drift.Finding) drift.Finding {
	t.Helper()
	if len(findings) != 1 {
		t.Fatalf("%s: %d findings: %+v", what, len(findings), findings)
	}
	f := findings[0]
	if f.ID == "" || f.Why == "" || f.Remedy == "" || f.Evidence == nil {
		t.Errorf("%s: something is not said: %+v", what, f)
	}
	return f
}

func none(t *testing.T, what string, findings []drift.Finding) {
	t.Helper()
	if len(findings) != 0 {
		t.Errorf("%s: %+v", what, findings)
	}
}

func compare(sys *plan.System, seen drift.Observation) []drift.Finding {
	return drift.Compare(sys, seen, 0, noon)
}

// shop has front, which needs order and, where it can, rating; order needs
// stock; all in files of their own.
func shop(environment string) *plan.System {
	return &plan.System{
		Name: "shop", Environment: environment,
		Services: []plan.Service{
			{Name: "front", Dir: "front", Instances: 1, Calls: []plan.Dependency{{Service: "order"}, {Service: "rating", Optional: true}}},
			{Name: "order", Dir: "order", Instances: 1, Calls: []plan.Dependency{{Service: "stock"}}, Events: []plan.ProvidedEvent{{Type: "order.placed"}}},
			{Name: "rating", Dir: "rating", Instances: 1, Consumes: []plan.ConsumedEvent{{Type: "order.placed", Provider: "order"}}},
			{Name: "stock", Dir: "stock", Instances: 1},
		},
		Gateways: []plan.Gateway{{Name: "public", Routes: []plan.DeclaredRoute{{Path: "/", Service: "front"}, {Path: "/stock", Service: "stock"}}}},
	}
}

func TestCycles(t *testing.T) {
	t.Parallel()
	back := drift.Call{Caller: "stock", Callee: "front", Count: 7, Undeclared: 7, Used: noon.Add(-time.Hour), Last: noon.Add(-8 * day)} // settled by itself
	f := only(t, "seen", compare(shop(plan.Local), drift.Observation{Calls: []drift.Call{back, {Caller: "order", Callee: "stock", Count: 3, Used: noon}}}))
	if f.Code != fault.DriftCallCycle || f.Severity != fault.Warning || !slices.Equal(f.Services, []string{"front", "order", "stock"}) || f.What != "a circle of calls: front → order → stock → front" || f.Caller != "front" || f.Callee != "order" || f.Count != 10 {
		t.Errorf("%+v", f)
	}
	if len(f.Evidence) != 3 || f.Evidence[2].Note != "stock → front: not declared, 7 calls seen" || f.Evidence[1].Note != "order → stock: declared, 3 calls seen" {
		t.Errorf("%+v", f.Evidence)
	}
	back.Used = noon.Add(-drift.Settled)
	none(t, "long ago", compare(shop(plan.Local), drift.Observation{Calls: []drift.Call{back}}))
	back.Used = time.Time{}
	none(t, "only refused", compare(shop(plan.Local), drift.Observation{Calls: []drift.Call{back}}))
	declared := shop(plan.Local)
	declared.Services[3].Calls = []plan.Dependency{{Service: "order"}, {Service: "bank", External: true}}
	declared.External = []plan.External{{Name: "bank", URL: "https://bank.example"}}
	if f := only(t, "declared", compare(declared, drift.Observation{})); !slices.Equal(f.Services, []string{"order", "stock"}) {
		t.Errorf("not the shortest: %+v", f)
	}
}

func TestChatty(t *testing.T) {
	t.Parallel()
	chatty := func(actions uint64, ago time.Duration) drift.Observation {
		c := drift.Call{Caller: "order", Callee: "stock", Count: 99, Used: noon, Actions: drift.Actions{Count: 10, Calls: 62, Most: 21, Chatty: actions}}
		for range actions {
			c.Actions.Last = append(c.Actions.Last, drift.Evidence{CorrelationID: "k", Time: noon.Add(-ago), Note: "21 calls"})
		}
		return drift.Observation{Calls: []drift.Call{c}}
	}
	f := only(t, "chatty", compare(shop(plan.Local), chatty(3, time.Minute)))
	if f.Code != fault.DriftChattyCalls || f.What != "order calls stock up to 21 times in one customer's action" || f.Why != "3 of 10 actions made more than 5 calls; on average they made 6.2" || f.Count != 3 || len(f.Evidence) != 3 || f.Evidence[0].CorrelationID != "k" {
		t.Errorf("%+v", f)
	}
	none(t, "twice", compare(shop(plan.Local), chatty(2, time.Minute)))
	none(t, "long ago", compare(shop(plan.Local), chatty(9, drift.Recent)))
}

func TestLongChains(t *testing.T) {
	t.Parallel()
	chain := func(names string, ago time.Duration) drift.Chain {
		return drift.Chain{Services: strings.Fields(names), Count: 2, First: noon.Add(-day), Last: noon.Add(-ago), Evidence: []drift.Evidence{{CorrelationID: "k"}}}
	}
	seen := drift.Observation{Chains: []drift.Chain{
		chain("front order stock a b", 0), chain("front order stock a b c", 0), chain("front order stock a b c d", time.Minute),
		chain("order stock a b c d", drift.Recent), chain("legacy order stock a b c", 0),
	}}
	f := only(t, "long", compare(shop(plan.Local), seen))
	if f.Code != fault.DriftLongChain || f.What != "a customer waits for a chain of 6 calls: front → order → stock → a → b → c → d" || f.Caller != "front" || f.Callee != "d" || f.Count != 2 || len(f.Services) != 7 {
		t.Errorf("%+v", f)
	}
}

func TestSinglePoints(t *testing.T) {
	t.Parallel()
	none(t, "here", compare(shop(plan.Local), drift.Observation{}))
	f := only(t, "elsewhere", compare(shop("prod"), drift.Observation{}))
	if f.Code != fault.DriftSinglePoint || f.Caller != "stock" || f.Callee != "" || f.Why != "2 of 2 routes lead through it" || !strings.HasPrefix(f.Remedy, "set instances: 2 in stock/service.yaml") {
		t.Errorf("%+v", f)
	}
	needed := shop("prod")
	needed.Services[2].Calls = []plan.Dependency{{Service: "order"}}
	needed.Services[3].Instances = 2
	if f := only(t, "needed by two", compare(needed, drift.Observation{})); f.Caller != "order" || f.Why != "front, rating cannot do without it" {
		t.Errorf("%+v", f)
	}
	needed.Services[1].Instances = 3
	none(t, "several instances", compare(needed, drift.Observation{}))
}

func TestSharedStores(t *testing.T) {
	t.Parallel()
	file := func(service, path, owner string) drift.File {
		return drift.File{Service: service, Instance: service + "-1", PID: 7, Path: path, Owner: owner}
	}
	none(t, "each its own", compare(shop(plan.Local), drift.Observation{Files: []drift.File{file("order", "stores/order/o.db", "order"), file("stock", "stores/stock/s.db", "stock"), file("order", "cache.db", ""), file("order", "cache.db", "")}}))
	f := only(t, "of another", compare(shop(plan.Local), drift.Observation{Files: []drift.File{file("stock", "stores/stock/s.db", "stock"), file("front", "stores/stock/s.db", "stock"), file("front", "stores/stock/t.db", "stock")}}))
	if f.Code != fault.DriftSharedStore || f.Caller != "front" || f.Callee != "stock" || f.What != "front opens the store of stock" || f.Count != 2 || f.Evidence[0].Note != "open in front-1, process 7" || f.Evidence[1].Path != "stores/stock/t.db" {
		t.Errorf("%+v", f)
	}
	if f.Patch != "consumes:\n  services:\n    stock: {}\n" || f.Change.File != "front/service.yaml" || !f.Change.Part || !strings.HasSuffix(f.Remedy, "; plat plan add front consumes stock declares the call") {
		t.Errorf("%+v", f)
	}
	if f := only(t, "nobody's", compare(shop(plan.Local), drift.Observation{Files: []drift.File{file("stock", "/tmp/x.db", ""), file("order", "/tmp/x.db", "")}})); f.Caller != "stock" || f.Callee != "order" || f.What != "stock and order have the same store open" {
		t.Errorf("%+v", f)
	}
	if f := only(t, "declared", compare(shop(plan.Local), drift.Observation{Files: []drift.File{file("order", "stores/stock/s.db", "stock")}})); f.Patch != "" || f.Change.Keys != nil {
		t.Errorf("a declared call is to be declared: %+v", f)
	}
}

func TestSameDatabase(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		order, stock string
		same         bool
	}{
		{"postgres://o:secret@db.example/shop", "postgresql://s:hush@DB.example:5432/shop?sslmode=off", true},
		{"postgres://db/shop", "postgres://db/stock", false},
		{"postgres://db/shop?search_path=order", "postgres://db/shop?search_path=stock", false},
		{"postgres://db/shop", "mysql://db/shop", false},
		{"mongodb://db/shop", "mongodb+srv://db/shop", true},
		{"https://db.example/shop", "https://db.example/shop", false},
		{"postgres://db/", "postgres://db/", false},
		{"shop", "shop", false},
	} {
		sys := shop(plan.Local)
		sys.Services[1].Config = []plan.Setting{{Name: "database-url", Value: &tt.order}}
		sys.Services[3].Config = []plan.Setting{{Name: "db", Default: &tt.stock}}
		got := compare(sys, drift.Observation{})
		if !tt.same {
			none(t, tt.order+" "+tt.stock, got)
			continue
		}
		f := only(t, tt.order, got)
		if f.Caller != "stock" || f.Callee != "order" || strings.Contains(f.Why+f.Evidence[0].Path, "secret") || strings.Contains(f.Evidence[0].Path, "hush") {
			t.Errorf("%+v", f)
		}
	}
}

func TestRefusedEvents(t *testing.T) {
	t.Parallel()
	refusal := func(service, event string, publish bool) drift.Observation {
		return drift.Observation{Refusals: []drift.Refusal{{Service: service, Event: event, Publish: publish, Count: 4, Last: noon.Add(-time.Hour)}}}
	}
	f := only(t, "publish", compare(shop(plan.Local), refusal("stock", "stock.lost", true)))
	if f.Code != fault.DriftRefusedEvent || f.Severity != fault.Error || f.Count != 4 || f.Patch != "provides:\n  events:\n    stock.lost: {}\n" || f.Change.File != "stock/service.yaml" {
		t.Errorf("%+v", f)
	}
	if f := only(t, "another's", compare(shop(plan.Local), refusal("stock", "order.placed", true))); f.Patch != "" || f.Callee != "order" {
		t.Errorf("%+v", f)
	}
	if f := only(t, "read", compare(shop(plan.Local), refusal("stock", "order.placed", false))); f.Remedy != "plat plan add stock consumes order.placed" || f.Patch != "consumes:\n  events:\n    order.placed: {}\n" {
		t.Errorf("%+v", f)
	}
	if f := only(t, "read what nobody has", compare(shop(plan.Local), refusal("stock", "a.b", false))); f.Patch != "" {
		t.Errorf("%+v", f)
	}
	none(t, "declared meanwhile", compare(shop(plan.Local), refusal("order", "order.placed", true)))
	none(t, "read meanwhile", compare(shop(plan.Local), refusal("rating", "order.placed", false)))
	none(t, "a stranger", compare(shop(plan.Local), refusal("legacy", "a.b", true)))
}

func TestDeafConsumers(t *testing.T) {
	t.Parallel()
	deaf := drift.Consumer{Service: "rating", Event: "order.placed", Running: drift.Deaf, Unhandled: 3, Lag: 2}
	f := only(t, "deaf", compare(shop(plan.Local), drift.Observation{Consumers: []drift.Consumer{deaf}}))
	if f.Code != fault.DriftDeafConsumer || f.Callee != "order" || f.Count != 3 || f.Why != "it runs for 10 minutes, 3 events were delivered and not acknowledged, 2 more wait" {
		t.Errorf("%+v", f)
	}
	young, idle, hears := deaf, deaf, deaf
	young.Running, idle.Unhandled, hears.Handled = time.Minute, 0, 1
	none(t, "no deaf one", compare(shop(plan.Local), drift.Observation{Consumers: []drift.Consumer{young, idle, hears}}))
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	f := only(t, "stopped", compare(shop(plan.Local), drift.Observation{Overrides: []drift.Override{{Service: "rating", Instances: 0, Since: since}}}))
	if f.Code != fault.DriftOverride || f.What != "rating was stopped by hand" || f.Remedy != "plat scale rating=plan" || len(f.Evidence) != 1 || !f.Evidence[0].Time.Equal(since) || f.File == "" {
		t.Errorf("%+v", f)
	}
	if f := only(t, "more", compare(shop(plan.Local), drift.Observation{Overrides: []drift.Override{{Service: "rating", Instances: 3}}})); f.What != "rating was scaled by hand to 3 instances" {
		t.Errorf("%+v", f)
	}
	none(t, "the plan's own number, and a stranger", compare(shop(plan.Local), drift.Observation{Overrides: []drift.Override{{Service: "rating", Instances: 1}, {Service: "legacy"}}}))
}
