package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/idempotency"
)

func TestPlace(t *testing.T) {
	t.Parallel()
	r := start(t)
	status, header, answer := r.call(t, http.MethodPost, "/api/orders", "k", basketOf(ada, basketLine{"MC-0001", 2}, basketLine{"MC-0002", 1}))
	got := parse[orderBody](t, http.StatusAccepted, status, answer)
	want := orderBody{
		Links: links{"self": {"/api/orders/" + got.ID}}, ID: got.ID, Customer: ada, Status: Placed,
		Lines: []Line{
			{SKU: "MC-0001", Title: "Album 1", Quantity: 2, Price: Money{1001, "EUR"}},
			{SKU: "MC-0002", Title: "Album 2", Quantity: 1, Price: Money{1002, "EUR"}},
		},
		Total:   Money{3004, "EUR"},
		History: []Entry{{Status: Placed, Note: "for 30.04 EUR"}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Entry{}, "At")); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	location := header.Get("Location")
	if location != "/api/orders/"+got.ID {
		t.Errorf("Location %q", location)
	}
	if diff := cmp.Diff(got, r.order(t, location)); diff != "" {
		t.Errorf("read again (-placed +read):\n%s", diff)
	}
	var event orderPlaced
	if err := json.Unmarshal(r.published[0].Data, &event); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(orderPlaced{Order: got.ID, Customer: ada, Lines: got.Lines, Total: got.Total}, event); diff != "" {
		t.Errorf("order.placed (-want +got):\n%s", diff)
	}
	if r.published[0].Subject != ada {
		t.Errorf("order.placed has the key %q, want the customer", r.published[0].Subject)
	}
}

func TestPlaceAgain(t *testing.T) {
	t.Parallel()
	r := start(t)
	place := func(key string, b basket) (int, http.Header, []byte) {
		return r.call(t, http.MethodPost, "/api/orders", key, b)
	}
	status, _, first := place("k", basketOf(ada, basketLine{"MC-0001", 1}))
	id := parse[orderBody](t, http.StatusAccepted, status, first).ID
	if err := r.deliver(t, "payment.taken", fact(id)); err != nil {
		t.Fatal(err)
	}
	r.neighbours.down.Store("/")
	status, header, again := place("k", basketOf(ada, basketLine{"MC-0001", 1}))
	if status != http.StatusAccepted || string(again) != string(first) || header.Get("Location") != pathOf(id) || header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the same request is answered %d %s, want what came first: %s", status, again, first)
	}
	r.neighbours.down.Store("none")

	status, _, answer := place("k", basketOf(ada, basketLine{"MC-0001", 2}))
	if p := parse[kit.Problem](t, http.StatusUnprocessableEntity, status, answer); p.Code != idempotency.CodeKeyReused {
		t.Errorf("the key with another body: %s", answer)
	}
	status, _, answer = place("k", basketOf(bob, basketLine{"MC-0001", 2}))
	if o := parse[orderBody](t, http.StatusAccepted, status, answer); o.ID == id {
		t.Error("another customer's key leads to the same order")
	}
}

func TestPlaceAtOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	var wg sync.WaitGroup
	answers := make([]string, 20)
	for i := range answers {
		wg.Go(func() {
			status, _, answer := r.call(t, http.MethodPost, "/api/orders", "k", basketOf(ada, basketLine{"MC-0001", 1}))
			answers[i] = strconv.Itoa(status) + " " + string(answer)
		})
	}
	wg.Wait()
	for _, a := range answers {
		if !strings.HasPrefix(a, "202 ") || a != answers[0] {
			t.Errorf("answers differ: %s and %s", a, answers[0])
		}
	}
	if len(r.published) != 1 {
		t.Errorf("%d events were published, want 1", len(r.published))
	}
}

