package control

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/registry"
	"github.com/plat-dev/plat/runner"
)

// System tells what runs.
func (p *plane) System() api.System {
	p.mu.Lock()
	live := p.plan
	p.mu.Unlock()
	s := api.System{
		Name: live.system.Name, Environment: live.system.Environment, Revision: live.system.Revision,
		PID: p.run().PID, Guard: p.launcher.PID(), Started: p.started, Root: p.o.Root, Logs: filepath.Join(p.folder.Path, "logs"), API: p.api,
		Console: p.api, Access: live.system.Access, Only: p.o.Only, Watch: p.o.Watch, Doors: p.doors.list(),
		Plan:     api.PlanState{State: "live", Since: live.since, Findings: slices.Concat([]*fault.Fault{}, live.findings)},
		Warnings: []*fault.Fault{}, Gateways: []api.Gateway{},
	}
	if live.refused {
		s.Plan.State = "refused"
	}
	for _, g := range live.system.Gateways {
		s.Gateways = append(s.Gateways, api.Gateway{Name: g.Name, URL: p.gateways[g.Name]})
	}
	s.Warnings = append(s.Warnings, warnings(p.runner.Status())...)
	return s
}

// warnings are the findings of all services. What this machine cannot do for
// any of them is said once.
func warnings(all []runner.ServiceStatus) []*fault.Fault {
	var list []*fault.Fault
	unenforced := false
	for _, st := range all {
		for _, f := range st.Findings {
			if f.Code == fault.RunLimitsUnenforced {
				if unenforced {
					continue
				}
				unenforced = true
			}
			list = append(list, f)
		}
	}
	return list
}

// Services tells how each service of the plan runs, and who registered
// himself from outside.
func (p *plane) Services() []api.Service {
	sys := p.live()
	urls := p.publicURLs(sys)
	services := []api.Service{}
	for _, st := range p.runner.Status() {
		spec, _ := sys.Service(st.Service)
		svc := p.service(st, spec)
		svc.URL = urls[st.Service]
		services = append(services, svc)
	}
	for _, o := range p.outsiders(sys) {
		svc := p.outsideService(o)
		svc.URL = urls[o.name]
		services = append(services, svc)
	}
	return services
}

func (p *plane) service(st runner.ServiceStatus, spec plan.Service) api.Service {
	svc := api.Service{
		Name: st.Service, Owner: spec.Owner, Context: spec.Context, About: spec.About, OpenAPI: spec.HTTP != nil && spec.HTTP.OpenAPI != "",
		State: string(st.State), Desired: st.Desired, Ready: st.Ready, Override: st.Scaled,
		Version: st.Version, Settled: settled(st), Fault: st.Fault, LastLines: st.Lines, Instances: []api.Instance{},
	}
	if n := p.errors.Count(st.Service); n.Count > 0 {
		svc.Errors = &api.ErrorCount{Count: n.Count, Last: n.Last, Text: n.Text}
	}
	if st.Building && st.State == runner.Ready {
		svc.State = string(runner.Building)
	}
	for _, in := range st.Instances {
		i := api.Instance{ID: in.ID, PID: in.PID, Addr: in.Addr, Version: in.Version, State: string(in.State), Started: in.Started, Restarts: in.Restarts, Checks: []api.Check{}}
		if in.LastExit != nil {
			i.LastExit = in.LastExit.String()
		}
		if in.PID != 0 {
			i.Memory = p.memory.of(in.PID)
		}
		for _, c := range in.Checks {
			status := registry.Critical
			if c.OK {
				status = registry.Passing
			}
			i.Checks = append(i.Checks, api.Check{ID: c.Name, Status: string(status), Output: c.Answer, Since: c.At})
		}
		svc.Restarts += in.Restarts
		svc.Instances = append(svc.Instances, i)
	}
	return svc
}

// settled tells whether a service has come where it will stay without help.
func settled(st runner.ServiceStatus) bool {
	if st.Building {
		return false
	}
	switch st.State {
	case runner.Ready, runner.BuildFailed, runner.CrashLooping, runner.Stopped, runner.Skipped:
		return true
	}
	return st.Fault != nil && st.Fault.Code == fault.RunNeverReady && st.Fault.Severity == fault.Error
}

// publicURLs gives each routed service the address of its shortest route, one
// for every host before one that needs a host.
func (p *plane) publicURLs(sys *plan.System) map[string]string {
	urls, chosen := map[string]string{}, map[string]plan.Route{}
	for _, r := range plan.Routes(sys) {
		best, ok := chosen[r.Service]
		better := !ok || best.Host != "" && r.Host == "" || (best.Host == "") == (r.Host == "") && len(r.Path) < len(best.Path)
		if better {
			chosen[r.Service], urls[r.Service] = r, p.address(r)
		}
	}
	return urls
}

