package kit_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/kit"
)

// busy is a service that works on one request at a time, until it is let go.
func busy(t *testing.T, limits kit.Limits) (s *running, entered chan string, leave func()) {
	t.Helper()
	entered, gone := make(chan string, 100), make(chan struct{})
	s = start(t, nil, func(s *kit.Service) error {
		s.SetLimits(limits)
		s.HandleFunc("GET /", func(_ http.ResponseWriter, r *http.Request) {
			entered <- r.URL.Path
			select {
			case <-gone:
			case <-r.Context().Done():
			}
		})
		return nil
	})
	return s, entered, sync.OnceFunc(func() { close(gone) })
}

// TestTheGate: who comes when there is too much to do is turned away at once,
// unless plat's listener has let him in already; health is always told.
func TestTheGate(t *testing.T) {
	t.Parallel()
	s, entered, leave := busy(t, kit.Limits{Concurrent: 1, Queue: 1})
	var group sync.WaitGroup
	defer group.Wait()
	defer leave()
	group.Go(func() { ask(t, http.MethodGet, s.URL()+"/first", "") })
	<-entered
	a := ask(t, http.MethodGet, s.URL()+"/second", "") // waits for its turn in vain
	if p := a.problem(t); a.status != http.StatusServiceUnavailable || p.Code != kit.CodeOverloaded || a.header.Get("Retry-After") != "1" || p.CorrelationID == "" {
		t.Errorf("%d %s %v", a.status, a.body, a.header)
	}
	group.Go(func() {
		if a := ask(t, http.MethodGet, s.URL()+"/admitted", "", "Plat-Admitted", "1"); a.status != http.StatusOK {
			t.Errorf("who has passed plat's gate: %d %s", a.status, a.body)
		}
	})
	if path := <-entered; path != "/admitted" {
		t.Errorf("%s came in", path)
	}
	for _, path := range []string{"/health/live", "/health/ready"} {
		if a := ask(t, http.MethodGet, s.URL()+path, ""); a.status != http.StatusOK {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	s.SetLimits(kit.Limits{Concurrent: 3}) // at once, without a restart
	group.Go(func() { ask(t, http.MethodGet, s.URL()+"/third", "") })
	if path := <-entered; path != "/third" {
		t.Errorf("%s came in", path)
	}
}

// TestTheGateGoesByPriority: what plat's listener says of a request counts.
func TestTheGateGoesByPriority(t *testing.T) {
	t.Parallel()
	s, entered, leave := busy(t, kit.Limits{Concurrent: 1, Queue: 1})
	var group sync.WaitGroup
	defer group.Wait()
	defer leave()
	group.Go(func() { ask(t, http.MethodGet, s.URL()+"/first", "") })
	<-entered
	for _, said := range []string{"low", "critical", ""} {
		if a := ask(t, http.MethodGet, s.URL()+"/more", "", "Plat-Priority", said); a.status != http.StatusServiceUnavailable {
			t.Errorf("%q: %d", said, a.status)
		}
	}
	shed := map[string]uint64{}
	for kind, n := range kit.Gate(s.Service).Snapshot().Shed {
		shed[kind.Priority.String()] += n
	}
	if d := cmp.Diff(map[string]uint64{"low": 1, "critical": 1, "normal": 1}, shed); d != "" {
		t.Errorf("turned away, by priority (-want +got):\n%s", d)
	}
}

// TestAStreamHoldsNoPlace: an answer without an end, and a connection that
// becomes another, count while they begin.
func TestAStreamHoldsNoPlace(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	s := start(t, nil, func(s *kit.Service) error {
		s.SetLimits(kit.Limits{Concurrent: 1, Queue: 1})
		s.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			<-gone
		})
		s.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
		return nil
	})
	var bodies []io.Closer
	for range 3 {
		resp, err := http.Get(s.URL() + "/events")
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, resp.Body)
	}
	if a := ask(t, http.MethodGet, s.URL(), ""); a.status != http.StatusOK {
		t.Errorf("beside streams: %d %s", a.status, a.body)
	}
	close(gone)
	for _, b := range bodies {
		_ = b.Close()
	}
}

// TestPriorityIsPassedOn: how much a request matters is told to those below,
// and nothing else that a caller says of it.
func TestPriorityIsPassedOn(t *testing.T) {
	t.Parallel()
	var got http.Header
	below := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		_, _ = io.WriteString(w, "{}")
	}))
	defer below.Close()
	s := start(t, map[string]string{"PLAT_URL_CATALOG": below.URL}, func(s *kit.Service) error {
		c := s.Client("catalog")
		s.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
			defer cancel()
			if err := c.Do(ctx, http.MethodGet, "/", nil, nil, kit.Header("Plat-Admitted", "1"), kit.Header("Plat-Priority", "critical")); err != nil {
				kit.WriteProblem(w, r, kit.ProblemFrom(err))
			}
		})
		return nil
	})
	for said, want := range map[string]string{"low": "low", "critical": "critical", "high": "high", "": "", "normal": "", "urgent": ""} {
		if a := ask(t, http.MethodGet, s.URL(), "", "Plat-Priority", said, "Plat-Admitted", "1"); a.status != http.StatusOK {
			t.Fatalf("%q: %d %s", said, a.status, a.body)
		}
		if got.Get("Plat-Priority") != want || got.Get("Plat-Admitted") != "" {
			t.Errorf("%q: the one below got %q and %q", said, got.Get("Plat-Priority"), got.Get("Plat-Admitted"))
		}
	}
}
