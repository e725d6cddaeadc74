package serve

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/plat-dev/plat/api"
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
