package direct_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/plat-dev/plat/kit/direct"
	"github.com/plat-dev/plat/kit/policy"
)

// TestPlatIsGone: the last known instances are asked, whatever was said of who
// calls.
func TestPlatIsGone(t *testing.T) {
	t.Parallel()
	p := newPlat(t)
	one, _ := stock(t, "stock-1", says("one"))
	call := byKit(one)
	call.By, call.OnFailure = direct.ByEdge, "default"
	p.say(call)
	c := p.web(t)
	p.inForce(t)
	if _, body, _ := get(t, c, p.edge.URL); body != "edge" {
		t.Fatalf("by the edge: %q", body)
	}
	p.hangs.Store(true) // and its edge refuses connections
	p.edge.Close()
	if _, body, _ := get(t, c, p.edge.URL); body != "one" {
		t.Errorf("the edge has gone: %q", body)
	}
	p.CloseClientConnections()
	p.hangs.Store(false)
	await(t, "what was not told to be told", func() bool { return len(told(p)) == 1 })
}

// TestPlatHangs: its edge would answer, and the control plane says nothing.
func TestPlatHangs(t *testing.T) {
	t.Parallel()
	p := newPlat(t)
	one, _ := stock(t, "stock-1", says("one"))
	call := byKit(one)
	call.By = direct.ByEdge
	p.say(call)
	c := p.web(t)
	p.inForce(t)
	p.hangs.Store(true)
	await(t, "calls to go to the last known instance", func() bool { _, body, _ := get(t, c, p.edge.URL); return body == "one" })
	p.CloseClientConnections()
	p.hangs.Store(false)
	await(t, "calls to go by the edge again", func() bool { _, body, _ := get(t, c, p.edge.URL); return body == "edge" })
}

// TestAStandInIsMissing: where it is kept by plat, and plat has gone.
func TestAStandInIsMissing(t *testing.T) {
	t.Parallel()
	p := newPlat(t)
	one, gone := stock(t, "stock-1", says("one"))
	gone.Close()
	call := byKit(one)
	call.By, call.OnFailure = direct.ByEdge, "last-good"
	p.say(call)
	c := p.web(t)
	p.inForce(t)
	p.edge.Close()
	status, body, _ := get(t, c, p.edge.URL)
	if status != 502 || !strings.Contains(body, "(last-good) is kept by plat, which does not answer") {
		t.Errorf("%d %s", status, body)
	}
}

// TestABrokenBodyOfTheCallersOwn is no fault of the instance.
func TestABrokenBodyOfTheCallersOwn(t *testing.T) {
	t.Parallel()
	p := newPlat(t)
	one, _ := stock(t, "stock-1", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	call := byKit(one)
	call.Policy = policy.Config{Breaker: policy.Breaker{Minimum: 1, Open: time.Hour, Longest: time.Hour}}
	p.say(call)
	c := p.web(t)
	p.inForce(t)
	broken := errors.New("the file ends early")
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.edge.URL, io.MultiReader(strings.NewReader("begun"), iotest.ErrReader(broken)))
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := c.Do(req); !errors.Is(err, broken) {
			t.Errorf("%v %v", resp, err)
			_ = resp.Body.Close()
		}
	}
	if status, _, _ := get(t, c, p.edge.URL); status != http.StatusOK {
		t.Errorf("afterwards: %d", status)
	}
}

// TestWhoIsLeftIsSaid: an instance that leaves while a call is with it.
func TestWhoIsLeftIsSaid(t *testing.T) {
	t.Parallel()
	p := newPlat(t)
	inside, end := make(chan struct{}), make(chan struct{})
	one, _ := stock(t, "stock-1", func(http.ResponseWriter, *http.Request) {
		close(inside)
		<-end
	})
	p.say(byKit(one))
	c := p.web(t)
	p.inForce(t)
	done := make(chan struct{})
	go func() { defer close(done); get(t, c, p.edge.URL) }()
	<-inside
	p.say(byKit())
	p.inForce(t)
	await(t, "it to be said that a call is with it", func() bool { _, last := p.heard(); return last.InFlight["stock-1"] == 1 })
	close(end)
	await(t, "it to be said that it is free", func() bool { _, last := p.heard(); return last.Revision != "" && last.InFlight["stock-1"] == 0 })
	<-done
}

// TestWhatCannotBeToldIsCounted: more than is kept while plat takes nothing.
func TestWhatCannotBeToldIsCounted(t *testing.T) {
	t.Parallel()
	p := newPlat(t)
	p.say(byKit())
	c := p.web(t)
	p.inForce(t)
	p.refuses.Store(true)
	const more = 100
	for range 1<<14 + more {
		get(t, c, p.edge.URL)
	}
	p.refuses.Store(false)
	await(t, "all to be told or counted", func() bool {
		all, last := p.heard()
		return last.Dropped >= more && uint64(len(all))+last.Dropped == 1<<14+more
	})
}

// TestHostilePlat: what is no view changes nothing.
func TestHostilePlat(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"no JSON": "<html>", "an empty one": "{}", "another type": `{"revision":"a","calls":[{"service":1}]}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlat(t)
			asked := make(chan struct{}, 64)
			p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, answer)
				select {
				case asked <- struct{}{}:
				default:
				}
			})
			c := p.web(t)
			<-asked
			<-asked
			if _, body, _ := get(t, c, p.edge.URL); body != "edge" {
				t.Errorf("%q", body)
			}
		})
	}
}
