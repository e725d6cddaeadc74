package e2e_test

import (
	"testing"

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
      - {name: pay, get: /call/pay}
      - {name: look, get: /without/hints}
      - {name: ask, get: /call/stock}
`,
		"services/front/service.yaml": `service: front
owner: team
run: [DUMMY]
consumes:
  services:
    pay: {timeout: 300ms, on-failure: fail}
    hints: {timeout: 300ms, on-failure: degrade, optional: true}
    stock: {timeout: 300ms, on-failure: degrade}
    points: {timeout: 300ms, on-failure: degrade}
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
	contains(t, "what customers see without stock", verdicts["stock"].Sees, `504 Gateway Timeout at "ask" of visit`)

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
	house.Edit(t, h.Dir+"/services/front/service.yaml", "stock: {timeout: 300ms, on-failure: degrade}", "stock: {timeout: 300ms, on-failure: fail}")
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
	out, code = h.Plat("rehearse", "front")
	if code != 0 {
		t.Errorf("plat rehearse with a true promise: exit %d\n%s", code, out)
	}
}
