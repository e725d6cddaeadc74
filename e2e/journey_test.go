package e2e_test

import (
	"strings"
	"testing"

	"github.com/plat-dev/plat/internal/house"
)

// TestMusicCorp plays what MusicCorp's customers do, through the gateway of a
// real plat, and what goes wrong for them.
func TestMusicCorp(t *testing.T) {
	t.Parallel()
	h := house.Up(t, house.MusicCorp(t))
	shop := shop{t, h.Gateway}

	t.Run("a purchase", func(t *testing.T) {
		shop := shop.in(t)
		album := shop.search("a")
		customer := shop.register()
		order := shop.buy(customer, "journey-1", album, 2)
		got := shop.settled(order)
		if got.Status != "dispatched" {
			t.Fatalf("order is %+v, want dispatched", got)
		}
		var steps []string
		for _, step := range got.History {
			steps = append(steps, step.Status)
		}
		if s := strings.Join(steps, " "); s != "placed paid dispatched" {
			t.Fatalf("history %q", s)
		}
		if again := shop.buy(customer, "journey-1", album, 2); again != order {
			t.Fatalf("the same key made another order: %s and %s", order, again)
		}
		a := shop.order(customer, "journey-1", album, 3)
		if a.Status != 422 {
			t.Fatalf("the same key with another body: %d %s", a.Status, a.Body)
		}
	})

	t.Run("what follows a purchase", func(t *testing.T) { shop.in(t).follows(h) })

	t.Run("sold out", func(t *testing.T) {
		shop := shop.in(t)
		order := shop.buy(shop.register(), "sold-out", "MC-0013", 1)
		got := shop.settled(order)
		if got.Status != "cancelled" || got.Reason == "" {
			t.Fatalf("order is %+v, want cancelled with its reason", got)
		}
	})

	t.Run("beyond the credit limit", func(t *testing.T) {
		shop := shop.in(t)
		a := house.Call(t, "GET", shop.url+"/api/stock?sku=MC-0001&sku=MC-0002&sku=MC-0003&sku=MC-0004&sku=MC-0005&sku=MC-0006&sku=MC-0007&sku=MC-0008", nil)
		var stock struct {
			Embedded struct {
				Stock []struct {
					SKU       string
					Available int
				}
			} `json:"_embedded"`
		}
		a.JSON(t, &stock)
		lines := []map[string]any{}
		for _, s := range stock.Embedded.Stock {
			if s.Available > 0 {
				lines = append(lines, map[string]any{"sku": s.SKU, "quantity": s.Available})
			}
		}
		a = house.Call(t, "POST", shop.url+"/api/orders", map[string]any{"customer": shop.register(), "lines": lines}, "Idempotency-Key", "too-much")
		if a.Status != 202 {
			t.Fatalf("order: %d %s", a.Status, a.Body)
		}
		got := shop.settled(a.Header.Get("Location"))
		if got.Status != "cancelled" || got.Reason == "" {
			t.Fatalf("order is %+v, want cancelled with its reason", got)
		}
		// What was reserved is there again: the compensation.
		for _, s := range stock.Embedded.Stock {
			house.Until(t, "stock of "+s.SKU+" back", func() (bool, string) {
				var now struct{ Available int }
				a := house.Call(t, "GET", shop.url+"/api/stock/"+s.SKU, nil)
				a.JSON(t, &now)
				return now.Available >= s.Available, string(a.Body)
			})
		}
	})

	t.Run("what the edge does", func(t *testing.T) {
		a := house.Call(t, "GET", h.Gateway+"/api/albums?query=", nil, "X-Correlation-ID", "forged", "Plat-Caller", "order")
		if id := a.Header.Get("X-Correlation-ID"); a.Status != 200 || id == "" || id == "forged" {
			t.Fatalf("%d, correlation ID %q", a.Status, id)
		}
		a = house.Call(t, "DELETE", h.Gateway+"/api/albums/MC-0001", nil)
		if a.Status != 405 {
			t.Fatalf("DELETE of an album: %d", a.Status)
		}
		a = house.Call(t, "GET", h.Gateway+"/api/albums/nothing", nil)
		if a.Status != 404 || a.Header.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("an unknown album: %d %s", a.Status, a.Header.Get("Content-Type"))
		}
	})

	t.Run("the catalogue while its service is away", func(t *testing.T) {
		page := h.Gateway + "/api/albums?size=3"
		if a := house.Call(t, "GET", page, nil); a.Status != 200 {
			t.Fatalf("the catalogue: %d", a.Status)
		}
		pages := []string{"/", "/search?query=suite", "/albums/" + shop.in(t).search("suite")}
		for _, path := range pages {
			if a := house.Call(t, "GET", h.Gateway+path, nil); a.Status != 200 {
				t.Fatalf("the page %s: %d", path, a.Status)
			}
		}
		if out, code := h.Plat("scale", "catalog=0"); code != 0 {
			t.Fatalf("plat scale: exit %d\n%s", code, out)
		}
		house.Until(t, "catalog is away", func() (bool, string) {
			a := house.Call(t, "GET", h.Gateway+"/api/albums/nobody-asked-for-it", nil)
			return a.Status == 503, string(a.Body)
		})
		a := house.Call(t, "GET", page, nil)
		if status := a.Header.Get("Cache-Status"); a.Status != 200 || !strings.HasPrefix(status, "plat; hit") {
			t.Errorf("without its service: %d, Cache-Status %q", a.Status, status)
		}
		for _, path := range pages {
			if a := house.Call(t, "GET", h.Gateway+path, nil); a.Status != 200 {
				t.Errorf("the page %s without the catalogue: %d", path, a.Status)
			}
		}
		for asked, want := range map[string]string{"why": "max-age", "path": "the gateway public"} {
			if out, code := h.Plat("cache", asked, page); code != 0 || !strings.Contains(out, want) {
				t.Errorf("plat cache %s: exit %d\n%s", asked, code, out)
			}
		}
		if out, code := h.Plat("cache", "purge", page, "-o", "json"); code != 0 || !strings.Contains(out, `"purged": 1`) {
			t.Errorf("plat cache purge: exit %d\n%s", code, out)
		}
		if a := house.Call(t, "GET", page, nil); a.Status != 503 {
			t.Errorf("without its service and what was kept: %d", a.Status)
		}
		if out, code := h.Plat("scale", "catalog=plan"); code != 0 {
			t.Fatalf("plat scale: exit %d\n%s", code, out)
		}
		house.Until(t, "catalog is back", func() (bool, string) {
			a := house.Call(t, "GET", h.Gateway+"/api/albums/nobody-asked-for-it", nil)
			return a.Status == 404, string(a.Body)
		})
	})

	t.Run("nothing is left behind in the streams", func(t *testing.T) {
		house.Until(t, "every consumer has caught up", func() (bool, string) {
			out, code := h.Plat("events", "-o", "json")
			return code == 0 && !strings.Contains(out, `"lag": 1`) && strings.Contains(out, `"dead": 0`), out
		})
	})

	t.Run("what the plan promises of failing services", func(t *testing.T) {
		out, code := h.Plat("rehearse")
		if code != 0 {
			t.Fatalf("plat rehearse: exit %d\n%s", code, out)
		}
		found, err := operator(t, h).Rehearsal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range found.Promises {
			if absent := p.Dependency == "recommendation" && p.Why == "recommendation does not run"; p.Verdict != "kept" && !absent { // it needs Node
				t.Errorf("%s without %s: %s, %s", p.Caller, p.Dependency, p.Verdict, p.Why)
			}
		}
	})
}

