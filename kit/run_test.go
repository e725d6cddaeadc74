package kit_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/kit"
)

func TestWhoTheServiceIs(t *testing.T) {
	t.Parallel()
	type who struct{ Name, Instance, Version, Environment string }
	of := func(s *running) who { return who{s.Name(), s.Instance(), s.Version(), s.Environment()} }
	if d := cmp.Diff(who{"hello", "hello", "dev", "local"}, of(start(t, nil, nil))); d != "" {
		t.Errorf("without plat (-want +got):\n%s", d)
	}
	under := start(t, map[string]string{"PLAT_SERVICE": "order", "PLAT_INSTANCE": "order-2", "PLAT_VERSION": "1.4", "PLAT_ENVIRONMENT": "prod"}, nil)
	if d := cmp.Diff(who{"order", "order-2", "1.4", "prod"}, of(under)); d != "" {
		t.Errorf("under plat (-want +got):\n%s", d)
	}
}

func TestTheEndComesInOrder(t *testing.T) {
	t.Parallel()
	var events lines
	note := func(what string) { _, _ = fmt.Fprintln(&events, what) }
	inHandler, finish := make(chan struct{}), make(chan struct{})
	s := start(t, nil, func(s *kit.Service) error {
		s.HandleFunc("GET /slow", func(_ http.ResponseWriter, r *http.Request) {
			close(inHandler)
			<-finish
			if r.Context().Err() != nil {
				t.Error("the request was cancelled")
			}
			note("answered")
		})
		s.Go("worker", func(ctx context.Context) error { <-ctx.Done(); note("worker stopped"); return ctx.Err() })
		s.OnStop("first", func(context.Context) error { note("stop first"); return nil })
		s.OnStop("second", func(context.Context) error { note("stop second"); return nil })
		return nil
	})
	got := make(chan answer, 1)
	go func() { got <- ask(t, http.MethodGet, s.URL()+"/slow", "") }()
	<-inHandler
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	<-s.Draining()
	ready := ask(t, http.MethodGet, s.URL()+"/health/ready", "")
	if ready.status != http.StatusServiceUnavailable || ready.body != `{"status":"draining"}`+"\n" {
		t.Errorf("readiness while draining: %d %s", ready.status, ready.body)
	}
	if late := ask(t, http.MethodGet, s.URL()+"/health/live", ""); late.status != http.StatusOK {
		t.Errorf("liveness while draining: %d", late.status)
	}
	note("released")
	close(finish)
	if a := <-got; a.status != http.StatusOK {
		t.Errorf("the slow request: %d", a.status)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
	want := "released\nanswered\nworker stopped\nstop second\nstop first\n"
	if d := cmp.Diff(want, events.String()); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
}

func TestADrainIsBounded(t *testing.T) {
	t.Parallel()
	inHandler, deaf := make(chan struct{}), make(chan struct{})
	defer close(deaf)
	var cancelled atomic.Bool
	s := start(t, nil, func(s *kit.Service) error {
		s.SetLimits(kit.Limits{Drain: 50 * time.Millisecond})
		s.HandleFunc("GET /stuck", func(_ http.ResponseWriter, r *http.Request) {
			close(inHandler)
			<-r.Context().Done() // ends only because the service gives up
			cancelled.Store(true)
		})
		s.Go("deaf", func(context.Context) error { <-deaf; return nil })
		return nil
	})
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/stuck", nil)
		if err != nil {
			return
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-inHandler
	err := s.stop()
	want := "1 request(s) were not answered within 50ms\nworkers did not stop within 50ms: deaf"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	await(t, "the handler's end", cancelled.Load)
}

// TestAnUnusedConnectionHoldsNoEnd: neither one that a client opened and never
// used, nor one with half a request, is a request that was not answered.
func TestAnUnusedConnectionHoldsNoEnd(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{"unused": "", "half a request": "GET / HTTP/1.1\r\nHost: "} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, nil, func(s *kit.Service) error {
				if sent != "" { // is waited for so long
					s.SetLimits(kit.Limits{Drain: time.Second})
				}
				return nil
			})
			c, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write([]byte(sent)); err != nil {
				t.Fatal(err)
			}
			if a := ask(t, http.MethodGet, s.URL()+"/health/live", ""); a.status != http.StatusOK { // accepted after it
				t.Errorf("liveness: %d", a.status)
			}
			if err := s.stop(); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
}

func TestWhatEndsAService(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	tests := []struct {
		name  string
		setup func(*kit.Service) error
		want  string
	}{
		{"setup fails", func(*kit.Service) error { return boom }, "boom"},
		{"setup panics", func(*kit.Service) error { panic("oh") }, "panic: oh"},
		{"a worker fails", func(s *kit.Service) error {
			s.Go("mill", func(context.Context) error { return boom })
			return nil
		}, "worker mill: boom"},
		{"a worker panics", func(s *kit.Service) error {
			s.Go("mill", func(context.Context) error { panic("oh") })
			return nil
		}, "worker mill: panic: oh"},
		{"Fail in setup", func(s *kit.Service) error { s.Fail(boom); s.Fail(nil); s.Fail(errors.New("bang")); return nil }, "boom\nbang"},
		{"Fail later", func(s *kit.Service) error {
			s.Go("mill", func(context.Context) error { s.Fail(boom); return nil })
			return nil
		}, "boom"},
		{"no setup", nil, "a service needs a setup function"},
		{"a health path of its own", func(s *kit.Service) error {
			s.HandleFunc("GET /health/live", func(http.ResponseWriter, *http.Request) {})
			return nil
		}, "panic: pattern"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			stopped := false
			setup := test.setup
			if setup != nil {
				setup = func(s *kit.Service) error {
					s.OnStop("mark", func(context.Context) error { stopped = true; return nil })
					return test.setup(s)
				}
			}
			ctx := kit.WithOutput(kit.WithEnv(t.Context(), map[string]string{"PORT": "0"}), &lines{})
			err := kit.Run(ctx, "hello", setup)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if setup != nil && !stopped {
				t.Error("OnStop was not run")
			}
		})
	}
}

