package direct_test

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/plat-dev/plat/kit/direct"
	"github.com/plat-dev/plat/kit/internal/liar"
)

// TestNobodyGetsAnothersAnswer: what an instance sends beyond an answer's end
// is nobody's.
func TestNobodyGetsAnothersAnswer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	liar.Serve(t, l)
	p := newPlat(t)
	p.say(byKit(direct.Instance{ID: "stock-1", Addr: l.Addr().String()}))
	c := p.web(t)
	p.inForce(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 100 {
				path := fmt.Sprintf("/own?%d.%d", i, n)
				want := path
				if (n+i)%2 == 0 {
					path, want = "/lie", "abc"
				}
				if status, got, _ := get(t, c, p.edge.URL+path); status != http.StatusOK || got != want {
					t.Errorf("%s: %d %q", path, status, got)
					return
				}
			}
		})
	}
	wg.Wait()
}
