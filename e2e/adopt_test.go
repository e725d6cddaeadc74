package e2e_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plat-dev/plat/internal/house"
)

// running is a service as plat ps tells of it.
type running struct {
	Name      string
	State     string
	Ready     int
	Fault     *struct{ Code, File, Expected string }
	Instances []struct{ PID int }
}

func states(t *testing.T, h *house.House) map[string]running {
	t.Helper()
	out, code := h.Plat("ps", "-o", "json")
	if code != 0 {
		t.Fatalf("plat ps: exit %d\n%s", code, out)
	}
	var list []running
	var answer struct{ Services []running }
	if json.Unmarshal([]byte(out), &answer) == nil {
		list = answer.Services
	} else if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	all := map[string]running{}
	for _, s := range list {
		all[s.Name] = s
	}
	return all
}

// TestAdoption runs programs in four languages that know nothing of plat, and
// then edits them.
func TestAdoption(t *testing.T) {
	t.Parallel()
	dir := house.Shop3(t)
	h := house.Up(t, dir, "--watch")
	all := states(t, h)
	says := func(service, path, want string) {
		t.Helper()
		if all[service].State == "skipped" {
			t.Logf("%s is skipped: %+v", service, all[service].Fault)
			return
		}
		house.Until(t, service+" answers "+want, func() (bool, string) {
			a, err := house.TryCall("GET", h.Gateway+path, nil)
			if err != nil {
				return false, err.Error()
			}
			return a.Status == 200 && strings.Contains(string(a.Body), want), string(a.Body)
		})
	}
	for name, s := range all {
		if s.State != "ready" && s.State != "skipped" || s.State == "skipped" && (s.Fault == nil || s.Fault.Code != "run-tool-missing") {
			t.Errorf("%s is %+v", name, s)
		}
	}
	says("catalog", "/catalog", `"greeting":"hello"`)
	says("web", "/", "The shop")
	says("pricing", "/price/Blue", `"cents": 1299`)

	// What is saved is served.
	service := func(name string) string { return filepath.Join(dir, "services", filepath.FromSlash(name)) }
	house.Edit(t, service("web/page.js"), "The shop", "The new shop")
	says("web", "/", "The new shop")
	house.Edit(t, service("pricing/pricing.py"), "1299", "999")
	says("pricing", "/price/Blue", `"cents": 999`)
	house.Edit(t, service("catalog/main.go"), `"hello"`, `"good morning"`)
	says("catalog", "/catalog", "good morning")

	// What does not build is said, and the old one serves.
	house.Edit(t, service("catalog/main.go"), `"good morning"`, `good`)
	house.Until(t, "the fault is shown", func() (bool, string) {
		s := states(t, h)["catalog"]
		return s.Fault != nil && s.Fault.Code == "run-build-failed" && s.Fault.File == "services/catalog/main.go" && s.Ready == 1 && s.State == "ready", s.State
	})
	says("catalog", "/catalog", "good morning")
	house.Edit(t, service("catalog/main.go"), `good`, `"good night"`)
	says("catalog", "/catalog", "good night")

	// Wrapped ones and one with a fixed port are restarted like any other.
	for _, name := range []string{"legacy", "pricing", "web"} {
		before := states(t, h)[name]
		if before.State == "skipped" {
			continue
		}
		if out, code := h.Plat("restart", name); code != 0 {
			t.Fatalf("plat restart %s: exit %d\n%s", name, code, out)
		}
		after := states(t, h)[name]
		if after.State != "ready" || len(after.Instances) != 1 || after.Instances[0].PID == before.Instances[0].PID {
			t.Errorf("%s was %+v, is %+v", name, before, after)
		}
	}
	out, code := h.Plat("logs", "legacy")
	if code != 0 || !strings.Contains(out, "legacy on ") {
		t.Errorf("plat logs legacy: exit %d\n%s", code, out)
	}
}
