package serve

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/plat-dev/plat/api"
)

// Prober runs journeys of test customers.
type Prober interface {
	Journeys() []api.Journey
	RunJourney(ctx context.Context, name string) (api.JourneyRun, error)
}

func registerProbes(a huma.API, p Prober) {
	if p == nil {
		return
	}
	huma.Get(a, "/v1/journeys", func(context.Context, *struct{}) (*body[api.Journeys], error) {
		return &body[api.Journeys]{api.Journeys{Journeys: p.Journeys()}}, nil
	})
	huma.Register(a, post("run-journey", "/v1/journeys/{name}/runs", http.StatusOK), func(ctx context.Context, in *struct {
		Name string `path:"name" maxLength:"63" doc:"the journey's name"`
	}) (*body[api.JourneyRun], error) {
		run, err := p.RunJourney(ctx, in.Name)
		return &body[api.JourneyRun]{run}, problem(err)
	})
}
