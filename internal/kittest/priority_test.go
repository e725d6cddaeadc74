package kittest_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/plan"
)

// serving runs a service of the kit until the test ends, and gives its address.
func serving(t *testing.T, env map[string]string, setup func(*kit.Service) error) string {
	t.Helper()
	all := map[string]string{"PORT": "0"}
	for k, v := range env {
		all[k] = v
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended, ready := make(chan error, 1), make(chan string, 1)
	go func() {
		ended <- kit.Run(kit.WithOutput(kit.WithEnv(ctx, all), io.Discard), "hop", func(s *kit.Service) error {
			s.Go("ready", func(context.Context) error { ready <- strings.TrimPrefix(s.URL(), "http://"); return nil })
			return setup(s)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	var addr string
	select {
	case addr = <-ready:
	case <-time.After(patience):
		t.Fatal("the service does not begin")
	}
	for until := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if res, err := http.Get("http://" + addr + "/health/ready"); err == nil {
			_ = res.Body.Close() // its status is what counts
			if res.StatusCode == http.StatusOK {
				return addr
			}
		}
		if time.Now().After(until) {
			t.Fatal("the service does not become ready")
		}
	}
}

// listener serves a handler of plat's until the test ends.
func listener(t *testing.T, g *gateway.Gateway, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(ctx, l, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// TestPriorityGoesDown: how much a request matters is said by its route, and
// what lies two services below turns it away by that: customer, listener, web,
// edge, order, edge, shop.
func TestPriorityGoesDown(t *testing.T) {
	t.Parallel()
	g := gateway.New(gateway.Options{})
	t.Cleanup(g.Close)
	long := plan.Duration(patience)
	routes := []plan.Route{{Gateway: "public", Path: "/", Service: "web", Timeout: long}}
	for _, priority := range []string{"critical", "high", "low"} {
		routes = append(routes, plan.Route{Gateway: "public", Path: "/" + priority, Service: "web", Priority: priority, Timeout: long})
	}
	g.SetRoutes("public", routes)
	g.SetIncoming([]plan.Service{{Name: "shop", Limits: plan.Limits{Concurrent: 1, Queue: 1}}})
	shut, came := make(chan struct{}), make(chan struct{}, 10)
	pass := func(s *kit.Service) error { // asks the next one the same
		c := s.Client("next")
		s.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
			if err := c.Get(r.Context(), r.URL.Path, nil); err != nil {
				kit.WriteProblem(w, r, kit.ProblemFrom(err))
			}
		})
		return nil
	}
	shop := serving(t, nil, func(s *kit.Service) error {
		s.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) { came <- struct{}{}; <-shut })
		return nil
	})
	g.SetUpstreams("shop", []gateway.Upstream{{ID: "shop-1", Addr: shop}})
	order := serving(t, map[string]string{"PLAT_URL_NEXT": "http://" + listener(t, g, g.Edge("order", "shop", 0))}, pass)
	g.SetUpstreams("order", []gateway.Upstream{{ID: "order-1", Addr: order}})
	web := serving(t, map[string]string{"PLAT_URL_NEXT": "http://" + listener(t, g, g.Edge("web", "order", 0))}, pass)
	g.SetUpstreams("web", []gateway.Upstream{{ID: "web-1", Addr: web}})
	public := listener(t, g, g.Public("public"))
	open := sync.OnceFunc(func() { close(shut) })
	t.Cleanup(open) // before what waits for the exchanges

	ask := func(path string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+public+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Plat-Priority", "critical") // is not the customer's to say
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return 0
		}
		_ = res.Body.Close() // nothing of it is read
		return res.StatusCode
	}
	first := make(chan int, 1)
	go func() { first <- ask("/") }()
	select {
	case <-came: // shop has as much to do as it can
	case status := <-first:
		t.Fatalf("the first: %d", status)
	}
	for _, path := range []string{"/low", "/critical", "/high", "/"} {
		if status := ask(path); status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", path, status)
		}
	}
	open()
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first: %d", status)
	}
	shed := map[string]float64{}
	for _, f := range g.Incoming("shop")[0].Figures {
		if f.Name == "plat_shed_total" {
			shed[f.Labels[3]] += f.Value
		}
	}
	if d := cmp.Diff(map[string]float64{"low": 1, "critical": 1, "high": 1, "normal": 1}, shed); d != "" {
		t.Errorf("what shop turned away, by priority (-want +got):\n%s", d)
	}
}
