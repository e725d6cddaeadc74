package e2e_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/internal/house"
)

// TestPoliciesOfCalls breaks a dependency until its breaker opens, sees what
// stands in, and changes the policy while it runs: nobody restarts, and the
// breaker stays open.
func TestPoliciesOfCalls(t *testing.T) {
	t.Parallel()
	dir := system(t, map[string]string{
		"plat.yaml":                   callsPlan,
		"services/front/service.yaml": "service: front\nowner: team\nrun: [DUMMY]\nconsumes: {services: {back: {timeout: 20s, on-failure: degrade, optional: true, breaker: {open: 5m}}}}\n",
		"services/back/service.yaml":  "service: back\nowner: team\nrun: [DUMMY]\n",
	})
	h := house.Up(t, dir)
	c := operator(t, h)
	look := func() (policies map[string]api.PolicyState, edge string, pid int) {
		t.Helper()
		d, err := c.Describe(t.Context(), "front")
		if err != nil {
			t.Fatal(err)
		}
		policies = map[string]api.PolicyState{}
		for _, call := range d.Calls {
			for _, p := range call.Policies {
				if call.Service == "back" {
					policies[p.Policy] = p
				}
			}
		}
		for _, v := range d.Environment {
			if v.Name == "PLAT_URL_BACK" {
				edge = v.Value
			}
		}
		return policies, edge, d.Service.Instances[0].PID
	}
	policies, edge, pid := look()
	if p := policies["breaker"]; !strings.HasPrefix(p.State, "closed") || p.Acted != nil {
		t.Fatalf("at first the breaker is %+v", p)
	}
	for range 20 {
		if a := house.Call(t, "POST", edge+"/refuse", nil); a.Status != 500 || a.Header.Get("Plat-Degraded") != "back" {
			t.Fatalf("the dependency's own error: %d %v", a.Status, a.Header)
		}
	}
	a := house.Call(t, "GET", edge+"/", nil)
	if a.Status != 503 || a.Header.Get("Plat-Degraded") != "back" || a.Header.Get("Retry-After") == "" || !strings.Contains(string(a.Body), "gateway-breaker-open") {
		t.Fatalf("with an open breaker: %d %v %s", a.Status, a.Header, a.Body)
	}
	policies, _, _ = look()
	if p := policies["breaker"]; !strings.HasPrefix(p.State, "open") || p.Acted == nil || !strings.Contains(p.Why, "20 of 20 calls failed") {
		t.Errorf("the open breaker is told as %+v", p)
	}

	house.Edit(t, filepath.Join(dir, "services/front/service.yaml"), "timeout: 20s,", "timeout: 20s, concurrent: 7,")
	edited := time.Now()
	house.Until(t, "the changed policy", func() (bool, string) {
		policies, _, _ = look()
		return strings.HasPrefix(policies["bulkhead"].Setting, "7 at once"), policies["bulkhead"].Setting
	})
	t.Logf("the policy changed %v after the file", time.Since(edited).Round(time.Millisecond))
	if after, now, same := look(); same != pid || now != edge || !strings.HasPrefix(after["breaker"].State, "open") {
		t.Errorf("process %d, was %d; address %s, was %s; breaker %+v", same, pid, now, edge, after["breaker"])
	}
	if a := house.Call(t, "GET", edge+"/", nil); a.Status != 503 {
		t.Errorf("the breaker was forgotten: %d", a.Status)
	}
}
