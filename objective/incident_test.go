package objective_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/objective"
	"github.com/plat-dev/plat/plan"
)

// burning is what the rules tell of one window.
func burning(window, severity string) objective.Alert {
	return alert("alertname", "TooManyErrors", "objective", "availability", "window", window, "severity", severity)
}

// inLocal is a story with the windows of a developer's machine.
func inLocal(t *testing.T, story func(a *objective.Alerts, e *ear)) {
	inBubble(t, objective.Options{Environment: "local"}, story)
}

// TestAnIncidentIsOneAlert: a short total failure is seen by every window, is
// told once, and ends when the quickest is clean, whatever the others
// remember.
func TestAnIncidentIsOneAlert(t *testing.T) {
	t.Parallel()
	inLocal(t, func(a *objective.Alerts, e *ear) {
		page, slower, ticket, slowest := burning("1m", "page"), burning("15m", "page"), burning("1h", "ticket"), burning("6h", "ticket")
		pass(a, time.Minute, page, slower, ticket, slowest)
		list := a.List()
		if len(list) != 1 || list[0].Labels["severity"] != "page" || list[0].Labels["window"] != "" {
			t.Fatalf("listed %+v", list)
		}
		var over []string
		for _, w := range list[0].Windows {
			over = append(over, w.Over+" "+w.Severity)
		}
		if d := cmp.Diff([]string{"1m page", "15m page", "1h ticket", "6h ticket"}, over); d != "" {
			t.Errorf("windows (-want +got)\n%s", d)
		}
		end := time.Now()
		a.Take(t.Context(), []objective.Alert{ended(page)})
		if list := a.List(); len(list) != 1 || list[0].Firing() || !list[0].EndsAt.Equal(end) || !list[0].Windows[1].Memory {
			t.Errorf("its quickest window is clean, and %+v", list)
		}
		pass(a, 2*time.Minute, slower, ticket, slowest)
		a.Take(t.Context(), []objective.Alert{ended(slower)})
		pass(a, 8*time.Minute, ticket, slowest)
		a.Take(t.Context(), []objective.Alert{ended(ticket)})
		pass(a, 50*time.Minute, slowest)
		a.Take(t.Context(), []objective.Alert{ended(slowest)})
		if d := cmp.Diff([]string{"firing 1 of 1: TooManyErrors order", "firing 0 of 1: TooManyErrors order"}, e.said()); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		pass(a, 3*time.Hour)
		if s := a.Stats(); s.Firing != 0 || len(a.List()) != 0 {
			t.Errorf("at the end %+v, %v", s, a.List())
		}
	})
}

// TestWhatGoesOnMoreSlowlyIsTold: a failure that becomes a slow burn is an
// incident anew as soon as the slower window cannot mean the first one.
func TestWhatGoesOnMoreSlowlyIsTold(t *testing.T) {
	t.Parallel()
	inLocal(t, func(a *objective.Alerts, e *ear) {
		page, slower := burning("1m", "page"), burning("15m", "page")
		pass(a, time.Minute, page, slower)
		a.Take(t.Context(), []objective.Alert{ended(page)})
		pass(a, 2*time.Minute, slower)
		if d := cmp.Diff([]string{"firing 1 of 1: TooManyErrors order", "firing 0 of 1: TooManyErrors order"}, e.said()); d != "" {
			t.Errorf("first (-want +got)\n%s", d)
		}
		began := time.Now()
		pass(a, 2*time.Minute, slower)
		if d := cmp.Diff([]string{"firing 1 of 1: TooManyErrors order"}, e.said()); d != "" {
			t.Errorf("then (-want +got)\n%s", d)
		}
		if list := a.List(); len(list) != 1 || !list[0].Firing() || list[0].StartsAt.Before(began) {
			t.Errorf("listed %+v", list)
		}
	})
}

func TestATicketThatBecomesAPageIsTold(t *testing.T) {
	t.Parallel()
	inLocal(t, func(a *objective.Alerts, e *ear) {
		ticket, page := burning("1h", "ticket"), burning("15m", "page")
		pass(a, 5*time.Minute, ticket)
		began := a.List()[0].StartsAt
		pass(a, 5*time.Minute, ticket, page)
		if d := cmp.Diff([]string{"firing 1 of 1: TooManyErrors order", "firing 1 of 1: TooManyErrors order"}, e.said()); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		if list := a.List(); len(list) != 1 || list[0].Labels["severity"] != "page" || !list[0].StartsAt.Equal(began) {
			t.Errorf("listed %+v", list)
		}
	})
}

