package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/chaos"
	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/probe"
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
	room, damage := chaos.Open(chaos.Options{Folder: p.folder.Path, System: breakable{p, transport}})
	if damage != nil {
		p.log.WarnContext(ctx, "what was rehearsed is forgotten", "error", damage)
	}
	p.chaos = room
	run("chaos", room.Run)
	return nil
}

// SetFaults replaces the faults that are played.
func (b breakable) SetFaults(faults []chaos.Fault) {
	list := make([]gateway.Fault, len(faults))
	for i, f := range faults {
		list[i] = gateway.Fault(f)
	}
	b.p.gateway.SetFaults(list)
}

// FaultCounts counts how often they were.
func (b breakable) FaultCounts() map[string]chaos.Count {
	counts := map[string]chaos.Count{}
	for id, c := range b.p.gateway.FaultCounts() {
		count := chaos.Count{Played: c.Played}
		for _, e := range c.Examples {
			count.Examples = append(count.Examples, chaos.Example{Time: e.Time, TraceID: e.TraceID, CorrelationID: e.CorrelationID, Request: e.Method + " " + e.Path})
		}
		counts[id] = count
	}
	return counts
}

// RunJourney lets one test customer go a journey's way under another mark.
func (b breakable) RunJourney(ctx context.Context, j plan.Journey, mark string) chaos.Run {
	r := probe.Run(ctx, j, probe.Options{Gateway: b.p.gateways[j.Gateway], Transport: b.transport, Mark: func(_, run string, expires time.Time) string {
		return b.p.signer().Mark(mark, run, expires)
	}})
	b.p.tellRun(r)
	out := chaos.Run{Journey: r.Journey, Passed: r.Passed, Start: r.Start.UTC(), Seconds: r.Duration.Seconds(), TraceID: r.TraceID}
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

// StopChaos ends what is let fail.
func (p *plane) StopChaos() error { return p.chaos.Stop() }
