package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plat-dev/plat/fault"
)

// checkPorts finds fixed ports that cannot all be had on one machine.
func (r *resolver) checkPorts(s *System) {
	if s.Runtime != defaultRuntime {
		return
	}
	holders := map[int]string{}
	for _, svc := range s.Services {
		if svc.Port == 0 {
			continue
		}
		d := r.services[svc.Name]
		if svc.Instances > 1 {
			d.doc.value(fault.Newf(fault.PlanPortConflict, "%d instances of %s want the one port %d", svc.Instances, svc.Name, svc.Port).
				Why("they run on one machine").Fix("let the program listen on PORT and delete port, or run one instance"), "port")
		}
		if other, taken := holders[svc.Port]; taken {
			d.doc.value(fault.Newf(fault.PlanPortConflict, "%s and %s both want port %d", other, svc.Name, svc.Port).
				Why("they run on one machine").Fix("let one of them listen on PORT and delete its port"), "port")
			continue
		}
		holders[svc.Port] = svc.Name
	}
}

// checkTimeouts warns of a caller that gives up before its callee does, or with
// it: the callee then works on for nobody. Two that are equal because neither is
// written have the default, which no one chose.
func (r *resolver) checkTimeouts(s *System) {
	longest := map[string]Dependency{}
	for _, svc := range s.Services {
		for _, d := range svc.Calls {
			if d.Timeout > longest[svc.Name].Timeout {
				longest[svc.Name] = d
			}
		}
	}
	short := func(d *document, caller, callee string, timeout Duration, path ...any) {
		chain, calls := longest[callee]
		if !calls || timeout > chain.Timeout || timeout == chain.Timeout && chain.Service == caller || // a circle is told of already
			timeout == chain.Timeout && !d.has(path...) && !r.services[callee].doc.has("consumes", "services", chain.Service, "timeout") {
			return
		}
		d.report(fault.Newf(fault.PlanShortTimeout, "%s gives %s %s, but that may itself wait %s for %s", caller, callee, timeout, chain.Timeout, chain.Service).
			Why("the caller gives up while the callee works on for nobody").
			Fix(fmt.Sprintf("allow more than %s here, or less than %s there", chain.Timeout, timeout)).Warn(), path...)
	}
	for _, svc := range s.Services {
		for _, d := range svc.Calls {
			if d.Service != svc.Name {
				short(r.services[svc.Name].doc, svc.Name, d.Service, d.Timeout, "consumes", "services", d.Service, "timeout")
			}
		}
	}
	for _, g := range s.Gateways {
		for i, route := range g.Routes {
			short(r.system.doc, "the route "+route.Path, route.Service, route.Timeout, "gateways", g.Name, "routes", i, "timeout")
		}
	}
}

// checkCycles warns of services that wait for each other in a circle. Of each
// group of entangled services it shows one shortest circle.
func (r *resolver) checkCycles(s *System) {
	calls := map[string][]string{}
	for _, svc := range s.Services {
		for _, d := range svc.Calls {
			if _, ours := r.services[d.Service]; ours && d.Service != svc.Name {
				calls[svc.Name] = append(calls[svc.Name], d.Service)
			}
		}
	}
	for _, group := range entangled(r.names, calls) {
		circle := circle(group, calls)
		f := fault.Newf(fault.PlanCallCycle, "a circle of calls: %s", strings.Join(append(circle, circle[0]), " → ")).
			Why("one slow service of it makes all of them slow, and none can start first").
			Fix("turn one of the calls into an event, or move what both need into a third service").Warn()
		r.services[circle[0]].doc.key(f, "consumes", "services", circle[1])
	}
}

// entangled gives the groups of two or more names that all reach each other
// (Tarjan's strongly connected components), each sorted.
func entangled(names []string, calls map[string][]string) [][]string {
	type mark struct {
		index, low int
		open       bool
	}
	marks := map[string]*mark{}
	var stack []string
	var groups [][]string
	var visit func(string) *mark
	visit = func(name string) *mark {
		m := &mark{index: len(marks), low: len(marks), open: true}
		marks[name] = m
		stack = append(stack, name)
		for _, next := range calls[name] {
			if n := marks[next]; n == nil {
				m.low = min(m.low, visit(next).low)
			} else if n.open {
				m.low = min(m.low, n.index)
			}
		}
		if m.low == m.index {
			at := len(stack) - 1
			for stack[at] != name {
				at--
			}
			group := slices.Clone(stack[at:])
			stack = stack[:at]
			for _, member := range group {
				marks[member].open = false
			}
			if len(group) > 1 {
				slices.Sort(group)
				groups = append(groups, group)
			}
		}
		return m
	}
	for _, name := range names {
		if marks[name] == nil {
			visit(name)
		}
	}
	return groups
}

// circle is a shortest way from the group's first member back to it.
func circle(group []string, calls map[string][]string) []string {
	start := group[0]
	inside := map[string]bool{}
	for _, name := range group {
		inside[name] = true
	}
	from := map[string]string{}
	queue := []string{start}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, next := range calls[at] {
			if next == start {
				way := []string{at}
				for at != start {
					at = from[at]
					way = append(way, at)
				}
				slices.Reverse(way)
				return way
			}
			if _, seen := from[next]; !seen && inside[next] {
				from[next] = at
				queue = append(queue, next)
			}
		}
	}
	return group
}
