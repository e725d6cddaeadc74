package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// TestBalance: an instance that is slow gets less, equals get alike.
func TestBalance(t *testing.T) {
	t.Parallel()
	var counts [4]atomic.Int64
	release := make(chan struct{})
	var ups []gateway.Upstream
	for i := range counts {
		ups = append(ups, backend(t, fmt.Sprintf("shop-%d", i), func(http.ResponseWriter, *http.Request) {
			if counts[i].Add(1); i == 3 {
				<-release // this one is stuck
			}
		}))
	}
	r := newRig(t, gateway.Options{}, ups...)
	const clients, each = 8, 100
	var wg sync.WaitGroup
	for range clients {
		c := client(t, false)
		wg.Go(func() {
			for range each {
				if counts[0].Load()+counts[1].Load()+counts[2].Load() >= clients*each/2 {
					return
				}
				do(t, c, "GET", "http://"+r.addr+"/", "")
			}
		})
	}
	eventually(t, "the others to serve", func() bool { return counts[0].Load()+counts[1].Load()+counts[2].Load() >= clients*each/2 })
	if stuck := counts[3].Load(); stuck == 0 || stuck >= clients {
		t.Errorf("the stuck instance has %d of %d clients: it got requests while others were idle", stuck, clients)
	}
	close(release)
	wg.Wait()
	for i := range 3 {
		if n := counts[i].Load(); n < 60 {
			t.Errorf("instance %d got %d of %v", i, n, &counts)
		}
	}
}

