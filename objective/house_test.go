package objective_test

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/plat-dev/plat/objective"
	"github.com/plat-dev/plat/plan"
)

// house is Prometheus's own storage, engine and rules, with a clock that the
// test turns.
type house struct {
	t        *testing.T
	db       *tsdb.DB
	engine   *promql.Engine
	groups   []*rules.Group
	every    []time.Duration // of groups
	least    time.Duration   // between two evaluations of a group, whatever it asks for
	now      time.Time
	step     time.Duration
	counters map[string]float64 // by the text of their labels
	gauges   map[string]float64
	series   map[string]labels.Labels // by their text
}

var begin = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, sys *plan.System, step time.Duration) *house {
	t.Helper()
	db, err := tsdb.Open(t.TempDir(), slog.New(slog.DiscardHandler), nil, &tsdb.Options{
		MinBlockDuration: 1000 * time.Hour.Milliseconds(), MaxBlockDuration: 1000 * time.Hour.Milliseconds(), RetentionDuration: 1000 * time.Hour.Milliseconds(), NoLockfile: true,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.DisableCompactions()
	parse := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 50_000_000, Timeout: time.Minute, EnableNegativeOffset: true, EnableAtModifier: true, Parser: parse})
	t.Cleanup(func() {
		if err := cmp.Or(engine.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	h := &house{t: t, db: db, engine: engine, now: begin, step: step, counters: map[string]float64{}, gauges: map[string]float64{}, series: map[string]labels.Labels{}}
	opts := &rules.ManagerOptions{
		Appendable: db, Queryable: db, QueryFunc: rules.EngineQueryFunc(engine, db), Context: t.Context(), Logger: slog.New(slog.DiscardHandler),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, ExternalURL: &url.URL{Scheme: "http", Host: "plat.example"},
		DefaultRuleQueryOffset: func() time.Duration { return 0 }, Parser: parse,
	}
	for _, g := range objective.Rules(sys) {
		var all []rules.Rule
		for _, r := range g.Rules {
			expr, err := parse.ParseExpr(r.Expr)
			if err != nil {
				t.Fatalf("%s%s: %v\n%s", r.Record, r.Alert, err, r.Expr)
			}
			if r.Record != "" {
				all = append(all, rules.NewRecordingRule(r.Record, expr, labels.FromMap(r.Labels)))
				continue
			}
			all = append(all, rules.NewAlertingRule(r.Alert, expr, r.For, r.KeepFiringFor, labels.FromMap(r.Labels), labels.FromMap(r.Annotations), labels.EmptyLabels(), "", true, slog.New(slog.DiscardHandler)))
		}
		h.groups = append(h.groups, rules.NewGroup(rules.GroupOptions{Name: g.Name, File: "plan", Interval: g.Interval, Rules: all, Opts: opts}))
		h.every = append(h.every, g.Interval)
	}
	return h
}

// count adds to a counter; one of an unknown name begins at 0.
func (h *house) count(by float64, pairs ...string) {
	h.counters[h.named(pairs)] += by
}

func (h *house) gauge(value float64, pairs ...string) {
	h.gauges[h.named(pairs)] = value
}

// named is the text of a series' labels.
func (h *house) named(pairs []string) string {
	l := labels.FromStrings(pairs...)
	text := l.String()
	h.series[text] = l
	return text
}

// tick writes what the series say, and evaluates what is due; then a step is over.
func (h *house) tick() {
	h.t.Helper()
	app := h.db.Appender(h.t.Context())
	for _, of := range []map[string]float64{h.counters, h.gauges} {
		for text, v := range of {
			if _, err := app.Append(0, h.series[text], h.now.UnixMilli(), v); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		h.t.Fatal(err)
	}
	for i, g := range h.groups {
		if h.now.Sub(begin)%max(h.every[i], h.least) != 0 {
			continue
		}
		g.Eval(h.t.Context(), h.now)
		for _, r := range g.Rules() {
			if r.LastError() != nil {
				h.t.Fatalf("%s: %v\n%s", r.Name(), r.LastError(), r.Query())
			}
		}
	}
	h.now = h.now.Add(h.step)
}

// warm lets time pass in which nothing happens that anybody looks at: the rules
// are evaluated less often, which is most of what these tests cost.
func (h *house) warm(d time.Duration, traffic func()) {
	h.t.Helper()
	h.least = 15 * time.Second
	h.run(d, traffic)
	h.least = 0
}

// run lets time pass; traffic is what comes in each step.
func (h *house) run(d time.Duration, traffic func()) {
	h.t.Helper()
	for end := h.now.Add(d); h.now.Before(end); h.tick() {
		traffic()
	}
}

// until lets time pass until the alert fires, and tells how long that took.
func (h *house) until(alert string, limit time.Duration, traffic func()) time.Duration {
	h.t.Helper()
	start := h.now
	for h.now.Sub(start) <= limit {
		traffic()
		h.tick()
		if slices.ContainsFunc(h.firing(), func(a *rules.Alert) bool { return name(a) == alert }) {
			return h.now.Sub(start)
		}
	}
	h.t.Fatalf("%s did not fire within %s; firing are %v", alert, limit, h.names())
	return 0
}

func (h *house) firing() []*rules.Alert {
	var all []*rules.Alert
	for _, g := range h.groups {
		for _, r := range g.AlertingRules() {
			for _, a := range r.ActiveAlerts() {
				if a.State == rules.StateFiring {
					all = append(all, a)
				}
			}
		}
	}
	return all
}

// name is severity and alert, as "page TooManyErrors".
func name(a *rules.Alert) string { return a.Labels.Get("severity") + " " + a.Labels.Get("alertname") }

func (h *house) names() []string {
	all := map[string]bool{}
	for _, a := range h.firing() {
		all[name(a)] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// quiet fails the test when something fires.
func (h *house) quiet(when string) {
	h.t.Helper()
	if firing := h.firing(); len(firing) > 0 {
		h.t.Fatalf("%s: %s fires: %s", when, name(firing[0]), firing[0].Annotations)
	}
}

// requests is some requests to the service order: good, failed with a 5xx, slow
// (slower than 300ms).
func (h *house) requests(good, failed, slow float64) {
	if n := good + slow; n > 0 {
		h.count(n, "__name__", "plat_requests_total", "service", "order", "gateway", "public", "caller", "", "code_class", "2xx")
	}
	if failed > 0 {
		h.count(failed, "__name__", "plat_requests_total", "service", "order", "gateway", "", "caller", "web", "code_class", "5xx")
	}
	const histogram = "plat_request_duration_seconds"
	h.count(good+failed, "__name__", histogram+"_bucket", "service", "order", "caller", "web", "le", "0.3")
	h.count(good+failed+slow, "__name__", histogram+"_bucket", "service", "order", "caller", "web", "le", "+Inf")
	h.count(good+failed+slow, "__name__", histogram+"_count", "service", "order", "caller", "web")
}

// shop is a system whose order alone is looked at.
func shop(t testing.TB, environment string) *plan.System {
	t.Helper()
	sys := *system(t, environment)
	sys.Services = slices.DeleteFunc(slices.Clone(sys.Services), func(s plan.Service) bool { return s.Name != "order" })
	return &sys
}

// system is a plan of one order service, which declares objectives, and of
// a loyalty service that takes its events.
func system(t testing.TB, environment string) *plan.System {
	t.Helper()
	sys, err := plan.Load(fstest.MapFS{
		"plat.yaml": {Data: []byte("system: shop\nowners: {ordering: {mail: ordering@shop.example}, us: {mail: us@shop.example}}\nservices: [{path: order}, {path: loyalty}]\nenvironments: {production: {}}\nalerts: {owner: us}\n")},
		"order/service.yaml": {Data: []byte("service: order\nowner: ordering\nrun: [./x]\nprovides: {events: {order.placed: {}}}\nrunbook: https://wiki.example/order\n" +
			"objectives: {availability: 99.5%, latency: {p95: 300ms, concurrent: 100}}\n")},
		"loyalty/service.yaml": {Data: []byte("service: loyalty\nowner: us\nrun: [./x]\nconsumes: {events: {order.placed: {fresh: 30s}}}\n")},
	}, plan.Options{Environment: environment})
	if err != nil {
		t.Fatal(err)
	}
	return sys
}
