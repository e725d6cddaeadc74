package cli_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/state"
)

// running is a folder in which a plat seems to run, which answers by the
// handler.
func running(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "plat.yaml"), []byte("system: shop\nowners: {us: {}}\nservices: [{path: a}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder, err := state.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	if _, err := folder.NewToken(); err != nil {
		t.Fatal(err)
	}
	if err := folder.Publish(state.Run{PID: os.Getpid(), System: "shop", API: server.URL}); err != nil {
		t.Fatal(err)
	}
	return root
}

func alerting(t *testing.T, silenced *api.NewSilence, ended *string) string {
	t.Helper()
	answer := func(value any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(value) }
	}
	mux := http.NewServeMux()
	since := time.Now().Add(-12 * time.Second)
	mux.HandleFunc("GET /v1/alerts", answer(api.Alerts{
		Alerts: []api.Alert{
			{ID: "5f2b9c01d7a4e683", Name: "TooManyErrors", State: "firing", Severity: "page", Service: "order", Owner: "ordering", Summary: "order answers 41% of requests with errors.", Since: since, Traces: "/traces?service=order&error=true&from=2026-11-26T11%3A58%3A00Z", Runbook: "RUNBOOK.md", Objective: "availability",
				Windows: []api.AlertWindow{{Over: "1m", Severity: "page", State: "firing", Value: 0.41, Since: since}, {Over: "15m", Severity: "page", State: "firing", Value: 0.11, Since: since}, {Over: "1h", Severity: "ticket", State: "memory", Since: since}}},
			{ID: "aaaa", Name: "CrashLoop", State: "silenced", Severity: "page", Service: "web", Owner: "website", Summary: "web ends again and again.", Since: since},
		},
		Deliveries: []api.Delivery{{Receiver: "https://chat.example/hook", Failed: 3, Error: "it answers 503 Service Unavailable"}},
	}))
	mux.HandleFunc("GET /v1/objectives", answer(api.Objectives{Objectives: []api.Objective{
		{Service: "loyalty", Name: "fresh-order.placed", Threshold: 30, State: "kept", Target: 0.99, Met: 1, Left: 1},
		{Service: "order", Name: "availability", State: "burning", Target: 0.995, Met: 0.999996, Left: -1.5, Burn: 14.94, Owner: "ordering"},
		{Service: "web", Name: "availability", State: "unknown", Target: 0.995},
	}}))
	mux.HandleFunc("POST /v1/silences", func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(silenced); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(api.Silence{ID: "a7k2m9qd", Matchers: []api.Matcher{{Label: "service", Value: "order"}, {Label: "severity", Value: "tick.*", Regex: true, Not: true}}, By: silenced.By, Active: true, Ends: silenced.Ends, Reason: silenced.Reason})
	})
	mux.HandleFunc("DELETE /v1/silences/{id}", func(w http.ResponseWriter, r *http.Request) {
		*ended = r.PathValue("id")
		w.WriteHeader(http.StatusNoContent)
	})
	return running(t, mux)
}

func TestAlertsAndObjectives(t *testing.T) {
	t.Parallel()
	root := alerting(t, &api.NewSilence{}, new(string))
	out, said, code := plat(t, 0, "alerts", "-C", root)
	for _, want := range []string{"5f2b9c01d7a4e683  page", "TooManyErrors", "ordering", "firing", "silenced", "41% of requests"} {
		if !strings.Contains(out, want) {
			t.Errorf("alerts lacks %q:\n%s", want, out)
		}
	}
	if code != 0 || !strings.Contains(said, "https://chat.example/hook could not be told: it answers 503 Service Unavailable (3 given up)") {
		t.Errorf("exit %d, said %s", code, said)
	}
	if _, _, code := plat(t, 0, "alerts", "--check", "-C", root); code != 1 {
		t.Errorf("--check: exit %d", code)
	}
	if out, _, _ := plat(t, 0, "alerts", "-o", "wide", "-C", root); !strings.Contains(out, "availability  1m,15m") {
		t.Errorf("-o wide lacks the windows:\n%s", out)
	}
	out, _, code = plat(t, 0, "alerts", "5f2b9c01d7a4e683", "-C", root)
	for _, want := range []string{"runbook       RUNBOOK.md", "window        1m: 41% of it bad (page)", "1h: 0% of it bad (ticket, still holds what is over)", "\n  plat traces order --errors --since 3m\n", "\n  plat logs order --severity error --since 3m\n", "\n  plat explain TooManyErrors\n"} {
		if code != 0 || !strings.Contains(out, want) || strings.Contains(out, "/traces?") {
			t.Errorf("one alert: exit %d, %q in\n%s", code, want, out)
		}
	}
	if _, said, code := plat(t, 0, "alerts", "nobody", "-C", root); code == 0 || !strings.Contains(said, "[no-such-alert]") {
		t.Errorf("no alert: exit %d, %s", code, said)
	}
	out, _, code = plat(t, 0, "objectives", "-C", root)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 4 || cmp.Diff(strings.Fields(lines[1]), []string{"order", "availability", "99.5%", "99.999%", "-150%", "14.9x", "burning", "ordering"}) != "" {
		t.Errorf("objectives: exit %d\n%s", code, out)
	}
	if out, _, _ := plat(t, 0, "objectives", "--burning", "-o", "name", "-C", root); out != "order\n" {
		t.Errorf("--burning: %q", out)
	}
}