// fake is an instance that treats connections as it is told.
func fake(t *testing.T, id string, conn func(net.Conn)) gateway.Upstream {
	t.Helper()
	l := listen(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				_ = c.SetDeadline(time.Now().Add(patience))
				conn(c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return gateway.Upstream{ID: id, Addr: l.Addr().String()}
}

// refused is an instance that is not there any more, at a port that nobody is
// given meanwhile.
func refused(id string) gateway.Upstream { return gateway.Upstream{ID: id, Addr: "127.0.0.1:1"} }

func TestRetries(t *testing.T) {
	t.Parallel()
	var broken, served atomic.Int64
	head := func(c net.Conn) *http.Request {
		req, _ := http.ReadRequest(bufio.NewReader(c))
		broken.Add(1)
		return req
	}
	silent := func(c net.Conn) { head(c) }
	partial := func(c net.Conn) { head(c); _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Le") }
	strange := func(c net.Conn) { head(c); _, _ = io.WriteString(c, "HTTP/1.1 007 Bond\r\nContent-Length: 0\r\n\r\n") }
	garbage := func(c net.Conn) { head(c); _, _ = io.WriteString(c, "SSH-2.0-OpenSSH\r\n\r\n") }
	good := func(id string) gateway.Upstream {
		return backend(t, id, func(w http.ResponseWriter, r *http.Request) {
			served.Add(1)
			_, _ = io.Copy(w, r.Body)
		})
	}
	for _, tt := range []struct {
		name         string
		bad          func(id string) gateway.Upstream
		bads         int
		method, body string
		status       int // of an answer when a bad instance was tried first
		tries        int // bad instances tried at most
	}{
		{"refused GET", refused, 2, "GET", "", 200, 2},
		{"refused POST", refused, 2, "POST", "body", 200, 2},
		{"broken GET", func(id string) gateway.Upstream { return fake(t, id, silent) }, 2, "GET", "", 200, 2},
		{"broken DELETE", func(id string) gateway.Upstream { return fake(t, id, silent) }, 1, "DELETE", "", 200, 1},
		{"broken POST", func(id string) gateway.Upstream { return fake(t, id, silent) }, 1, "POST", "body", 502, 1},
		{"broken POST without a body", func(id string) gateway.Upstream { return fake(t, id, silent) }, 1, "POST", "", 502, 1},
		{"broken PUT with a body", func(id string) gateway.Upstream { return fake(t, id, silent) }, 1, "PUT", "body", 502, 1},
		{"partial GET", func(id string) gateway.Upstream { return fake(t, id, partial) }, 1, "GET", "", 502, 1},
		{"strange GET", func(id string) gateway.Upstream { return fake(t, id, strange) }, 1, "GET", "", 502, 1},
		{"garbage GET", func(id string) gateway.Upstream { return fake(t, id, garbage) }, 1, "GET", "", 502, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ups := []gateway.Upstream{good("shop-good")}
			for i := range tt.bads {
				ups = append(ups, tt.bad(fmt.Sprintf("shop-bad-%d", i)))
			}
			r := newRig(t, gateway.Options{}, ups...)
			c := client(t, false)
			failures := 0
			for range 40 {
				served.Store(0)
				broken.Store(0)
				a := do(t, c, tt.method, "http://"+r.addr+"/", tt.body)
				switch a.StatusCode {
				case 200:
					if served.Load() != 1 || a.body != tt.body {
						t.Errorf("served %d times, %q", served.Load(), a.body)
					}
				case tt.status:
					if failures++; served.Load() != 0 {
						t.Error("failed after it was served")
					}
					problem(t, a, 502, "gateway-upstream-failed")
				default:
					t.Errorf("got %d %s", a.StatusCode, a.body)
				}
				if n := broken.Load(); n > int64(tt.tries) {
					t.Errorf("%d bad tries", n)
				}
			}
			retried := r.Stats().Retries
			if tt.status == 200 && retried == 0 {
				t.Error("nothing was retried: the test saw nothing")
			}
			if tt.status == 502 && (failures == 0 || retried != 0) {
				t.Errorf("%d failures, %d retries", failures, retried)
			}
		})
	}
	t.Run("at most two more", func(t *testing.T) {
		var ups []gateway.Upstream
		for i := range 5 {
			ups = append(ups, fake(t, fmt.Sprintf("shop-%d", i), silent))
		}
		r := newRig(t, gateway.Options{}, ups...)
		broken.Store(0)
		problem(t, do(t, client(t, false), "GET", "http://"+r.addr+"/", ""), 502, "gateway-upstream-failed")
		if broken.Load() != 3 || r.Stats().Retries != 2 {
			t.Errorf("%d tries, %d retries counted", broken.Load(), r.Stats().Retries)
		}
	})
}

// TestStaleConnection: a connection that the instance closed while idle costs
// nobody a request, not even a POST, before its body was begun.
func TestStaleConnection(t *testing.T) {
	t.Parallel()
	var conns atomic.Int64
	up := fake(t, "shop-1", func(c net.Conn) {
		conns.Add(1)
		if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	r := newRig(t, gateway.Options{}, up)
	c := client(t, false)
	for i := range 30 {
		if a := do(t, c, "GET", "http://"+r.addr+"/", ""); a.StatusCode != 200 {
			t.Fatalf("request %d: %d %s", i, a.StatusCode, a.body)
		}
	}
	if conns.Load() < 30 {
		t.Errorf("%d connections", conns.Load())
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	const enough = 2500 * time.Millisecond // time enough to begin, not to end
	stop := make(chan struct{})
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/late" {
			_, _ = io.WriteString(w, "early")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(enough + enough/10):
				_, _ = io.WriteString(w, " and late")
			case <-stop:
			}
			return
		}
		select {
		case <-r.Context().Done():
		case <-stop:
		}
	}))
	t.Cleanup(func() { close(stop) })
	short, begins := route("/", "shop"), route("/late", "shop")
	short.Timeout = plan.Duration(100 * time.Millisecond)
	begins.Timeout = plan.Duration(enough)
	r.SetRoutes("public", []plan.Route{short, begins})
	c := client(t, false)
	var both sync.WaitGroup
	for addr, late := range map[string]string{r.addr: r.addr, r.serve(t, r.Edge("web", "shop", 100*time.Millisecond)): r.serve(t, r.Edge("web", "shop", enough))} {
		both.Go(func() {
			// What has begun may last.
			if a := do(t, c, "GET", "http://"+late+"/late", ""); a.StatusCode != 200 || a.body != "early and late" {
				t.Errorf("got %d %q", a.StatusCode, a.body)
			}
		})
		start := time.Now()
		problem(t, do(t, c, "GET", "http://"+addr+"/", ""), 504, "gateway-timeout")
		problem(t, do(t, c, "POST", "http://"+addr+"/", "body"), 504, "gateway-timeout")
		if took := time.Since(start); took < 200*time.Millisecond {
			t.Errorf("two time-outs of 100ms took %v", took)
		}
	}
	both.Wait()
	eventually(t, "the instance to be free", func() bool { return r.InFlight("shop-1") == 0 })
}

// TestUpstreamRemovedInFlight: who is with it stays, nobody else comes.
func TestUpstreamRemovedInFlight(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	var closed atomic.Int64
	leaving := serveBackend(t, "shop-1", &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				begun <- struct{}{}
				<-release
			}
			_, _ = io.WriteString(w, "from 1")
		}),
		ReadHeaderTimeout: patience,
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				closed.Add(1)
			}
		},
	}, false)
	staying := backend(t, "shop-2", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "from 2") })
	r := newRig(t, gateway.Options{Limits: gateway.Limits{UpstreamIdle: time.Hour}}, leaving)
	c := client(t, false)
	got := make(chan answer, 1)
	go func() { got <- do(t, c, "GET", "http://"+r.addr+"/wait", "") }()
	<-begun
	if a := do(t, c, "GET", "http://"+r.addr+"/", ""); a.body != "from 1" {
		t.Fatal(a.body)
	}
	r.SetUpstreams("shop", []gateway.Upstream{staying})
	eventually(t, "the idle connection to close", func() bool { return closed.Load() == 1 })
	if n := r.InFlight("shop-1"); n != 1 {
		t.Errorf("in flight %d, want 1", n)
	}
	for range 20 {
		if a := do(t, c, "GET", "http://"+r.addr+"/", ""); a.body != "from 2" {
			t.Fatal(a.body)
		}
	}
	close(release)
	if a := <-got; a.StatusCode != 200 || a.body != "from 1" {
		t.Errorf("got %d %q", a.StatusCode, a.body)
	}
	eventually(t, "the count to fall", func() bool { return r.InFlight("shop-1") == 0 })
	eventually(t, "its connection to close", func() bool { return closed.Load() == 2 })
}

