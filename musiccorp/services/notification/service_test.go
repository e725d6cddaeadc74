package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/kit/message"
)

// running is the whole service with its real store, without an event wire.
type running struct {
	*service
	base  string
	lines *lines
}

// start runs the service until the test ends, with a mail server at an
// address.
func start(t *testing.T, smtpAddress string) *running {
	t.Helper()
	r := &running{lines: &lines{}}
	ctx, cancel := context.WithCancel(t.Context())
	ctx = kit.WithOutput(kit.WithEnv(ctx, map[string]string{
		"PORT":             "0",
		"PLAT_STORE_MAILS": filepath.Join(t.TempDir(), "mails.db"),
		"SMTP_URL":         "smtp://" + smtpAddress,
	}), io.MultiWriter(t.Output(), r.lines))
	up, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- kit.Run(ctx, "notification", func(k *kit.Service) (err error) {
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
func (r *running) deliver(t *testing.T, e message.Event) error {
	t.Helper()
	handle := map[string]func(context.Context, *sql.Tx, message.Event) error{
		"customer.registered": r.customerRegistered,
		"order.dispatched":    r.orderDispatched,
	}[e.Type]
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

// happens delivers a new event.
func (r *running) happens(t *testing.T, eventType string, data any) message.Event {
	t.Helper()
	e := event(t, eventType, data)
	if err := r.deliver(t, e); err != nil {
		t.Fatalf("%s: %v", eventType, err)
	}
	return e
}

func event(t *testing.T, eventType string, data any) message.Event {
	t.Helper()
	e, err := message.New(eventType, "", data)
	if err != nil {
		t.Fatal(err)
	}
	return e
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

// mails lists the outbox.
func (r *running) mails(t *testing.T, query string) []mailBody {
	t.Helper()
	return getAs[mailList](t, r, "/api/mails?"+query, http.StatusOK).Embedded.Mails
}

// await waits for a condition.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(line))
	return len(line), nil
}

// find gives the first line with this msg, decoded.
func (l *lines) find(t *testing.T, msg string) map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("no JSON: %s", line)
		}
		if m["msg"] == msg {
			return m
		}
	}
	t.Fatalf("no line %q in the log", msg)
	return nil
}