// Plan is the live resolved plan.
func (p *plane) Plan() any { return p.live() }

// settledPlan waits until a plan that becomes live has come to the runner, so
// that what is asked for is done by the plan that was shown.
func (p *plane) settledPlan() {
	p.applying.Lock()
	defer p.applying.Unlock()
}

// Stop begins the end of this plat.
func (p *plane) Stop() { p.stop() }

// Logs reads the services' output.
func (p *plane) Logs(ctx context.Context, q api.LogQuery, each func(api.LogLine) error) error {
	return ReadLogs(ctx, p.folder.Path, q, each)
}

// ReadLogs reads the services' output that a state folder keeps; for that, no
// plat needs to run.
func ReadLogs(ctx context.Context, folder string, q api.LogQuery, each func(api.LogLine) error) error {
	return runner.ReadLogs(ctx, filepath.Join(folder, "logs"), runner.LogQuery{Services: q.Services, Since: q.Since, Tail: q.Tail, Follow: q.Follow}, func(l runner.Line) error {
		return each(api.LogLine{Time: l.Time, Service: l.Service, Instance: l.Instance, Stream: l.Stream, Text: l.Text})
	})
}

// self is what a service may know of itself.
func (p *plane) self(service string) (api.Self, bool) {
	sys := p.live()
	spec, ok := sys.Service(service)
	if !ok {
		return api.Self{}, false
	}
	declaration, err := json.Marshal(spec)
	if err != nil {
		return api.Self{}, false
	}
	self := api.Self{Service: service, System: sys.Name, Environment: sys.Environment, Owner: spec.Owner, Declaration: declaration}
	for _, st := range p.runner.Status() {
		if st.Service == service {
			self.Instances = p.service(st, spec).Instances
		}
	}
	return self, true
}

// Events tells the state of streams, consumers and dead letters.
func (p *plane) Events(ctx context.Context) (api.Events, error) {
	report, err := p.events.Report(ctx)
	if err != nil {
		return api.Events{}, err
	}
	letters, err := p.events.DeadLetters(ctx, 100)
	if err != nil {
		return api.Events{}, err
	}
	out := api.Events{Streams: []api.Stream{}, Consumers: []api.Consumer{}, DeadLetters: []api.DeadLetter{}, Orphans: []string{}, Dead: report.Dead.Count, Violations: []api.Violation{}, Faults: slices.Concat([]*fault.Fault{}, report.Storage.Faults)}
	for _, v := range report.Violations {
		out.Violations = append(out.Violations, api.Violation(v))
	}
	if report.Storage.Refusing {
		out.Refusing = "the disk has less than its reserve free"
	}
	for _, s := range report.Streams {
		if s.Orphan {
			out.Orphans = append(out.Orphans, "stream "+s.Name)
		}
		out.Streams = append(out.Streams, api.Stream{Name: s.Name, Provider: s.Provider, Events: s.Events, Messages: s.Stored, Bytes: s.Bytes, Last: s.Last})
	}
	for _, c := range report.Consumers {
		if c.Orphan {
			out.Orphans = append(out.Orphans, "consumer "+c.Name+" of stream "+c.Stream)
		}
		out.Consumers = append(out.Consumers, api.Consumer{Name: c.Name, Service: c.Service, Event: c.Event, Stream: c.Stream, Lag: c.Lag, Unacked: c.Unhandled, Redelivered: c.Redelivered, Active: c.Active, Push: pushPath(c)})
	}
	for _, d := range letters {
		out.DeadLetters = append(out.DeadLetters, deadLetter(d))
	}
	return out, nil
}

func pushPath(c event.ConsumerReport) string {
	if c.Push == nil {
		return ""
	}
	return c.Push.Path
}

func deadLetter(d event.DeadLetter) api.DeadLetter {
	service, _, _ := strings.Cut(d.Consumer, "_")
	out := api.DeadLetter{ID: d.ID, Event: strings.TrimPrefix(d.Subject, "event."), Service: service, Consumer: d.Consumer, Reason: d.Reason, Deliveries: d.Deliveries, Time: d.Time, Headers: map[string]string{}}
	for name, values := range d.Header {
		out.Headers[name] = strings.Join(values, ", ")
	}
	if e, err := d.Event(); err == nil {
		out.EventID = e.ID
	}
	if json.Valid(d.Data) {
		out.Data = d.Data
	}
	return out
}
