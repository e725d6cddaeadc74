package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

// welcome is what the tests give for coming.
const welcome = 50

// running is the whole service with its real store, without an event wire.
type running struct {
	*service
	base string
}

// start runs the service until the test ends.
func start(t *testing.T) *running {
	t.Helper()
	r := &running{}
	ctx, cancel := context.WithCancel(t.Context())
	ctx = kit.WithOutput(kit.WithEnv(ctx, map[string]string{
		"PORT":              "0",
		"PLAT_STORE_POINTS": filepath.Join(t.TempDir(), "points.db"),
		"WELCOME_POINTS":    strconv.Itoa(welcome),
	}), t.Output())
	up, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- kit.Run(ctx, "loyalty", func(k *kit.Service) (err error) {
			defer close(up)
			r.base = k.URL()
			r.service, err = newService(k)
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

// deliver hands an event to its handler, as the bus does.
func (r *running) deliver(t *testing.T, eventType string, data any) error {
	t.Helper()
	handle := map[string]func(context.Context, *sql.Tx, message.Event) error{
		"customer.registered": r.customerRegistered,
		"order.placed":        r.orderPlaced,
		"order.dispatched":    r.orderDispatched,
	}[eventType]
	e, err := message.New(eventType, "", data)
	if err != nil {
		return err
	}
	tx, err := r.db.BeginTx(t.Context(), nil)
	if err != nil {
		return err
	}
	if err := handle(t.Context(), tx, e); err != nil {
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

// points is the account of a customer.
func (r *running) points(t *testing.T, customer string) pointsBody {
	t.Helper()
	return getAs[pointsBody](t, r, "/api/customers/"+customer+"/points", http.StatusOK)
}
