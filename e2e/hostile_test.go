package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/internal/house"
)

// browser keeps cookies as browsers do: by host, whatever the port.
type browser struct {
	t *testing.T
	http.Client
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// ask sends a request with fields in pairs; Host is one of them.
func (b *browser) ask(method, url string, fields ...string) house.Answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, url, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == "Host" {
			req.Host = fields[i+1]
		}
		req.Header.Set(fields[i], fields[i+1])
	}
	return sent(b.t, &b.Client, req)
}

// enter opens the console by a printed address.
func (b *browser) enter(h *house.House) {
	b.t.Helper()
	s, err := operator(b.t, h).Session(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if a := b.ask("GET", s.URL); a.Status != 303 || a.Header.Get("Location") != "/" || a.Header.Get("Set-Cookie") == "" {
		b.t.Fatalf("%s: %d %v", s.URL, a.Status, a.Header)
	}
	if a := b.ask("GET", s.URL); a.Header.Get("Set-Cookie") != "" {
		b.t.Error("the address opens the console twice")
	}
}

// TestHostilePages opens the console as a person does, and then visits bad
// pages with the same browser.
func TestHostilePages(t *testing.T) {
	t.Parallel()
	h := house.Up(t, pair(t))
	b := newBrowser(t)
	if a := b.ask("GET", h.API+"/v1/system", "Sec-Fetch-Site", "same-origin"); a.Status != 401 {
		t.Errorf("without a cookie: %d", a.Status)
	}
	b.enter(h)
	page := b.ask("GET", h.API+"/")
	if csp := page.Header.Get("Content-Security-Policy"); page.Status != 200 || !strings.Contains(csp, "default-src 'none'") && !strings.Contains(csp, "default-src 'self'") {
		t.Errorf("the console: %d, CSP %q", page.Status, csp)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(h.API, "http://"), ":")
	restart := "/v1/services/front/restart"
	for name, c := range map[string]struct {
		method, path string
		fields       []string
		status       int
	}{
		"the console":                      {"GET", "/v1/system", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		"the console's change":             {"POST", "/v1/services/front/scale", []string{"Sec-Fetch-Site", "same-origin", "Origin", h.API}, 400}, // it has no body
		"a typed address":                  {"GET", "/v1/system", []string{"Sec-Fetch-Site", "none"}, 200},
		"a program that is no browser":     {"GET", "/v1/system", nil, 401},
		"a page of another port":           {"POST", restart, []string{"Sec-Fetch-Site", "same-site", "Origin", h.Gateway}, 403},
		"one that hides its origin":        {"POST", restart, []string{"Sec-Fetch-Site", "same-site"}, 401},
		"a sandboxed one":                  {"POST", restart, []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}, 403},
		"a page of elsewhere":              {"GET", "/v1/services", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		"its image":                        {"GET", "/v1/services", []string{"Sec-Fetch-Site", "cross-site"}, 401},
		"a rebound name":                   {"GET", "/v1/system", []string{"Sec-Fetch-Site", "same-origin", "Host", "evil.example:" + port}, 403},
		"a rebound name with its origin":   {"GET", "/v1/system", []string{"Sec-Fetch-Site", "same-origin", "Host", "evil.example", "Origin", "http://evil.example"}, 403},
		"a rebound name for the console":   {"GET", "/", []string{"Host", "evil.example"}, 403},
		"a rebound name that looks local":  {"GET", "/v1/system", []string{"Sec-Fetch-Site", "same-origin", "Host", "127.0.0.1.evil.example"}, 403},
		"the stream of changes, elsewhere": {"GET", "/v1/changes", []string{"Sec-Fetch-Site", "cross-site"}, 401},
		"calls, from elsewhere":            {"GET", "/v1/services/front/http/x", []string{"Sec-Fetch-Site", "same-site"}, 401},
	} {
		if a := b.ask(c.method, h.API+c.path, c.fields...); a.Status != c.status {
			t.Errorf("%s: %d, want %d: %s", name, a.Status, c.status, a.Body)
		}
	}
	if s := states(t, h)["front"]; s.State != "ready" {
		t.Errorf("front is %+v", s)
	}

	// Services never see what opens the console, neither by the gateway nor
	// called through plat; nor can their answers act as the console.
	secrets := []string{tokenOf(t, h.Dir)}
	u, err := url.Parse(h.API)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(u) {
		secrets = append(secrets, c.Value, c.Name)
	}
	if len(secrets) != 3 {
		t.Fatalf("the browser has %d cookies of the console", (len(secrets)-1)/2)
	}
	b.Jar.SetCookies(u, []*http.Cookie{{Name: "basket", Value: "full", HttpOnly: true, SameSite: http.SameSiteLaxMode}}) //nolint:gosec // a shop's, by http
	shown := func(what string, a house.Answer) {
		t.Helper()
		var echo struct{ Headers http.Header }
		a.JSON(t, &echo)
		text, err := json.Marshal(echo.Headers)
		if err != nil || a.Status != 200 || len(echo.Headers) == 0 {
			t.Fatalf("%s: %d %s", what, a.Status, a.Body)
		}
		for _, secret := range secrets {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s tells %s", what, secret)
			}
		}
	}
	a := b.ask("GET", h.Gateway+"/shop")
	shown("the gateway", a)
	contains(t, "the gateway", string(a.Body), `"basket=full"`)
	for _, c := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Authorization", "Bearer " + secrets[0]}, {"Sec-Fetch-Site", "same-origin", "Plat-Authorization", "Bearer customer"}} {
		a := b.ask("GET", h.API+"/v1/services/front/http/shop?x=1", c...)
		shown("a call through plat", a)
		if csp := a.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "sandbox;") || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("its answer is not sandboxed: %v", a.Header)
		}
		if customer := strings.Contains(string(a.Body), "Bearer customer"); customer != (len(c) == 4) || strings.Contains(string(a.Body), "basket=full") {
			t.Errorf("front was told %s", a.Body)
		}
	}

	// What opened one run opens no other.
	stopped(t, h)
	addr := strings.TrimPrefix(h.API, "http://")
	if out, code := h.Plat("up", "-d", "--gateway", house.FreeAddr(t), "--api", addr); code != 0 {
		t.Fatalf("plat up at the same address: exit %d\n%s", code, out)
	}
	h.Learn()
	if a := b.ask("GET", h.API+"/v1/system", "Sec-Fetch-Site", "same-origin"); a.Status != 401 {
		t.Errorf("the cookie of the last run: %d", a.Status)
	}
}

