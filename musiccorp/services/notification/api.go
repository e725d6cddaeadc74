package main

import (
	"context"
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

type mailBody struct {
	Event    string     `json:"event" doc:"The event that it tells of."`
	Kind     Kind       `json:"kind" enum:"welcome,dispatched"`
	Customer string     `json:"customer"`
	Order    string     `json:"order,omitempty"`
	Status   Status     `json:"status" enum:"waiting,sent,failed"`
	Attempts int        `json:"attempts"`
	Error    string     `json:"error,omitempty" doc:"What went wrong the last time, for people."`
	Created  time.Time  `json:"created"`
	Sent     *time.Time `json:"sent,omitempty"`
}

func bodyOf(m Mail) mailBody {
	body := mailBody{
		Event: m.Event, Kind: m.Kind, Customer: m.Customer, Order: m.Order,
		Status: m.Status, Attempts: m.Attempts, Error: m.Error, Created: m.Created,
	}
	if !m.Sent.IsZero() {
		body.Sent = &m.Sent
	}
	return body
}

// serve registers the operations and returns their description. No gateway
// leads to them.
func (s *service) serve(mux *http.ServeMux) *huma.OpenAPI {
	config := huma.DefaultConfig("MusicCorp notification", "1.0.0")
	config.Info.Description = "What was written to customers, without their addresses."
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil
	config.Transformers = []huma.Transformer{problems(s.log)}
	api := humago.New(mux, config)

	huma.Register(api, huma.Operation{
		OperationID: "list-mails", Method: http.MethodGet, Path: "/api/mails",
		Summary: "List what was written, the newest first",
	}, s.list)
	describeProblems(api.OpenAPI())
	return api.OpenAPI()
}

type listInput struct {
	Customer string `query:"customer" format:"uuid" doc:"Only to this customer."`
	Status   Status `query:"status" enum:"waiting,sent,failed" doc:"Only of this status."`
	Before   int64  `query:"before" minimum:"1" doc:"Only mails older than the one that this stands for; see the link next."`
	Limit    int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

type mailList struct {
	Links    links    `json:"_links" doc:"self; next where there are older mails."`
	Embedded embedded `json:"_embedded"`
}

type embedded struct {
	Mails []mailBody `json:"mails" nullable:"false"`
}

type listOutput struct{ Body mailList }

func (s *service) list(ctx context.Context, in *listInput) (*listOutput, error) {
	in.Customer = strings.ToLower(in.Customer) // a UUID is the same in capitals
	mails, err := mailsOf(ctx, s.db, in.Status, in.Customer, in.Before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	out.Body.Links = links{"self": in.page(in.Before)}
	if len(mails) > in.Limit { // the one more tells that there are more
		mails = mails[:in.Limit]
		out.Body.Links["next"] = in.page(mails[in.Limit-1].ID)
	}
	out.Body.Embedded.Mails = make([]mailBody, 0, len(mails))
	for _, m := range mails {
		out.Body.Embedded.Mails = append(out.Body.Embedded.Mails, bodyOf(m))
	}
	return out, nil
}

// page is the address of the list before a mail.
func (in *listInput) page(before int64) link {
	query := url.Values{"limit": {strconv.Itoa(in.Limit)}}
	if in.Customer != "" {
		query.Set("customer", in.Customer)
	}
	if in.Status != "" {
		query.Set("status", string(in.Status))
	}
	if before > 0 {
		query.Set("before", strconv.FormatInt(before, 10))
	}
	return link{"/api/mails?" + query.Encode()}
}
