package reference_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/plan/reference"
)

// TestFields holds that every field says what it is, that no path stands twice,
// and that every key of the schemas is there.
func TestFields(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range reference.Fields() {
		if key := f.File + " " + f.Path; seen[key] {
			t.Errorf("%s stands twice", key)
		} else {
			seen[key] = true
		}
		if f.Type == "" || !strings.HasSuffix(f.Description, ".") || strings.Contains(f.Description, "efault") && f.Path != "plat" && f.Default != "" {
			t.Errorf("%s says too little, or a default twice: %+v", f.Path, f)
		}
	}
	for _, want := range []string{
		"plat.yaml gateways.<name>.routes[].path", "plat.yaml environments.<name>.set.<name>.consumes.events.<type>.push",
		"service.yaml consumes.services.<name>.timeout", "service.yaml objectives.latency.<percentile>", "service.yaml needs", "plat.yaml doors",
	} {
		if !seen[want] {
			t.Errorf("%s lacks", want)
		}
	}
}

// in puts the example of a field where it stands in its file.
func in(f reference.Field) string {
	keys := strings.Split(f.Path, ".")
	keys = keys[:len(keys)-1]
	var b strings.Builder
	indent := ""
	for _, key := range keys {
		list := strings.HasSuffix(key, "[]")
		key = strings.TrimSuffix(key, "[]")
		switch key {
		case "<name>":
			key = "order"
		case "<type>":
			key = "order.placed"
		}
		b.WriteString(indent + key + ":\n")
		indent += "  "
		if list {
			b.WriteString(indent + "-\n")
			indent += "  "
		}
	}
	for _, line := range strings.Split(f.Example, "\n") {
		b.WriteString(indent + line + "\n")
	}
	return b.String()
}

// TestExamples reads every example at its place. Findings that follow from its
// being alone there do not count; that it could not be read does.
func TestExamples(t *testing.T) {
	t.Parallel()
	count := 0
	for _, f := range reference.Fields() {
		if f.Example == "" {
			continue
		}
		count++
		if last := f.Path[strings.LastIndex(f.Path, ".")+1:]; !strings.HasPrefix(last, "<") && !strings.HasPrefix(f.Example, strings.TrimSuffix(last, "[]")+":") {
			t.Errorf("the example of %s is of another key: %s", f.Path, f.Example)
		}
		text := in(f)
		files := fstest.MapFS{
			"plat.yaml":      {Data: []byte("system: s\nowners: {ordering: {}}\nservices: [{path: a}]\n")},
			"a/service.yaml": {Data: []byte("service: a\nowner: ordering\nrun: [x]\n")},
		}
		name := f.File
		if name == reference.ServiceFile {
			name = "a/service.yaml"
		}
		files[name] = &fstest.MapFile{Data: []byte(text)}
		for _, found := range plan.Check(files, plan.Options{}).Findings {
			switch found.Code {
			case fault.PlanMissingField, fault.PlanMissingOwner, fault.PlanMissingProgram, fault.PlanUnknownService, fault.PlanUnknownEvent, fault.PlanUnknownOwner,
				fault.PlanNoService, fault.PlanMissingFolder, fault.PlanMissingFile, fault.PlanUnknownOverride:
			default:
				t.Errorf("%s: %v\n%s", f.Path, found, text)
			}
		}
	}
	if all := len(reference.Fields()); count < all/3 {
		t.Errorf("%d examples for %d fields", count, all)
	}
}

// TestEveryExampleHasItsField holds that no example is of a key that is gone.
func TestEveryExampleHasItsField(t *testing.T) {
	t.Parallel()
	shown := 0
	for _, f := range reference.Fields() {
		if f.Example != "" {
			shown++
		}
	}
	if shown != reference.CountExamples() {
		t.Errorf("%d examples are shown of %d", shown, reference.CountExamples())
	}
}

