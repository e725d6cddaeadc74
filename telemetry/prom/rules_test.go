package prom_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/telemetry/prom"
)

// told collects the alerts that a store told of.
type told struct {
	mu  sync.Mutex
	all []prom.Alert
}

func (x *told) take(_ context.Context, a []prom.Alert) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = append(x.all, a...)
}

func (x *told) find(holds func(prom.Alert) bool) (prom.Alert, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, a := range x.all {
		if holds(a) {
			return a, true
		}
	}
	return prom.Alert{}, false
}

func slow(wait time.Duration) []prom.RuleGroup {
	return []prom.RuleGroup{{Name: "order", Interval: 50 * time.Millisecond, Rules: []prom.Rule{
		{Record: "job:load:sum", Expr: `sum by (job) (load)`},
		{Alert: "TooMuch", Expr: `job:load:sum > 10`, For: wait, Labels: map[string]string{"owner": "ordering"},
			Annotations: map[string]string{"summary": `{{ $labels.job }} has {{ $value }}`}},
	}}}
}

func TestRules(t *testing.T) {
	t.Parallel()
	var x told
	s := open(t, prom.Options{Notify: x.take})
	if err := s.SetRules(slow(time.Hour)); err != nil { // before Run
		t.Fatal(err)
	}
	if err := s.SetRules(slow(0)); err != nil {
		t.Fatal(err)
	}
	run(t, s)
	load := func(v float64) {
		keep(t, s, prom.Sample{Name: "load", Labels: []prom.Label{{"job", "order"}}, Value: v, Time: time.Now()})
	}
	load(12)
	until(t, "an alert", func() bool {
		_, found := x.find(func(a prom.Alert) bool {
			return a.State == "firing" && a.Labels["alertname"] == "TooMuch" && a.Labels["owner"] == "ordering" && a.Annotations["summary"] == "order has 12"
		})
		return found
	})
	c := client(t, s)
	groups, err := c.Rules(t.Context(), nil)
	if err != nil || len(groups.Groups) != 1 || len(groups.Groups[0].Rules) != 2 {
		t.Fatal(groups, err)
	}
	a, ok := groups.Groups[0].Rules[1].(v1.AlertingRule)
	if !ok || a.State != "firing" || len(a.Alerts) != 1 || a.Health != v1.RuleHealthGood || a.Query != `job:load:sum > 10` {
		t.Errorf("%+v", groups.Groups[0].Rules[1])
	}
	if r, ok := groups.Groups[0].Rules[0].(v1.RecordingRule); !ok || r.Name != "job:load:sum" || r.Health != v1.RuleHealthGood {
		t.Errorf("%+v", groups.Groups[0].Rules[0])
	}
	alerts, err := c.Alerts(t.Context())
	if err != nil || len(alerts.Alerts) != 1 {
		t.Fatalf("%+v %v", alerts, err)
	}
	want := v1.Alert{
		ActiveAt: alerts.Alerts[0].ActiveAt, State: "firing", Value: "1.2e+01",
		Labels:      model.LabelSet{"alertname": "TooMuch", "job": "order", "owner": "ordering"},
		Annotations: model.LabelSet{"summary": "order has 12"},
	}
	if d := cmp.Diff(want, alerts.Alerts[0]); d != "" || time.Since(want.ActiveAt) > time.Hour {
		t.Errorf("since %s: %s", want.ActiveAt, d)
	}
	if d := cmp.Diff([]*v1.Alert{&want}, a.Alerts); d != "" {
		t.Errorf("of the rule: %s", d)
	}
	if got := s.Alerts(); len(got) != 1 || got[0].State != "firing" || got[0].Value != 12 {
		t.Errorf("%+v", got)
	}
	since := alerts.Alerts[0].ActiveAt

	// Another group comes: this one goes on.
	more := append(slow(0), prom.RuleGroup{Name: "other", Interval: time.Hour, Rules: []prom.Rule{{Record: "one", Expr: "1"}}})
	if err := s.SetRules(more); err != nil {
		t.Fatal(err)
	}
	if got := s.Alerts(); len(got) != 1 || !got[0].ActiveAt.Equal(since) {
		t.Errorf("since %s: %+v", since, got)
	}
	load(1)
	until(t, "its end", func() bool {
		_, found := x.find(func(a prom.Alert) bool { return !a.ResolvedAt.IsZero() && a.State == "inactive" })
		return found
	})
	got, err := s.Query(t.Context(), `job:load:sum`, time.Now())
	if err != nil || len(got) != 1 || got[0].Labels["job"] != "order" {
		t.Errorf("%v %v", got, err)
	}
}

func TestRulesRefused(t *testing.T) {
	t.Parallel()
	s := open(t, prom.Options{})
	for what, rule := range map[string]prom.Rule{
		"parse error":            {Record: "x", Expr: "sum("},
		"only one of":            {Record: "x", Alert: "y", Expr: "1"},
		"one of":                 {Expr: "1"},
		"template":               {Alert: "x", Expr: "1", Annotations: map[string]string{"a": "{{ what }}"}},
		"invalid label name":     {Alert: "x", Expr: "1", Labels: map[string]string{"": "a"}},
		"invalid recording rule": {Record: "a\xffb", Expr: "1"},
	} {
		err := s.SetRules([]prom.RuleGroup{{Name: "g", Rules: []prom.Rule{rule}}})
		if !fault.Is(err, fault.TelemetryBadQuery) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.SetRules([]prom.RuleGroup{{Name: "g"}, {Name: "g"}}); !fault.Is(err, fault.TelemetryBadQuery) {
		t.Error(err)
	}
}

// TestRulesRestart has an alert wait for a minute, which goes on where plat
// was when it ended.
func TestRulesRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	live := func(s *prom.Store, after func()) {
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		after()
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	start := func() *prom.Store {
		s, err := prom.Open(t.Context(), prom.Options{Dir: dir, Reserve: -1})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetRules(slow(time.Minute)); err != nil {
			t.Fatal(err)
		}
		keep(t, s, prom.Sample{Name: "load", Labels: []prom.Label{{"job", "order"}}, Value: 12, Time: time.Now()})
		return s
	}
	s := start()
	// An earlier plat saw it 40 s ago.
	keep(t, s, prom.Sample{Name: "ALERTS_FOR_STATE", Labels: []prom.Label{{"alertname", "TooMuch"}, {"job", "order"}, {"owner", "ordering"}},
		Value: float64(time.Now().Add(-40 * time.Second).Unix()), Time: time.Now()})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = start()
	live(s, func() {
		until(t, "the alert that waits since then", func() bool {
			got := s.Alerts()
			return len(got) == 1 && got[0].State == "pending" && time.Since(got[0].ActiveAt) > 30*time.Second
		})
	})
}
