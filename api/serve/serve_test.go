package serve_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/api/serve"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/kit/direct"
)

// fake is a plane with two services.
type fake struct {
	restarted, scaled string
	stopped           chan struct{}
	topics            chan []string // what changed, for whoever follows
	called            chan *http.Request
	told              []string
}

func (f *fake) System() api.System {
	return api.System{Name: "shop", Plan: api.PlanState{State: "live"}}
}
func (f *fake) Services() []api.Service {
	return []api.Service{{Name: "order", State: "ready", Instances: []api.Instance{}}, {Name: "web", State: "starting", Instances: []api.Instance{}}}
}
func (f *fake) Plan() any { return map[string]string{"system": "shop"} }
func (f *fake) Events(context.Context) (api.Events, error) {
	return api.Events{}, errors.New("a secret cause")
}
func (f *fake) Logs(ctx context.Context, q api.LogQuery, each func(api.LogLine) error) error {
	for _, text := range []string{"one", "two"} {
		if err := each(api.LogLine{Service: "order", Text: text}); err != nil {
			return err
		}
	}
	if q.Follow {
		<-ctx.Done()
	}
	return nil
}
func (f *fake) Restart(_ context.Context, service string) error {
	switch service {
	case "legacy":
		return fault.New(fault.NotRunByPlat, service+" registered itself")
	case "order":
	default:
		return fault.New(fault.NoSuchService, "the plan has no service "+service)
	}
	f.restarted = service
	return nil
}
func (f *fake) Unscale(_ context.Context, service string) error {
	f.scaled = service + "=plan"
	return nil
}

func (f *fake) Scale(_ context.Context, service string, n int) error {
	f.scaled = service + "=" + string(rune('0'+n))
	return nil
}
func (f *fake) Stop() { close(f.stopped) }

func (f *fake) WatchCalls(_ context.Context, service, instance, has string, _ time.Duration) (direct.View, error) {
	switch {
	case service != "order":
		return direct.View{}, fault.New(fault.NoSuchService, "the plan has no service "+service)
	case instance == "late":
		return direct.View{}, fault.New(fault.APIBusy, "too many")
	}
	return direct.View{Revision: has + "+1", Calls: []direct.Call{}}, nil
}

func (f *fake) TellCalls(service string, t direct.Telling) error {
	f.told = append(f.told, service+" "+t.Instance+" "+t.Revision)
	return nil
}

func start(t *testing.T) (*fake, *httptest.Server) {
	t.Helper()
	f := &fake{stopped: make(chan struct{}), topics: make(chan []string), called: make(chan *http.Request, 1)}
	server := httptest.NewUnstartedServer(nil)
	server.Config.Handler = serve.New(serve.Options{
		Source: f, Operator: f, Viewer: f, Mailbox: f, Callers: f, Wires: f.wires(), Base: "http://" + server.Listener.Addr().String(), Token: "operator", Version: "1",
		ServiceToken: func(token string) string {
			if token == "orders-own" {
				return "order"
			}
			return ""
		},
		ReadingToken: func() string { return "readers" },
		Self: func(service string) (api.Self, bool) {
			return api.Self{Service: service, Declaration: json.RawMessage(`{}`), Instances: []api.Instance{}}, service == "order"
		},
	})
	server.Start()
	t.Cleanup(server.Close)
	return f, server
}

