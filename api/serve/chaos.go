package serve

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

// Chaos lets things fail on purpose.
type Chaos interface {
	Rehearsal() api.Rehearsal
	Rehearse(services []string) error
	StopChaos() error
}

func registerChaos(a huma.API, c Chaos) {
	if c == nil {
		return
	}
	huma.Get(a, "/v1/rehearsal", func(context.Context, *struct{}) (*body[api.Rehearsal], error) {
		return &body[api.Rehearsal]{c.Rehearsal()}, nil
	})
	huma.Register(a, post("rehearse", "/v1/rehearsal", http.StatusAccepted), func(_ context.Context, in *struct {
		Body api.NewRehearsal
	}) (*struct{}, error) {
		return nil, problem(c.Rehearse(in.Body.Services))
	})
	huma.Register(a, post("stop-chaos", "/v1/chaos/stop", http.StatusAccepted), func(context.Context, *struct{}) (*struct{}, error) {
		return nil, problem(c.StopChaos())
	})
}

// Experimenter runs experiments.
type Experimenter interface {
	Chaos() api.Chaos
	ChaosReport(which string) (api.ChaosReport, error)
	Experiment(ask api.NewExperiment) (id string, err error)
	ScheduleChaos(d time.Duration) error
}

// newest stands for the newest report of all.
const newest = "last"

func registerExperiments(a huma.API, e Experimenter) {
	if e == nil {
		return
	}
	huma.Get(a, "/v1/chaos", func(context.Context, *struct{}) (*body[api.Chaos], error) {
		return &body[api.Chaos]{e.Chaos()}, nil
	})
	huma.Get(a, "/v1/chaos/runs/{id}", func(_ context.Context, in *struct {
		ID string `path:"id" maxLength:"128" doc:"of a report, or an experiment's name, or last"`
	}) (*body[api.ChaosReport], error) {
		if in.ID == newest {
			in.ID = ""
		}
		report, err := e.ChaosReport(in.ID)
		return &body[api.ChaosReport]{report}, problem(err)
	})
	huma.Register(a, post("run-experiment", "/v1/chaos/runs", http.StatusAccepted), func(_ context.Context, in *struct {
		Body api.NewExperiment
	}) (*body[api.ChaosStarted], error) {
		if (in.Body.Name == "") == (in.Body.Text == "") {
			return nil, problem(fault.New(fault.BadArgument, "it is not said which experiment").Why("expected a name, or a text"))
		}
		id, err := e.Experiment(in.Body)
		return &body[api.ChaosStarted]{api.ChaosStarted{ID: id}}, problem(err)
	})
	huma.Register(a, post("schedule-chaos", "/v1/chaos/schedule", http.StatusNoContent), func(_ context.Context, in *struct {
		Body api.NewSchedule
	}) (*struct{}, error) {
		d, err := time.ParseDuration(in.Body.For)
		if err != nil {
			return nil, problem(fault.Newf(fault.BadArgument, "%q is no duration", in.Body.For).Why("expected one such as 8h").Because(err))
		}
		return nil, problem(e.ScheduleChaos(d))
	})
}
