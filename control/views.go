package control

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/kit/policy"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/runner/process"
)

// Why explains a finding, or one refused call.
func (p *plane) Why(ctx context.Context, id string) (api.Finding, error) {
	findings := p.Findings(ctx, 0).Findings
	for _, f := range findings {
		if id != "" && (f.ID == id || slices.ContainsFunc(f.Evidence, func(e api.Evidence) bool { return e.ID == id })) {
			return f, nil
		}
	}
	if call, ok := p.topology.Call(id); ok {
		for _, f := range findings {
			if f.Code == fault.DriftUndeclaredCall && f.Caller == call.Caller && f.Callee == call.Callee {
				return f, nil
			}
		}
		return api.Finding{}, fault.Newf(fault.NoSuchFinding, "the call %s, by which %s asked %s, is settled: the plan declares it now", id, call.Caller, call.Callee)
	}
	return api.Finding{}, fault.New(fault.NoSuchFinding, "plat knows nothing of the ID "+id).Fix("plat get findings lists what differs from the plan")
}

// Describe tells all about one service.
func (p *plane) Describe(ctx context.Context, name string) (api.Description, error) {
	sys := p.live()
	svc, ok := sys.Service(name)
	if !ok {
		d, known := p.describeOutside(ctx, sys, name)
		if !known {
			return d, fault.New(fault.NoSuchService, "there is no service "+name).Fix("plat ps lists them")
		}
		return d, nil
	}
	declaration, err := json.Marshal(svc)
	if err != nil {
		return api.Description{}, err
	}
	d := api.Description{Declaration: declaration, File: path.Join(svc.Dir, "service.yaml"), Consumers: []api.Consumer{}}
	for _, s := range p.Services() {
		if s.Name == name {
			d.Service = s
		}
	}
	p.describeEnds(ctx, &d, sys, name)
	events, err := p.Events(ctx)
	if err != nil {
		return d, err
	}
	for _, c := range events.Consumers {
		if c.Service == name {
			d.Consumers = append(d.Consumers, c)
		}
	}
	first := api.Instance{}
	if len(d.Service.Instances) > 0 {
		first = d.Service.Instances[0]
	}
	d.Environment, err = p.shownEnvironment(svc, first)
	return d, err
}

// describeEnds adds what leads to a service, whom it uses, and what differs
// from the plan.
func (p *plane) describeEnds(ctx context.Context, d *api.Description, sys *plan.System, name string) {
	d.Routes, d.Edges, d.Findings, d.Calls, d.Incoming = []api.Route{}, []api.Edge{}, []api.Finding{}, p.callStates(name), p.incoming(name)
	for _, r := range plan.Routes(sys) {
		if r.Service == name {
			d.Routes = append(d.Routes, api.Route{URL: p.address(r), Methods: r.Methods})
		}
	}
	for _, e := range p.Map(ctx).Edges {
		if e.From == name || e.To == name {
			d.Edges = append(d.Edges, e)
		}
	}
	for _, f := range p.Findings(ctx, 0).Findings {
		if f.Caller == name || f.Callee == name || slices.Contains(f.Services, name) {
			d.Findings = append(d.Findings, f)
		}
	}
}

// callStates are how the calls of a service stand.
func (p *plane) callStates(name string) []api.CallState {
	all := []api.CallState{}
	for _, c := range p.gateway.Calls(name, p.standings(name)...) {
		all = append(all, api.CallState{Service: c.Callee, By: c.By, Declared: c.Declared, OnFailure: c.OnFailure, Policies: policyStates(c.Lines)})
	}
	return all
}

// incoming is what is let in to a service.
func (p *plane) incoming(name string) []api.PolicyState {
	for _, in := range p.gateway.Incoming(name) {
		return policyStates(in.Lines)
	}
	return []api.PolicyState{}
}

// Policies are how all services are protected.
func (p *plane) Policies() api.Policies {
	all := api.Policies{Services: []api.ServicePolicies{}}
	for _, s := range p.live().Services {
		all.Services = append(all.Services, api.ServicePolicies{Service: s.Name, Calls: p.callStates(s.Name), Incoming: p.incoming(s.Name)})
	}
	return all
}

func policyStates(lines []policy.Line) []api.PolicyState {
	all := []api.PolicyState{}
	for _, l := range lines {
		line := api.PolicyState{Policy: l.Policy, Setting: l.Setting, State: l.State, Count: l.Count, Holds: l.Holds}
		if l.Last != nil {
			line.Acted, line.Why = &l.Last.Time, l.Last.Why
		}
		all = append(all, line)
	}
	return all
}

// address is where a route leads from, as a person would type it.
func (p *plane) address(r plan.Route) string {
	base := p.gateways[r.Gateway]
	if u, err := url.Parse(base); err == nil && r.Host != "" {
		return "http://" + net.JoinHostPort(r.Host, u.Port()) + r.Path
	}
	return base + r.Path
}

// openAPI reads a service's OpenAPI document, as it is now.
func (p *plane) openAPI(name string) ([]byte, error) {
	svc, ok := p.live().Service(name)
	if !ok {
		return nil, fault.New(fault.NoSuchService, "the plan has no service "+name).Fix("plat ps lists them")
	}
	if svc.HTTP == nil || svc.HTTP.OpenAPI == "" {
		return nil, fault.New(fault.NotFound, name+" declares no OpenAPI document").Fix("name the file in provides.http.openapi of its service.yaml")
	}
	root, err := os.OpenRoot(p.o.Root) // a link may not lead out of the system's folder
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	return root.ReadFile(filepath.FromSlash(path.Join(svc.Dir, svc.HTTP.OpenAPI)))
}

// Platform is what plat itself costs.
func (p *plane) Platform() api.Platform {
	out := api.Platform{Processes: []api.Process{}}
	for _, part := range []struct {
		name string
		pid  int
	}{{"plat", os.Getpid()}, {"guard", p.launcher.PID()}} {
		u, _ := process.ProcessUsage(part.pid) // zero where the system does not tell
		out.Processes = append(out.Processes, api.Process{Name: part.name, PID: part.pid, Memory: u.Memory, CPU: u.CPU, Started: u.Started})
	}
	return out
}
