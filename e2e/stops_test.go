package e2e_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plat-dev/plat/internal/house"
)

// TestAPlannedStopCostsNothing restarts and scales a service whose program
// dies of SIGTERM at once, while customers ask it for what takes a while.
func TestAPlannedStopCostsNothing(t *testing.T) {
	t.Parallel()
	h := house.Up(t, system(t, map[string]string{
		"plat.yaml": `
plat: 1
system: shop
owners: {shop: {mail: shop@shop.example}}
services: [{path: "services/*"}]
gateways: {public: {routes: [{path: /, service: order}]}}
`,
		"services/order/service.yaml": "service: order\nowner: shop\nrun: [DUMMY]\nprovides: {http: {}}\ninstances: 2\n",
	}))
	c := operator(t, h)
	var answered atomic.Int64
	stop := make(chan struct{})
	var customers sync.WaitGroup
	for n := range 6 {
		method := []string{http.MethodPost, http.MethodGet}[n%2]
		customers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if a, err := house.TryCall(method, h.Gateway+"/slow?for=300ms", nil); err != nil || a.Status != http.StatusOK {
					t.Errorf("%s: status %d, %s, %v", method, a.Status, a.Body, err)
				}
				answered.Add(1)
			}
		})
	}
	ended := sync.OnceFunc(func() { close(stop); customers.Wait() })
	defer ended()
	more := func() {
		t.Helper()
		until := answered.Load() + 6
		house.Until(t, "customers are answered", func() (bool, string) { return answered.Load() >= until, "" })
	}
	more()
	for _, change := range []func() error{
		func() error { return c.Restart(t.Context(), "order") },
		func() error { return c.Scale(t.Context(), "order", 1) },
		func() error { return c.Scale(t.Context(), "order", 3) },
		func() error { return c.Restart(t.Context(), "order") },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		more()
	}
	ended()
}
