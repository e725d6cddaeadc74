package serve

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/plat-dev/plat/api"
)

// Watch tells how good the system is, and whom that alerts.
type Watch interface {
	Alerts() api.Alerts
	Objectives(ctx context.Context) ([]api.Objective, error)
	Silences() []api.Silence
	Silence(s api.NewSilence) (api.Silence, error)
	EndSilence(id string) error
}

func registerAlerts(a huma.API, w Watch) {
	if w == nil {
		return
	}
	huma.Get(a, "/v1/alerts", func(context.Context, *struct{}) (*body[api.Alerts], error) {
		return &body[api.Alerts]{w.Alerts()}, nil
	})
	huma.Get(a, "/v1/objectives", func(ctx context.Context, _ *struct{}) (*body[api.Objectives], error) {
		list, err := w.Objectives(ctx)
		return &body[api.Objectives]{api.Objectives{Objectives: list}}, problem(err)
	})
	huma.Get(a, "/v1/silences", func(context.Context, *struct{}) (*body[api.Silences], error) {
		return &body[api.Silences]{api.Silences{Silences: w.Silences()}}, nil
	})
	huma.Register(a, post("make-silence", "/v1/silences", http.StatusCreated), func(_ context.Context, in *struct{ Body api.NewSilence }) (*body[api.Silence], error) {
		made, err := w.Silence(in.Body)
		return &body[api.Silence]{made}, problem(err)
	})
	huma.Register(a, huma.Operation{OperationID: "end-silence", Method: http.MethodDelete, Path: "/v1/silences/{id}", DefaultStatus: http.StatusNoContent}, func(_ context.Context, in *identified) (*struct{}, error) {
		return nil, problem(w.EndSilence(in.ID))
	})
}
