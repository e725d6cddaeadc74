package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/internal/house"
)

// breaking is a system whose front promises of four others what it does, and
// in one case does not, when they fail.
func breaking(t *testing.T) string {
	t.Helper()
	files := map[string]string{
		"plat.yaml": `system: breaking
owners:
  team: {mail: team@breaking.example}
services:
  - path: services/*
gateways:
  public:
    routes:
      - {path: /, service: front}
journeys:
  visit:
    owner: team
    timeout: 20s
    steps:
      - {name: pay, get: /call/pay, expect: {header: {X-Correlation-Id: {exists: true}}}}
      - {name: look, get: /without/hints, expect: {contains: [whole]}}
      - {name: ask, get: /call/stock, expect: {header: {X-Correlation-Id: {exists: true}}}}
`,
		"services/front/service.yaml": `service: front
owner: team
run: [DUMMY]
consumes:
  services:
    pay: {timeout: 1s, on-failure: fail}
    hints: {timeout: 1s, on-failure: degrade, optional: true}
    stock: {timeout: 1s, on-failure: degrade}
    points: {timeout: 1s, on-failure: degrade}
`,
	}
	for _, name := range []string{"pay", "hints", "stock", "points"} {
		files["services/"+name+"/service.yaml"] = "service: " + name + "\nowner: team\nrun: [DUMMY]\n"
	}
	return system(t, files)
}

// TestRehearsal lets each dependency fail: the promise that is false is found,
// with a trace that shows it, and the one that nobody tried is not called kept.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	h := house.Up(t, breaking(t))
	c := operator(t, h)
	out, code := h.Plat("rehearse")
	if code != 1 {
		t.Errorf("plat rehearse: exit %d, want 1\n%s", code, out)
	}
	contains(t, "plat rehearse", out, "front promises degrade when stock fails, and does not keep it", "[chaos-false-promise]", "plat trace ", "1 call is not rehearsed")
	found, err := c.Rehearsal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]api.Promise{}
	for _, p := range found.Promises {
		verdicts[p.Dependency] = p
	}
	for name, want := range map[string]string{"pay": "kept", "hints": "kept", "stock": "false", "points": "not-rehearsed"} {
		if p := verdicts[name]; p.Verdict != want || p.Stale != "" {
			t.Errorf("%s: %s (%s) %s, want %s", name, p.Verdict, p.Why, p.Stale, want)
		}
	}
	for _, name := range []string{"pay", "hints", "stock"} {
		if ways := verdicts[name].Ways; len(ways) != 4 {
			t.Errorf("%s failed in %d ways, want 4", name, len(ways))
		}
		for _, w := range verdicts[name].Ways {
			if w.Played == 0 || len(w.Runs) != 1 || w.Runs[0].TraceID == "" {
				t.Errorf("%s, %s: %+v", name, w.Way, w)
			}
		}
	}
	if sees := verdicts["hints"].Sees; sees != "nothing: every journey passes" {
		t.Errorf("without hints customers see %q", sees)
	}
	contains(t, "what customers see without stock", verdicts["stock"].Sees, `at "ask" of visit, after `)

	// Nothing of it stays: customers, test or not, see all well.
	if out, code := h.Plat("probe", "run"); code != 0 {
		t.Errorf("plat probe run: exit %d\n%s", code, out)
	}
	if a := house.Call(t, "GET", h.Gateway+"/call/stock", nil); a.Status != 200 {
		t.Errorf("a customer afterwards: %d %s", a.Status, a.Body)
	}

	// It is remembered, and grows old with the plan.
	stopped(t, h)
	again(t, h)
	out, code = h.Plat("rehearse", "--last")
	if code != 1 {
		t.Errorf("plat rehearse --last: exit %d\n%s", code, out)
	}
	contains(t, "plat rehearse --last", out, "kept", "false", "not rehearsed")
	house.Edit(t, h.Dir+"/services/front/service.yaml", "stock: {timeout: 1s, on-failure: degrade}", "stock: {timeout: 1s, on-failure: fail}")
	c = operator(t, h)
	house.Until(t, "the verdict is out of date", func() (bool, string) {
		found, err := c.Rehearsal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range found.Promises {
			if p.Dependency == "stock" {
				return p.Stale == "the plan has changed", p.Stale
			}
		}
		return false, "there is no such call"
	})
	out, _ = h.Plat("describe", "front")
	contains(t, "plat describe", out, "when stock fails was rehearsed, and is out of date: the plan has changed", "plat rehearse front finds out anew")
	out, code = h.Plat("rehearse", "front")
	if code != 0 {
		t.Errorf("plat rehearse with a true promise: exit %d\n%s", code, out)
	}
}

