package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	plat "github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/internal/house"
)

// TestPurchaseHasNoGap buys an album and asks for everything behind the order's
// number: one trace through gateway, calls, events and workers, in which nothing
// lacks, with the log records; by the terminal, and by clients of Prometheus and
// Jaeger. After kill -9 it is still there.
func TestPurchaseHasNoGap(t *testing.T) {
	t.Parallel()
	dir := house.MusicCorp(t)
	h := house.Up(t, dir)
	shop := shop{t, h.Gateway}
	order := shop.buy(shop.register(), "no-gap", shop.search("a"), 1)
	if got := shop.settled(order); got.Status != "dispatched" {
		t.Fatalf("order is %+v, want dispatched", got)
	}
	number := order[strings.LastIndexByte(order, '/')+1:]
	subscribers := subscribersOf(t, h)
	var trace plat.Trace
	house.Until(t, "the whole trace", func() (bool, string) {
		text, code := h.Plat("trace", number, "-o", "json")
		if code != 0 {
			return false, text
		}
		trace = plat.Trace{}
		if err := json.Unmarshal([]byte(text), &trace); err != nil {
			t.Fatal(err)
		}
		gap := gapIn(trace, subscribers)
		return gap == "", gap
	})
	for _, service := range []string{"order", "warehouse", "finance"} {
		if !slices.ContainsFunc(trace.Logs, func(l plat.LogRecord) bool { return l.Service == service && l.CorrelationID == trace.CorrelationID }) {
			t.Errorf("no log record of %s is in the trace", service)
		}
	}
	t.Run("the story of an order", func(t *testing.T) { tellsStory(t, h, number, trace) })
	t.Run("from a problem to what is behind it", func(t *testing.T) { explainsProblem(t, h) })
	t.Run("a time, and what is mistyped", func(t *testing.T) { keepsToTime(t, h) })
	t.Run("clients of Prometheus and Jaeger", func(t *testing.T) { asksAsOthers(t, h, trace) })
	t.Run("after kill -9", func(t *testing.T) {
		if err := syscall.Kill(h.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		house.Until(t, "plat to end", func() (bool, string) { return !house.Alive(h.PID), "it runs" })
		again := house.Up(t, dir)
		text, code := again.Plat("trace", number, "-o", "json")
		var kept plat.Trace
		if code != 0 || json.Unmarshal([]byte(text), &kept) != nil || len(kept.Spans) != len(trace.Spans) {
			t.Errorf("exit %d, %d spans of %d: %.300s", code, len(kept.Spans), len(trace.Spans), text)
		}
		if text, code := again.Plat("telemetry"); code != 0 || !strings.Contains(text, "the last run ended by a crash") {
			t.Errorf("the crash is not told: exit %d\n%s", code, text)
		}
	})
}

// subscribersOf tells which services receive each event, by the plan.
func subscribersOf(t *testing.T, h *house.House) map[string][]string {
	t.Helper()
	text, code := h.Plat("plan", "-o", "json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, text)
	}
	var plan struct {
		Services []struct {
			Service  string
			Consumes []struct{ Type string }
		}
	}
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		t.Fatal(err)
	}
	services, _ := h.Plat("ps", "-o", "json")
	var running plat.Services
	if err := json.Unmarshal([]byte(services), &running); err != nil {
		t.Fatal(err)
	}
	of := map[string][]string{}
	for _, s := range plan.Services {
		if !slices.ContainsFunc(running.Services, func(r plat.Service) bool { return r.Name == s.Service && r.Ready > 0 }) {
			continue // skipped where its program lacks
		}
		for _, e := range s.Consumes {
			of[e.Type] = append(of[e.Type], s.Service)
		}
	}
	return of
}

