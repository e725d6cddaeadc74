package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/idempotency"
	"github.com/plat-dev/plat/kit/message"
)

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
	var (
		stranger, err error
		albums        map[string]soldAlbum
		asked         sync.WaitGroup
	)
	asked.Go(func() { stranger = s.customerExists(ctx, b.Customer) })
	asked.Go(func() { albums, err = s.albums(ctx, b.Lines) })
	asked.Wait()
	if err != nil {
		return nil, unavailable("catalog", err)
	}
	var mistakes []error
	if stranger != nil {
		if _, ok := errors.AsType[*huma.ErrorDetail](stranger); !ok {
			return nil, stranger
		}
		mistakes = append(mistakes, stranger)
	}
	lines := make([]Line, len(b.Lines))
	first := map[string]int{}
	for i, w := range b.Lines {
		place := fmt.Sprintf("body.lines[%d].sku", i)
		if j, again := first[w.SKU]; again {
			mistakes = append(mistakes, &huma.ErrorDetail{Location: place, Message: fmt.Sprintf("%s is in lines[%d] already: add to its quantity", w.SKU, j)})
			continue
		}
		first[w.SKU] = i
		album, sold := albums[w.SKU]
		if !sold {
			mistakes = append(mistakes, &huma.ErrorDetail{Location: place, Message: "no album is sold as " + w.SKU})
			continue
		}
		lines[i] = Line{SKU: w.SKU, Title: album.Title, Quantity: w.Quantity, Price: album.Price}
	}
	if len(mistakes) > 0 {
		return nil, huma.Error422UnprocessableEntity("the order cannot be taken as it is", mistakes...)
	}
	return lines, nil
}

func (s *service) customerExists(ctx context.Context, id string) error {
	err := s.customers.Get(ctx, "/api/customers/"+url.PathEscape(id), nil)
	if kit.StatusOf(err) == http.StatusNotFound {
		return &huma.ErrorDetail{Location: "body.customer", Message: "nobody is registered as " + id}
	}
	return unavailable("customer", err)
}

// soldAlbum is what the catalog says of an album.
type soldAlbum struct {
	SKU   string `json:"sku"`
	Title string `json:"title"`
	Price Money  `json:"price"`
}

// albums asks the catalog for titles and prices, all with one call.
func (s *service) albums(ctx context.Context, wanted []basketLine) (map[string]soldAlbum, error) {
	query := url.Values{"size": {strconv.Itoa(len(wanted))}}
	for _, w := range wanted {
		query.Add("sku", w.SKU)
	}
	var page struct {
		Embedded struct {
			Albums []soldAlbum `json:"albums"`
		} `json:"_embedded"`
	}
	if err := s.catalog.Get(ctx, "/api/albums?"+query.Encode(), &page); err != nil {
		return nil, err
	}
	sold := make(map[string]soldAlbum, len(page.Embedded.Albums))
	for _, a := range page.Embedded.Albums {
		if a.Price.Currency == "" || a.Price.Amount < 0 {
			return nil, fmt.Errorf("%s has no price", a.SKU)
		}
		sold[a.SKU] = a
	}
	return sold, nil
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