// save puts a file beside a system's plan.
func save(t *testing.T, h *house.House, name, text string) {
	t.Helper()
	path := filepath.Join(h.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestExperiment lets things fail: what customers do not notice is steady, and
// what hurts them ends by itself, long before its time.
func TestExperiment(t *testing.T) {
	t.Parallel()
	h := house.Up(t, breaking(t))
	save(t, h, "experiments/without-hints.yaml", "experiment: without-hints\nowner: team\nsteady: {journeys: [visit]}\nduration: 2s\n"+
		"faults:\n  - {do: no-answer, from: front, service: hints}\n  - {do: kill, service: points}\n")
	save(t, h, "experiments/without-stock.yaml", "experiment: without-stock\nowner: team\nsteady: {journeys: [visit]}\nduration: 5m\n"+
		"faults: [{do: abort, from: front, service: stock, customers: all}]\n")
	save(t, h, "experiments/bad.yaml", "experiment: bad\nowner: nobody\n")
	out, code := h.Plat("chaos", "list")
	contains(t, "plat chaos list", out, "without-hints", "without-stock", "experiments/bad.yaml:2:8: error: there is no owner nobody")
	if code != 0 {
		t.Errorf("plat chaos list: exit %d", code)
	}
	out, code = h.Plat("chaos", "run", "without-hints")
	if code != 0 {
		t.Errorf("plat chaos run without-hints: exit %d\n%s", code, out)
	}
	contains(t, "plat chaos run", out, "without-hints: steady", "kill points-1", "plat trace ")
	out, code = h.Plat("chaos", "run", "without-stock")
	if code != 1 {
		t.Errorf("plat chaos run without-stock: exit %d\n%s", code, out)
	}
	contains(t, "plat chaos run", out, "without-stock: customers hurt", `at "ask" of visit, after `)
	report, err := operator(t, h).ChaosReport(t.Context(), "without-stock")
	if err != nil {
		t.Fatal(err)
	}
	if failed := report.Undone.Sub(report.Injected); failed > time.Minute || report.Recovered.IsZero() || report.Journeys[0].Failed != 1 || report.Played["without-stock/1"].Played == 0 {
		t.Errorf("it failed for %s: %+v", failed, report)
	}
	if a := house.Call(t, "GET", h.Gateway+"/call/stock", nil); a.Status != 200 {
		t.Errorf("a customer afterwards: %d %s", a.Status, a.Body)
	}
	for file, want := range map[string]string{"bad": "there is no experiment bad", "without-hint": "did you mean without-hints?", "./none.yaml": "cannot be read"} {
		out, code := h.Plat("chaos", "run", file)
		if code == 0 {
			t.Errorf("plat chaos run %s: exit 0", file)
		}
		contains(t, "plat chaos run "+file, out, want)
	}
	if out, code := h.Plat("chaos", "stop"); code != 1 || !strings.Contains(out, "chaos-not-running") {
		t.Errorf("plat chaos stop: exit %d\n%s", code, out)
	}
}

// TestKilledWhilePaused: an instance stands still, and plat is killed; nothing
// is left standing, and the next plat finds all well.
func TestKilledWhilePaused(t *testing.T) {
	t.Parallel()
	h := house.Up(t, breaking(t))
	c := operator(t, h)
	started, err := c.Experiment(t.Context(), api.NewExperiment{
		File: "still.yaml", Text: "experiment: still\nowner: team\nsteady: {objectives: [front]}\nduration: 10m\nfaults: [{do: pause, service: points}]\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	svc, err := c.Service(t.Context(), "points")
	if err != nil || len(svc.Instances) != 1 {
		t.Fatalf("%+v, %v", svc, err)
	}
	house.Until(t, "points stands still", func() (bool, string) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", svc.Instances[0].PID))
		return err == nil && strings.Contains(string(text), ") T "), string(text)
	})
	killed(t, h)
	again(t, h)
	report, err := operator(t, h).ChaosReport(t.Context(), "last")
	if err != nil || report.ID != started.ID || report.State != "stopped" {
		t.Errorf("what is known of it: %+v, %v", report, err)
	}
	if out, code := h.Plat("probe", "run"); code != 0 {
		t.Errorf("plat probe run: exit %d\n%s", code, out)
	}
}
