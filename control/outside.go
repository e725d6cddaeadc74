package control

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/registry"
	"github.com/plat-dev/plat/runner"
)

// outsider finds a program that registered itself, by its name in lower case.
func (p *plane) outsider(name string) (registered string, ok bool) {
	if there, _ := p.registry.Instances(name); len(there) > 0 {
		return name, true
	}
	all := p.registry.Services()
	if i := slices.IndexFunc(all, func(known string) bool { return strings.EqualFold(known, name) }); i >= 0 {
		return all[i], true
	}
	return "", false
}

// outside is a program that plat leads to and does not run.
type outside struct {
	name  string // in the plan, else as it is registered
	pool  string // the name under which the registry knows it
	owner string // of its declaration; empty: the plan does not have it
}

// outsiders lists the external services that register themselves, then the
// programs that registered themselves and are in no plan.
func (p *plane) outsiders(sys *plan.System) []outside {
	var all []outside
	for _, e := range sys.External {
		if e.Registered != "" {
			all = append(all, outside{e.Name, e.Registered, e.Owner})
		}
	}
	for _, name := range p.registry.Services() {
		_, declared := sys.Service(name)
		if !declared && !slices.ContainsFunc(all, func(o outside) bool { return o.pool == name }) {
			all = append(all, outside{name: name, pool: name})
		}
	}
	return all
}

// outsideService is how such a program stands.
func (p *plane) outsideService(o outside) api.Service {
	instances, _ := p.registry.Instances(o.pool)
	svc := api.Service{Name: o.name, Owner: o.owner, Outside: true, State: string(runner.Unready), Desired: max(1, len(instances)), Settled: true, Instances: []api.Instance{}}
	for _, in := range instances {
		i := api.Instance{ID: in.ID, Addr: in.Addr, Version: in.Version, State: string(runner.Ready), Started: in.Registered, Checks: []api.Check{}}
		if in.Status() == registry.Critical {
			i.State = string(runner.Unready)
		} else {
			svc.Ready++
		}
		for _, c := range in.Checks {
			i.Checks = append(i.Checks, api.Check{ID: c.ID, Status: string(c.Status), Output: c.Output, Since: c.Since})
		}
		svc.Instances = append(svc.Instances, i)
	}
	switch {
	case len(instances) == 0:
		svc.Fault = fault.Newf(fault.OutsideAbsent, "nobody has registered as %s", o.pool).Warn()
	case svc.Ready == 0:
		svc.Fault = fault.Newf(fault.OutsideAbsent, "the checks of %s fail", o.pool).Why(failing(instances)).Warn()
	case svc.Ready < svc.Desired:
		svc.State = string(runner.Degraded)
	default:
		svc.State = string(runner.Ready)
	}
	return svc
}

// failing is what the failing checks say.
func failing(instances []registry.Instance) string {
	for _, in := range instances {
		for _, c := range in.Checks {
			if c.Status == registry.Critical {
				return in.ID + ", check " + c.ID + ": " + c.Output
			}
		}
	}
	return ""
}

// describeOutside tells all about a program that plat does not run; ok is
// false for a name that nobody has.
func (p *plane) describeOutside(ctx context.Context, sys *plan.System, name string) (d api.Description, ok bool) {
	all := p.outsiders(sys)
	i := slices.IndexFunc(all, func(o outside) bool { return o.name == name })
	if i < 0 {
		return d, false
	}
	d = api.Description{Service: p.outsideService(all[i]), Declaration: json.RawMessage("null"), Consumers: []api.Consumer{}, Environment: []api.Variable{}}
	for _, e := range sys.External {
		if e.Name != name {
			continue
		}
		if text, err := json.Marshal(e); err == nil {
			d.Declaration, d.File = text, "plat.yaml"
		}
	}
	p.describeEnds(ctx, &d, sys, name)
	return d, true
}

// ours refuses what can be done only to what plat runs.
func (p *plane) ours(service string) error {
	sys := p.live()
	if _, ok := sys.Service(service); ok {
		return nil
	}
	if slices.ContainsFunc(p.outsiders(sys), func(o outside) bool { return o.name == service }) {
		return fault.Newf(fault.NotRunByPlat, "%s registered itself; plat does not run it", service)
	}
	return fault.New(fault.NoSuchService, "the plan has no service "+service).Fix("plat ps lists them")
}

// Restart builds a service anew and replaces its instances one by one.
func (p *plane) Restart(ctx context.Context, service string) error {
	p.settledPlan()
	if err := p.ours(service); err != nil {
		return err
	}
	return p.runner.Restart(ctx, service, true)
}

// Scale sets a service's number of instances by hand.
func (p *plane) Scale(ctx context.Context, service string, instances int) error {
	p.settledPlan()
	if err := p.ours(service); err != nil {
		return err
	}
	return p.runner.Scale(ctx, service, instances)
}

// Unscale lets the plan's number of instances hold again.
func (p *plane) Unscale(ctx context.Context, service string) error {
	p.settledPlan()
	if err := p.ours(service); err != nil {
		return err
	}
	if err := p.runner.Unscale(service); err != nil {
		return err
	}
	return p.runner.Wait(ctx, service)
}