// shop is what a customer's program sees.
type shop struct {
	t   *testing.T
	url string
}

func (s shop) in(t *testing.T) shop { return shop{t, s.url} }

func (s shop) search(query string) (sku string) {
	s.t.Helper()
	a := house.Call(s.t, "GET", s.url+"/api/albums?query="+query, nil)
	var page struct {
		Embedded struct {
			Albums []struct{ SKU string }
		} `json:"_embedded"`
	}
	a.JSON(s.t, &page)
	for _, album := range page.Embedded.Albums {
		if album.SKU != "MC-0013" {
			return album.SKU
		}
	}
	s.t.Fatalf("no album found: %d %s", a.Status, a.Body)
	return ""
}

// address is the customer's, one in each test.
func (s shop) address() string {
	return strings.ToLower(strings.NewReplacer("/", "-", " ", "-").Replace(s.t.Name())) + "@example.com"
}

func (s shop) register() (customer string) {
	s.t.Helper()
	a := house.Call(s.t, "POST", s.url+"/api/customers", map[string]string{"name": "Sam", "email": s.address()})
	if a.Status != 201 {
		s.t.Fatalf("register: %d %s", a.Status, a.Body)
	}
	return strings.TrimPrefix(a.Header.Get("Location"), "/api/customers/")
}

func (s shop) order(customer, key, sku string, quantity int) house.Answer {
	s.t.Helper()
	return house.Call(s.t, "POST", s.url+"/api/orders", map[string]any{
		"customer": customer, "lines": []map[string]any{{"sku": sku, "quantity": quantity}},
	}, "Idempotency-Key", key)
}

func (s shop) buy(customer, key, sku string, quantity int) (location string) {
	s.t.Helper()
	a := s.order(customer, key, sku, quantity)
	if a.Status != 202 || !strings.HasPrefix(a.Header.Get("Location"), "/api/orders/") {
		s.t.Fatalf("order: %d %s %s", a.Status, a.Header.Get("Location"), a.Body)
	}
	return a.Header.Get("Location")
}

type order struct {
	Status  string
	Reason  string
	History []struct{ Status string }
}

// settled waits until an order is dispatched or cancelled.
func (s shop) settled(location string) (o order) {
	s.t.Helper()
	house.Until(s.t, "order "+location+" is final", func() (bool, string) {
		a := house.Call(s.t, "GET", s.url+location, nil)
		o = order{}
		a.JSON(s.t, &o)
		return o.Status == "dispatched" || o.Status == "cancelled", string(a.Body)
	})
	return o
}
