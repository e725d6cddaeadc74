package drift

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// cycles are the findings about services that wait for one another: of each
// group, the shortest way round.
func cycles(sys *plan.System, seen []Call, now time.Time) []Finding {
	type call struct {
		declared bool
		Call
	}
	calls := map[edge]call{}
	next := map[string][]string{}
	add := func(e edge, c call) {
		_, caller := sys.Service(e.caller)
		_, callee := sys.Service(e.callee)
		if _, known := calls[e]; caller && callee && e.caller != e.callee {
			if !known {
				next[e.caller] = append(next[e.caller], e.callee)
			}
			calls[e] = c
		}
	}
	for _, e := range plan.Edges(sys) {
		add(edge{e.Caller, e.Callee}, call{declared: true})
	}
	for _, c := range seen {
		e := edge{c.Caller, c.Callee}
		if calls[e].declared || !c.Used.IsZero() && now.Sub(c.Used) < Settled {
			add(e, call{calls[e].declared, c})
		}
	}
	var findings []Finding
	for _, way := range plan.Circles(next) {
		caller, _ := sys.Service(way[0])
		f := finding(fault.DriftCallCycle, caller, way[1])
		f.ID = ID(f.Code, strings.Join(way, " "), "")
		f.Services = way
		f.What = "a circle of calls: " + strings.Join(append(slices.Clone(way), way[0]), " → ")
		f.Why = "each waits for the next: one that is slow makes all of them slow"
		f.Remedy = "turn one of the calls into an event, or move what both need into a third service"
		for i, name := range way {
			c := calls[edge{name, way[(i+1)%len(way)]}]
			said := "declared"
			if !c.declared {
				said = "not declared"
			}
			f.Evidence = append(f.Evidence, Evidence{Time: c.Used, Note: fmt.Sprintf("%s → %s: %s, %d calls seen", name, way[(i+1)%len(way)], said, c.Count-c.Refused)})
			f.Count += c.Count - c.Refused
		}
		f.Evidence = few(f.Evidence)
		findings = append(findings, f)
	}
	return findings
}

// chatty is the finding about a service that an action calls many times.
func chatty(caller plan.Service, c Call) Finding {
	f := finding(fault.DriftChattyCalls, caller, c.Callee)
	f.Count, f.Last, f.Evidence = c.Actions.Chatty, c.Actions.Last[0].Time, few(c.Actions.Last)
	f.First = f.Evidence[len(f.Evidence)-1].Time
	f.What = fmt.Sprintf("%s calls %s up to %d times in one customer's action", c.Caller, c.Callee, c.Actions.Most)
	f.Why = fmt.Sprintf("%d of %d actions made more than %d calls; on average they made %s", c.Actions.Chatty, c.Actions.Count, ChattyCalls,
		strconv.FormatFloat(float64(c.Actions.Calls)/float64(max(c.Actions.Count, 1)), 'f', 1, 64))
	f.Remedy = "let " + c.Callee + " answer for several things at once, or keep its answer while the action lasts"
	return f
}

// chains are the findings about customers who wait long: for each service that
// a gateway asks, the longest.
func chains(sys *plan.System, seen []Chain, now time.Time) []Finding {
	longest := map[edge]Chain{}
	for _, c := range seen {
		if len(c.Services)-1 <= Hops || now.Sub(c.Last) >= Recent {
			continue
		}
		from := edge{caller: c.Services[0]}
		if best, ok := longest[from]; !ok || len(c.Services) > len(best.Services) {
			longest[from] = c
		}
	}
	var findings []Finding
	for from, c := range longest {
		caller, known := sys.Service(from.caller)
		if !known {
			continue
		}
		f := finding(fault.DriftLongChain, caller, c.Services[len(c.Services)-1])
		f.ID = ID(f.Code, from.caller, "")
		f.Services, f.Count, f.First, f.Last, f.Evidence = c.Services, c.Count, c.First, c.Last, few(c.Evidence)
		f.What = fmt.Sprintf("a customer waits for a chain of %d calls: %s", len(c.Services)-1, strings.Join(c.Services, " → "))
		f.Why = fmt.Sprintf("more than %d one behind the other: their times add up, and any of them can fail", Hops)
		f.Remedy = "answer earlier and let an event do the rest, or keep a copy of what " + c.Services[len(c.Services)-2] + " asks for"
		findings = append(findings, f)
	}
	return findings
}

// single are the findings about services of one instance on which much
// depends. In the environment local everything runs on one machine and nobody
// means it otherwise: there are none.
func single(sys *plan.System) []Finding {
	if sys.Environment == plan.Local {
		return nil
	}
	var findings []Finding
	for _, svc := range sys.Services {
		why := Single(sys, svc)
		if why == "" {
			continue
		}
		f := finding(fault.DriftSinglePoint, svc, "")
		f.What = "one instance of " + svc.Name + " runs, on which much depends"
		f.Why = why
		f.Remedy = "set instances: 2"
		if f.File != "" {
			f.Remedy += " in " + f.File
		}
		f.Remedy += ", or let those who call it do without it (optional: true)"
		findings = append(findings, f)
	}
	return findings
}

// Single says why much fails with a service of which one instance runs by the
// plan: two or more others need it, or more than half of the routes lead
// through it. It is empty where that is not so.
func Single(sys *plan.System, svc plan.Service) string {
	if svc.Instances > 1 {
		return ""
	}
	needs := map[string][]string{}
	var needed []string
	for _, other := range sys.Services {
		for _, c := range other.Calls {
			if c.Optional {
				continue
			}
			needs[other.Name] = append(needs[other.Name], c.Service)
			if c.Service == svc.Name {
				needed = append(needed, other.Name)
			}
		}
	}
	routes, through := plan.Routes(sys), 0
	for _, r := range routes {
		if reach(needs, r.Service)[svc.Name] {
			through++
		}
	}
	var said []string
	if len(needed) > 1 {
		said = append(said, strings.Join(needed, ", ")+" cannot do without it")
	}
	if through > 1 && 2*through > len(routes) {
		said = append(said, fmt.Sprintf("%d of %d routes lead through it", through, len(routes)))
	}
	return strings.Join(said, "; ")
}

// reach are all whom a service needs, itself included.
func reach(needs map[string][]string, from string) map[string]bool {
	seen := map[string]bool{from: true}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, n := range needs[queue[0]] {
			if !seen[n] {
				seen[n] = true
				queue = append(queue, n)
			}
		}
	}
	return seen
}

// overridden finds the numbers of instances that were set by hand.
func overridden(sys *plan.System, overrides []Override) []Finding {
	var all []Finding
	for _, o := range overrides {
		svc, known := sys.Service(o.Service)
		if !known || svc.Instances == o.Instances {
			continue
		}
		f := finding(fault.DriftOverride, svc, "")
		f.What = o.Service + " was scaled by hand to " + instances(o.Instances)
		if o.Instances == 0 {
			f.What = o.Service + " was stopped by hand"
		}
		f.Why = "the plan says " + instances(svc.Instances) + "; it holds until it is taken back or plat ends"
		f.Remedy = "plat scale " + o.Service + "=plan"
		f.Count, f.First, f.Last = 1, o.Since, o.Since
		f.Evidence = []Evidence{{Time: o.Since, Note: "scaled to " + strconv.Itoa(o.Instances)}}
		all = append(all, f)
	}
	return all
}

func instances(n int) string {
	if n == 1 {
		return "1 instance"
	}
	return strconv.Itoa(n) + " instances"
}
