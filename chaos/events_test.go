package chaos_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/chaos"
	"github.com/plat-dev/plat/plan"
)

// told is a system whose services receive events: stock pulls them, mail has
// them pushed.
func told() *plan.System {
	sys := declared()
	sys.Services[0].Events = []plan.ProvidedEvent{{Type: "order.placed"}, {Type: "order.paid"}}
	sys.Services[1].Consumes = []plan.ConsumedEvent{{Type: "order.placed", Provider: "web", Retries: 5}, {Type: "order.paid", Provider: "web", Retries: 1}}
	sys.Services = append(sys.Services, plan.Service{Name: "mail", Consumes: []plan.ConsumedEvent{{Type: "order.placed", Provider: "web", Retries: 0, Push: "/events"}}})
	return sys
}

const events = `experiment: events
owner: team
steady: {journeys: [buy]}
faults:
  - {do: duplicate, service: stock, event: order.placed, share: 50%}
  - {do: reorder, service: stock, event: order.placed, customers: all}
  - {do: latency, service: mail, event: order.placed, delay: 2s, share: 10%}
`

func TestFaultsOfEvents(t *testing.T) {
	t.Parallel()
	got, findings := chaos.Read("x.yaml", []byte(events), told())
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	want := []chaos.Fault{
		{ID: "events/1", Kind: "duplicate", Service: "stock", Event: "order.placed", Stream: "web", Consumer: "stock_order_placed", Share: 0.5, Synthetic: true, Journey: chaos.ExperimentMark},
		{ID: "events/2", Kind: "reorder", Service: "stock", Event: "order.placed", Stream: "web", Consumer: "stock_order_placed", Delay: time.Second},
		{ID: "events/3", Kind: "latency", Service: "mail", Event: "order.placed", Caller: "plat", Header: "Ce-Type", Value: "order.placed", Delay: 2 * time.Second, Share: 0.1, Synthetic: true, Journey: chaos.ExperimentMark},
	}
	if diff := cmp.Diff(want, got.Faults); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, tt := range []struct{ name, old, text, want string }{
		{"another event", "service: stock, event: order.placed, share", "service: stock, event: order.plased, share", "x.yaml:5:44: there is no event that a service consumes order.plased"},
		{"who does not consume it", "service: stock, event: order.placed, share", "service: web, event: order.placed, share", "x.yaml:5:30: there is no consumer of order.placed web"},
		{"nobody's", "service: stock, event: order.placed, share", "event: order.placed, share", "x.yaml:5:21: it is not said whose events"},
		{"an error of what is pulled", "do: duplicate", "do: error", "x.yaml:5:10: error cannot be done to events that a service pulls"},
		{"an order of what is pushed", "do: latency, service: mail, event: order.placed, delay: 2s, share: 10%", "do: reorder, service: mail, event: order.placed", "x.yaml:7:10: reorder cannot be done to events that a service is pushed"},
		{"an order of requests", "do: reorder, service: stock, event: order.placed, customers: all", "do: reorder, service: stock", "x.yaml:6:6: it is not said of which event"},
		{"a caller", "share: 50%", "from: web", "from means nothing for events"},
		{"some of those in line", "customers: all", "customers: all, share: 10%", "share means nothing for reorder"},
		{"test customers in line", ", customers: all", "", "x.yaml:6:6: all customers are met"},
		{"two that hold back", "do: duplicate, service: stock, event: order.placed, share: 50%", "do: latency, delay: 1s, service: stock, event: order.placed, customers: all", "x.yaml:6:6: two faults hold back the same events"},
		{"too few retries", "do: reorder, service: stock, event: order.placed", "do: reorder, service: stock, event: order.paid", "x.yaml:6:10: stock takes order.paid with retries: 1"},
		{"a killed event", "do: duplicate", "do: kill", "event means nothing for kill"},
	} {
		if !strings.Contains(events, tt.old) {
			t.Fatalf("%s: there is no %q", tt.name, tt.old)
		}
		_, findings := chaos.Read("x.yaml", []byte(strings.Replace(events, tt.old, tt.text, 1)), told())
		said := ""
		for _, f := range findings {
			said += f.Place() + ": " + f.What + "\n"
		}
		if !strings.Contains(said, tt.want) {
			t.Errorf("%s: said %q, want %q", tt.name, said, tt.want)
		}
	}
}

// TestWhatCannotBePlayed: nothing is said of a system that nothing was done to.
func TestWhatCannotBePlayed(t *testing.T) {
	t.Parallel()
	fine := func(context.Context, string, []chaos.Fault) (chaos.Run, []string) { return chaos.Run{}, nil }
	s := &stage{plays: fine, refuses: errors.New("the broker is away")}
	sys := stock()
	r := staged(t, s, &crew{}, nil)
	id, err := r.Experiment(sys, experiment(t, sys, "steady: {journeys: [buy]}\n"+silent), false)
	if err != nil {
		t.Fatal(err)
	}
	report := ended(t, r, id)
	if report.State != chaos.NotBegun || report.Verdict != "" || report.Fault == nil || report.Fault.Expected != "the broker is away" {
		t.Errorf("%+v", report)
	}
}
