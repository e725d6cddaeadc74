package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/musiccorp/services/web/stockv1"
	"github.com/plat-dev/plat/musiccorp/services/web/stockv1/stockv1connect"
)

// stubs stand in for the neighbours. A handler that a test replaces is
// called instead of the stub's own.
type stubs struct {
	mu       sync.Mutex
	albums   map[string]album
	stock    map[string]int64
	points   int64
	orders   map[string]order // by Idempotency-Key
	requests map[string]int   // by service
	replaced map[string]http.HandlerFunc
}

const ada = "01900000-0000-7000-8000-00000000ada0"

func newStubs() *stubs {
	return &stubs{
		albums: map[string]album{
			"MC-0001": {SKU: "MC-0001", Title: "Less <3 More", Artist: `Ivy "M" & Co.`, Genre: "Pop", Year: 2025, Label: "Blue Door", Price: money{1299, "EUR"}, Cover: "/api/albums/MC-0001/cover", Tracks: []track{{"One", 61}, {"Two", 187}}},
			"MC-0002": {SKU: "MC-0002", Title: "Hum", Artist: "Fog Librarian", Genre: "Ambient", Year: 2024, Label: "Old Attic", Price: money{120050, "EUR"}, Cover: "/api/albums/MC-0002/cover", Tracks: []track{{"Drift", 600}}},
		},
		stock:    map[string]int64{"MC-0001": 3, "MC-0002": 0},
		points:   1234,
		orders:   map[string]order{},
		requests: map[string]int{},
		replaced: map[string]http.HandlerFunc{},
	}
}

// replace makes a service answer otherwise.
func (s *stubs) replace(service string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replaced[service] = h
}

// moveOn changes the status of all orders.
func (s *stubs) moveOn(status, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, o := range s.orders {
		o.Status, o.Reason = status, reason
		o.History = append(o.History, stage{Status: status, At: time.Unix(1_700_000_100, 0), Note: reason})
		s.orders[key] = o
	}
}

// answer is the handler of one service.
func (s *stubs) answer(service string, own *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests[service]++
		h := s.replaced[service]
		s.mu.Unlock()
		if h == nil {
			h = own.ServeHTTP
		}
		h(w, r)
	}
}

func (s *stubs) catalog() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/albums", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page") == "0" {
			refuse(w, r, http.StatusUnprocessableEntity, "query.page")
			return
		}
		if skus := r.URL.Query()["sku"]; len(skus) > 0 {
			var p albumPage
			for _, sku := range skus {
				if a, sold := s.albums[sku]; sold {
					p.Embedded.Albums = append(p.Embedded.Albums, a)
				}
			}
			reply(w, http.StatusOK, p)
			return
		}
		var p albumPage
		p.Page.Number, p.Page.Pages, p.Page.Total = 2, 3, len(s.albums)
		p.Embedded.Albums = []album{s.albums["MC-0001"], s.albums["MC-0002"]}
		reply(w, http.StatusOK, p)
	})
	mux.HandleFunc("GET /api/genres", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]any{"_embedded": map[string]any{"genres": []genre{{"Hip & Hop", 7}}}})
	})
	mux.HandleFunc("GET /api/albums/{sku}", func(w http.ResponseWriter, r *http.Request) {
		if a, ok := s.albums[r.PathValue("sku")]; ok {
			reply(w, http.StatusOK, a)
			return
		}
		refuse(w, r, http.StatusNotFound, "")
	})
	return mux
}

func (s *stubs) customer() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/customers", func(w http.ResponseWriter, r *http.Request) {
		var c customer
		_ = json.NewDecoder(r.Body).Decode(&c) // a wrong body has no name
		switch {
		case c.Name == "":
			refuse(w, r, http.StatusUnprocessableEntity, "body.name")
		case c.Email == "taken@example.com":
			refuse(w, r, http.StatusConflict, "")
		default:
			c.ID = ada
			reply(w, http.StatusCreated, c)
		}
	})
	mux.HandleFunc("GET /api/customers/"+ada, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, customer{ada, "Ada <b>", "ada@example.com"})
	})
	return mux
}

