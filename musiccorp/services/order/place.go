package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/idempotency"
	"github.com/plat-dev/plat/kit/message"
)

// lookups is how many albums are asked for at once.
const lookups = 8

// basketLine is so many of one album, as the customer asks for them.
type basketLine struct {
	SKU      string `json:"sku" maxLength:"20" pattern:"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$" example:"MC-0001"`
	Quantity int    `json:"quantity" minimum:"1" maximum:"99"`
}

// basket is what a customer wants to order.
type basket struct {
	Customer string       `json:"customer" format:"uuid"`
	Lines    []basketLine `json:"lines" nullable:"false" minItems:"1" maxItems:"50" doc:"Each album at most once."`
}

type placeInput struct {
	Key  string `header:"Idempotency-Key" required:"true" doc:"Chosen by the caller, new for each order, at most 255 characters. Sent again with the same body within a day it is answered as the first time, marked by Idempotent-Replayed: true. In double quotes, or without if it has none of its own."`
	Body basket
}

type placeOutput struct {
	Location string `header:"Location"`
	Body     orderBody
}

// onceEach says whose a key is, and how patient a request is while the same
// one is running. Customers have no credentials yet: the one in the basket is
// the one who orders.
func onceEach() idempotency.Options {
	return idempotency.Options{
		Wait: time.Second,
		Scope: func(_ *http.Request, body []byte) string {
			var b struct{ Customer string }
			_ = json.Unmarshal(body, &b) // a basket that is none is refused without a trace
			return b.Customer
		},
	}
}

// place takes an order: it asks the neighbours, then stores order and event in
// the transaction of the idempotency key. A request that comes again, even at
// the same time, makes no second order: it is answered as the first was.
func (s *service) place(ctx context.Context, in *placeInput) (*placeOutput, error) {
	lines, err := s.confirm(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	o, err := newOrder(in.Body.Customer, lines, time.Now().UTC())
	if err != nil {
		return nil, err
	}
	placed, err := message.New("order.placed", o.Customer, orderPlaced{Order: o.ID, Customer: o.Customer, Lines: o.Lines, Total: o.Total})
	if err != nil {
		return nil, err
	}
	tx, err := idempotency.Begin(ctx)
	if err != nil {
		return nil, err
	}
	if err := saveOrder(ctx, tx, o); err != nil {
		return nil, err
	}
	if err := s.publish(ctx, tx, placed); err != nil {
		return nil, err
	}
	s.log.InfoContext(ctx, "order placed", "order", o.ID, "customer", o.Customer, "lines", len(o.Lines), "total", o.Total.Amount)
	return &placeOutput{Location: pathOf(o.ID), Body: bodyOf(o)}, nil
}

// confirm asks customer and catalog about everything in the basket at once,
// and answers with the lines as they are sold now. All mistakes are named.
func (s *service) confirm(ctx context.Context, b basket) ([]Line, error) {
	lines := make([]Line, len(b.Lines))
	checks := []func() error{func() error { return s.customerExists(ctx, b.Customer) }}
	first := map[string]int{}
	for i, w := range b.Lines {
		place := fmt.Sprintf("body.lines[%d].sku", i)
		if j, again := first[w.SKU]; again {
			checks = append(checks, func() error {
				return &huma.ErrorDetail{Location: place, Message: fmt.Sprintf("%s is in lines[%d] already: add to its quantity", w.SKU, j)}
			})
			continue
		}
		first[w.SKU] = i
		checks = append(checks, func() (err error) {
			lines[i], err = s.albumLine(ctx, place, w)
			return err
		})
	}
	var mistakes []error
	for _, err := range concurrently(checks) {
		if _, ok := errors.AsType[*huma.ErrorDetail](err); !ok {
			return nil, err
		}
		mistakes = append(mistakes, err)
	}
	if len(mistakes) > 0 {
		return nil, huma.Error422UnprocessableEntity("the order cannot be taken as it is", mistakes...)
	}
	return lines, nil
}

// concurrently runs the checks, some at a time, and answers with their
// errors in the order of the checks.
func concurrently(checks []func() error) []error {
	results := make([]error, len(checks))
	places := make(chan struct{}, lookups)
	var wg sync.WaitGroup
	for i, check := range checks {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			results[i] = check()
		})
	}
	wg.Wait()
	var errs []error
	for _, err := range results {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func (s *service) customerExists(ctx context.Context, id string) error {
	err := s.customers.Get(ctx, "/api/customers/"+url.PathEscape(id), nil)
	if kit.StatusOf(err) == http.StatusNotFound {
		return &huma.ErrorDetail{Location: "body.customer", Message: "nobody is registered as " + id}
	}
	return unavailable("customer", err)
}

// albumLine asks the catalog for title and price.
func (s *service) albumLine(ctx context.Context, place string, w basketLine) (Line, error) {
	var album struct {
		Title string `json:"title"`
		Price Money  `json:"price"`
	}
	err := s.catalog.Get(ctx, "/api/albums/"+url.PathEscape(w.SKU), &album)
	if kit.StatusOf(err) == http.StatusNotFound {
		return Line{}, &huma.ErrorDetail{Location: place, Message: "no album is sold as " + w.SKU}
	}
	if err == nil && (album.Price.Currency == "" || album.Price.Amount < 0) {
		err = fmt.Errorf("%s has no price", w.SKU)
	}
	return Line{SKU: w.SKU, Title: album.Title, Quantity: w.Quantity, Price: album.Price}, unavailable("catalog", err)
}

// unavailable answers a neighbour's failure with 503: nothing was stored, so
// the caller may send the same request again.
func unavailable(neighbour string, err error) error {
	if err == nil {
		return nil
	}
	return huma.ErrorWithHeaders(
		huma.Error503ServiceUnavailable(neighbour+" does not answer now; send the same request again later", err),
		http.Header{"Retry-After": {"2"}})
}
