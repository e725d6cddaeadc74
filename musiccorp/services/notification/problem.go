package main

import (
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/plat-dev/plat/kit"
)

// problem is an error as all of MusicCorp answers it: RFC 9457 with the
// correlation ID of the request.
type problem struct {
	*huma.ErrorModel
	CorrelationID string `json:"correlationId,omitempty"`
}

// problems gives each error its correlation ID. The causes of an error
// within go to the log and not to the client.
func problems(log *slog.Logger) huma.Transformer {
	return func(ctx huma.Context, _ string, body any) (any, error) {
		e, ok := body.(*huma.ErrorModel)
		if !ok {
			return body, nil
		}
		if e.Status >= http.StatusInternalServerError {
			log.ErrorContext(ctx.Context(), e.Detail, "operation", ctx.Operation().OperationID, "causes", e.Errors)
			e.Errors = nil
		}
		return problem{e, kit.CorrelationID(ctx.Context())}, nil
	}
}

// describeProblems adds the correlation ID to the description of errors.
func describeProblems(d *huma.OpenAPI) {
	d.Components.Schemas.Map()["ErrorModel"].Properties["correlationId"] = &huma.Schema{
		Type: huma.TypeString, Description: "Names the request in every log.",
	}
}