// TestWhatAnOutageLeavesIsExplained: errors that a window still holds when
// the service is back are not told after it.
func TestWhatAnOutageLeavesIsExplained(t *testing.T) {
	t.Parallel()
	inLocal(t, func(a *objective.Alerts, e *ear) {
		down, page := alert("alertname", "NoInstanceReady"), burning("1m", "page")
		pass(a, time.Minute, down, page)
		a.Take(t.Context(), []objective.Alert{ended(down)})
		pass(a, 35*time.Second, page)
		if d := cmp.Diff([]string{"firing 1 of 1: NoInstanceReady order", "firing 0 of 1: NoInstanceReady order"}, e.said()); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		pass(a, 2*time.Minute, page)
		if d := cmp.Diff([]string{"firing 1 of 1: TooManyErrors order"}, e.said()); d != "" {
			t.Errorf("what goes on (-want +got)\n%s", d)
		}
	})
}

// TestAShortFailureIsOneIncident goes the whole way: Prometheus's own rules,
// with little traffic and with much.
func TestAShortFailureIsOneIncident(t *testing.T) {
	t.Parallel()
	for _, perStep := range []float64{1, 100} {
		h := open(t, shop(t, "local"), 5*time.Second)
		h.warm(3*time.Minute, func() { h.requests(perStep, 0, 0) })
		h.run(time.Minute, func() { h.requests(0, perStep, 0) })
		synctest.Test(t, func(t *testing.T) {
			a, err := objective.OpenAlerts(objective.Options{Environment: "local"})
			if err != nil {
				t.Fatal(err)
			}
			fired := map[string]objective.Alert{}
			var lasted time.Duration
			recovered := time.Now()
			after := func() {
				h.requests(perStep, 0, 0)
				var told []objective.Alert
				now := map[string]bool{}
				for _, one := range h.firing() {
					labels := one.Labels.Map()
					key := labels["objective"] + " " + labels["window"]
					now[key] = true
					fired[key] = objective.Alert{Labels: labels, Annotations: one.Annotations.Map(), Value: one.Value}
					told = append(told, fired[key])
				}
				for key, one := range fired {
					if !now[key] {
						told = append(told, ended(one))
					}
				}
				a.Take(t.Context(), told)
				if s := a.Stats(); s.Firing > 0 {
					lasted = time.Since(recovered)
					if s.Firing > 1 {
						t.Errorf("%d alerts at once", s.Firing)
					}
				}
				time.Sleep(5 * time.Second)
			}
			h.run(3*time.Minute, after)
			h.warm(9*time.Minute, after)
			if _, seen := fired["availability 1h"]; !seen {
				t.Errorf("with %v requests a step the longer windows saw nothing: %v", perStep, fired)
			}
			if lasted == 0 || lasted > time.Minute {
				t.Errorf("with %v requests a step the alert stood for %s after it", perStep, lasted)
			}
		})
	}
}

// TestEveryAlertIsExplained: what the rules can raise, and what is told of
// alerts, are the same.
func TestEveryAlertIsExplained(t *testing.T) {
	t.Parallel()
	sys := *system(t, "local")
	sys.Journeys = []plan.Journey{{Name: "purchase", Owner: "us"}}
	sys.Gateways = []plan.Gateway{{Name: "public", Routes: []plan.DeclaredRoute{{Path: "/", Service: "order"}}}}
	loyalty := slices.Clone(sys.Services)
	for i := range loyalty {
		for _, e := range loyalty[i].Consumes {
			e.Type, e.Fresh = "order.dispatched", nil
			loyalty[i].Consumes = append(slices.Clone(loyalty[i].Consumes), e)
		}
		if loyalty[i].Name == "loyalty" {
			loyalty[i].Calls = []plan.Dependency{{Service: "order", OnFailure: plan.OnQueue, Queue: &plan.Queue{Fresh: plan.Duration(time.Minute)}}}
		}
	}
	sys.Services = loyalty
	raised := map[string]bool{}
	for _, g := range objective.Rules(&sys) {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			raised[r.Alert] = true
			known, ok := fault.LookupAlert(r.Alert)
			if !ok || !strings.Contains(known.Severity, r.Labels["severity"]) {
				t.Errorf("%s (%s): explained as %+v", r.Alert, r.Labels["severity"], known)
			}
			if want := "plat explain " + r.Alert; r.Labels["service"] != "order" && r.Annotations["runbook"] != want {
				t.Errorf("the runbook of %s is %q", r.Alert, r.Annotations["runbook"])
			}
		}
	}
	for _, known := range fault.Alerts() {
		if !raised[known.Name] {
			t.Errorf("%s is explained and never raised", known.Name)
		}
		if known.Title == "" || known.Why == "" || known.Remedy == "" || len(known.Next) == 0 {
			t.Errorf("%s says too little", known.Name)
		}
	}
}
