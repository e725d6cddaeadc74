package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/musiccorp/services/web/stockv1"
	"github.com/plat-dev/plat/musiccorp/services/web/stockv1/stockv1connect"
)

// patience is how long the site waits for a neighbour. service.yaml declares
// how long each may take and what then comes instead, which plat sees to; this
// is a little more, and holds where plat is not there.
const patience = 1200 * time.Millisecond

const (
	maxStock    = 64 << 10 // bytes of what the warehouse answers
	recommended = 5        // albums that others bought as well
)

// neighbours are the services that the site asks: the warehouse by Connect, the
// others by HTTP.
type neighbours struct {
	catalog, customer, loyalty, order, recommendation *kit.Client
	warehouse                                         stockv1connect.StockServiceClient
}

func meet(s *kit.Service) neighbours {
	return neighbours{
		catalog: s.Client("catalog"), customer: s.Client("customer"), loyalty: s.Client("loyalty"),
		order: s.Client("order"), recommendation: s.Client("recommendation"),
		warehouse: stockService(s.Client("warehouse")),
	}
}

// stockService is the warehouse by Connect. Its question changes nothing, so
// that it goes as a GET, whose last good answer plat keeps. The kit's client
// carries trace, correlation ID and deadline with it as with any call.
func stockService(warehouse *kit.Client) stockv1connect.StockServiceClient {
	base := "http://warehouse.invalid" // no name is found there
	if warehouse.Base != nil {
		base = warehouse.Base.String()
	}
	return stockv1connect.NewStockServiceClient(warehouse.HTTP, base, connect.WithHTTPGet(), connect.WithReadMaxBytes(maxStock))
}

// The answers of the neighbours, as far as the site reads them.
type (
	album struct {
		SKU    string  `json:"sku"`
		Title  string  `json:"title"`
		Artist string  `json:"artist"`
		Genre  string  `json:"genre"`
		Year   int     `json:"year"`
		Label  string  `json:"label"`
		Price  money   `json:"price"`
		Cover  string  `json:"cover"`
		Tracks []track `json:"tracks"`
	}
	track struct {
		Title   string `json:"title"`
		Seconds int    `json:"seconds"`
	}
	albumPage struct {
		Page struct {
			Number int `json:"number"`
			Total  int `json:"total"`
			Pages  int `json:"pages"`
		} `json:"page"`
		Embedded struct {
			Albums []album `json:"albums"`
		} `json:"_embedded"`
	}
	genre struct {
		Name   string `json:"name"`
		Albums int    `json:"albums"`
	}
	customer struct {
		ID    string `json:"id"`
		Name  string `json:"name"`
		Email string `json:"email"`
	}
	order struct {
		ID       string      `json:"id"`
		Customer string      `json:"customer"`
		Status   string      `json:"status"`
		Reason   string      `json:"reason"`
		Lines    []orderLine `json:"lines"`
		Total    money       `json:"total"`
		History  []stage     `json:"history"`
	}
	stage struct {
		Status string    `json:"status"`
		At     time.Time `json:"at"`
		Note   string    `json:"note"`
	}
	orderLine struct {
		SKU      string `json:"sku"`
		Title    string `json:"title"`
		Quantity int    `json:"quantity"`
		Price    money  `json:"price"`
	}
)

// albums searches the catalog; query has catalog's own parameters.
func (n neighbours) albums(ctx context.Context, query url.Values) (p albumPage, err error) {
	err = n.catalog.Do(ctx, http.MethodGet, "/api/albums?"+query.Encode(), nil, &p, kit.Timeout(patience))
	return p, err
}

func (n neighbours) genres(ctx context.Context) ([]genre, error) {
	var list struct {
		Embedded struct {
			Genres []genre `json:"genres"`
		} `json:"_embedded"`
	}
	err := n.catalog.Do(ctx, http.MethodGet, "/api/genres", nil, &list, kit.Timeout(patience))
	return list.Embedded.Genres, err
}

func (n neighbours) albumOf(ctx context.Context, sku string) (a album, err error) {
	err = n.catalog.Do(ctx, http.MethodGet, "/api/albums/"+url.PathEscape(sku), nil, &a, kit.Timeout(patience))
	return a, err
}

// albumsOf asks about several albums at once, by their SKU; those that are not
// sold are missing.
func (n neighbours) albumsOf(ctx context.Context, skus []string) (map[string]album, error) {
	found := map[string]album{}
	if len(skus) == 0 {
		return found, nil
	}
	p, err := n.albums(ctx, url.Values{"sku": skus, "size": {strconv.Itoa(len(skus))}})
	for _, a := range p.Embedded.Albums {
		found[a.SKU] = a
	}
	return found, err
}

// stock is what the warehouse has of each album; those that it does not know
// are missing.
type stock struct {
	available map[string]int64
	age       time.Duration // of the last good answer, where the warehouse gave none; else 0
}

