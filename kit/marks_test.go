package kit_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/kit"
)

// TestMarksAreToldOn: what was retried above is not below, what was below is
// told above, and who was degraded reaches who asked.
func TestMarksAreToldOn(t *testing.T) {
	t.Parallel()
	catalog := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/degraded":
			w.Header().Set("Plat-Degraded", "catalog")
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/stand-in":
			w.Header().Set("Plat-Fallback", "last-good")
			w.Header().Set("Plat-Degraded", "rating, loyalty, catalog,, bad name")
			fmt.Fprint(w, "{}")
		case "/tired":
			w.Header().Set("Plat-Retry", "2")
			w.WriteHeader(http.StatusBadGateway)
		default:
			fmt.Fprintf(w, `{"mark": %q}`, r.Header.Get("Plat-Retry"))
		}
	}))
	defer catalog.Close()
	web := start(t, map[string]string{"PLAT_URL_CATALOG": catalog.URL}, func(s *kit.Service) error {
		c := s.Client("catalog")
		s.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
			var got struct{ Mark string }
			for _, path := range strings.Split(strings.Trim(r.URL.Path, "/"), ",") {
				err := c.Get(r.Context(), "/"+path, &got)
				if kit.IsDegraded(err) != (path == "degraded") {
					t.Errorf("%s: degraded %v: %v", path, kit.IsDegraded(err), err)
				}
				if err != nil && path == "tired" {
					kit.WriteProblem(w, r, kit.ProblemFrom(err))
					return
				}
			}
			fmt.Fprint(w, got.Mark, strings.Join(kit.Degraded(r.Context()), "+"))
		})
		return nil
	})
	for _, test := range []struct{ path, header, body, degraded, retried string }{
		{"/plain", "", "", "", ""},
		{"/plain", "1", "1", "", ""},
		{"/plain", "nonsense", "", "", ""},
		{"/degraded", "", "catalog", "catalog", ""},
		{"/degraded,stand-in,stand-in", "", "catalog+rating+loyalty", "catalog, rating, loyalty", ""},
		{"/tired", "", "*", "", "2"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", web.URL()+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.header != "" {
			req.Header.Set("Plat-Retry", test.header)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		got := []string{string(body), resp.Header.Get("Plat-Degraded"), resp.Header.Get("Plat-Retry")}
		if test.body == "*" {
			got[0] = "*"
		}
		if d := cmp.Diff([]string{test.body, test.degraded, test.retried}, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", test.path, d)
		}
	}
	if kit.Degraded(t.Context()) != nil {
		t.Error("outside of a request somebody is degraded")
	}
}

// TestPatience: what plat's listener refused for a time is not asked again
// before; anything else is, and so is what others say that they are busy.
func TestPatience(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	c := neighbour(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		h := w.Header()
		h.Set("Retry-After", "1")
		switch r.URL.Path {
		case "/base/open":
			h.Set("Plat-Rejected", "breaker-open")
			h.Set("Plat-Degraded", "catalog")
		case "/base/full":
			h.Set("Plat-Rejected", "bulkhead-full")
		case "/base/rate":
			h.Set("Plat-Rejected", "rate-limited")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	ask := func(path string, times, want, status int) {
		t.Helper()
		calls.Store(0)
		for range times {
			err := c.Get(t.Context(), path, nil)
			after, ok := kit.RetryAfter(err)
			if kit.StatusOf(err) != status || !ok || after != time.Second || kit.IsDegraded(err) != (path == "/open") {
				t.Errorf("%s: %v, after %v", path, err, after)
			}
			if p := kit.ProblemFrom(err); p.Status != http.StatusServiceUnavailable {
				t.Errorf("%s: told on as %v", path, p)
			}
		}
		if got := int(calls.Load()); got != want {
			t.Errorf("%s was asked %d times, want %d", path, got, want)
		}
	}
	ask("/open", 20, 1, 503)
	ask("/rate", 20, 1, 429)
	ask("/rate?other", 1, 1, 429)
	ask("/full", 3, 3, 503)
	ask("/busy", 3, 3, 503)
	calls.Store(0)
	await(t, "the time to be over", func() bool {
		_ = c.Get(t.Context(), "/open", nil)
		return calls.Load() == 1
	})
	if _, ok := kit.RetryAfter(nil); ok {
		t.Error("no error asks for patience")
	}
}

// TestQueued: a call that is done later is no error for who reads no answer,
// and one that says so for who does; both know that it is degraded.
func TestQueued(t *testing.T) {
	t.Parallel()
	finance := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Plat-Fallback", "queue")
		w.Header().Set("Location", "/.well-known/plat/queue/id-1")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"title":"The call is kept and will be done later"}`)
	}))
	defer finance.Close()
	order := start(t, map[string]string{"PLAT_URL_FINANCE": finance.URL}, func(s *kit.Service) error {
		c := s.Client("finance")
		s.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
			if err := c.Do(r.Context(), http.MethodPost, "/payments", nil, nil); err != nil {
				t.Errorf("without a wish for an answer: %v", err)
			}
			var receipt struct{ ID string }
			err := c.Do(r.Context(), http.MethodPost, "/payments", nil, &receipt)
			id, ok := kit.QueuedID(err)
			if !ok || id != "id-1" || !kit.IsDegraded(err) || receipt.ID != "" {
				t.Errorf("with one: %q %v, %v, %+v", id, ok, err, receipt)
			}
			fmt.Fprint(w, kit.Degraded(r.Context()))
		})
		return nil
	})
	resp, err := http.Post(order.URL()+"/", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "[finance]" || resp.Header.Get("Plat-Degraded") != "finance" {
		t.Errorf("the answer is %q, %v, %v", body, resp.Header, err)
	}
	if _, ok := kit.QueuedID(kit.NewProblem(503, "", "")); ok {
		t.Error("any error is said to be of a call that is done later")
	}
}
