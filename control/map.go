package control

import (
	"context"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/drift"
	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/topology"
)

// Map is the system as a graph.
func (p *plane) Map(ctx context.Context) api.Map {
	sys, seen := p.live(), p.topology.Snapshot()
	m := api.Map{Since: seen.Since, Nodes: []api.Node{}, Edges: []api.Edge{}, Chains: []api.Chain{}, Dropped: seen.Dropped + seen.DroppedActions}
	for _, c := range seen.Chains {
		m.Chains = append(m.Chains, api.Chain{Services: c.Services, Count: c.Count, Last: c.Last, CorrelationID: c.Samples[0].CorrelationID})
	}
	states := map[string]string{}
	for _, st := range p.runner.Status() {
		states[st.Service] = string(st.State)
	}
	findings, byHand := p.Findings(ctx, 0).Findings, map[string]string{}
	for _, f := range findings {
		if f.Code == fault.DriftOverride {
			byHand[f.Caller] = f.ID
		}
	}
	known := map[string]bool{}
	add := func(n api.Node) {
		known[n.Name] = true
		m.Nodes = append(m.Nodes, n)
	}
	for _, svc := range sys.Services {
		add(api.Node{Name: svc.Name, Kind: "service", Owner: svc.Owner, Context: svc.Context, State: states[svc.Name], Single: drift.Single(sys, svc), Finding: byHand[svc.Name]})
	}
	for _, e := range sys.External {
		add(api.Node{Name: e.Name, Kind: "external", Owner: e.Owner})
	}
	for _, g := range sys.Gateways {
		m.Nodes = append(m.Nodes, api.Node{Name: g.Name, Kind: "gateway"})
	}
	for _, o := range p.outsiders(sys) {
		if !known[o.name] {
			add(api.Node{Name: o.name, Kind: "outside"})
		}
	}
	m.Edges = append(m.Edges, callEdges(sys, seen, findings)...)
	for _, e := range m.Edges { // who is gone was seen all the same
		for _, name := range []string{e.From, e.To} {
			if !known[name] {
				add(api.Node{Name: name, Kind: "outside"})
			}
		}
	}
	m.Edges = append(m.Edges, routeEdges(sys, seen)...)
	m.Edges = append(m.Edges, p.eventEdges(ctx, sys)...)
	return m
}

func callEdges(sys *plan.System, seen topology.Observation, findings []api.Finding) []api.Edge {
	byEnds := map[wayKey]int{}
	var edges []api.Edge
	at := func(caller, callee string) *api.Edge {
		i, ok := byEnds[wayKey{caller, callee}]
		if !ok {
			i = len(edges)
			byEnds[wayKey{caller, callee}] = i
			edges = append(edges, api.Edge{From: caller, To: callee, Kind: "call"})
		}
		return &edges[i]
	}
	for _, e := range plan.Edges(sys) {
		at(e.Caller, e.Callee).Declared = true
	}
	for _, s := range seen.Edges {
		e := at(s.Caller, s.Callee)
		e.DeclaredAt, e.Count, e.Errors, e.Refused, e.First, e.Last = s.DeclaredAt, s.Count-s.Refused, s.Errors, s.Refused, s.First, s.Last
		e.Figures = figuresOf(s.Figures)
		if a := s.Actions; a.Count > 0 {
			e.Actions = &api.Actions{Count: a.Count, Calls: a.Calls, Most: a.Most, Chatty: a.Chatty}
		}
	}
	for _, f := range findings {
		i, ok := byEnds[wayKey{f.Caller, f.Callee}]
		if ok && edges[i].Finding == "" { // the first is the gravest
			edges[i].Finding = f.ID
		}
	}
	return edges
}

func routeEdges(sys *plan.System, seen topology.Observation) []api.Edge {
	type routeKey struct{ gateway, path, service string }
	used := map[routeKey]topology.Route{}
	for _, r := range seen.Routes {
		used[routeKey{r.Gateway, r.Path, r.Service}] = r
	}
	var edges []api.Edge
	for _, r := range plan.Routes(sys) {
		key := routeKey{r.Gateway, r.Path, r.Service}
		u := used[key]
		delete(used, key) // of two routes by method, the first has the count of both
		edges = append(edges, api.Edge{From: r.Gateway, To: r.Service, Kind: "route", Label: r.Host + r.Path, Declared: true, Count: u.Count, Errors: u.Errors, First: u.First, Last: u.Last, Figures: figuresOf(u.Figures)})
	}
	return edges
}

// eventEdges lead from who publishes to who receives, with how far that is. A
// broker that does not answer leaves what the plan says.
func (p *plane) eventEdges(ctx context.Context, sys *plan.System) []api.Edge {
	type consumerKey struct{ stream, service, event string }
	seen := map[consumerKey]event.ConsumerReport{}
	if report, err := p.events.Report(ctx); err == nil {
		for _, c := range report.Consumers {
			seen[consumerKey{c.Stream, c.Service, c.Event}] = c
		}
	}
	var edges []api.Edge
	for _, svc := range sys.Services {
		for _, c := range svc.Consumes {
			s := seen[consumerKey{c.Provider, svc.Name, c.Type}]
			e := api.Edge{From: c.Provider, To: svc.Name, Kind: "event", Label: c.Type, Declared: true, Count: s.Handled, Lag: s.Lag, Unacked: s.Unhandled, Last: s.Active}
			if !s.Oldest.IsZero() {
				e.Oldest = max(0, time.Since(s.Oldest).Seconds())
			}
			if c.Fresh != nil {
				e.Fresh = c.Fresh.Std().Seconds()
			}
			edges = append(edges, e)
		}
	}
	return edges
}

func figuresOf(f topology.Figures) *api.Figures {
	if f == (topology.Figures{}) {
		return nil
	}
	window := func(w topology.Window) api.Window {
		return api.Window{Count: w.Count, Errors: w.Errors, P50: w.P50.Seconds(), P95: w.P95.Seconds(), P99: w.P99.Seconds()}
	}
	return &api.Figures{Rate1: f.Rate1, Rate5: f.Rate5, Rate60: f.Rate60, Last5: window(f.Last5), LastHour: window(f.LastHour)}
}
