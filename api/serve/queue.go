package serve

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/plat-dev/plat/api"
)

// Queuer tells of the calls that are done later, and changes what becomes of
// them.
type Queuer interface {
	Queues() api.Queues
	KeptCalls(dead bool) api.KeptCalls
	KeptCall(ctx context.Context, id string) (api.KeptCallContent, error)
	RetryKeptCall(ctx context.Context, id string) error
	DropKeptCall(ctx context.Context, id string) error
}

type keptCall struct {
	ID string `path:"id" maxLength:"64" doc:"the call's ID"`
}

func registerQueues(a huma.API, q Queuer) {
	if q == nil {
		return
	}
	huma.Get(a, "/v1/queues", func(context.Context, *struct{}) (*body[api.Queues], error) {
		return &body[api.Queues]{q.Queues()}, nil
	})
	huma.Get(a, "/v1/queues/calls", func(_ context.Context, in *struct {
		Dead    bool   `query:"dead" doc:"Only dead letters."`
		Caller  string `query:"caller" maxLength:"63" doc:"Only calls of this service."`
		Service string `query:"service" maxLength:"63" doc:"Only calls to this service."`
		Test    string `query:"test" enum:"true,false" doc:"Only calls of test customers, or of all others."`
		Limit   int    `query:"limit" minimum:"0" doc:"How many at most; 0: all."`
	}) (*body[api.KeptCalls], error) {
		all := q.KeptCalls(in.Dead)
		all.Calls = slices.DeleteFunc(all.Calls, func(c api.KeptCall) bool {
			return in.Caller != "" && c.Caller != in.Caller || in.Service != "" && c.Service != in.Service || in.Test != "" && strconv.FormatBool(c.Test) != in.Test
		})
		if in.Limit > 0 && len(all.Calls) > in.Limit {
			all.More, all.Calls = len(all.Calls)-in.Limit, all.Calls[:in.Limit]
		}
		return &body[api.KeptCalls]{all}, nil
	})
	huma.Get(a, "/v1/queues/calls/{id}", func(ctx context.Context, in *keptCall) (*body[api.KeptCallContent], error) {
		c, err := q.KeptCall(ctx, in.ID)
		return &body[api.KeptCallContent]{c}, problem(err)
	})
	huma.Register(a, post("retry-kept-call", "/v1/queues/calls/{id}/retry", http.StatusNoContent), func(ctx context.Context, in *keptCall) (*struct{}, error) {
		return nil, problem(q.RetryKeptCall(ctx, in.ID))
	})
	huma.Delete(a, "/v1/queues/calls/{id}", func(ctx context.Context, in *keptCall) (*struct{}, error) {
		return nil, problem(q.DropKeptCall(ctx, in.ID))
	})
}
