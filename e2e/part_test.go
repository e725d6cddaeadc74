package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/internal/house"
)

// TestPartOfASystem runs one service with what it needs, and changes the plan
// meanwhile.
func TestPartOfASystem(t *testing.T) {
	t.Parallel()
	dir := system(t, map[string]string{
		"plat.yaml": "system: parts\nowners:\n  team: {mail: team@parts.example}\nservices:\n  - path: services/*\n" +
			"gateways:\n  public:\n    routes:\n      - {path: /, service: order}\n      - {path: /extra, service: extra}\n",
		"services/order/service.yaml":   "service: order\nowner: team\nrun: [DUMMY]\nconsumes:\n  services:\n    catalog: {}\n",
		"services/catalog/service.yaml": "service: catalog\nowner: team\nrun: [DUMMY]\n",
		"services/extra/service.yaml":   "service: extra\nowner: team\nrun: [DUMMY]\nprovides: {events: {extra.done: {}}}\n",
	})
	h := house.Up(t, dir, "order")
	c := operator(t, h)
	runs := func(want string) {
		t.Helper()
		house.Until(t, want+" run", func() (bool, string) {
			services, err := c.Services(t.Context())
			var names []string
			for _, s := range services {
				if s.Ready > 0 {
					names = append(names, s.Name)
				}
			}
			return err == nil && strings.Join(names, " ") == want, fmt.Sprint(names, err)
		})
	}
	said := func(state, code string) (s api.System) {
		t.Helper()
		house.Until(t, "the plan is "+state+" "+code, func() (bool, string) {
			var err error
			s, err = c.System(t.Context())
			ok := err == nil && s.Plan.State == state
			if code != "" {
				ok = ok && len(s.Plan.Findings) == 1 && string(s.Plan.Findings[0].Code) == code
			}
			return ok, fmt.Sprintf("%+v %v", s.Plan, err)
		})
		return s
	}
	revised := func(file, old, text string) {
		t.Helper()
		before := said("live", "").Revision
		house.Edit(t, filepath.Join(dir, filepath.FromSlash(file)), old, text)
		house.Until(t, file+" is live", func() (bool, string) {
			s, err := c.System(t.Context())
			return err == nil && s.Plan.State == "live" && s.Revision != before, fmt.Sprint(s.Plan, err)
		})
	}
	runs("catalog order")
	var p problem
	a := house.Call(t, "GET", h.Gateway+"/extra", nil)
	if a.JSON(t, &p); a.Status != 503 || !strings.HasPrefix(p.Code, "gateway-") {
		t.Errorf("the route to one that does not run: %d %s", a.Status, a.Body)
	}
	if s, err := c.System(t.Context()); err != nil || strings.Join(s.Only, " ") == "" {
		t.Errorf("plat does not say that only a part runs: %+v %v", s.Only, err)
	}

	// The plan changes: what is not asked for still does not run, what is
	// needed now does.
	revised("plat.yaml", "{path: /extra, service: extra}", "{path: /more, service: extra}")
	runs("catalog order")
	if out, code := h.Plat("plan", "add", "order", "consumes", "extra"); code != 0 {
		t.Fatalf("plat plan add: exit %d\n%s", code, out)
	}
	runs("catalog extra order")
	house.Until(t, "order calls extra", func() (bool, string) {
		a := house.Call(t, "GET", h.Gateway+"/call/extra", nil)
		return a.Status == 200, fmt.Sprint(a.Status, string(a.Body))
	})
	if a := house.Call(t, "GET", h.Gateway+"/more", nil); a.Status != 200 {
		t.Errorf("the new route: %d %s", a.Status, a.Body)
	}

	// What is read only at the start is refused with its reason, and all goes
	// on by the last good plan.
	for _, c := range []struct{ old, text, code string }{
		{"  public:\n", "  other:\n    routes: [{path: /, service: catalog}]\n  public:\n", "plan-needs-restart"},
		{"service: order}", "service: nobody}", "plan-unknown-service"},
	} {
		revision := said("live", "").Revision
		house.Edit(t, filepath.Join(dir, "plat.yaml"), c.old, c.text)
		if s := said("refused", c.code); s.Revision != revision || len(s.Doors) != 0 {
			t.Errorf("with %q the live plan is %s, was %s", c.text, s.Revision, revision)
		}
		if a := house.Call(t, "GET", h.Gateway+"/call/catalog", nil); a.Status != 200 {
			t.Errorf("with %q refused: %d %s", c.text, a.Status, a.Body)
		}
		out, code := h.Plat("ps")
		if code != 0 {
			t.Errorf("plat ps: exit %d", code)
		}
		contains(t, "plat ps", out, c.code)
		house.Edit(t, filepath.Join(dir, "plat.yaml"), c.text, c.old)
		said("live", "")
	}

	// What stands in the way of a change is the service's fault, not plat's.
	revised("services/extra/service.yaml", "run: [", "build: {command: [sh, -c, exit 3]}\nrun: [")
	house.Until(t, "it does not build", func() (bool, string) {
		a := house.Call(t, "POST", h.API+"/v1/services/extra/restart", nil, "Authorization", "Bearer "+tokenOf(t, dir))
		return a.Status == 409 && strings.Contains(string(a.Body), `"run-build-failed"`), fmt.Sprint(a.Status, " ", string(a.Body))
	})
	if a := house.Call(t, "GET", h.Gateway+"/call/extra", nil); a.Status != 200 {
		t.Errorf("the one that runs: %d %s", a.Status, a.Body)
	}

	// A program that lacks is told, and keeps nothing from being settled.
	revised("services/extra/service.yaml", "build: {command: [sh, -c, exit 3]}\n", "needs: [no-such-program]\n")
	house.Until(t, "extra is skipped", func() (bool, string) {
		s, err := c.Service(t.Context(), "extra")
		return err == nil && s.State == "skipped" && s.Settled && s.Fault != nil && s.Fault.Code == "run-tool-missing", fmt.Sprintf("%+v %v", s, err)
	})
	runs("catalog order")

	// One that the part needs is taken out of the plan while it runs.
	house.Edit(t, filepath.Join(dir, "services", "order", "service.yaml"), "service: order", "service: orders")
	s := said("refused", "")
	if len(s.Plan.Findings) == 0 {
		t.Error("no reason is given")
	}
	if a := house.Call(t, "GET", h.Gateway+"/call/catalog", nil); a.Status != 200 {
		t.Errorf("with the service renamed: %d %s", a.Status, a.Body)
	}
}
