package drift_test

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/drift"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// system has order, which calls catalog, stripe and the registered legacy;
// rating, which calls nobody; and paypal, which nobody calls.
func system(access string) *plan.System {
	return &plan.System{
		Name: "shop", Access: access,
		Services: []plan.Service{
			{Name: "catalog", Owner: "music", Dir: "services/catalog"},
			{Name: "order", Owner: "sales", Dir: "services/order", Calls: []plan.Dependency{
				{Service: "catalog", Timeout: plan.Duration(200 * time.Millisecond)},
				{Service: "legacy", External: true, Timeout: plan.Duration(2 * time.Second)},
				{Service: "stripe", External: true, Timeout: plan.Duration(3 * time.Second)},
			}},
			{Name: "rating", Owner: "music", Artifact: "registry.example/rating"},
		},
		External: []plan.External{
			{Name: "legacy", URL: "http://old-program.internal", Owner: "sales", Registered: "old-program"},
			{Name: "paypal", URL: "https://api.paypal.com", Owner: "sales"},
			{Name: "stripe", URL: "https://api.stripe.com", Owner: "sales"},
		},
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	outside := func(name string) (string, bool) {
		switch name {
		case "billing":
			return "Billing", true
		case "catalog": // somebody who takes the name of a service changes nothing
			return "catalog-of-another", true
		case "odd_name":
			return "odd_name", true
		}
		return "", false
	}
	enforce, observe := drift.NewAccess(system(plan.AccessEnforce), outside), drift.NewAccess(system(plan.AccessObserve), outside)
	const late = drift.UndeclaredTimeout
	for _, tt := range []struct {
		caller, callee string
		want           drift.Decision // with access: enforce; Refused is false with observe
	}{
		{"order", "catalog", drift.Decision{Name: "catalog", Pool: "catalog", Timeout: 200 * time.Millisecond, Declared: true}},
		{"order", "stripe", drift.Decision{Name: "stripe", URL: "https://api.stripe.com", Timeout: 3 * time.Second, Declared: true}},
		{"order", "legacy", drift.Decision{Name: "legacy", Pool: "old-program", Timeout: 2 * time.Second, Declared: true}},
		{"order", "old-program", drift.Decision{Name: "legacy", Pool: "old-program", Timeout: 2 * time.Second, Declared: true}},
		{"order", "order", drift.Decision{Name: "order", Pool: "order", Timeout: late, Declared: true}},
		{"order", "rating", drift.Decision{Name: "rating", Pool: "rating", Timeout: late, Refused: true, Remedy: "plat plan add order consumes rating"}},
		{"catalog", "paypal", drift.Decision{Name: "paypal", URL: "https://api.paypal.com", Timeout: late, Refused: true, Remedy: "plat plan add catalog consumes paypal"}},
		{"catalog", "legacy", drift.Decision{Name: "legacy", Pool: "old-program", Timeout: late, Refused: true, Remedy: "plat plan add catalog consumes legacy"}},
		{"stranger", "catalog", drift.Decision{Name: "catalog", Pool: "catalog", Timeout: late, Refused: true, Remedy: "plat plan add stranger consumes catalog"}},
		{"order", "catalgo", drift.Decision{Meant: "catalog"}},
		{"order", "", drift.Decision{}},
		{"order", strings.Repeat("x", 64), drift.Decision{}},
		{"order", "a.b", drift.Decision{}},
		{"order", "Catalog", drift.Decision{Meant: "catalog"}}, // names come in lower case
	} {
		if diff := cmp.Diff(tt.want, enforce.Decide(tt.caller, tt.callee)); diff != "" {
			t.Errorf("%s → %s, enforce (-want +got):\n%s", tt.caller, tt.callee, diff)
		}
		tt.want.Refused, tt.want.Remedy = false, ""
		if diff := cmp.Diff(tt.want, observe.Decide(tt.caller, tt.callee)); diff != "" {
			t.Errorf("%s → %s, observe (-want +got):\n%s", tt.caller, tt.callee, diff)
		}
	}
	d := enforce.Decide("order", "billing")
	if d.Name != "Billing" || d.Pool != "Billing" || !d.Refused || !strings.Contains(d.Remedy, "register Billing under a name of lower-case") {
		t.Errorf("%+v", d)
	}
	if d := drift.NewAccess(system(plan.AccessEnforce), nil).Decide("order", "billing"); d.Name != "" {
		t.Errorf("%+v", d)
	}
}

// undeclared is a call that happened three times, last ago.
func undeclared(caller, callee string, ago time.Duration) drift.Call {
	c := drift.Call{Caller: caller, Callee: callee, Count: 3, Undeclared: 3, First: noon.Add(-ago - day), Last: noon.Add(-ago)}
	for i := range 12 {
		c.Evidence = append(c.Evidence, drift.Evidence{ID: fmt.Sprint("c", i), Time: c.Last, Method: "GET", Path: fmt.Sprint("/albums/", i), Status: 200, CorrelationID: "k"})
	}
	return c
}

func TestUndeclared(t *testing.T) {
	t.Parallel()
	got := drift.Compare(system(plan.AccessObserve), drift.Observation{Calls: []drift.Call{undeclared("order", "rating", time.Hour)}}, 0, noon)
	seen := undeclared("order", "rating", time.Hour)
	want := []drift.Finding{{
		ID: drift.ID(fault.DriftUndeclaredCall, "order", "rating"), Code: fault.DriftUndeclaredCall, Severity: fault.Warning,
		Caller: "order", Callee: "rating", What: "order calls rating without declaring it",
		Why: "3 calls were seen, the last GET /albums/0", Remedy: "plat plan add order consumes rating",
		File: "services/order/service.yaml", Patch: "consumes:\n  services:\n    rating: {}\n",
		Change: drift.Change{File: "services/order/service.yaml", Keys: []string{"consumes", "services", "rating"}},
		Count:  3, First: seen.First, Last: seen.Last, Evidence: seen.Evidence[:10],
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	refused := undeclared("order", "rating", time.Hour)
	refused.Refused = 2
	got = drift.Compare(system(plan.AccessEnforce), drift.Observation{Calls: []drift.Call{refused}}, 0, noon)
	if f := got[0]; f.Severity != fault.Error || !f.Refused || f.ID != want[0].ID || f.Why != "3 calls were seen, 2 refused, the last GET /albums/0" || f.What != "order may not call rating, which it does not declare" {
		t.Errorf("%+v", f)
	}
	for name, c := range map[string]drift.Call{
		"declared meanwhile": undeclared("order", "catalog", time.Hour), "settled": undeclared("order", "rating", drift.Settled),
		"itself": undeclared("order", "order", time.Hour), "plat itself": undeclared("plat", "order", time.Hour),
		"a service that is gone": undeclared("cart", "order", time.Hour), "only declared uses": {Caller: "order", Callee: "rating", Count: 5},
	} {
		if got := drift.Compare(system(plan.AccessObserve), drift.Observation{Calls: []drift.Call{c}}, 0, noon); len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if !regexp.MustCompile("^f[0-9a-f]{8}$").MatchString(want[0].ID) || drift.ID("a", "b", "c") == drift.ID("a", "bc", "") {
		t.Errorf("ID %s", want[0].ID)
	}
}

// TestOutside: each kind of callee has the remedy that fits.
func TestOutside(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ caller, callee, remedy, file, patch, why string }{
		{"catalog", "paypal", "plat plan add catalog consumes paypal", "services/catalog/service.yaml", "consumes:\n  services:\n    paypal: {}\n", ""},
		{"rating", "catalog", "plat plan add rating consumes catalog", "", "consumes:\n  services:\n    catalog: {}\n", ""},
		{"order", "billing", "declare billing under external: in plat.yaml, then plat plan add order consumes billing", "plat.yaml", "external:\n  billing: {url: http://billing.internal, owner: sales}\n", "has registered itself"},
		{"order", "Odd_Name", "register Odd_Name under a name", "plat.yaml", "", "has registered itself"},
	} {
		got := drift.Compare(system(plan.AccessObserve), drift.Observation{Calls: []drift.Call{undeclared(tt.caller, tt.callee, 0)}}, 0, noon)
		if len(got) != 1 {
			t.Fatalf("%s: %+v", tt.callee, got)
		}
		if f := got[0]; !strings.HasPrefix(f.Remedy, tt.remedy) || f.File != tt.file || f.Patch != tt.patch || !strings.Contains(f.Why, tt.why) {
			t.Errorf("%s: %+v", tt.callee, f)
		}
	}
}

// TestPatch: what is proposed makes a plan that says what was seen.
func TestPatch(t *testing.T) {
	t.Parallel()
	const order = "service: order\nowner: sales\nrun: [./order]\n"
	files := map[string]string{
		"plat.yaml":           "system: shop\nowners: {sales: {mail: a@b.example}}\nservices: [{path: order}, {path: rating}]\n",
		"order/service.yaml":  order,
		"rating/service.yaml": "service: rating\nowner: sales\nrun: [./rating]\nprovides: {http: {}}\n",
	}
	check := func() *plan.System {
		t.Helper()
		fsys := fstest.MapFS{}
		for name, text := range files {
			fsys[name] = &fstest.MapFile{Data: []byte(text)}
		}
		result := plan.Check(fsys, plan.Options{})
		for _, f := range result.Findings {
			if f.Severity == fault.Error {
				t.Fatalf("%v in %v", f, files)
			}
		}
		return result.System
	}
	for _, callee := range []string{"rating", "billing"} {
		seen := drift.Observation{Calls: []drift.Call{undeclared("order", callee, 0)}}
		found := drift.Compare(check(), seen, 0, noon)
		if len(found) != 1 {
			t.Fatalf("%+v", found)
		}
		if found[0].File == "plat.yaml" { // and then the call itself
			files["plat.yaml"] += found[0].Patch
			found = drift.Compare(check(), seen, 0, noon)
		}
		if found[0].File != "order/service.yaml" {
			t.Fatalf("%+v", found)
		}
		files["order/service.yaml"] = order + found[0].Patch
		if again := drift.Compare(check(), seen, 0, noon); len(again) != 0 {
			t.Errorf("%s is declared, and still found: %+v", callee, again)
		}
	}
}

func TestUnused(t *testing.T) {
	t.Parallel()
	never := func(idle time.Duration) drift.Call {
		return drift.Call{Caller: "order", Callee: "catalog", DeclaredAt: noon.Add(-10 * day), Idle: idle}
	}
	got := drift.Compare(system(plan.AccessObserve), drift.Observation{Calls: []drift.Call{never(70 * time.Minute)}}, 0, noon)
	want := []drift.Finding{{
		ID: drift.ID(fault.DriftUnusedCall, "order", "catalog"), Code: fault.DriftUnusedCall, Severity: fault.Warning, Caller: "order", Callee: "catalog",
		What: "order declares that it calls catalog, and never did", Why: "it is declared since 2026-11-13 12:00:00, and order was in use for 70 minutes since then", File: "services/order/service.yaml",
		Remedy:   "call it by PLAT_URL_CATALOG, or plat plan remove order consumes catalog",
		Change:   drift.Change{Remove: true, File: "services/order/service.yaml", Keys: []string{"consumes", "services", "catalog"}},
		Evidence: []drift.Evidence{},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	used, gone := never(10*day), never(10*day)
	used.Count, gone.Callee = 1, "rating" // declared no more
	for _, c := range []drift.Call{never(drift.Unused - time.Second), used, gone, {Caller: "order", Callee: "catalog", Idle: day}} {
		if got := drift.Compare(system(plan.AccessObserve), drift.Observation{Calls: []drift.Call{c}}, 0, noon); len(got) != 0 {
			t.Errorf("%+v gave %+v", c, got)
		}
	}
	young := never(drift.Unused - time.Second)
	unjudged := drift.NotJudged(system(plan.AccessObserve), []drift.Call{young, never(drift.Unused), used, gone, {Caller: "order", Callee: "catalog", Idle: day}}, 0)
	if diff := cmp.Diff([]drift.Unjudged{{"order", "catalog", young.Idle, drift.Unused}}, unjudged); diff != "" {
		t.Errorf("not judged (-want +got):\n%s", diff)
	}
	sooner := drift.Observation{Calls: []drift.Call{never(2 * time.Second)}}
	if got := drift.Compare(system(plan.AccessObserve), sooner, 2*time.Second, noon); len(got) != 1 {
		t.Errorf("%+v", got)
	}
	if got := drift.Compare(system(plan.AccessObserve), sooner, 3*time.Second, noon); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestCompare: errors first, then by name; nothing in it changes what was seen.
func TestCompare(t *testing.T) {
	t.Parallel()
	refused := undeclared("rating", "order", 0)
	refused.Refused = 1
	seen := drift.Observation{Calls: []drift.Call{
		{Caller: "order", Callee: "stripe", DeclaredAt: noon.Add(-8 * day), Idle: day}, undeclared("order", "rating", 0), undeclared("catalog", "rating", 0), refused,
	}}
	before := fmt.Sprint(seen)
	var order []string
	for _, f := range drift.Compare(system(plan.AccessObserve), seen, 0, noon) {
		order = append(order, f.Caller+" "+f.Callee)
	}
	if diff := cmp.Diff([]string{"rating order", "catalog rating", "order rating", "order stripe"}, order); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if fmt.Sprint(seen) != before {
		t.Error("what was seen was changed")
	}
	if got := drift.Compare(&plan.System{}, drift.Observation{}, 0, noon); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestCodes: every code is in the catalogue.
func TestCodes(t *testing.T) {
	t.Parallel()
	for _, code := range []fault.Code{fault.DriftUndeclaredCall, fault.DriftUnusedCall, fault.DriftCallCycle, fault.DriftChattyCalls, fault.DriftLongChain, fault.DriftSinglePoint, fault.DriftSharedStore, fault.DriftRefusedEvent, fault.DriftDeafConsumer, fault.DriftOverride, fault.TopologyDamaged, fault.GatewayUnknownService} {
		if e, ok := fault.Lookup(code); !ok || reflect.ValueOf(e).IsZero() || e.Remedy == "" {
			t.Errorf("%s: %+v", code, e)
		}
	}
}
