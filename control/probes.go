package control

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/figures"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/probe"
	"github.com/plat-dev/plat/runner"
	"github.com/plat-dev/plat/telemetry"
)

// openProbes opens the journeys of test customers.
func (p *plane) openProbes(_ context.Context, run part, open *closers) error {
	transport := probeTransport()
	open.add(func() error { transport.CloseIdleConnections(); return nil })
	p.probes = probe.NewScheduler(probe.SchedulerOptions{
		Ready:   p.allReady,
		Observe: p.observeRun,
		Run: func(ctx context.Context, j plan.Journey, scheduled bool) probe.Result {
			return probe.Run(ctx, j, probe.Options{Gateway: p.gateways[j.Gateway], Transport: transport, Mark: p.signer().Mark, Scheduled: scheduled})
		},
	})
	run("probes", p.probes.Run)
	return nil
}

// probeTransport is by which test customers come.
func probeTransport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: 10 * time.Second, DisableCompression: true, MaxResponseHeaderBytes: 1 << 20}
}

// signer makes and verifies plat's marks of test customers.
func (p *plane) signer() *probe.Signer { return probe.NewSigner([]byte(derive(p.secret, "test mark"))) }

// synthetic tells whose journey a mark of a test customer is of.
func (p *plane) synthetic(mark string, entering bool) (journey string, ok bool) {
	return p.signer().Verify(mark, time.Now(), entering)
}

// observeRun tells of a run: its figures, and its span.
func (p *plane) observeRun(r probe.Result) {
	p.runs.Observe(figures.Journey{Name: r.Journey, Owner: r.Owner, Passed: r.Passed, Duration: r.Duration, End: r.Start.Add(r.Duration)})
	p.tellRun(r)
}

// tellRun makes the span of a run, above those of its requests.
func (p *plane) tellRun(r probe.Result) {
	trace, err := telemetry.ParseTraceID(r.TraceID)
	if err != nil {
		return
	}
	span, err := telemetry.ParseSpanID(r.SpanID)
	if err != nil {
		return
	}
	s := telemetry.Span{
		Resource: &telemetry.Resource{Service: platCaller}, Scope: telemetry.ScopeProbe, TraceID: trace, ID: span,
		Start: r.Start.UnixNano(), Duration: int64(r.Duration), Name: "journey " + r.Journey, Kind: telemetry.KindClient, CorrelationID: r.Run,
		Attributes: []telemetry.Attribute{{Key: "plat.test.journey", Value: r.Journey}},
	}
	if failed := r.Failed(); failed != nil {
		s.Status, s.StatusMessage = telemetry.StatusError, failed.Name+": "+failed.Failure.What
	}
	p.rows.OfferSpan(s)
}

// readyAtLatest is when journeys begin whatever runs: what never becomes ready is
// what they are to find.
const readyAtLatest = 2 * time.Minute

// setJourneys brings the plan's journeys to who runs and who counts them.
func (p *plane) setJourneys(all []plan.Journey) {
	for _, st := range p.probes.Journeys() {
		if !slices.ContainsFunc(all, func(j plan.Journey) bool { return j.Name == st.Journey.Name && j.Owner == st.Journey.Owner }) {
			p.runs.Forget(st.Journey.Name)
		}
	}
	p.probes.SetJourneys(all)
}

// allReady tells whether all that should run is ready,
// or has had long enough to be.
func (p *plane) allReady() bool {
	all := p.runner.Status()
	return time.Since(p.started) > readyAtLatest || len(all) > 0 && !slices.ContainsFunc(all, func(st runner.ServiceStatus) bool {
		return st.State != runner.Ready && st.State != runner.Skipped && (st.State != runner.Stopped || st.Desired > 0)
	})
}

// Journeys tells of the journeys of test customers.
func (p *plane) Journeys() []api.Journey {
	list := []api.Journey{}
	for _, st := range p.probes.Journeys() {
		j := api.Journey{
			Name: st.Journey.Name, Owner: st.Journey.Owner, About: st.Journey.About, Gateway: st.Journey.Gateway, Running: st.Running,
			Passed: st.Passed, Failed: st.Failed, Skipped: st.Skipped, P95: st.P95().Seconds(), Runs: []api.JourneyRun{},
		}
		if st.Journey.Every > 0 {
			j.Every, j.Next = st.Journey.Every.String(), &st.Next
		}
		if share, ok := st.Share(); ok {
			j.Share = &share
		}
		for _, r := range st.Runs {
			j.Runs = append(j.Runs, journeyRun(r))
		}
		if text, err := json.Marshal(st.Journey); err == nil {
			j.Declared = text
		}
		list = append(list, j)
	}
	return list
}

// RunJourney runs a journey now, for whoever asks.
func (p *plane) RunJourney(ctx context.Context, name string) (api.JourneyRun, error) {
	p.settledPlan()
	r, err := p.probes.RunNow(ctx, name)
	if err != nil {
		return api.JourneyRun{}, err
	}
	return journeyRun(r), nil
}

func journeyRun(r probe.Result) api.JourneyRun {
	out := api.JourneyRun{
		Journey: r.Journey, Run: r.Run, Owner: r.Owner, Scheduled: r.Scheduled, Start: r.Start, Seconds: r.Duration.Seconds(),
		Passed: r.Passed, TraceID: r.TraceID, Steps: []api.JourneyStep{},
	}
	for _, s := range r.Steps {
		step := api.JourneyStep{Name: s.Name, Request: s.Request, Status: s.Status, Requests: s.Requests, Seconds: s.Duration.Seconds(), CorrelationID: s.CorrelationID}
		if f := s.Failure; f != nil {
			step.Failure = &api.JourneyFailure{Code: f.Code, What: f.What, Body: f.Body, Count: f.Count}
		}
		out.Steps = append(out.Steps, step)
	}
	return out
}
