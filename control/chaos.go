package control

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/chaos"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/gateway/later"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/probe"
	"github.com/plat-dev/plat/runner"
	"github.com/plat-dev/plat/store/nats"
)

// breakable is the running system as chaos needs it.
type breakable struct {
	p         *plane
	transport *http.Transport
}

// openChaos opens failures on purpose.
func (p *plane) openChaos(ctx context.Context, run part, open *closers) error {
	transport := probeTransport()
	open.add(func() error { transport.CloseIdleConnections(); return nil })
	system := breakable{p, transport}
	room, damage := chaos.Open(chaos.Options{Folder: p.folder.Path, System: system, Machine: system, Experiments: p.experiments})
	if damage != nil {
		p.log.WarnContext(ctx, "what was rehearsed is forgotten", "error", damage)
	}
	p.chaos = room
	p.alerts.Blame(room.Failing)
	run("chaos", room.Run)
	return nil
}

// SetFaults replaces the faults that are played: those of requests by the
// gateway, those of events that services pull by the broker.
func (b breakable) SetFaults(faults []chaos.Fault) error {
	var requests []gateway.Fault
	var events []nats.Fault
	for _, f := range faults {
		if f.Pulled() {
			events = append(events, nats.Fault{
				ID: f.ID, Kind: f.Kind, Stream: f.Stream, Consumer: f.Consumer, Delay: f.Delay, Jitter: f.Jitter, Share: f.Share, Meets: b.p.signer().Marked(f.Journey),
			})
			continue
		}
		requests = append(requests, gateway.Fault{
			ID: f.ID, Kind: f.Kind, Delay: f.Delay, Jitter: f.Jitter, Status: f.Status, Rate: f.Rate,
			Service: f.Service, Caller: f.Caller, Instance: f.Instance, Gateway: f.Gateway, Route: f.Route,
			Header: f.Header, Value: f.Value, Journey: f.Journey, Synthetic: f.Synthetic, Share: f.Share,
		})
	}
	if err := b.p.atEdges(slices.ContainsFunc(requests, between)); err != nil {
		return err
	}
	b.p.gateway.SetFaults(requests)
	return b.p.broker.SetFaults(events)
}

// FaultCounts counts how often they were.
func (b breakable) FaultCounts() map[string]chaos.Count {
	counts := map[string]chaos.Count{}
	for id, c := range b.p.gateway.FaultCounts() {
		count := chaos.Count{Played: c.Played, Failed: c.Failed}
		for _, e := range c.Examples {
			count.Examples = append(count.Examples, chaos.Example{Time: e.Time, TraceID: e.TraceID, CorrelationID: e.CorrelationID, Request: e.Method + " " + e.Path})
		}
		counts[id] = count
	}
	for id, c := range b.p.broker.FaultCounts() {
		counts[id] = retold[chaos.Count](c)
	}
	return counts
}

// RunJourney lets one test customer go a journey's way under another mark.
func (b breakable) RunJourney(ctx context.Context, j plan.Journey, mark string) chaos.Run {
	r := probe.Run(ctx, j, probe.Options{Gateway: b.p.gateways[j.Gateway], Transport: b.transport, Fresh: mark != chaos.ExperimentMark, Mark: func(_, run string, expires time.Time) string {
		return b.p.signer().Mark(mark, run, expires)
	}})
	b.p.tellRun(r)
	out := chaos.Run{Journey: r.Journey, Passed: r.Passed, Start: r.Start.UTC(), Seconds: r.Duration.Seconds(), TraceID: r.TraceID}
	for _, s := range r.Steps {
		out.Requests = append(out.Requests, s.CorrelationID)
	}
	if s := r.Failed(); s != nil {
		out.Failed = &chaos.Failed{
			Step: s.Name, Request: s.Request, Status: s.Status, ContentType: s.ContentType, What: s.Failure.What, Seconds: s.Last.Seconds(), CorrelationID: s.CorrelationID,
		}
	}
	return out
}

// Versions tells the version of each service that runs.
func (b breakable) Versions() map[string]string {
	versions := map[string]string{}
	for _, st := range b.p.runner.Status() {
		versions[st.Service] = st.Version
	}
	return versions
}