func TestClientAgainstServer(t *testing.T) {
	t.Parallel()
	f, server := start(t)
	ctx := t.Context()
	c := api.NewClient(server.URL, "operator")
	if s, err := c.System(ctx); err != nil || s.Name != "shop" {
		t.Fatalf("System = %+v, %v", s, err)
	}
	if list, err := c.Services(ctx); err != nil || len(list) != 2 {
		t.Fatalf("Services = %+v, %v", list, err)
	}
	if s, err := c.Service(ctx, "web"); err != nil || s.State != "starting" {
		t.Fatalf("Service = %+v, %v", s, err)
	}
	if _, err := c.Service(ctx, "nobody"); !fault.Is(err, fault.NoSuchService) {
		t.Fatalf("Service of nobody = %v", err)
	}
	if err := c.Restart(ctx, "order"); err != nil || f.restarted != "order" {
		t.Fatalf("Restart = %v, restarted %q", err, f.restarted)
	}
	if err := c.Restart(ctx, "nobody"); !fault.Is(err, fault.NoSuchService) {
		t.Fatalf("Restart of nobody = %v", err)
	}
	if err := c.Scale(ctx, "order", 3); err != nil || f.scaled != "order=3" {
		t.Fatalf("Scale = %v, scaled %q", err, f.scaled)
	}
	if err := c.Unscale(ctx, "order"); err != nil || f.scaled != "order=plan" {
		t.Fatalf("Unscale = %v, scaled %q", err, f.scaled)
	}
	if err := c.Scale(ctx, "order", 1000); !fault.Is(err, fault.BadArgument) {
		t.Fatalf("Scale to 1000 = %v", err)
	}
	if p, err := c.Plan(ctx); err != nil || string(p) != `{"system":"shop"}` {
		t.Fatalf("Plan = %s, %v", p, err)
	}
	if _, err := c.Events(ctx); !fault.Is(err, fault.Internal) {
		t.Fatalf("Events = %v, want internal", err)
	}
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case <-f.stopped:
	case <-time.After(time.Minute):
		t.Fatal("not stopped")
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	_, server := start(t)
	c := api.NewClient(server.URL, "operator")
	var got []string
	collect := func(l api.LogLine) error { got = append(got, l.Text); return nil }
	if err := c.Logs(t.Context(), api.LogQuery{Services: []string{"order"}, Tail: 5}, collect); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two"}, got); diff != "" {
		t.Fatal(diff)
	}
	if err := c.Logs(t.Context(), api.LogQuery{Services: []string{"nobody"}}, collect); !fault.Is(err, fault.NoSuchService) {
		t.Fatalf("logs of nobody = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Logs(ctx, api.LogQuery{Follow: true}, func(l api.LogLine) error {
		if l.Text == "two" { // it is there before the stream ends
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("following ended with %v", err)
	}
}

// TestDoor asks with and without what the door wants.
func TestDoor(t *testing.T) {
	t.Parallel()
	_, server := start(t)
	own := strings.TrimPrefix(server.URL, "http://")
	for name, c := range map[string]struct {
		path, token, host, origin string
		status                    int
		code                      fault.Code
	}{
		"with the token":              {"/v1/system", "operator", own, "", 200, ""},
		"from its own page":           {"/v1/system", "operator", own, "http://" + own, 200, ""},
		"by localhost":                {"/v1/system", "operator", "localhost:8001", "", 200, ""},
		"without a token":             {"/v1/system", "", own, "", 401, fault.Unauthorized},
		"with a wrong token":          {"/v1/system", "operator2", own, "", 401, fault.Unauthorized},
		"by a rebound name":           {"/v1/system", "operator", "evil.example", "", 403, fault.OriginRefused},
		"by an address of the net":    {"/v1/system", "operator", "192.0.2.1:8001", "", 403, fault.OriginRefused},
		"from a foreign page":         {"/v1/system", "operator", own, "http://evil.example", 403, fault.OriginRefused},
		"from an opaque origin":       {"/v1/system", "operator", own, "null", 403, fault.OriginRefused},
		"a service about itself":      {"/v1/self", "orders-own", own, "", 200, ""},
		"a service about others":      {"/v1/services", "orders-own", own, "", 403, fault.Unauthorized},
		"the operator is no service":  {"/v1/self", "operator", own, "", 404, fault.NoSuchService},
		"a service about its calls":   {"/v1/self/calls?instance=order-1&revision=a&wait=1", "orders-own", own, "", 200, ""},
		"no number of milliseconds":   {"/v1/self/calls?instance=order-1&wait=-1", "orders-own", own, "", 422, fault.BadArgument},
		"too many watch":              {"/v1/self/calls?instance=late", "orders-own", own, "", 503, fault.APIBusy},
		"the operator calls nobody":   {"/v1/self/calls?instance=order-1", "operator", own, "", 404, fault.NoSuchService},
		"an unknown path":             {"/v1/nothing", "operator", own, "", 404, fault.NotFound},
		"an unknown path, no token":   {"/v1/nothing", "", own, "", 401, fault.Unauthorized},
		"the description of the API":  {"/v1/openapi.json", "operator", own, "", 200, ""},
		"a query that is no number":   {"/v1/logs?tail=many", "operator", own, "", 422, fault.BadArgument},
		"the logs of no such service": {"/v1/logs?service=nobody", "operator", own, "", 404, fault.NoSuchService},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = c.host
			if c.token != "" {
				req.Header.Set("Authorization", "Bearer "+c.token)
			}
			if c.origin != "" {
				req.Header.Set("Origin", c.origin)
			}
			resp, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, c.status, body)
			}
			if c.code == "" {
				return
			}
			var p api.Problem
			if err := json.Unmarshal(body, &p); err != nil || p.Code != c.code || p.Status != c.status || p.CorrelationID == "" || p.Title == "" {
				t.Fatalf("problem %+v, %v; want %s", p, err, c.code)
			}
			if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" {
				t.Fatalf("content type %q", ct)
			}
		})
	}
}