func (s *stubs) order() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/orders", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Customer string `json:"customer"`
			Lines    basket `json:"lines"`
		}
		_ = json.NewDecoder(r.Body).Decode(&in) // a wrong body has no lines
		s.mu.Lock()
		defer s.mu.Unlock()
		key := r.Header.Get("Idempotency-Key")
		o, again := s.orders[key]
		if !again {
			o = order{ID: fmt.Sprintf("%d-0rder", len(s.orders)+1), Customer: in.Customer, Status: "placed", History: []stage{{Status: "placed", At: time.Unix(1_700_000_000, 0)}}}
			for _, l := range in.Lines {
				o.Lines = append(o.Lines, orderLine{l.SKU, s.albums[l.SKU].Title, l.Quantity, s.albums[l.SKU].Price})
				o.Total = o.Total.plus(s.albums[l.SKU].Price.times(l.Quantity))
			}
			s.orders[key] = o
		}
		reply(w, http.StatusAccepted, o)
	})
	mux.HandleFunc("GET /api/orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, o := range s.orders {
			if o.ID == r.PathValue("id") {
				reply(w, http.StatusOK, o)
				return
			}
		}
		refuse(w, r, http.StatusNotFound, "")
	})
	mux.HandleFunc("GET /api/orders", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		var mine []order
		for _, o := range s.orders {
			if o.Customer == r.URL.Query().Get("customer") {
				mine = append(mine, o)
			}
		}
		reply(w, http.StatusOK, map[string]any{"_embedded": map[string]any{"orders": mine}})
	})
	return mux
}

func (s *stubs) loyalty() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/customers/"+ada+"/points", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]any{"points": s.points})
	})
	return mux
}

// recommendation knows that who bought MC-0001 bought MC-0002, and MC-0404,
// which the catalog does not have any more.
func (s *stubs) recommendation() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/recommendations/{sku}", func(w http.ResponseWriter, r *http.Request) {
		type other struct {
			SKU string `json:"sku"`
		}
		others := []other{}
		if r.PathValue("sku") == "MC-0001" {
			others = []other{{"MC-0404"}, {"MC-0002"}}
		}
		reply(w, http.StatusOK, map[string]any{"_embedded": map[string]any{"albums": others}})
	})
	return mux
}

func (s *stubs) warehouse() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle(stockv1connect.NewStockServiceHandler(stubStock{stock: s.stock}))
	return mux
}

// stubStock is the warehouse's RPC, and what plat makes of it when the
// warehouse does not answer: with an age, the last good answer.
type stubStock struct {
	stock map[string]int64
	age   string
}

func (s stubStock) GetAvailability(ctx context.Context, in *stockv1.GetAvailabilityRequest) (*stockv1.GetAvailabilityResponse, error) {
	call, ok := connect.CallInfoForHandlerContext(ctx)
	if !ok || call.HTTPMethod() != http.MethodGet || call.RequestHeader().Get("X-Correlation-ID") != "trail-7" || call.RequestHeader().Get("Traceparent") == "" {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("no question of the visitor's work"))
	}
	if s.age != "" {
		call.ResponseHeader().Set("Plat-Fallback", "last-good")
		call.ResponseHeader().Set("Age", s.age)
	}
	out := &stockv1.GetAvailabilityResponse{}
	for _, sku := range in.Skus {
		if n, ok := s.stock[sku]; ok {
			out.Albums = append(out.Albums, &stockv1.Availability{Sku: sku, Available: n})
		}
	}
	return out, nil
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the service has gone: the test sees it
}

// refuse answers with a problem, about a field if location names one.
func refuse(w http.ResponseWriter, r *http.Request, status int, location string) {
	p := kit.NewProblem(status, "", "as told")
	if location != "" {
		p.Errors = []kit.FieldError{{Location: location, Message: "is wrong"}}
	}
	kit.WriteProblem(w, r, p)
}

// serve runs the whole website between stubs.
func serve(t *testing.T) (*stubs, *visitor) {
	t.Helper()
	s := newStubs()
	env := map[string]string{"PORT": "0", "COOKIE_KEY": "a key for tests"}
	for name, own := range map[string]*http.ServeMux{
		"CATALOG": s.catalog(), "CUSTOMER": s.customer(), "LOYALTY": s.loyalty(), "ORDER": s.order(),
		"RECOMMENDATION": s.recommendation(), "WAREHOUSE": s.warehouse(),
	} {
		server := httptest.NewUnstartedServer(s.answer(name, own))
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetHTTP1(true)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
		t.Cleanup(server.Close)
		env["PLAT_URL_"+name] = server.URL
	}
	ctx, cancel := context.WithCancel(t.Context())
	ctx = kit.WithOutput(kit.WithEnv(ctx, env), t.Output())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- kit.Run(ctx, "web", func(k *kit.Service) error {
			defer func() { ready <- k.URL() }()
			return setup(k)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with: %v", err)
		}
	})
	v := newVisitor(t, <-ready)
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if v.get("/health/ready").status == http.StatusOK {
			return s, v
		}
	}
	t.Fatal("the website is not ready after a minute")
	return nil, nil
}

func newVisitor(t *testing.T, base string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &visitor{t: t, base: base, client: client}
}