// stockOf asks the warehouse.
func (n neighbours) stockOf(ctx context.Context, skus ...string) (stock, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ctx, call := connect.NewClientContext(ctx)
	answer, err := n.warehouse.GetAvailability(ctx, &stockv1.GetAvailabilityRequest{Skus: skus})
	if err != nil {
		return stock{}, err
	}
	told := stock{available: map[string]int64{}}
	for _, a := range answer.Albums {
		told.available[a.Sku] = a.Available
	}
	if header := call.ResponseHeader(); header.Get("Plat-Fallback") == "last-good" {
		age, err := strconv.ParseUint(header.Get("Age"), 10, 31)
		if err != nil {
			return stock{}, fmt.Errorf("stock of no age: %w", err)
		}
		told.age = max(time.Duration(age)*time.Second, time.Second) // #nosec G115 -- 31 bits
	}
	return told, nil
}

// alsoBought are albums that customers bought together with one. Those that
// are not sold any more are left out.
func (n neighbours) alsoBought(ctx context.Context, sku string) ([]album, error) {
	var list struct {
		Embedded struct {
			Albums []struct {
				SKU string `json:"sku"`
			} `json:"albums"`
		} `json:"_embedded"`
	}
	path := fmt.Sprintf("/api/recommendations/%s?limit=%d", url.PathEscape(sku), recommended)
	if err := n.recommendation.Do(ctx, http.MethodGet, path, nil, &list, kit.Timeout(patience)); err != nil {
		return nil, err
	}
	asked := list.Embedded.Albums[:min(len(list.Embedded.Albums), recommended)]
	skus := make([]string, len(asked))
	for i, a := range asked {
		skus[i] = a.SKU
	}
	found, err := n.albumsOf(ctx, skus)
	var albums []album
	for _, sku := range skus {
		if a, sold := found[sku]; sold {
			albums = append(albums, a)
		}
	}
	return albums, err
}

// pointsOf is how many points a customer has.
func (n neighbours) pointsOf(ctx context.Context, customer string) (int64, error) {
	var account struct {
		Points int64 `json:"points"`
	}
	err := n.loyalty.Do(ctx, http.MethodGet, "/api/customers/"+url.PathEscape(customer)+"/points?limit=1", nil, &account, kit.Timeout(patience))
	return account.Points, err
}

func (n neighbours) customerOf(ctx context.Context, id string) (c customer, err error) {
	err = n.customer.Do(ctx, http.MethodGet, "/api/customers/"+url.PathEscape(id), nil, &c, kit.Timeout(patience))
	return c, err
}

func (n neighbours) newCustomer(ctx context.Context, name, email string) (c customer, err error) {
	in := map[string]string{"name": name, "email": email}
	err = n.customer.Do(ctx, http.MethodPost, "/api/customers", in, &c, kit.Timeout(patience))
	return c, err
}

// place places an order. With the same key it places one order only, however
// often it is called.
func (n neighbours) place(ctx context.Context, key, customer string, b basket) (o order, err error) {
	in := map[string]any{"customer": customer, "lines": b}
	err = n.order.Do(ctx, http.MethodPost, "/api/orders", in, &o, kit.Header("Idempotency-Key", key), kit.Timeout(patience))
	return o, err
}

func (n neighbours) orderOf(ctx context.Context, id string) (o order, err error) {
	err = n.order.Do(ctx, http.MethodGet, "/api/orders/"+url.PathEscape(id), nil, &o, kit.Timeout(patience))
	return o, err
}

func (n neighbours) ordersOf(ctx context.Context, customer string) ([]order, error) {
	var list struct {
		Embedded struct {
			Orders []order `json:"orders"`
		} `json:"_embedded"`
	}
	err := n.order.Do(ctx, http.MethodGet, "/api/orders?"+url.Values{"customer": {customer}}.Encode(), nil, &list, kit.Timeout(patience))
	return list.Embedded.Orders, err
}

// money is an amount in minor units.
type money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// times multiplies the amount.
func (m money) times(n int) money { return money{m.Amount * int64(n), m.Currency} }

// plus adds an amount in the same currency; the first amount gives the
// currency.
func (m money) plus(n money) money { return money{m.Amount + n.Amount, n.Currency} }

// String is the amount as people write it: €1,234.50.
func (m money) String() string {
	sign, amount := "", m.Amount
	if amount < 0 {
		sign, amount = "-", -amount
	}
	whole := fmt.Sprint(amount / 100)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	symbol := m.Currency + "\u00a0"
	if m.Currency == "EUR" {
		symbol = "€"
	}
	return fmt.Sprintf("%s%s%s.%02d", sign, symbol, whole, amount%100)
}

// Length is how long the track lasts: 3:07.
func (t track) Length() string { return fmt.Sprintf("%d:%02d", t.Seconds/60, t.Seconds%60) }

// Length is how long the album lasts, in whole minutes.
func (a album) Length() string {
	seconds := 0
	for _, t := range a.Tracks {
		seconds += t.Seconds
	}
	return fmt.Sprintf("%d min", (seconds+30)/60)
}

// Total is what the line costs.
func (l orderLine) Total() money { return l.Price.times(l.Quantity) }

// Final tells whether the order goes on no more.
func (o order) Final() bool { return o.Status == "dispatched" || o.Status == "cancelled" }

// Placed is when the order was placed, the zero time if nobody knows.
func (o order) Placed() time.Time {
	if len(o.History) == 0 {
		return time.Time{}
	}
	return o.History[0].At
}

// Short is the last part of the order's ID, enough for people.
func (o order) Short() string { return o.ID[strings.LastIndex(o.ID, "-")+1:] }