// TestCallsAreTold has what a service tells come through, and nothing that
// cannot be read.
func TestCallsAreTold(t *testing.T) {
	t.Parallel()
	f, server := start(t)
	for _, c := range []struct {
		body   string
		status int
	}{
		{`{"instance":"order-1","revision":"a","calls":[],"ofALaterKit":1}`, http.StatusNoContent},
		{`{"instance":`, http.StatusUnprocessableEntity},
		{`"` + strings.Repeat("a", 2<<20) + `"`, http.StatusRequestEntityTooLarge},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+direct.Path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer orders-own")
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%.40s: status %d, want %d", c.body, resp.StatusCode, c.status)
		}
	}
	if len(f.told) != 1 || f.told[0] != "order order-1 a" {
		t.Errorf("told %q", f.told)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	_, server := start(t)
	server.Close()
	_, err := api.NewClient(server.URL, "operator").System(t.Context())
	if !fault.Is(err, fault.Unreachable) {
		t.Fatalf("a closed API = %v, want unreachable", err)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	_, err = api.NewClient(other.URL, "operator").System(t.Context())
	if !fault.Is(err, fault.Unreachable) {
		t.Fatalf("another program's 404 = %v, want unreachable", err)
	}
}

// TestTheReadingTokenReadsAlone: figures and traces, by whatever way somebody
// tries for more.
func TestTheReadingTokenReadsAlone(t *testing.T) {
	t.Parallel()
	f, server := start(t)
	ask := func(method, path string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader("query=up"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer readers")
		resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for _, c := range [][2]string{{"GET", "/prometheus/api/v1/query?query=up"}, {"POST", "/prometheus/api/v1/query"}, {"GET", "/jaeger/api/services"}} {
		if status := ask(c[0], c[1]); status != http.StatusOK {
			t.Errorf("%s %s: %d", c[0], c[1], status)
		}
	}
	for _, c := range [][2]string{
		{"GET", "/v1/system"}, {"GET", "/v1/self"}, {"POST", "/v1/stop"}, {"GET", "/v1/plan"}, {"POST", "/v1/events"}, {"DELETE", "/prometheus/api/v1/series"}, {"PUT", "/jaeger/api/services"},
		{"POST", "/prometheus/../v1/stop"}, {"POST", "/prometheus/%2e%2e/v1/stop"}, {"GET", "/jaeger//../../v1/plan"},
	} {
		if status := ask(c[0], c[1]); status != http.StatusForbidden {
			t.Errorf("%s %s: %d", c[0], c[1], status)
		}
	}
	select {
	case <-f.stopped:
		t.Error("plat was stopped")
	default:
	}
}
