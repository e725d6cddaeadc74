package e2e_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/internal/house"
)

// TestServicesCallDirectly has a service of the kit call instances by itself:
// plat knows of each call, an instance that is killed costs none, a changed
// policy is in force at once, and calls go on while plat stands still.
func TestServicesCallDirectly(t *testing.T) {
	t.Parallel()
	dir := house.MusicCorp(t)
	house.Edit(t, filepath.Join(dir, "services", "web", "service.yaml"), "catalog: {timeout: 300ms, on-failure: last-good, last-good: {keep: 1d}}", "catalog: {timeout: 20s}") // else its edge keeps what stands in; and no visit fails for a slow machine
	h := house.Up(t, dir)
	c := operator(t, h)
	if err := c.Scale(t.Context(), "catalog", 2); err != nil {
		t.Fatal(err)
	}
	visit := func() int { return house.Call(t, http.MethodGet, h.Gateway+"/", nil).Status }
	standing := func() (policies map[string]api.PolicyState) {
		d, err := c.Describe(t.Context(), "web")
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range d.Calls {
			if call.Service == "catalog" && strings.HasPrefix(call.By, "web-") {
				policies = map[string]api.PolicyState{}
				for _, p := range call.Policies {
					policies[p.Policy] = p
				}
			}
		}
		return policies
	}
	house.Until(t, "the website calls the catalogue by itself", func() (bool, string) {
		visit()
		return standing() != nil, ""
	})
	before, _ := edge(t, h, "web", "catalog")
	const visits = 20
	for range visits {
		if status := visit(); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
	}
	house.Until(t, "each call is on the map", func() (bool, string) {
		e, _ := edge(t, h, "web", "catalog")
		return e.Count >= before.Count+visits && e.Declared, ""
	})

	survivesKill(t, h, c)

	house.Edit(t, filepath.Join(dir, "services", "web", "service.yaml"), "catalog: {timeout: 20s}", "catalog: {timeout: 20s, concurrent: 7}")
	house.Until(t, "the changed policy is in force", func() (bool, string) {
		visit()
		s := standing()["bulkhead"].Setting
		return strings.HasPrefix(s, "7 at once"), s
	})

	// Standing still, plat answers nothing: neither the edges nor the watch.
	web, err := c.Service(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	own := "http://" + web.Instances[0].Addr + "/"
	if err := syscall.Kill(h.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	goOn := sync.OnceFunc(func() { _ = syscall.Kill(h.PID, syscall.SIGCONT) })
	defer goOn()
	house.Until(t, "the website goes on without plat", func() (bool, string) {
		began := time.Now()
		a, err := house.TryCall(http.MethodGet, own, nil)
		return err == nil && a.Status == http.StatusOK && time.Since(began) < 2*time.Second, "the page took " + time.Since(began).String()
	})
	goOn()
	house.Until(t, "all is as before", func() (bool, string) { return visit() == http.StatusOK, "" })
}

// survivesKill kills an instance of the catalogue while it is asked.
func survivesKill(t *testing.T, h *house.House, c *api.Client) {
	t.Helper()
	catalog, err := c.Service(t.Context(), "catalog")
	if err != nil {
		t.Fatal(err)
	}
	var failed, made atomic.Int64
	stop := make(chan struct{})
	var visitors sync.WaitGroup
	for range 3 {
		visitors.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if a, err := house.TryCall(http.MethodGet, h.Gateway+"/", nil); err != nil || a.Status != http.StatusOK {
					failed.Add(1)
				}
				made.Add(1)
			}
		})
	}
	if err := syscall.Kill(catalog.Instances[0].PID, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	until := made.Load() + 100
	house.Until(t, "visits after that", func() (bool, string) { return made.Load() > until, "" })
	close(stop)
	visitors.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of %d visits failed", n, made.Load())
	}
}