// TestManyConsoles has as many followers as there may be, and people who
// change the same service at once.
func TestManyConsoles(t *testing.T) {
	t.Parallel()
	h := house.Up(t, pair(t))
	c := operator(t, h)
	follow := func(ctx context.Context) *http.Response {
		t.Helper()
		resp, err := c.Raw(ctx, http.MethodGet, "/v1/changes", http.Header{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	var streams []*http.Response
	first, leave := context.WithCancel(t.Context())
	defer leave()
	for i := range 64 {
		ctx := t.Context()
		if i == 0 {
			ctx = first
		}
		resp := follow(ctx)
		if resp.StatusCode != 200 {
			t.Fatalf("follower %d: %s", i+1, resp.Status)
		}
		streams = append(streams, resp)
	}
	busy := follow(t.Context())
	var p problem
	if err := json.NewDecoder(busy.Body).Decode(&p); err != nil || busy.StatusCode != 503 || p.Code != "api-busy" || busy.Header.Get("Retry-After") == "" {
		t.Fatalf("the 65th: %s %+v %v", busy.Status, p, err)
	}
	leave()
	house.Until(t, "there is room again", func() (bool, string) {
		resp := follow(t.Context())
		if resp.StatusCode == 200 {
			streams[0] = resp
		}
		return resp.StatusCode == 200, resp.Status
	})

	// Two consoles and a command line restart and scale the same service.
	var all sync.WaitGroup
	began := time.Now()
	for i := range 2 {
		b := newBrowser(t)
		b.enter(h)
		all.Go(func() {
			for n := range 3 {
				if a := b.ask("POST", h.API+"/v1/services/front/restart", "Sec-Fetch-Site", "same-origin", "Origin", h.API); a.Status != 204 {
					t.Errorf("console %d, restart %d: %d %s", i, n, a.Status, a.Body)
				}
			}
		})
	}
	all.Go(func() {
		for _, n := range []int{3, 1, 0, 2, 3} {
			if err := c.Scale(t.Context(), "front", n); err != nil {
				t.Errorf("scale to %d: %v", n, err)
			}
		}
	})
	all.Go(func() {
		for _, verb := range [][]string{{"restart", "front"}, {"scale", "back=2"}, {"restart", "back"}, {"ps"}} {
			if out, code := h.Plat(verb...); code != 0 {
				t.Errorf("plat %v: exit %d\n%s", verb, code, out)
			}
		}
	})
	all.Wait()
	t.Logf("all were answered after %v", time.Since(began))
	var svc api.Service
	house.Until(t, "front has settled", func() (bool, string) {
		var err error
		svc, err = c.Service(t.Context(), "front")
		return err == nil && svc.Settled && svc.Ready == 3 && svc.State == "ready" && len(svc.Instances) == 3, fmt.Sprintf("%+v %v", svc, err)
	})
	if err := c.Scale(t.Context(), "front", 101); !fault.Is(err, fault.BadArgument) {
		t.Errorf("scale to 101: %v", err)
	}
	if a := house.Call(t, "POST", h.API+"/v1/services/nobody/restart", nil, "Authorization", "Bearer "+tokenOf(t, h.Dir)); a.Status != 404 {
		t.Errorf("restart of nobody: %d %s", a.Status, a.Body)
	}
	for i, resp := range streams { // each follower was told
		lines := bufio.NewScanner(resp.Body)
		told := false
		for !told && lines.Scan() {
			told = strings.Contains(lines.Text(), `"services"`)
		}
		if !told {
			t.Errorf("follower %d was told nothing of the services: %v", i+1, lines.Err())
		}
	}
}
