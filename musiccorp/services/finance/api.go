package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// links are HAL links by relation.
type links map[string]link

type link struct {
	Href string `json:"href"`
}

type paymentBody struct {
	Links   links  `json:"_links"`
	Order   string `json:"order" format:"uuid"`
	Status  Status `json:"status" enum:"waiting,taken,declined,refunded,void"`
	Payment string `json:"payment,omitempty" format:"uuid" doc:"Left out until it was taken."`
	Amount  *Money `json:"amount,omitempty" doc:"Left out until it is known."`
	Reason  string `json:"reason,omitempty" doc:"Why it was declined, for people."`
}

// serve registers the operations and returns their description.
func (s *service) serve(mux *http.ServeMux) *huma.OpenAPI {
	config := huma.DefaultConfig("MusicCorp finance", "1.0.0")
	config.Info.Description = "Takes the payments of orders and gives them back."
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil
	config.Transformers = []huma.Transformer{problems(s.log)}
	api := humago.New(mux, config)

	huma.Register(api, huma.Operation{
		OperationID: "read-payment", Method: http.MethodGet, Path: "/api/payments/{order}",
		Summary: "Read the payment of an order", Errors: []int{http.StatusNotFound},
	}, s.read)
	describeProblems(api.OpenAPI())
	return api.OpenAPI()
}

type readInput struct {
	Order string `path:"order" format:"uuid"`
}

type readOutput struct{ Body paymentBody }

func (s *service) read(ctx context.Context, in *readInput) (*readOutput, error) {
	p, err := findPayment(ctx, s.db, in.Order)
	if errors.Is(err, errNotFound) {
		return nil, huma.Error404NotFound("nothing is known of an order " + in.Order)
	}
	if err != nil {
		return nil, err
	}
	out := &readOutput{paymentBody{
		Links: links{"self": {"/api/payments/" + p.Order}},
		Order: p.Order, Status: p.Status, Payment: p.ID, Reason: p.Reason,
	}}
	if p.Due.Currency != "" {
		out.Body.Amount = &p.Due
	}
	return out, nil
}