func TestWhatIsStoppedMayFailOrHang(t *testing.T) {
	t.Parallel()
	s := start(t, nil, func(s *kit.Service) error {
		s.OnStop("broken", func(context.Context) error { return errors.New("no") })
		s.OnStop("worse", func(context.Context) error { panic("oh") })
		return nil
	})
	err := s.stop()
	if err == nil || !strings.Contains(err.Error(), "stop worse: panic: oh") || !strings.HasSuffix(err.Error(), "stop broken: no") {
		t.Errorf("got %v", err)
	}
}

func TestThePort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for value, want := range map[string]string{
		port:    "address already in use",
		"http":  `PORT: "http" is wrong, expected a port from 0 (any) to 65535`,
		"70000": `PORT: "70000" is wrong`,
	} {
		err := kit.Run(kit.WithEnv(t.Context(), map[string]string{"PORT": value}), "hello", func(*kit.Service) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("PORT=%s: got %v, want %s", value, err, want)
		}
	}
	one, two := start(t, map[string]string{"PORT": ""}, nil), start(t, map[string]string{"PORT": ""}, nil)
	if one.URL() == two.URL() || !strings.HasPrefix(one.URL(), "http://127.0.0.1:80") {
		t.Errorf("without PORT: %s and %s", one.URL(), two.URL())
	}
	if got := one.log.find(t, "serving")["url"]; got != one.URL() {
		t.Errorf("said %v, listens on %s", got, one.URL())
	}
}

func TestAServiceNeedsAName(t *testing.T) {
	t.Parallel()
	err := kit.Run(kit.WithEnv(t.Context(), map[string]string{"PORT": "0"}), "", func(*kit.Service) error { return nil })
	if err == nil || err.Error() != "a service needs a name" {
		t.Errorf("got %v", err)
	}
}

func TestAStore(t *testing.T) {
	t.Parallel()
	start(t, map[string]string{"PLAT_STORE_BIG_ORDERS": "/data/o.db"}, func(s *kit.Service) error {
		if got := s.Store("big-orders"); got != "/data/o.db" {
			t.Errorf("declared: %s", got)
		}
		if got := s.Store("orders"); got != "hello-orders.db" {
			t.Errorf("without plat: %s", got)
		}
		return nil
	})
	s := start(t, map[string]string{"PLAT_INSTANCE": "hello-1"}, func(s *kit.Service) error { s.Store("orders"); return nil })
	const want = `store "orders" is not declared: add stores.orders to service.yaml`
	if err := s.stop(); err == nil || err.Error() != want {
		t.Errorf("under plat: %v, want %s", err, want)
	}
}

func TestTheLog(t *testing.T) {
	t.Parallel()
	s := start(t, map[string]string{"PLAT_INSTANCE": "hello-3", "LOG_LEVEL": "loud"}, func(s *kit.Service) error {
		s.Log().Debug("quiet")
		s.Log().With("a", 1).WithGroup("g").InfoContext(kit.WithCorrelationID(t.Context(), "c-1"), "grouped", "b", 2)
		return nil
	})
	if strings.Contains(s.log.String(), `"quiet"`) {
		t.Error("a debug line at level info")
	}
	if warned := s.log.find(t, "LOG_LEVEL is unknown: info is used"); warned["value"] != "loud" {
		t.Errorf("warned %v", warned)
	}
	line := s.log.find(t, "grouped")
	if line["service"] != "hello" || line["instance"] != "hello-3" || line["level"] != "INFO" || line["a"] != 1.0 || line["time"] == nil {
		t.Errorf("line %v", line)
	}
}