// Later tells of the calls of test customers that are done later.
func (b breakable) Later(caller, dependency string) chaos.Later {
	s := b.p.later.State(later.Key{Caller: caller, Callee: dependency, Test: true})
	out := chaos.Later{Kept: s.Kept, Waiting: s.Waiting, Dead: s.Dead, Why: s.Why}
	for _, l := range b.p.later.Letters(true) {
		if l.Test && l.Caller == caller && l.Service == dependency {
			out.GivenUp = l.Why
		}
	}
	return out
}

// Instances are those of a service that run.
func (b breakable) Instances(service string) (all []chaos.Instance) {
	for _, st := range b.p.runner.Status() {
		for _, in := range st.Instances {
			if st.Service == service && in.PID > 0 {
				all = append(all, chaos.Instance{ID: in.ID, Started: in.Started, Ready: in.State == runner.Ready})
			}
		}
	}
	return all
}

// pid is the process of an instance.
func (b breakable) pid(instance string) int {
	for _, st := range b.p.runner.Status() {
		for _, in := range st.Instances {
			if in.ID == instance {
				return in.PID
			}
		}
	}
	return 0
}

// Kill ends an instance at once.
func (b breakable) Kill(instance string) error { return b.p.launcher.Kill(b.pid(instance)) }

// Pause lets an instance stand still.
func (b breakable) Pause(instance string, most time.Duration) error {
	return b.p.launcher.Pause(b.pid(instance), most)
}

// Answers counts the requests at the entrances.
func (b breakable) Answers() (count chaos.Answers) {
	for _, route := range b.p.gateway.Stats().Routes {
		for class, n := range route.Answers {
			count.All += n
			if class == 0 || class == 5 {
				count.Bad += n
			}
		}
	}
	return count
}

// Alerts says which alerts fire.
func (b breakable) Alerts() map[string][]string {
	firing := map[string][]string{}
	for _, e := range b.p.alerts.List() {
		if e.Firing() && !e.Muted() {
			service := e.Labels["service"]
			firing[service] = append(firing[service], e.Name()+": "+e.Annotations["summary"])
		}
	}
	return firing
}

// experiments are those beside the live plan that can be used.
func (p *plane) experiments() (*plan.System, []chaos.Experiment) {
	sys := p.live()
	all, _ := chaos.Folder(os.DirFS(p.o.Root), sys) // who asks for one is told what is wrong with it
	return sys, all
}

// retold puts what a room tells into the API's type, whose JSON is the same.
func retold[T any](told any) T {
	var out T
	text, err := json.Marshal(told)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic("control: the room and the API tell different things: " + err.Error())
	}
	return out
}

// Rehearsal tells what customers see when dependencies fail.
func (p *plane) Rehearsal() api.Rehearsal { return retold[api.Rehearsal](p.chaos.Rehearsal(p.live())) }

// Rehearse lets dependencies fail, and looks what customers see.
func (p *plane) Rehearse(services []string) error {
	p.settledPlan()
	return p.chaos.Rehearse(p.live(), services)
}

// Chaos tells which experiments there are, and what has run.
func (p *plane) Chaos() api.Chaos {
	all, findings := chaos.Folder(os.DirFS(p.o.Root), p.live())
	return api.Chaos{
		Experiments: retold[[]api.Experiment](append([]chaos.Experiment{}, all...)), Findings: append([]*fault.Fault{}, findings...),
		Reports: retold[[]api.ChaosReport](p.chaos.Reports()), Schedule: retold[api.ChaosSchedule](p.chaos.Schedule()),
	}
}

// ChaosReport is what an experiment showed.
func (p *plane) ChaosReport(which string) (api.ChaosReport, error) {
	report, err := p.chaos.Report(which)
	return retold[api.ChaosReport](report), err
}

// Experiment starts an experiment: one that lies beside the plan, or the one
// that is given.
func (p *plane) Experiment(ask api.NewExperiment) (id string, err error) {
	p.settledPlan()
	sys := p.live()
	var x chaos.Experiment
	var findings []*fault.Fault
	if ask.Text != "" {
		x, findings = chaos.Read(ask.File, []byte(ask.Text), sys)
	} else {
		x, findings = chaos.Named(os.DirFS(p.o.Root), sys, ask.Name)
	}
	if len(findings) > 0 {
		return "", plan.Result{Findings: findings}.Err()
	}
	return p.chaos.Experiment(sys, x, false)
}

// ScheduleChaos lets experiments run by themselves for a while.
func (p *plane) ScheduleChaos(d time.Duration) error { return p.chaos.SetSchedule(d) }

// StopChaos ends what is let fail.
func (p *plane) StopChaos() error { return p.chaos.Stop() }
