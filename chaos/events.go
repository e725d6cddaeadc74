package chaos

import (
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/plan"
)

const (
	reorder         = "reorder" // of events alone
	reorderStandard = time.Second
	typeHeader      = "Ce-Type" // of an event that is pushed
)

// event checks and takes a fault of the events that a service receives.
func (r *reading) event(x *Experiment, f ExperimentFaultFile, id string, at func(string) []any) {
	to, known := r.subscription(f, at)
	kinds := []string{"latency", "duplicate", reorder}
	if known && to.Push != "" {
		kinds = []string{"latency", "duplicate", "error"}
	}
	if f.Do != "" && !slices.Contains(kinds, f.Do) {
		how := "pulls"
		if to.Push != "" {
			how = "is pushed"
		}
		r.Value(bad("%s cannot be done to events that a service %s", f.Do, how).Why("expected one of "+strings.Join(kinds, ", ")).Fix("write do: "+kinds[0]), at("do")...)
	}
	for _, k := range []struct {
		key string
		set bool
	}{{"from", f.From != ""}, {"gateway", f.Gateway != ""}, {"route", f.Route != ""}, {"header", len(f.Header) > 0}, {"instance", f.Instance != ""}} {
		if k.set {
			r.Key(bad("%s means nothing for events", k.key).Why("service and event say whose").Fix("delete it"), at(k.key)...)
		}
	}
	out := f.fault(id)
	out.Event = f.Event
	if to.Push != "" {
		out.Caller, out.Header, out.Value = pusher, typeHeader, f.Event
	} else {
		out.Stream, out.Consumer = to.Stream, to.Name
		r.pulled(x, f, to, at)
	}
	if f.Do == reorder && out.Delay == 0 {
		out.Delay = reorderStandard
	}
	x.Faults = append(x.Faults, out)
}

// subscription finds whom the fault is aimed at.
func (r *reading) subscription(f ExperimentFaultFile, at func(string) []any) (plan.Consumer, bool) {
	var events, receivers []string
	for _, c := range plan.Consumers(r.sys) {
		if c.Service == f.Service && c.Event == f.Event {
			return c, true
		}
		if c.Event == f.Event {
			receivers = append(receivers, c.Service)
		}
		if !slices.Contains(events, c.Event) {
			events = append(events, c.Event)
		}
	}
	switch {
	case len(receivers) == 0:
		r.one("event that a service consumes", f.Event, events, at("event")...)
	case f.Service == "":
		slices.Sort(receivers)
		r.Key(bad("it is not said whose events").Why(f.Event+" is received by "+strings.Join(receivers, ", ")).Fix("add service: "+receivers[0]), at("event")...)
	case slices.Contains(r.services(false), f.Service):
		r.one("consumer of "+f.Event, f.Service, receivers, at("service")...)
	}
	return plan.Consumer{}, false
}

// pulled checks what holds for events that a service pulls by itself alone: the
// broker plays it, by its own redelivery and by letting a pull wait.
func (r *reading) pulled(x *Experiment, f ExperimentFaultFile, to plan.Consumer, at func(string) []any) {
	inLine := f.Do == "latency" || f.Do == reorder
	if inLine && f.Share != nil {
		r.Key(bad("share means nothing for %s of events that a service pulls", f.Do).Why("they come in line: holding back one holds back all").Fix("delete it"), at("share")...)
	}
	if inLine && f.Customers != "all" {
		r.Key(bad("all customers are met").Why("events that a service pulls come in line: holding back one holds back all").Fix("add customers: all"), at("do")...)
	}
	if inLine && to.Name != "" && slices.ContainsFunc(x.Faults, func(other Fault) bool {
		return other.Consumer == to.Name && (other.Kind == "latency" || other.Kind == reorder)
	}) {
		r.Key(bad("two faults hold back the same events").Fix("delete one of them, or make two experiments of it"), at("do")...)
	}
	for do, least := range map[string]int{"duplicate": 1, reorder: 2} {
		if f.Do == do && to.Name != "" && to.Retries < least {
			r.Value(bad("%s takes %s with retries: %d", to.Service, to.Event, to.Retries).Why("each event would be a dead letter before it came to that").
				Fix("let it retry more often in its file, or delete this"), at("do")...)
		}
	}
}