// TestDefaults holds that the defaults of the table are those of a plan that
// says nothing.
func TestDefaults(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"plat.yaml": {Data: []byte("system: s\nowners: {us: {}}\nservices: [{path: a}, {path: b}, {path: c}, {path: d}, {path: e}]\ngateways: {g: {cache: {}, routes: [{path: /, service: a, cache: {}}]}}\njourneys: {j: {owner: us, steps: [{get: /}]}}\nalerts: {}\ntelemetry: {forward: [{url: http://x}]}\n")},
		"a/service.yaml": {Data: []byte("service: a\nowner: us\nrun: [x]\nprovides: {http: {}, events: {x.y: {}}}\nconsumes: {services: {b: {}}, events: {x.y: {}}}\n" +
			"stores: {s: {}}\nconfig: {c: {}}\n")},
		"b/service.yaml": {Data: []byte("service: b\nowner: us\nrun: [x]\nconsumes: {services: {c: {on-failure: default, default: {body: x}}, d: {on-failure: last-good}, e: {on-failure: queue}}}\n")},
		"c/service.yaml": {Data: []byte("service: c\nowner: us\nrun: [x]\n")},
		"d/service.yaml": {Data: []byte("service: d\nowner: us\nrun: [x]\n")},
		"e/service.yaml": {Data: []byte("service: e\nowner: us\nrun: [x]\n")},
	}
	s, err := plan.Load(files, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := s.Service("a")
	got := map[string]string{
		"plat.yaml gateways.<name>.timeout": fmt.Sprint(s.Gateways[0].Routes[0].Timeout), "plat.yaml gateways.<name>.routes[].trust": fmt.Sprint(s.Gateways[0].Routes[0].Trust),
		"plat.yaml journeys.<name>.timeout": fmt.Sprint(s.Journeys[0].Timeout),
		"plat.yaml defaults.timeout":        fmt.Sprint(a.Calls[0].Timeout), "plat.yaml defaults.grace": fmt.Sprint(a.Grace), "plat.yaml defaults.start": fmt.Sprint(a.Start),
		"plat.yaml environments.<name>.runtime": s.Runtime, "plat.yaml plat": fmt.Sprint(plan.Version), "service.yaml plat": fmt.Sprint(plan.Version),
		"plat.yaml alerts.mail": fmt.Sprint(s.Alerts.Mail), "plat.yaml environments.<name>.alerts.mail": fmt.Sprint(s.Alerts.Mail),
		"service.yaml listens": "true", "service.yaml instances": fmt.Sprint(a.Instances), "service.yaml provides.http.protocol": a.HTTP.Protocol, "service.yaml consumes.services.<name>.on-failure": a.Calls[0].OnFailure,
		"service.yaml consumes.services.<name>.optional": fmt.Sprint(a.Calls[0].Optional), "service.yaml consumes.events.<type>.retries": fmt.Sprint(a.Consumes[0].Retries),
		"service.yaml stores.<name>.engine": a.Stores[0].Engine, "service.yaml config.<name>.secret": fmt.Sprint(a.Config[0].Secret),
	}
	policy := a.Calls[0].Policy
	for key, value := range map[string]any{
		"connect": policy.Connect, "total": policy.Total, "retries": policy.Retries, "concurrent": policy.Concurrent, "wait": policy.Wait, "adaptive": policy.Adaptive,
	} {
		got["plat.yaml defaults.calls."+key] = fmt.Sprint(value)
	}
	for _, at := range []string{"plat.yaml defaults.calls.", "service.yaml consumes.services.<name>."} {
		for key, value := range map[string]any{
			"enabled": policy.Breaker != nil, "failures": policy.Breaker.Failures, "calls": policy.Breaker.Calls, "within": policy.Breaker.Within, "open": policy.Breaker.Open,
		} {
			got[at+"breaker."+key] = fmt.Sprint(value)
		}
	}
	for _, at := range []string{"plat.yaml defaults.", "service.yaml "} {
		for key, value := range map[string]any{
			"enabled": a.Ejection != nil, "consecutive": a.Ejection.Consecutive, "failures": a.Ejection.Failures, "calls": a.Ejection.Calls,
			"out": a.Ejection.Out, "longest": a.Ejection.Longest, "most": a.Ejection.Most,
		} {
			got[at+"ejection."+key] = fmt.Sprint(value)
		}
	}
	d, _ := s.Service("b")
	got["service.yaml consumes.services.<name>.default.status"], got["service.yaml consumes.services.<name>.default.type"] = fmt.Sprint(d.Calls[0].Default.Status), d.Calls[0].Default.Type
	got["service.yaml consumes.services.<name>.last-good.keep"], got["service.yaml consumes.services.<name>.last-good.private"] = fmt.Sprint(d.Calls[1].LastGood.Keep), fmt.Sprint(d.Calls[1].LastGood.Private)
	queue := d.Calls[2].Queue
	for key, value := range map[string]any{"keep": queue.Keep, "fresh": queue.Fresh, "calls": queue.Calls, "size": queue.Size, "body": queue.Body, "credentials": queue.Credentials} {
		got["service.yaml consumes.services.<name>.queue."+key] = fmt.Sprint(value)
	}
	for _, at := range []string{"plat.yaml ", "plat.yaml environments.<name>."} {
		kept := s.Telemetry
		got[at+"telemetry.keep"], got[at+"telemetry.keep-metrics"], got[at+"telemetry.forward[].protocol"] = fmt.Sprint(kept.Keep), fmt.Sprint(kept.KeepMetrics), kept.Forward[0].Protocol
	}
	cache := s.Gateways[0].Routes[0].Cache
	for key, value := range map[string]any{
		"cache.longest": cache.Longest, "cache.stale-if-error": cache.StaleIfError, "cache.stale-while-revalidate": cache.StaleWhileRevalidate,
		"routes[].cache.hide-origin": cache.HideOrigin, "routes[].cache.off": cache == nil,
	} {
		got["plat.yaml gateways.<name>."+key] = fmt.Sprint(value)
	}
	want := map[string]string{}
	for _, f := range reference.Fields() {
		if f.Default != "" {
			want[f.File+" "+f.Path] = f.Default
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the table's defaults, and the plan's (-table +plan):\n%s", d)
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string][]string{
		"consumes.services.<name>.timeout":    {"service.yaml consumes.services.<name>.timeout"},
		"consumes.services.catalog.timeout":   {"service.yaml consumes.services.<name>.timeout"},
		" consumes.services.catalog.timeout ": {"service.yaml consumes.services.<name>.timeout"},
		"consumes.events.order.placed.push":   {"service.yaml consumes.events.<type>.push"},
		"config.api.key.secret":               {"service.yaml config.<name>.secret"},
		"gateways.public.routes.16.path":      {"plat.yaml gateways.<name>.routes[].path"},
		"gateways.public.routes[16].path":     {"plat.yaml gateways.<name>.routes[].path"},
		"gateways.public.routes[].path":       {"plat.yaml gateways.<name>.routes[].path"},
		"routes.path":                         {"plat.yaml gateways.<name>.routes[].path"},
		"plat":                                {"plat.yaml plat", "service.yaml plat"},
		"owner":                               {"service.yaml owner"},
		"on-failure":                          {"plat.yaml environments.<name>.set.<name>.consumes.services.<name>.on-failure", "service.yaml consumes.services.<name>.on-failure"},
		"access":                              {"plat.yaml defaults.access", "plat.yaml environments.<name>.access"},
		"objectives.latency.p99.9":            {"service.yaml objectives.latency.<percentile>"},
		"environments.prod.set.order.port":    {"plat.yaml environments.<name>.set.<name>.port"},
		"consumes.services.catalog":           {"service.yaml consumes.services"},
		"owners.ordering":                     {"plat.yaml owners"},
		"timeouts":                            nil,
		"":                                    nil,
		"a..b":                                nil,
		"routes[":                             nil,
		"7":                                   nil,
		"catalog":                             nil,
		strings.Repeat("a.", 5_000) + "a":     nil,
	} {
		var got []string
		for _, f := range reference.Lookup(asked) {
			got = append(got, f.File+" "+f.Path)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", asked, got, want)
		}
	}
	for _, f := range reference.Fields() {
		if !slices.ContainsFunc(reference.Lookup(f.Path), func(g reference.Field) bool { return reflect.DeepEqual(f, g) }) {
			t.Errorf("%s is not found by its own path", f.Path)
		}
	}
}

func TestNear(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string][]string{
		"onfailure":        {"consumes.services.<name>.on-failure", "environments.<name>.set.<name>.consumes.services.<name>.on-failure"},
		"instance":         {"instances"},
		"consumes.service": {"consumes.services"},
		"nothing like it":  nil,
		"":                 nil,
	} {
		if got := reference.Near(asked); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", asked, got, want)
		}
	}
}

// TestMarkdown holds that the page has each field once, whatever it may leave to
// another.
func TestMarkdown(t *testing.T) {
	t.Parallel()
	page := reference.Markdown()
	for _, f := range reference.Fields() {
		heading := "\n### `" + f.Path + "`\n"
		if n := strings.Count(page, heading); n == 0 && !strings.Contains(page, "`"+strings.TrimPrefix(f.Path, "environments.<name>.set.<name>.")+"`") {
			t.Errorf("the page lacks %s", f.Path)
		}
	}
}
