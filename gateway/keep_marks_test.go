package gateway_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/plat-dev/plat/plan"
)

// What happens while an answer is fetched decides whether it is kept: only
// what concerns it.
func TestCacheKeepsWhatOthersDoNotPurge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(r *rig, c *http.Client, t *testing.T)
		kept      bool
	}{
		"a POST to another URL":       {func(r *rig, c *http.Client, t *testing.T) { post(t, r, c, "/other", "shop.example") }, true},
		"a POST that failed":          {func(r *rig, c *http.Client, t *testing.T) { post(t, r, c, "/slow?fail", "shop.example") }, true},
		"a POST to this URL":          {func(r *rig, c *http.Client, t *testing.T) { post(t, r, c, "/slow", "shop.example") }, false},
		"a POST that breaks off":      {breaksOff, false},
		"a POST that names it":        {func(r *rig, c *http.Client, t *testing.T) { post(t, r, c, "/names", "shop.example") }, false},
		"in other letters of a host":  {func(r *rig, c *http.Client, t *testing.T) { post(t, r, c, "/slow", "SHOP.example") }, false},
		"a purge of another URL":      {func(r *rig, _ *http.Client, t *testing.T) { purge(t, r, "/other") }, true},
		"a purge of this URL":         {func(r *rig, _ *http.Client, t *testing.T) { purge(t, r, "/slow") }, false},
		"a purge of another tag":      {func(r *rig, _ *http.Client, _ *testing.T) { _, _, _ = r.CachePurgeTag("", "b") }, true},
		"a purge of its tag":          {func(r *rig, _ *http.Client, _ *testing.T) { _, _, _ = r.CachePurgeTag("", "a") }, false},
		"more purges than are minded": {func(r *rig, _ *http.Client, _ *testing.T) { purgeMany(r) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked, goOn := make(chan struct{}), make(chan struct{})
			var once sync.Once
			rig := cached(t, plan.RouteCache{}, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("Cache-Tag", "a")
				switch {
				case r.URL.RawQuery == "" && r.Method == http.MethodPost && r.Header.Get("X-Break") != "":
					w.Header().Set("Content-Length", "10")
					_, _ = w.Write([]byte("begun"))
					_ = http.NewResponseController(w).Flush()
					panic(http.ErrAbortHandler)
				case r.URL.RawQuery == "fail":
					w.WriteHeader(http.StatusInternalServerError)
				case r.URL.Path == "/names":
					w.Header().Set("Content-Location", "/slow")
				case r.Method == http.MethodGet && r.URL.Path == "/slow":
					once.Do(func() { close(asked); <-goOn })
				}
			})
			client := client(t, false)
			ask := func() string {
				return do(t, client, "GET", "http://"+rig.addr+"/slow", "", "Host", "shop.example").Header.Get("Cache-Status")
			}
			done := make(chan struct{})
			go func() { defer close(done); ask() }()
			<-asked
			c.meanwhile(rig, client, t)
			close(goOn)
			<-done
			if got := ask(); strings.HasPrefix(got, "plat; hit") != c.kept {
				t.Errorf("Cache-Status %q, want kept %v", got, c.kept)
			}
		})
	}
}

// breaksOff changes something, and its answer does not come whole.
func breaksOff(r *rig, c *http.Client, t *testing.T) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.addr+"/slow", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example"
	req.Header.Set("X-Break", "yes")
	resp, err := c.Do(req)
	if err != nil {
		return // not even its header came
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("the answer came whole")
	}
}

func post(t *testing.T, r *rig, c *http.Client, target, host string) {
	t.Helper()
	do(t, c, "POST", "http://"+r.addr+target, "x", "Host", host)
}

func purge(t *testing.T, r *rig, path string) {
	t.Helper()
	if _, _, err := r.CachePurge([]string{"public"}, &url.URL{Scheme: "http", Host: "shop.example", Path: path}, true); err != nil {
		t.Error(err)
	}
}

func purgeMany(r *rig) {
	for range 100 {
		_, _, _ = r.CachePurgeTag("", "b")
	}
}
