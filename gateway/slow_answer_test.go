package gateway_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// TestASlowAnswerIsSeen: what has come of an answer is shown before the rest
// comes, whether its length is known or not, and whoever stands between.
func TestASlowAnswerIsSeen(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]string{"a part": "slow", "the header alone": ""} {
		for protocol, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
			for between, kept := range map[string]*plan.RouteCache{"": nil, ", kept": {Longest: plan.Duration(time.Hour)}} {
				t.Run(name+", "+protocol+between, func(t *testing.T) {
					t.Parallel()
					rest := make(chan struct{})
					r := newRig(t, gateway.Options{}, hostile(t, "shop-1", func(c net.Conn) {
						_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\n"+begin)
						<-rest
						_, _ = io.WriteString(c, "slow, slow"[len(begin):])
					}))
					r.SetCache("public", &plan.Cache{Memory: 1 << 20, Object: 1 << 10})
					to := route("/", "shop")
					to.Cache = kept
					r.SetRoutes("public", []plan.Route{to})
					res, err := client(t, h2).Get("http://" + r.addr + "/")
					if err != nil {
						t.Fatal(err)
					}
					defer func() { _ = res.Body.Close() }()
					part := make([]byte, len(begin))
					if _, err := io.ReadFull(res.Body, part); err != nil || string(part) != begin || res.StatusCode != http.StatusOK {
						t.Errorf("%d %q %v", res.StatusCode, part, err)
					}
					close(rest)
					if text, err := io.ReadAll(res.Body); err != nil || begin+string(text) != "slow, slow" {
						t.Errorf("the rest: %q %v", text, err)
					}
				})
			}
		}
	}
}

// TestABrokenAnswerIsSeenAsOne: the client has the status and the part that
// came, and learns that it is one.
func TestABrokenAnswerIsSeenAsOne(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, hostile(t, "shop-1", func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello")
	}))
	for _, h2 := range []bool{false, true} {
		res, err := client(t, h2).Post("http://"+r.addr+"/", "text/plain", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		if err == nil || string(text) != "hello" || res.StatusCode != http.StatusOK || res.ContentLength != 1000 {
			t.Errorf("%d %q %v", res.StatusCode, text, err)
		}
		if !h2 && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
		_ = res.Body.Close()
	}
}

// TestADrippingAnswerEnds: one of known length must come at the least rate; a
// stream may drip.
func TestADrippingAnswerEnds(t *testing.T) {
	t.Parallel()
	const write = 300 * time.Millisecond
	drip := func(length string, enough time.Duration) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+length+"\r\n")
			for began := time.Now(); enough == 0 || time.Since(began) < enough; time.Sleep(5 * time.Millisecond) { // the drip
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
			}
		}
	}
	r := newRig(t, gateway.Options{Limits: gateway.Limits{Write: write, BodyRate: 1 << 20}, AccessLog: io.Discard}, hostile(t, "shop-1", drip("Content-Length: 1000000000\r\n", 0)))
	res, err := client(t, false).Post("http://"+r.addr+"/", "text/plain", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(res.Body); err == nil || res.StatusCode != http.StatusOK {
		t.Errorf("%d %q %v", res.StatusCode, text, err)
	}
	_ = res.Body.Close()
	eventually(t, "the instance to be let go", func() bool { return r.InFlight("shop-1") == 0 && r.Stats().InFlight == 0 })

	r.SetUpstreams("shop", []gateway.Upstream{hostile(t, "shop-2", drip("Connection: close\r\n", 3*write))})
	if a := do(t, client(t, false), "POST", "http://"+r.addr+"/", ""); a.StatusCode != http.StatusOK || len(a.body) < 2 {
		t.Errorf("the stream: %d %q", a.StatusCode, a.body)
	}
}
