package callers_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plat-dev/plat/callers"
	"github.com/plat-dev/plat/kit/direct"
)

// TestAPlannedStopCostsNoCall has a program of the kit call two instances by
// itself while one of them leaves the rotation and, once it is drained, ends as
// a program does that knows nothing of draining.
func TestAPlannedStopCostsNoCall(t *testing.T) {
	t.Parallel()
	c := shop()
	plat := httptest.NewServer(speaks(c))
	t.Cleanup(plat.Close)
	inside := make(chan string)
	stock := func(id string) (direct.Instance, *httptest.Server) {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case inside <- id:
			default: // nobody waits for it
			}
			time.Sleep(30 * time.Millisecond) // the work
			_, _ = io.WriteString(w, id)
		}))
		t.Cleanup(s.Close)
		return direct.Instance{ID: id, Addr: s.Listener.Addr().String()}, s
	}
	one, _ := stock("stock-1")
	two, second := stock("stock-2")
	c.SetInstances("stock", []direct.Instance{one, two})

	web := direct.New(direct.Options{API: plat.URL, Token: "token", Service: "web", Instance: "web-1"})
	ctx, end := context.WithCancel(t.Context())
	var run, clients sync.WaitGroup
	run.Go(func() { web.Run(ctx) })
	defer run.Wait()
	defer end()
	edge, err := url.Parse("http://" + unused)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: web.RoundTripper("stock", edge, http.DefaultTransport)}
	settled, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for known := false; !known; { // before the first view everything goes by the edge
		resp, err := client.Get(edge.String())
		if known = err == nil; known {
			_ = resp.Body.Close()
		} else if settled.Err() != nil {
			t.Fatal(err)
		}
	}

	stop := make(chan struct{})
	stopped := sync.OnceFunc(func() { close(stop); clients.Wait() })
	defer stopped()
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := client.Post(edge.String(), "text/plain", strings.NewReader("an order"))
				if err != nil {
					t.Error(err)
					continue
				}
				if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
					t.Errorf("status %d, %q, %v", resp.StatusCode, text, err)
				}
				_ = resp.Body.Close()
			}
		})
	}
	await := func(id string) {
		for {
			select {
			case at := <-inside:
				if at == id {
					return
				}
			case <-settled.Done():
				t.Fatal("no call reached " + id)
			}
		}
	}
	await("stock-2")
	c.SetInstances("stock", []direct.Instance{one})
	if c.Drained(settled, "stock-2"); settled.Err() != nil {
		t.Fatal("not drained")
	}
	second.CloseClientConnections() // SIGTERM
	_ = second.Listener.Close()
	three, _ := stock("stock-3")
	c.SetInstances("stock", []direct.Instance{one, three})
	await("stock-3")
	stopped()
}

// unused is an address at which nobody listens: port 1 is nobody's.
const unused = "127.0.0.1:1"

// speaks answers programs as the control API does.
func speaks(c *callers.Callers) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var answer any
		var err error
		if r.Method == http.MethodPost {
			var t direct.Telling
			if err = json.NewDecoder(r.Body).Decode(&t); err == nil {
				_, err = c.Tell("web", t)
			}
		} else {
			most, _ := time.ParseDuration(r.URL.Query().Get("wait") + "ms")
			answer, err = c.Watch(r.Context(), "web", r.URL.Query().Get("instance"), r.URL.Query().Get("revision"), most)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	}
}
