package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// links are HAL links by relation.
type links map[string]link

type link struct {
	Href string `json:"href"`
}

type orderBody struct {
	Links    links   `json:"_links"`
	ID       string  `json:"id" format:"uuid"`
	Customer string  `json:"customer" format:"uuid"`
	Status   Status  `json:"status" enum:"placed,paid,dispatched,cancelled"`
	Reason   string  `json:"reason,omitempty" doc:"Why it was cancelled, for people."`
	Code     string  `json:"code,omitempty" doc:"Why it was cancelled, for programs: out-of-stock or payment-declined."`
	Lines    []Line  `json:"lines" nullable:"false"`
	Total    Money   `json:"total"`
	History  []Entry `json:"history" nullable:"false" doc:"The oldest first."`
}

func bodyOf(o *Order) orderBody {
	return orderBody{
		Links: links{"self": {pathOf(o.ID)}},
		ID:    o.ID, Customer: o.Customer, Status: o.Status, Reason: o.Reason, Code: o.Code,
		Lines: o.Lines, Total: o.Total, History: o.History,
	}
}

func pathOf(id string) string { return "/api/orders/" + id }

// serve registers the operations and returns their description.
func (s *service) serve(mux *http.ServeMux) *huma.OpenAPI {
	config := huma.DefaultConfig("MusicCorp order", "1.0.0")
	config.Info.Description = "Takes an order from basket to dispatch."
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil
	config.Transformers = []huma.Transformer{problems(s.log)}
	api := humago.New(mux, config)

	huma.Register(api, huma.Operation{
		OperationID: "place-order", Method: http.MethodPost, Path: "/api/orders",
		Summary:       "Place an order",
		Description:   "The order is taken and goes on by itself; read it again to see how far it is.",
		DefaultStatus: http.StatusAccepted, MaxBodyBytes: 64 << 10,
		Errors: []int{http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, s.place)
	huma.Register(api, huma.Operation{
		OperationID: "read-order", Method: http.MethodGet, Path: "/api/orders/{id}",
		Summary: "Read an order", Errors: []int{http.StatusNotFound},
	}, s.read)
	huma.Register(api, huma.Operation{
		OperationID: "list-orders", Method: http.MethodGet, Path: "/api/orders",
		Summary: "List a customer's orders, the newest first",
	}, s.list)
	describeProblems(api.OpenAPI())
	return api.OpenAPI()
}

type readInput struct {
	ID string `path:"id" format:"uuid"`
}

type readOutput struct{ Body orderBody }

func (s *service) read(ctx context.Context, in *readInput) (*readOutput, error) {
	o, err := findOrder(ctx, s.db, in.ID)
	if errors.Is(err, errNotFound) {
		return nil, huma.Error404NotFound("no order has the ID " + in.ID)
	}
	if err != nil {
		return nil, err
	}
	return &readOutput{bodyOf(o)}, nil
}

type listInput struct {
	Customer string `query:"customer" required:"true" format:"uuid"`
	Before   string `query:"before" format:"uuid" doc:"Only orders older than this one."`
	Limit    int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

type orderList struct {
	Links    links    `json:"_links" doc:"self; next where there are older orders."`
	Embedded embedded `json:"_embedded"`
}

type embedded struct {
	Orders []orderBody `json:"orders" nullable:"false"`
}

type listOutput struct{ Body orderList }

func (s *service) list(ctx context.Context, in *listInput) (*listOutput, error) {
	orders, err := ordersOf(ctx, s.db, in.Customer, in.Before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	out.Body.Links = links{"self": in.page(in.Before)}
	if len(orders) > in.Limit { // the one more tells that there are more
		orders = orders[:in.Limit]
		out.Body.Links["next"] = in.page(orders[in.Limit-1].ID)
	}
	out.Body.Embedded.Orders = make([]orderBody, 0, len(orders))
	for _, o := range orders {
		out.Body.Embedded.Orders = append(out.Body.Embedded.Orders, bodyOf(o))
	}
	return out, nil
}

// page is the address of the list before an order.
func (in *listInput) page(before string) link {
	query := url.Values{"customer": {in.Customer}, "limit": {strconv.Itoa(in.Limit)}}
	if before != "" {
		query.Set("before", before)
	}
	return link{"/api/orders?" + query.Encode()}
}
