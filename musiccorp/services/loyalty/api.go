package main

import (
	"context"
	"database/sql"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// links are HAL links by relation.
type links map[string]link

type link struct {
	Href string `json:"href"`
}

type pointsBody struct {
	Links    links    `json:"_links" doc:"self; next where there are older entries."`
	Customer string   `json:"customer" format:"uuid"`
	Points   int64    `json:"points" doc:"What the customer has: the sum of all entries."`
	Embedded embedded `json:"_embedded"`
}

type embedded struct {
	Entries []entryBody `json:"entries" nullable:"false" doc:"The newest first."`
}

type entryBody struct {
	Points int64     `json:"points"`
	Reason Reason    `json:"reason" enum:"welcome,order"`
	Order  string    `json:"order,omitempty" doc:"The order that earned them, where the reason is one."`
	At     time.Time `json:"at"`
}

func bodyOf(e Entry) entryBody {
	body := entryBody{Points: e.Points, Reason: e.Reason, At: e.At}
	if e.Reason == Ordered {
		body.Order = e.Subject
	}
	return body
}

// serve registers the operations and returns their description.
func (s *service) serve(mux *http.ServeMux) *huma.OpenAPI {
	config := huma.DefaultConfig("MusicCorp loyalty", "1.0.0")
	config.Info.Description = "The points with which MusicCorp thanks its customers."
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil
	config.Transformers = []huma.Transformer{problems(s.log)}
	api := humago.New(mux, config)

	huma.Register(api, huma.Operation{
		OperationID: "read-points", Method: http.MethodGet, Path: "/api/customers/{id}/points",
		Summary:     "Read a customer's points",
		Description: "A customer who was never heard of has none: who has just come is heard of a moment later.",
	}, s.read)
	describeProblems(api.OpenAPI())
	return api.OpenAPI()
}

type readInput struct {
	ID     string `path:"id" format:"uuid"`
	Before int64  `query:"before" minimum:"1" doc:"Only entries older than the one that this stands for; see the link next."`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

type readOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         pointsBody
}

func (s *service) read(ctx context.Context, in *readInput) (*readOutput, error) {
	in.ID = strings.ToLower(in.ID) // a UUID is the same in capitals
	points, entries, err := s.account(ctx, in)
	if err != nil {
		return nil, err
	}
	out := &readOutput{CacheControl: "private, no-cache"}
	out.Body = pointsBody{Links: links{"self": in.page(in.Before)}, Customer: in.ID, Points: points}
	if len(entries) > in.Limit { // the one more tells that there are more
		entries = entries[:in.Limit]
		out.Body.Links["next"] = in.page(entries[in.Limit-1].ID)
	}
	out.Body.Embedded.Entries = make([]entryBody, 0, len(entries))
	for _, e := range entries {
		out.Body.Embedded.Entries = append(out.Body.Embedded.Entries, bodyOf(e))
	}
	return out, nil
}

// account reads sum and entries in one transaction, so that they agree.
func (s *service) account(ctx context.Context, in *readInput) (points int64, entries []Entry, err error) {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	if points, err = pointsOf(ctx, tx, in.ID); err != nil {
		return 0, nil, err
	}
	entries, err = entriesOf(ctx, tx, in.ID, in.Before, in.Limit+1)
	return points, entries, err
}

// page is the address of the points with the entries before one.
func (in *readInput) page(before int64) link {
	query := url.Values{"limit": {strconv.Itoa(in.Limit)}}
	if before > 0 {
		query.Set("before", strconv.FormatInt(before, 10))
	}
	return link{"/api/customers/" + in.ID + "/points?" + query.Encode()}
}