// gapIn says what lacks in a trace; "" when nothing does.
func gapIn(t plat.Trace, subscribers map[string][]string) string {
	below := map[string][]plat.Span{}
	roots := 0
	for _, s := range t.Spans {
		below[s.Parent] = append(below[s.Parent], s)
		if s.Depth == 0 {
			roots++
		}
		if s.TraceID != t.TraceID || s.CorrelationID != t.CorrelationID {
			return fmt.Sprintf("%s %s is of trace %s and correlation ID %q, not %s and %q", s.Service, s.Name, s.TraceID, s.CorrelationID, t.TraceID, t.CorrelationID)
		}
	}
	if roots != 1 || len(t.Warnings) > 0 {
		return fmt.Sprintf("%d roots, warnings %q", roots, t.Warnings)
	}
	seen := map[string]bool{}
	for _, s := range t.Spans {
		event, ok := strings.CutPrefix(s.Name, "publish ")
		if !ok || s.Kind != "producer" {
			continue
		}
		seen[event] = true
		for _, service := range subscribers[event] {
			if !slices.ContainsFunc(below[s.ID], func(c plat.Span) bool { return c.Service == service }) {
				return fmt.Sprintf("%s did not receive %s of %s", service, event, s.Service)
			}
		}
	}
	for _, event := range []string{"order.placed", "stock.reserved", "payment.taken", "parcel.dispatched", "order.dispatched"} {
		if !seen[event] {
			return "nobody published " + event
		}
	}
	return ""
}

func tellsStory(t *testing.T, h *house.House, number string, trace plat.Trace) {
	house.Until(t, "the whole story", func() (bool, string) {
		text, code := h.Plat("why", number)
		for _, want := range []string{"order " + number + ": 1 trace", "order placed", "publish order.placed", "receive parcel.dispatched", "is on its way", "most time"} {
			if code != 0 || !strings.Contains(text, want) {
				return false, fmt.Sprintf("plat why: exit %d, lacks %q:\n%s", code, want, text)
			}
		}
		return true, ""
	})
	if text, code := h.Plat("logs", "--trace", trace.TraceID); code != 0 || !strings.Contains(text, "order placed") {
		t.Errorf("plat logs --trace: exit %d\n%s", code, text)
	}
	if text, code := h.Plat("logs", "--where", "order="+number, "-o", "json"); code != 0 || !strings.Contains(text, trace.TraceID) {
		t.Errorf("plat logs --where: exit %d\n%s", code, text)
	}
	if text, code := h.Plat("traces", "order", "-o", "name"); code != 0 || !strings.Contains(text, trace.TraceID) {
		t.Errorf("plat traces: exit %d\n%s", code, text)
	}
}

