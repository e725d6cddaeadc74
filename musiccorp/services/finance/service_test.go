package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

// limit is the credit limit of the tests, in cents.
const limit = 5000

// running is the whole service with its real store, without an event wire.
type running struct {
	*service
	base string

	mu        sync.Mutex
	published map[string][]message.Event // by order
}

// start runs the service until the test ends.
func start(t *testing.T) *running {
	t.Helper()
	r := &running{published: map[string][]message.Event{}}
	ctx, cancel := context.WithCancel(t.Context())
	ctx = kit.WithOutput(kit.WithEnv(ctx, map[string]string{
		"PORT":                "0",
		"PLAT_STORE_PAYMENTS": filepath.Join(t.TempDir(), "payments.db"),
		"CREDIT_LIMIT":        strconv.Itoa(limit),
	}), t.Output())
	up, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- kit.Run(ctx, "finance", func(k *kit.Service) (err error) {
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
		if status, _ := r.get(t, "/health/ready"); status == http.StatusOK {
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
		for _, e := range events {
			r.published[e.Subject] = append(r.published[e.Subject], e)
		}
		r.mu.Unlock()
		return publish(ctx, tx, events...)
	}
}

// events are the types published about an order.
func (r *running) events(order string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var types []string
	for _, e := range r.published[order] {
		types = append(types, e.Type)
	}
	return types
}

// deliver hands an event to its handler, as the bus does.
func (r *running) deliver(t *testing.T, eventType string, data any) error {
	t.Helper()
	return r.deliverWithin(t.Context(), eventType, data)
}

func (r *running) deliverWithin(ctx context.Context, eventType string, data any) error {
	handle := map[string]func(context.Context, *sql.Tx, message.Event) error{
		"order.placed":    r.orderPlaced,
		"order.cancelled": r.orderCancelled,
		"stock.reserved":  r.stockReserved,
	}[eventType]
	e, err := message.New(eventType, "", data)
	if err != nil {
		return err
	}
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := handle(ctx, tx, e); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

func (r *running) mustDeliver(t *testing.T, eventType string, data any) {
	t.Helper()
	if err := r.deliver(t, eventType, data); err != nil {
		t.Fatalf("%s: %v", eventType, err)
	}
}

func (r *running) get(t *testing.T, path string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+path, nil)
	if err != nil {
		t.Fatal(err)
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
	return resp.StatusCode, answer
}

// getAs reads a path whose answer is a T.
func getAs[T any](t *testing.T, r *running, path string, want int) T {
	t.Helper()
	var v T
	status, answer := r.get(t, path)
	if status != want {
		t.Fatalf("GET %s: status %d, want %d: %s", path, status, want, answer)
	}
	if err := json.Unmarshal(answer, &v); err != nil {
		t.Fatalf("GET %s: %v: %s", path, err, answer)
	}
	return v
}