// TestReloadUnderLoad: no request fails and no connection closes while routes
// and upstreams change all the time.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	var ups []gateway.Upstream
	for i := range 3 {
		ups = append(ups, backend(t, fmt.Sprintf("shop-%d", i), func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	}
	r := newRig(t, gateway.Options{}, ups...)
	stop := make(chan struct{})
	const least = 10 // requests of a client, else this is no load
	var sent [8]atomic.Int64
	var wg sync.WaitGroup
	for i := range sent {
		wg.Go(func() {
			defer sent[i].Add(least) // whatever ended it, nobody waits for more
			c := dial(t, r.addr)     // one connection for all, so that its end is seen
			br := bufio.NewReader(c)
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := io.WriteString(c, "POST /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"); err != nil {
					t.Errorf("request %d: %v", n, err)
					return
				}
				res, err := http.ReadResponse(br, nil)
				if err != nil {
					t.Errorf("request %d: %v", n, err)
					return
				}
				b, err := io.ReadAll(res.Body)
				if res.StatusCode != 200 || string(b) != "body" || err != nil {
					t.Errorf("request %d: %d %q %v", n, res.StatusCode, b, err)
					return
				}
				sent[i].Add(1)
			}
		})
	}
	tables := [][]plan.Route{{route("/", "shop")}, {route("/api", "shop"), route("/", "other")}, {route("/api/x", "shop", "POST"), route("/", "other")}}
	loaded := func() bool {
		for i := range sent {
			if sent[i].Load() < least {
				return false
			}
		}
		return true
	}
	for i, end := 0, time.Now().Add(patience); i < 300 || !loaded(); i++ {
		if time.Now().After(end) {
			t.Error("no load")
			break
		}
		r.SetRoutes("public", tables[i%3])
		r.SetUpstreams("shop", []gateway.Upstream{ups[i%3], ups[(i+1)%3]})
		time.Sleep(time.Millisecond) // lets requests pass in each state
	}
	close(stop)
	wg.Wait()
	for _, u := range ups {
		eventually(t, "no request in flight", func() bool { return r.InFlight(u.ID) == 0 })
	}
}

// TestAnswerBreaksOff: a part never looks like the whole.
func TestAnswerBreaksOff(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		r := newRig(t, gateway.Options{}, fake(t, "shop-1", func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, head)
		}))
		for _, h2 := range []bool{false, true} {
			req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+r.addr+"/", nil)
			res, err := client(t, h2).Do(req)
			if err == nil {
				_, err = io.ReadAll(res.Body)
				_ = res.Body.Close()
			}
			if err == nil {
				t.Errorf("%s, h2 %v: the client saw no error", name, h2)
			}
		}
		eventually(t, "the lines", func() bool { return len(r.log.all(t)) == 2 })
		if line := r.log.all(t)[0]; line["code"] != "gateway-upstream-failed" || !strings.Contains(fmt.Sprint(line["error"]), "EOF") {
			t.Errorf("line %v", line)
		}
	}
}

// TestNamesComeAndGo: programs that register under ever new names leave nothing
// behind.
func TestNamesComeAndGo(t *testing.T) {
	t.Parallel()
	g := gateway.New(gateway.Options{})
	t.Cleanup(g.Close)
	for i := range 20000 {
		name := fmt.Sprint("outside-", i)
		g.SetUpstreams(name, []gateway.Upstream{{ID: name + "-1", Addr: "127.0.0.1:1"}})
		if i%2 == 0 {
			g.Edge("web", name, 0) // somebody called it
		}
		g.SetUpstreams(name, nil)
	}
	pools, inflights, edges := g.Known()
	if pools != 10000 || inflights != 0 || edges != 10000 {
		t.Errorf("%d pools, %d counters, %d edges", pools, inflights, edges)
	}
	for i := range 10000 {
		g.Edge("cart", fmt.Sprint("outside-", i), 0)
	}
	if _, _, edges := g.Known(); edges != 1<<14 {
		t.Errorf("%d edges", edges)
	}
}