// keepsToTime asks for a time in which nothing was.
func keepsToTime(t *testing.T, h *house.House) {
	token, err := os.ReadFile(filepath.Join(h.Dir, ".plat", "token"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/v1/traces": `"traces":[]`, "/v1/logs/search": `"records":[]`, "/v1/logs/overview": `"total":0`} {
		a := house.Call(t, http.MethodGet, h.API+path+"?from=2026-01-02T03:04:05Z&to=2026-01-02T04:04:05Z", nil, "Authorization", "Bearer "+strings.TrimSpace(string(token)))
		if a.Status != http.StatusOK || !strings.Contains(string(a.Body), want) {
			t.Errorf("%s: %d, lacks %s: %.300s", path, a.Status, want, a.Body)
		}
	}
	for _, line := range [][]string{{"logs", "--search", "order", "--errors"}, {"logs", "--where", "order"}, {"traces", "--max", "-1s"}} {
		if text, code := h.Plat(line...); code != 2 {
			t.Errorf("plat %s: exit %d, want 2\n%s", strings.Join(line, " "), code, text)
		}
	}
	if text, code := h.Plat("traces", "ordre"); code != 1 || !strings.Contains(text, "no-such-service") {
		t.Errorf("plat traces ordre: exit %d\n%s", code, text)
	}
}

func explainsProblem(t *testing.T, h *house.House) {
	a := house.Call(t, http.MethodGet, h.Gateway+"/api/orders/01a219f7-0000-7000-8000-000000000000", nil)
	var problem struct{ CorrelationID string }
	a.JSON(t, &problem)
	if a.Status != http.StatusNotFound || problem.CorrelationID == "" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	house.Until(t, "the request behind the problem", func() (bool, string) {
		text, code := h.Plat("why", problem.CorrelationID)
		return code == 0 && strings.Contains(text, "GET /api/orders → 404"), text
	})
	if text, code := h.Plat("why", "01a219f7-ffff-7000-8000-000000000000"); code != 1 || !strings.Contains(text, "no-such-finding") {
		t.Errorf("an unknown ID: exit %d\n%s", code, text)
	}
}

// asksAsOthers asks with Prometheus's own client, and as Jaeger's interface does.
func asksAsOthers(t *testing.T, h *house.House, trace plat.Trace) {
	token, err := os.ReadFile(filepath.Join(h.Dir, ".plat", "token"))
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimSpace(string(token))
	client, err := api.NewClient(api.Config{
		Address:      h.API + "/prometheus",
		RoundTripper: config.NewAuthorizationCredentialsRoundTripper("Bearer", config.NewInlineSecret(secret), api.DefaultRoundTripper),
	})
	if err != nil {
		t.Fatal(err)
	}
	house.Until(t, "the request to be counted", func() (bool, string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		value, _, err := prometheus.NewAPI(client).Query(ctx, `sum(increase(plat_requests_total{service="order",gateway="public",code_class="2xx"}[1h]))`, time.Now())
		if err != nil {
			return false, err.Error()
		}
		vector, _ := value.(model.Vector)
		return len(vector) == 1 && vector[0].Value > 0, value.String()
	})
	a := house.Call(t, http.MethodGet, h.API+"/jaeger/api/traces/"+trace.TraceID, nil, "Authorization", "Bearer "+secret)
	var jaeger struct {
		Data []struct{ Spans []json.RawMessage }
	}
	a.JSON(t, &jaeger)
	if len(jaeger.Data) != 1 || len(jaeger.Data[0].Spans) != len(trace.Spans) {
		t.Errorf("Jaeger's clients get %.300s", a.Body)
	}
	if a := house.Call(t, http.MethodGet, h.API+"/jaeger/api/services", nil); a.Status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", a.Status)
	}
}

// TestTelemetryFollowsThePlan: where telemetry goes changes with plat.yaml,
// while plat runs.
func TestTelemetryFollowsThePlan(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 100)
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r.URL.Path:
		default:
		}
	}))
	t.Cleanup(backend.Close)
	const text = "system: told\nowners: {team: {mail: team@told.example}}\nservices: [{path: front}]\ngateways: {public: {routes: [{path: /, service: front}]}}\n"
	dir := system(t, map[string]string{"plat.yaml": text, "front/service.yaml": "service: front\nowner: team\nrun: [DUMMY]\n"})
	h := house.Up(t, dir)
	forwards := func(telemetry string, n int) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "plat.yaml"), []byte(text+telemetry), 0o600); err != nil {
			t.Fatal(err)
		}
		house.Until(t, fmt.Sprint(n, " backends"), func() (bool, string) {
			got, err := operator(t, h).Telemetry(t.Context())
			return err == nil && len(got.Forwards) == n, fmt.Sprintf("%+v %v", got.Forwards, err)
		})
	}
	forwards("telemetry: {keep: 2h, size: 64MiB, forward: [{url: "+backend.URL+"}]}\n", 1)
	house.Until(t, "the backend is told", func() (bool, string) {
		house.Call(t, "GET", h.Gateway+"/", nil)
		select {
		case path := <-asked:
			return strings.HasPrefix(path, "/v1/"), path
		default:
			return false, "nothing came"
		}
	})
	forwards("", 0)
	if out, code := h.Plat("telemetry"); code != 0 {
		t.Errorf("plat telemetry: exit %d\n%s", code, out)
	}
}
