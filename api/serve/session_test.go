package serve_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/api/serve"
	"github.com/plat-dev/plat/fault"
)

func (f *fake) Map(context.Context) api.Map {
	return api.Map{Nodes: []api.Node{{Name: "order", Kind: "service"}}, Edges: []api.Edge{}}
}
func (f *fake) Findings(_ context.Context, unused time.Duration) api.Findings {
	id := "f1"
	if unused > 0 {
		id = "f-" + unused.String()
	}
	return api.Findings{Findings: []api.Finding{{ID: id, Evidence: []api.Evidence{}}}, Patch: "--- a"}
}
func (f *fake) Why(ctx context.Context, id string) (api.Finding, error) {
	if id != "f1" {
		return api.Finding{}, fault.New(fault.NoSuchFinding, "plat knows nothing of the ID "+id)
	}
	return f.Findings(ctx, 0).Findings[0], nil
}
func (f *fake) Describe(_ context.Context, service string) (api.Description, error) {
	if service != "order" {
		return api.Description{}, fault.New(fault.NoSuchService, "the plan has no service "+service)
	}
	return api.Description{Service: api.Service{Name: service, Instances: []api.Instance{}}, Declaration: json.RawMessage(`{}`)}, nil
}
func (f *fake) Platform() api.Platform {
	return api.Platform{Processes: []api.Process{{Name: "plat", PID: 1}}}
}
func (f *fake) Mails() (api.Mailbox, error) { return api.Mailbox{Mails: []api.Mail{{ID: "m1"}}}, nil }
func (f *fake) ClearMail() error            { return nil }
func (f *fake) MailSource(string) ([]byte, error) {
	return []byte("Subject: hello\r\n\r\nhello\r\n"), nil
}
func (f *fake) Mail(id string) (api.MailContent, error) {
	if id != "m1" {
		return api.MailContent{}, fault.New(fault.NoSuchMail, "there is no mail "+id)
	}
	return api.MailContent{Mail: api.Mail{ID: id, To: []string{}}}, nil
}

