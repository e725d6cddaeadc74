package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

// running is the whole service with its real store, its neighbours stubbed,
// without an event wire.
type running struct {
	*service
	base       string
	neighbours *neighbours

	mu        sync.Mutex
	published []message.Event
}

// start runs the service until the test ends.
func start(t *testing.T) *running {
	t.Helper()
	r := &running{neighbours: stubNeighbours(t)}
	ctx, cancel := context.WithCancel(t.Context())
	ctx = kit.WithOutput(kit.WithEnv(ctx, map[string]string{
		"PORT":              "0",
		"PLAT_STORE_ORDERS": filepath.Join(t.TempDir(), "orders.db"),
		"PLAT_URL_CATALOG":  r.neighbours.url,
		"PLAT_URL_CUSTOMER": r.neighbours.url,
	}), t.Output())
	up, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- kit.Run(ctx, "order", func(k *kit.Service) (err error) {
			defer close(up)
			r.base = k.URL()
			if r.service, err = newService(k); err == nil {
				r.record()
			}
			return err
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with: %v", err)
		}
	})
	<-up
	for deadline := time.Now().Add(time.Minute); ; {
		if status, _, _ := r.call(t, http.MethodGet, "/health/ready", "", nil); status == http.StatusOK {
			return r
		}
		if time.Now().After(deadline) {
			t.Fatal("the service is not ready after a minute")
		}
	}
}

// record notes what is published besides publishing it.
func (r *running) record() {
	publish := r.publish
	r.publish = func(ctx context.Context, tx *sql.Tx, events ...message.Event) error {
		r.mu.Lock()
		r.published = append(r.published, events...)
		r.mu.Unlock()
		return publish(ctx, tx, events...)
	}
}

// events are the types published about an order, in order.
func (r *running) events(t *testing.T, order string) []string {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var types []string
	for _, e := range r.published {
		var about struct{ Order string }
		if err := json.Unmarshal(e.Data, &about); err != nil {
			t.Fatal(err)
		}
		if about.Order == order {
			types = append(types, e.Type)
		}
	}
	return types
}

// deliver hands an event to its handler, as the bus does.
func (r *running) deliver(t *testing.T, eventType string, data any) error {
	t.Helper()
	handle := map[string]func(context.Context, *sql.Tx, message.Event) error{
		"payment.taken":     r.paymentTaken,
		"parcel.dispatched": r.parcelDispatched,
		"stock.rejected":    r.stockRejected,
		"payment.declined":  r.paymentDeclined,
	}[eventType]
	e, err := message.New(eventType, "", data)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := r.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := handle(t.Context(), tx, e); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// call sends a request and reads the answer; key is an idempotency key.
func (r *running) call(t *testing.T, method, path, key string, body any) (int, http.Header, []byte) {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, r.base+path, bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, answer
}

// order reads an order by its path.
func (r *running) order(t *testing.T, path string) orderBody {
	t.Helper()
	status, _, answer := r.call(t, http.MethodGet, path, "", nil)
	return parse[orderBody](t, http.StatusOK, status, answer)
}

// placed places an order of one album.
func (r *running) placed(t *testing.T) orderBody {
	t.Helper()
	status, _, answer := r.call(t, http.MethodPost, "/api/orders", uuid.NewString(), basketOf(ada, basketLine{"MC-0001", 2}))
	return parse[orderBody](t, http.StatusAccepted, status, answer)
}

func parse[T any](t *testing.T, want, status int, answer []byte) T {
	t.Helper()
	var v T
	if status != want {
		t.Fatalf("status %d, want %d: %s", status, want, answer)
	}
	if err := json.Unmarshal(answer, &v); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	return v
}

// The customers that the stub knows.
const (
	ada = "0190a000-0000-7000-8000-000000000001"
	bob = "0190a000-0000-7000-8000-000000000002"
)

func basketOf(customer string, lines ...basketLine) basket {
	return basket{Customer: customer, Lines: lines}
}

// neighbours stands in for catalog and customer.
type neighbours struct {
	url  string
	down atomic.Value // the path prefix that answers 503
}

// stubNeighbours knows two customers and the albums MC-0001 to MC-0099,
// which cost 10.01 to 10.99 EUR; MC-0000 has no price.
func stubNeighbours(t *testing.T) *neighbours {
	t.Helper()
	n := &neighbours{}
	n.down.Store("none")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/customers/{id}", func(w http.ResponseWriter, r *http.Request) {
		if id := r.PathValue("id"); id != ada && id != bob {
			kit.WriteProblem(w, r, kit.NewProblem(http.StatusNotFound, "", "no such customer"))
		}
	})
	mux.HandleFunc("GET /api/albums", func(w http.ResponseWriter, r *http.Request) {
		var sold []string
		for _, sku := range slices.Compact(slices.Sorted(slices.Values(r.URL.Query()["sku"]))) {
			var n int
			if _, err := fmt.Sscanf(sku, "MC-00%02d", &n); err != nil {
				continue
			}
			if n == 0 {
				sold = append(sold, `{"sku":"MC-0000","title":"A gift"}`)
				continue
			}
			sold = append(sold, fmt.Sprintf(`{"sku":"MC-00%02d","title":"Album %d","artist":"Somebody","price":{"amount":%d,"currency":"EUR"}}`, n, n, 1000+n))
		}
		if size, err := strconv.Atoi(r.URL.Query().Get("size")); err != nil || size < len(sold) {
			sold = nil // they would be on the next page
		}
		_, _ = fmt.Fprintf(w, `{"_embedded":{"albums":[%s]}}`, strings.Join(sold, ","))
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, n.down.Load().(string)) {
			kit.WriteProblem(w, r, kit.NewProblem(http.StatusServiceUnavailable, "", "down"))
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	n.url = server.URL
	return n
}