func TestSilence(t *testing.T) {
	t.Parallel()
	var asked api.NewSilence
	var ended string
	root := alerting(t, &asked, &ended)
	out, said, code := plat(t, 0, "silence", "5f2b9c01d7a4e683", "--match", `severity!~"tick.*"`, "--for", "2h", "--reason", "being mended", "--by", "sam", "-C", root)
	if code != 0 || !strings.Contains(out, "service=order severity!~tick.*") {
		t.Fatalf("exit %d, %s%s", code, out, said)
	}
	if lasts := time.Until(asked.Ends); lasts > 2*time.Hour || lasts < 119*time.Minute {
		t.Errorf("it lasts %s", lasts)
	}
	asked.Ends = time.Time{}
	if d := cmp.Diff(api.NewSilence{Alert: "5f2b9c01d7a4e683", Matchers: []api.Matcher{{Label: "severity", Value: "tick.*", Not: true, Regex: true}}, By: "sam", Reason: "being mended"}, asked); d != "" {
		t.Errorf("asked (-want +got)\n%s", d)
	}
	asked = api.NewSilence{}
	if _, said, code := plat(t, 0, "silence", "CrashLoop", "--for", "3d", "--reason", "r", "-C", root); code != 0 || len(asked.Matchers) != 1 || asked.Matchers[0].Value != "CrashLoop" || asked.By == "" {
		t.Errorf("by name: exit %d, %s %+v", code, said, asked)
	}
	if _, said, code := plat(t, 0, "silence", "CrashLop", "--for", "3d", "--reason", "r", "-C", root); code == 0 || !strings.Contains(said, "did you mean CrashLoop?") {
		t.Errorf("mistyped: exit %d, %s", code, said)
	}
	if _, _, code := plat(t, 0, "silence", "end", "a7k2m9qd", "-C", root); code != 0 || ended != "a7k2m9qd" {
		t.Errorf("end: exit %d, %q", code, ended)
	}
	for _, wrong := range [][]string{{"CrashLoop", "--for", "2h"}, {"CrashLoop", "--reason", "r"}, {"--for", "2h", "--reason", "r"}, {"CrashLoop", "--for", "2", "--reason", "r"}, {"--match", "order", "--for", "2h", "--reason", "r"}} {
		if _, said, code := plat(t, 0, append([]string{"silence", "-C", root}, wrong...)...); code != 2 {
			t.Errorf("plat silence %v: exit %d, %s", wrong, code, said)
		}
	}
}

func TestTelemetryToken(t *testing.T) {
	t.Parallel()
	root := running(t, http.NewServeMux())
	first, _, code := plat(t, 0, "telemetry", "token", "-C", root)
	if code != 0 || len(strings.TrimSpace(first)) != 64 {
		t.Fatalf("exit %d, %q", code, first)
	}
	if again, _, _ := plat(t, 0, "telemetry", "token", "-C", root); again != first {
		t.Error("it does not last")
	}
	if other, _, _ := plat(t, 0, "telemetry", "token", "--new", "-C", root); other == first || len(other) != len(first) {
		t.Errorf("a new one is %q", other)
	}
	if out, _, code := plat(t, 0, "telemetry", "token", "--revoke", "-C", root); code != 0 || out != "" {
		t.Errorf("revoked: exit %d, %q", code, out)
	}
	if token, err := state.ReadingToken(filepath.Join(root, state.Name)); token != "" || err != nil {
		t.Errorf("revoked, and %q, %v", token, err)
	}
	if _, said, code := plat(t, 0, "telemetry", "token", "--new", "--revoke", "-C", root); code != 2 {
		t.Errorf("both: exit %d, %s", code, said)
	}
	if _, said, code := plat(t, 0, "telemetry", "token", "-C", t.TempDir()); code == 0 {
		t.Errorf("nowhere: exit %d, %s", code, said)
	}
}

func TestExplainAlerts(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ServiceDown", "servicedown"} {
		out, said, code := plat(t, 0, "explain", name)
		for _, want := range []string{"ServiceDown (page)\n", "What to do: ", "\n  plat scale SERVICE=plan\n"} {
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("%s: exit %d, %q in\n%s%s", name, code, want, out, said)
			}
		}
	}
	if out, _, code := plat(t, 0, "explain", "--alerts"); code != 0 || !strings.Contains(out, "TooManySeries") {
		t.Errorf("--alerts: exit %d\n%s", code, out)
	}
	if out, _, _ := plat(t, 0, "explain", "TooSlow", "-o", "json"); !strings.Contains(out, `"name": "TooSlow"`) {
		t.Errorf("-o json: %s", out)
	}
	if _, said, code := plat(t, 0, "explain", "TooSloww"); code == 0 || !strings.Contains(said, "did you mean TooSlow?") {
		t.Errorf("mistyped: exit %d, %s", code, said)
	}
	if _, _, code := plat(t, 0, "explain", "--alerts", "--fields"); code != 2 {
		t.Errorf("both: exit %d", code)
	}
}