func (f *fake) wires() serve.Wires {
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	return serve.Wires{
		Prometheus: nothing, Jaeger: nothing,
		OpenAPI: func(service string) ([]byte, error) {
			if service != "order" {
				return nil, fault.New(fault.NotFound, service+" declares no OpenAPI document")
			}
			return []byte("openapi: 3.1.0\n"), nil
		},
		Call: func(service string) (http.Handler, error) {
			if service != "order" {
				return nil, fault.New(fault.NoSuchService, "there is no service "+service)
			}
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				f.called <- r
				w.Header().Set("Set-Cookie", "own=1")
				w.Header().Set("Content-Type", "text/html")
				w.WriteHeader(http.StatusTeapot)
				_, _ = io.WriteString(w, "<script>alert(1)</script>")
			}), nil
		},
		Publish: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"id":"e1","type":"order.placed","provider":"order"}`)
		}),
		Changes: func(ctx context.Context) <-chan []string {
			out := make(chan []string)
			go func() {
				defer close(out)
				for {
					select {
					case <-ctx.Done():
						return
					case topics := <-f.topics:
						select {
						case out <- topics:
						case <-ctx.Done():
							return
						}
					}
				}
			}()
			return out
		},
		Console: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, "page "+r.URL.Path) }),
	}
}

// get asks with header fields in pairs.
func get(t *testing.T, server *httptest.Server, method, path string, fields ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	resp, err := server.Client().Transport.RoundTrip(req) // no redirect is followed
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// TestACodeOpensTheConsoleOnce follows a browser from the printed address to
// the API, and those that must not come in.
func TestACodeOpensTheConsoleOnce(t *testing.T) {
	t.Parallel()
	_, server := start(t)
	session, err := api.NewClient(server.URL, "operator").Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path, ok := strings.CutPrefix(session.URL, server.URL)
	if !ok || !strings.HasPrefix(path, "/?code=") {
		t.Fatalf("address %q", session.URL)
	}
	resp, _ := get(t, server, http.MethodGet, path)
	cookies := resp.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || cookies[0].Domain != "" {
		t.Fatalf("cookies %v", cookies)
	}
	if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || to != "/" {
		t.Fatalf("%d, sent on to %q: the code must leave the address", resp.StatusCode, to)
	}
	again, _ := get(t, server, http.MethodGet, path)
	if len(again.Cookies()) != 0 {
		t.Fatal("the code was worth something twice")
	}
	cookie := cookies[0].Name + "=" + cookies[0].Value
	for name, c := range map[string]struct {
		method, site, cookie string
		status               int
	}{
		"a page of the console":            {http.MethodGet, "same-origin", cookie, 200},
		"the user typed the address":       {http.MethodGet, "none", cookie, 200},
		"a page of another port":           {http.MethodGet, "same-site", cookie, 401},
		"a page of elsewhere":              {http.MethodGet, "cross-site", cookie, 401},
		"a browser that does not say":      {http.MethodGet, "", cookie, 401},
		"a change from an unknown page":    {http.MethodPost, "none", cookie, 401},
		"a cookie of another plat":         {http.MethodGet, "same-origin", cookies[0].Name + "=0000", 401},
		"no cookie":                        {http.MethodGet, "same-origin", "", 401},
		"the token instead of the cookie":  {http.MethodGet, "same-origin", cookies[0].Name + "=operator", 401},
		"a wrong name for the cookie":      {http.MethodGet, "same-origin", "plat-console-1=" + cookies[0].Value, 401},
		"a change from the console's page": {http.MethodPost, "same-origin", cookie, 204},
	} {
		path := "/v1/system"
		if c.method == http.MethodPost {
			path = "/v1/services/order/restart"
		}
		if resp, text := get(t, server, c.method, path, "Cookie", c.cookie, "Sec-Fetch-Site", c.site); resp.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d: %s", name, resp.StatusCode, c.status, text)
		}
	}
}

func TestTheConsoleItselfIsForEverybodyHere(t *testing.T) {
	t.Parallel()
	_, server := start(t)
	if resp, text := get(t, server, http.MethodGet, "/services/order"); resp.StatusCode != 200 || text != "page /services/order" {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	for path, want := range map[string]string{"//evil.example/?code=x": "/evil.example/", "/\\evil.example/?code=x": "/evil.example/", "/logs?code=x": "/logs"} {
		if resp, _ := get(t, server, http.MethodGet, path); resp.Header.Get("Location") != want {
			t.Errorf("%s leads to %q, want %q", path, resp.Header.Get("Location"), want)
		}
	}
	resp, _ := get(t, server, http.MethodGet, "/?code=guessed&page=2")
	if len(resp.Cookies()) != 0 || resp.Header.Get("Location") != "/?page=2" {
		t.Fatalf("a guessed code gave %v, %q", resp.Cookies(), resp.Header.Get("Location"))
	}
}

// TestACallThroughPlat passes nothing of plat's on, and lets no answer act as
// the console.
func TestACallThroughPlat(t *testing.T) {
	t.Parallel()
	f, server := start(t)
	resp, _ := get(t, server, http.MethodPut, "/v1/services/order/http/a%2Fb/c?x=1", "Authorization", "Bearer operator",
		"Plat-Authorization", "Bearer customer", "Cookie", "plat-console-1=x", "Referer", "http://somewhere/", "X-Own", "1")
	if resp.StatusCode != http.StatusTeapot || resp.Header.Get("Set-Cookie") != "" || resp.Header.Get("Content-Security-Policy") == "" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	r := <-f.called
	if r.Method != http.MethodPut || r.RequestURI != "/a%2Fb/c?x=1" || r.Host != "order.internal" {
		t.Fatalf("the service was asked %s %s of %s", r.Method, r.RequestURI, r.Host)
	}
	if r.Header.Get("Authorization") != "Bearer customer" || r.Header.Get("Cookie") != "" || r.Header.Get("Referer") != "" || r.Header.Get("X-Own") != "1" {
		t.Fatalf("with the header %v", r.Header)
	}
	if resp, _ := get(t, server, http.MethodGet, "/v1/services/nobody/http/", "Authorization", "Bearer operator"); resp.StatusCode != 404 {
		t.Fatalf("nobody answered %d", resp.StatusCode)
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	f, server := start(t)
	resp, err := api.NewClient(server.URL, "operator").Raw(t.Context(), http.MethodGet, "/v1/changes", http.Header{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if ct := resp.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Fatalf("content type %q", ct)
	}
	f.topics <- []string{"services", "map"}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if text != `{"topics":["services","map"]}` {
				t.Fatalf("told %s", text)
			}
			return
		}
	}
	t.Fatalf("the stream ended: %v", lines.Err())
}

// TestWhatPlatDoesNotRun is the caller's mistake, not plat's.
func TestWhatPlatDoesNotRun(t *testing.T) {
	t.Parallel()
	_, server := start(t)
	if resp, text := get(t, server, http.MethodPost, "/v1/services/legacy/restart", "Authorization", "Bearer operator"); resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, string(fault.NotRunByPlat)) {
		t.Errorf("restart: %d %s", resp.StatusCode, text)
	}
}

// TestViews asks for what the console and the command line show.
func TestViews(t *testing.T) {
	t.Parallel()
	_, server := start(t)
	ctx := t.Context()
	c := api.NewClient(server.URL, "operator")
	if m, err := c.Map(ctx); err != nil || len(m.Nodes) != 1 {
		t.Errorf("Map = %v, %v", m, err)
	}
	if f, err := c.Findings(ctx); err != nil || len(f) != 1 {
		t.Errorf("Findings = %v, %v", f, err)
	}
	if d, err := c.Drift(ctx, 90*time.Second); err != nil || len(d.Findings) != 1 || d.Findings[0].ID != "f-1m30s" || d.Patch != "--- a" {
		t.Errorf("Drift = %+v, %v", d, err)
	}
	for _, bad := range []string{"soon", "-1s", "0"} {
		resp, err := c.Raw(ctx, http.MethodGet, "/v1/findings?unused="+bad, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 4 {
			t.Errorf("unused=%s: %d", bad, resp.StatusCode)
		}
	}
	if f, err := c.Why(ctx, "f1"); err != nil || f.ID != "f1" {
		t.Errorf("Why = %v, %v", f, err)
	}
	if _, err := c.Why(ctx, "../system"); !fault.Is(err, fault.NoSuchFinding) {
		t.Errorf("Why of an odd ID = %v", err)
	}
	if d, err := c.Describe(ctx, "order"); err != nil || d.Service.Name != "order" {
		t.Errorf("Describe = %v, %v", d, err)
	}
	if p, err := c.Platform(ctx); err != nil || len(p.Processes) != 1 {
		t.Errorf("Platform = %v, %v", p, err)
	}
	if box, err := c.Mails(ctx); err != nil || len(box.Mails) != 1 {
		t.Errorf("Mails = %v, %v", box, err)
	}
	if _, err := c.Mail(ctx, "m2"); !fault.Is(err, fault.NoSuchMail) {
		t.Errorf("Mail of an unknown ID = %v", err)
	}
	if err := c.ClearMail(ctx); err != nil {
		t.Errorf("ClearMail = %v", err)
	}
	if p, err := c.Publish(ctx, "order.placed", "", "", json.RawMessage(`{}`)); err != nil || p.Provider != "order" {
		t.Errorf("Publish = %v, %v", p, err)
	}
	for path, kind := range map[string]string{"/v1/services/order/openapi": "application/yaml", "/v1/mail/m1/raw": "message/rfc822"} {
		if resp, _ := get(t, server, http.MethodGet, path, "Authorization", "Bearer operator"); resp.StatusCode != 200 || resp.Header.Get("Content-Type") != kind {
			t.Errorf("%s: %d %s", path, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
	}
}
