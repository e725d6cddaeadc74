package direct_test

import (
	"fmt"
	"net"
	"net/http"
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
	liar.Compare(t, func(path string) (string, error) {
		status, got, _ := get(t, c, p.edge.URL+path)
		if status != http.StatusOK {
			return got, fmt.Errorf("status %d", status)
		}
		return got, nil
	})
}
