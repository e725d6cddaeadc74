package drift

import (
	"fmt"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// refused are the findings about events that a service was not allowed to
// publish or to read.
func refused(sys *plan.System, seen []Refusal, now time.Time) []Finding {
	providers := map[string]string{}
	for _, svc := range sys.Services {
		for _, e := range svc.Events {
			providers[e.Type] = svc.Name
		}
	}
	var findings []Finding
	for _, r := range seen {
		svc, known := sys.Service(r.Service)
		if !known || allowed(svc, r) || now.Sub(r.Last) >= Settled {
			continue
		}
		provider := providers[r.Event]
		f := finding(fault.DriftRefusedEvent, svc, provider)
		f.ID = ID(f.Code, r.Service, fmt.Sprint(r.Publish, r.Event))
		f.Severity, f.Refused, f.Count, f.First, f.Last = fault.Error, true, r.Count, r.Last, r.Last
		f.Evidence = append(f.Evidence, Evidence{Time: r.Last, Note: r.Event + " was refused"})
		f.Why = fmt.Sprintf("it was refused %d times", r.Count)
		switch {
		case !r.Publish && provider != "":
			f.What = r.Service + " may not read " + r.Event + ", which it does not declare"
			f.Remedy = "plat plan add " + r.Service + " consumes " + r.Event
			f.Change = Change{File: f.File, Keys: []string{"consumes", "events", r.Event}}
			f.Patch = "consumes:\n  events:\n    " + r.Event + ": {}\n"
		case !r.Publish:
			f.What = r.Service + " may not read " + r.Event + ", which nobody declares"
			f.Remedy = "let its publisher declare it under provides: events, then plat plan add " + r.Service + " consumes " + r.Event
		case provider != "":
			f.What = r.Service + " may not publish " + r.Event + ", which is an event of " + provider
			f.Remedy = "an event has one provider: let " + r.Service + " publish one of its own"
		default:
			f.What = r.Service + " may not publish " + r.Event + ", which it does not declare"
			f.Remedy = "declare it under provides: events in " + f.File
			f.Change = Change{File: f.File, Keys: []string{"provides", "events", r.Event}}
			f.Patch = "provides:\n  events:\n    " + r.Event + ": {}\n"
		}
		findings = append(findings, f)
	}
	return findings
}

// allowed tells whether the plan says meanwhile what was refused.
func allowed(svc plan.Service, r Refusal) bool {
	if r.Publish {
		for _, e := range svc.Events {
			if e.Type == r.Event {
				return true
			}
		}
		return false
	}
	for _, e := range svc.Consumes {
		if e.Type == r.Event {
			return true
		}
	}
	return false
}

// deaf are the findings about consumers that take events and acknowledge none.
func deaf(sys *plan.System, seen []Consumer) []Finding {
	var findings []Finding
	for _, c := range seen {
		svc, known := sys.Service(c.Service)
		if !known || c.Running < Deaf || c.Handled > 0 || c.Unhandled == 0 {
			continue
		}
		f := finding(fault.DriftDeafConsumer, svc, "")
		f.ID = ID(f.Code, c.Service, c.Event)
		for _, e := range svc.Consumes {
			if e.Type == c.Event {
				f.Callee = e.Provider
			}
		}
		f.Count = uint64(max(0, c.Unhandled))
		f.What = c.Service + " never acknowledged " + c.Event
		f.Why = fmt.Sprintf("it runs for %s, %d events were delivered and not acknowledged, %d more wait", span(c.Running), c.Unhandled, c.Lag)
		f.Remedy = "plat logs " + c.Service + " --errors"
		findings = append(findings, f)
	}
	return findings
}
