package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/kit"
)

var update = flag.Bool("update", false, "write api/openapi.yaml anew")

// serve runs the whole service and returns where it listens and its store,
// opened a second time.
func serve(t *testing.T) (base string, store *sql.DB) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "customers.db")
	ctx, cancel := context.WithCancel(t.Context())
	ctx = kit.WithOutput(kit.WithEnv(ctx, map[string]string{"PORT": "0", "PLAT_STORE_CUSTOMERS": path}), t.Output())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- kit.Run(ctx, "customer", func(s *kit.Service) error {
			defer func() { ready <- s.URL() }()
			return setup(s)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with: %v", err)
		}
	})
	base = <-ready
	store, err := openDB(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if resp, _ := send(t, http.MethodGet, base+"/health/ready", ""); resp.StatusCode == http.StatusOK {
			return base, store
		}
	}
	t.Fatal("the service is not ready after a minute")
	return "", nil
}

func send(t *testing.T, method, url, body string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Correlation-ID", "trail-7")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
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
	return resp, answer
}

// events are the events of the type that wait in the outbox: no plat is
// around to take them.
func events(t *testing.T, store *sql.DB, eventType string) []registered {
	t.Helper()
	rows, err := store.QueryContext(t.Context(), `SELECT data FROM plat_outbox WHERE type = ? ORDER BY id`, eventType)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var all []registered
	for rows.Next() {
		var data []byte
		var e registered
		if err := rows.Scan(&data); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRegister(t *testing.T) {
	t.Parallel()
	base, store := serve(t)
	resp, body := send(t, http.MethodPost, base+"/api/customers", `{"name": " Zoë Ängström ", "email": "zoe@example.com"}`)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("status %d: %s", resp.StatusCode, body)
	}
	var created customer
	if err := json.Unmarshal(body, &created); err != nil {
		t.Fatal(err)
	}
	if created.Name != "Zoë Ängström" || created.Email != "zoe@example.com" || time.Since(created.Registered).Abs() > time.Minute {
		t.Errorf("created: %+v", created)
	}
	location := resp.Header.Get("Location")
	if location != "/api/customers/"+created.ID || created.Links["self"].Href != location {
		t.Errorf("Location is %q, self is %q, the ID %q", location, created.Links["self"].Href, created.ID)
	}

	resp, body = send(t, http.MethodGet, base+location, "")
	var read customer
	if err := json.Unmarshal(body, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(created, read); resp.StatusCode != http.StatusOK || diff != "" {
		t.Errorf("read again: status %d (-created +read):\n%s", resp.StatusCode, diff)
	}
	if cc := resp.Header.Get("Cache-Control"); cc != "private, no-cache" {
		t.Errorf("Cache-Control of personal data is %q", cc)
	}

	want := []registered{{created.ID, "Zoë Ängström", "zoe@example.com"}}
	if diff := cmp.Diff(want, events(t, store, "customer.registered")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestAddressIsRegisteredOnce(t *testing.T) {
	t.Parallel()
	base, store := serve(t)
	var (
		mu       sync.Mutex
		statuses = map[int]int{}
		senders  sync.WaitGroup
	)
	for i := range 8 {
		email := []string{"ada@example.com", "Ada@Example.com"}[i%2]
		senders.Go(func() {
			resp, body := send(t, http.MethodPost, base+"/api/customers", fmt.Sprintf(`{"name": "Ada %d", "email": %q}`, i, email))
			mu.Lock()
			defer mu.Unlock()
			statuses[resp.StatusCode]++
			if resp.StatusCode == http.StatusConflict && !strings.Contains(string(body), `"correlationId":"trail-7"`) {
				t.Errorf("the conflict has no correlation ID: %s", body)
			}
		})
	}
	senders.Wait()
	if diff := cmp.Diff(map[int]int{http.StatusCreated: 1, http.StatusConflict: 7}, statuses); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	if n := len(events(t, store, "customer.registered")); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	base, store := serve(t)
	for name, test := range map[string]struct {
		body   string
		status int
		about  []string
	}{
		"no JSON":            {`{"name"`, 400, nil},
		"nothing":            {`{}`, 422, []string{"name", "email"}},
		"everything wrong":   {`{"name": "", "email": "ada"}`, 422, []string{"body.name", "body.email"}},
		"blank name":         {`{"name": "  ", "email": "ada@example.com"}`, 422, []string{"body.name"}},
		"line break in name": {`{"name": "Ada\r\nBcc: all", "email": "ada@example.com"}`, 422, []string{"body.name"}},
		"long name":          {`{"name": "` + strings.Repeat("é", 201) + `", "email": "ada@example.com"}`, 422, []string{"body.name"}},
		"name in address":    {`{"name": "Ada", "email": "Ada <ada@example.com>"}`, 422, []string{"body.email"}},
		"no domain":          {`{"name": "Ada", "email": "ada@localhost"}`, 422, []string{"body.email"}},
		"dot at the end":     {`{"name": "Ada", "email": "ada@example."}`, 422, []string{"body.email"}},
		"two addresses":      {`{"name": "Ada", "email": "ada@example.com,bob@example.com"}`, 422, []string{"body.email"}},
		"long address":       {`{"name": "Ada", "email": "` + strings.Repeat("a", 250) + `@example.com"}`, 422, []string{"body.email"}},
		"unknown field":      {`{"name": "Ada", "email": "ada@example.com", "admin": true}`, 422, []string{"body.admin"}},
		"too big":            {`{"name": "` + strings.Repeat("a", 17<<10) + `", "email": "ada@example.com"}`, 413, nil},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := send(t, http.MethodPost, base+"/api/customers", test.body)
			if resp.StatusCode != test.status || resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %s, want problem %d: %s", resp.StatusCode, resp.Header.Get("Content-Type"), test.status, body)
			}
			for _, about := range append(test.about, `"correlationId":"trail-7"`) {
				if !strings.Contains(string(body), about) {
					t.Errorf("nothing about %s in %s", about, body)
				}
			}
		})
	}
	if all := events(t, store, "customer.registered"); len(all) != 0 {
		t.Errorf("mistakes were announced: %v", all)
	}
	for _, id := range []string{"nobody", "01890000-0000-7000-8000-000000000000"} {
		if resp, body := send(t, http.MethodGet, base+"/api/customers/"+id, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("customer %s: %d %s", id, resp.StatusCode, body)
		}
	}
}

func TestLongestNameFits(t *testing.T) {
	t.Parallel()
	base, _ := serve(t)
	body := `{"name": "` + strings.Repeat("é", 200) + `", "email": "o'brien+records@sub.example.co"}`
	if resp, answer := send(t, http.MethodPost, base+"/api/customers", body); resp.StatusCode != http.StatusCreated {
		t.Errorf("status %d: %s", resp.StatusCode, answer)
	}
}

func TestOpenAPIIsCommitted(t *testing.T) {
	t.Parallel()
	got, err := newAPI(http.NewServeMux(), slog.New(slog.DiscardHandler), nil).YAML()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("api", "openapi.yaml")
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is stale: run go test -update (-file +code):\n%s", file, diff)
	}
}

func TestSchemaDescribesTheEvent(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("api", "customer-registered.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Title      string         `json:"title"`
		Required   []string       `json:"required"`
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(registered{})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	if schema.Title != "customer.registered" || len(schema.Required) != len(fields) || len(schema.Properties) != len(fields) {
		t.Errorf("the schema %+v is not that of %s", schema, data)
	}
	for _, name := range schema.Required {
		if _, ok := fields[name]; !ok || schema.Properties[name] == nil {
			t.Errorf("the event has no field %s, or the schema does not describe it", name)
		}
	}
}
