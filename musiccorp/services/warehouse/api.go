package main

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// links are HAL links by relation.
type links map[string]link

type link struct {
	Href string `json:"href"`
}

type stockBody struct {
	Links links `json:"_links"`
	Stock
}

func bodyOf(s Stock) stockBody {
	return stockBody{links{"self": {"/api/stock/" + url.PathEscape(s.SKU)}}, s}
}

// serve registers the operations and returns their description.
func (s *service) serve(mux *http.ServeMux) *huma.OpenAPI {
	config := huma.DefaultConfig("MusicCorp warehouse", "1.0.0")
	config.Info.Description = "Keeps the stock: reserves it for orders, sends it and takes it back."
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil
	config.Transformers = []huma.Transformer{problems(s.log)}
	api := humago.New(mux, config)

	huma.Register(api, huma.Operation{
		OperationID: "read-stock", Method: http.MethodGet, Path: "/api/stock/{sku}",
		Summary: "Read the stock of an album", Errors: []int{http.StatusNotFound},
	}, s.read)
	huma.Register(api, huma.Operation{
		OperationID: "list-stock", Method: http.MethodGet, Path: "/api/stock",
		Summary: "List the stock of several albums", Description: "Unknown albums are left out.",
	}, s.list)
	describeProblems(api.OpenAPI())
	return api.OpenAPI()
}

type readInput struct {
	SKU string `path:"sku" maxLength:"20"`
}

type readOutput struct{ Body stockBody }

func (s *service) read(ctx context.Context, in *readInput) (*readOutput, error) {
	stock, err := stockOf(ctx, s.db, []string{in.SKU})
	if err != nil {
		return nil, err
	}
	if len(stock) == 0 {
		return nil, huma.Error404NotFound("no album has the SKU " + in.SKU)
	}
	return &readOutput{bodyOf(stock[0])}, nil
}

type listInput struct {
	SKUs []string `query:"sku,explode" required:"true" nullable:"false" minItems:"1" maxItems:"100" doc:"Once for each album"`
}

type stockList struct {
	Links    links    `json:"_links"`
	Embedded embedded `json:"_embedded"`
}

type embedded struct {
	Stock []stockBody `json:"stock" nullable:"false" doc:"By SKU."`
}

type listOutput struct{ Body stockList }

func (s *service) list(ctx context.Context, in *listInput) (*listOutput, error) {
	stock, err := stockOf(ctx, s.db, in.SKUs)
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	out.Body.Links = links{"self": {"/api/stock?" + url.Values{"sku": in.SKUs}.Encode()}}
	out.Body.Embedded.Stock = make([]stockBody, 0, len(stock))
	for _, st := range stock {
		out.Body.Embedded.Stock = append(out.Body.Embedded.Stock, bodyOf(st))
	}
	return out, nil
}