func TestPlaceMistakes(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, c := range []struct {
		name, key string
		body      any
		want      []string // locations
	}{
		{"no lines", "k", basket{Customer: ada, Lines: []basketLine{}}, []string{"body.lines"}},
		{"null lines", "k", basket{Customer: ada}, []string{"body.lines"}},
		{"no customer", "k", map[string]any{"lines": []basketLine{{"MC-0001", 1}}}, []string{"body"}},
		{"unknown field", "k", map[string]any{"customer": ada, "lines": []basketLine{{"MC-0001", 1}}, "price": 0}, []string{"body.price"}},
		{"customer is no ID", "k", basketOf("ada", basketLine{"MC-0001", 1}), []string{"body.customer"}},
		{"quantities", "k", basketOf(ada, basketLine{"MC-0001", 0}, basketLine{"MC-0002", 100}), []string{"body.lines[0].quantity", "body.lines[1].quantity"}},
		{"a path as SKU", "k", basketOf(ada, basketLine{"../customers", 1}), []string{"body.lines[0].sku"}},
		{"too many lines", "k", basketOf(ada, make([]basketLine, 51)...), []string{"body.lines"}},
		{"unknown customer and album", "k", basketOf("0190a000-0000-7000-8000-00000000000f", basketLine{"MC-0001", 1}, basketLine{"MC-9999", 1}), []string{"body.customer", "body.lines[1].sku"}},
		{"an album twice", "k", basketOf(ada, basketLine{"MC-0001", 1}, basketLine{"MC-0001", 2}), []string{"body.lines[1].sku"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, header, answer := r.call(t, http.MethodPost, "/api/orders", c.key, c.body)
			p := parse[kit.Problem](t, http.StatusUnprocessableEntity, status, answer)
			for _, want := range c.want {
				named := false
				for _, e := range p.Errors {
					named = named || e.Location == want && e.Message != ""
				}
				if !named {
					t.Errorf("%s is not named: %s", want, answer)
				}
			}
			if ct := header.Get("Content-Type"); ct != "application/problem+json" || p.CorrelationID == "" {
				t.Errorf("content type %q, correlation ID %q", ct, p.CorrelationID)
			}
		})
	}
	for key, code := range map[string]string{"": idempotency.CodeKeyMissing, strings.Repeat("k", 256): idempotency.CodeKeyMalformed} {
		status, _, answer := r.call(t, http.MethodPost, "/api/orders", key, basketOf(ada, basketLine{"MC-0001", 1}))
		if p := parse[kit.Problem](t, http.StatusBadRequest, status, answer); p.Code != code {
			t.Errorf("key %q: %s", key, answer)
		}
	}
	if len(r.published) != 0 {
		t.Errorf("%d events were published", len(r.published))
	}
}

func TestPlaceNeighbourDown(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, down := range []string{"/api/albums", "/api/customers"} {
		r.neighbours.down.Store(down)
		status, header, answer := r.call(t, http.MethodPost, "/api/orders", "k", basketOf(ada, basketLine{"MC-0001", 1}))
		p := parse[kit.Problem](t, http.StatusServiceUnavailable, status, answer)
		if header.Get("Retry-After") == "" || len(p.Errors) != 0 {
			t.Errorf("%s: Retry-After %q, %s", down, header.Get("Retry-After"), answer)
		}
	}
	r.neighbours.down.Store("none")
	status, _, answer := r.call(t, http.MethodPost, "/api/orders", "k", basketOf(ada, basketLine{"MC-0000", 1}))
	parse[kit.Problem](t, http.StatusServiceUnavailable, status, answer)
	status, _, answer = r.call(t, http.MethodPost, "/api/orders", "k", basketOf(ada, basketLine{"MC-0001", 1}))
	parse[orderBody](t, http.StatusAccepted, status, answer)
}

func TestRead(t *testing.T) {
	t.Parallel()
	r := start(t)
	status, _, answer := r.call(t, http.MethodGet, pathOf(ada), "", nil)
	parse[kit.Problem](t, http.StatusNotFound, status, answer)
	status, _, answer = r.call(t, http.MethodGet, "/api/orders/1", "", nil)
	parse[kit.Problem](t, http.StatusUnprocessableEntity, status, answer)
}

func TestList(t *testing.T) {
	t.Parallel()
	r := start(t)
	var want []string
	for range 5 {
		want = append([]string{r.placed(t).ID}, want...) // the newest first
	}
	var got []string
	pages := 0
	for next := "/api/orders?limit=2&customer=" + ada; next != ""; pages++ {
		status, _, answer := r.call(t, http.MethodGet, next, "", nil)
		page := parse[struct {
			Links    links                        `json:"_links"`
			Embedded struct{ Orders []orderBody } `json:"_embedded"`
		}](t, http.StatusOK, status, answer)
		for _, o := range page.Embedded.Orders {
			got = append(got, o.ID)
		}
		next = page.Links["next"].Href
	}
	if diff := cmp.Diff(want, got); diff != "" || pages != 3 {
		t.Errorf("%d pages, want 3; orders (-want +got):\n%s", pages, diff)
	}
	_, _, answer := r.call(t, http.MethodGet, "/api/orders?customer="+bob, "", nil)
	if !strings.Contains(string(answer), `"orders":[]`) {
		t.Errorf("the list of somebody without orders: %s", answer)
	}
}
