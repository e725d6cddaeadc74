package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/internal/house"
)

// TestAFailureIsTold: a service that fails alerts its owner by mail and
// whoever has a webhook, stands in the terminal with its budget, and can be
// silenced.
func TestAFailureIsTold(t *testing.T) {
	t.Parallel()
	hooked := make(chan map[string]any, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m map[string]any
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		select {
		case hooked <- m:
		default:
		}
	}))
	t.Cleanup(hook.Close)
	h := house.Up(t, system(t, map[string]string{
		"plat.yaml": "system: watched\nowners:\n  team: {mail: team@watched.example}\nservices:\n  - path: services/*\n" +
			"gateways:\n  public:\n    routes:\n      - {path: /, service: front}\nalerts:\n  webhooks: [{url: " + hook.URL + "}]\n",
		"services/front/service.yaml": "service: front\nowner: team\nrun: [DUMMY]\nobjectives: {availability: 99.5%, latency: {p95: 5s}}\nrunbook: https://wiki.example/front\n",
	}))
	c := operator(t, h)
	house.Until(t, "healthy requests are counted, and alert nobody", func() (bool, string) {
		for range 10 {
			house.Call(t, "GET", h.Gateway+"/", nil)
		}
		list, err := c.Objectives(t.Context())
		if alerts, _ := c.Alerts(t.Context()); len(alerts.Alerts) > 0 {
			t.Fatalf("healthy, and %+v", alerts.Alerts)
		}
		return err == nil && len(list) == 2, fmt.Sprint(list, err)
	})

	begin := time.Now()
	var alert api.Alert
	house.Until(t, "an alert fires", func() (bool, string) {
		house.Call(t, "POST", h.Gateway+"/refuse", nil)
		list, err := c.Alerts(t.Context())
		if len(list.Alerts) > 0 {
			alert = list.Alerts[0]
		}
		return alert.State == "firing", fmt.Sprint(list, err)
	})
	t.Log("it fired after", time.Since(begin).Round(time.Millisecond))
	if len(alert.Windows) == 0 || alert.Windows[0].Over != "1m" {
		t.Errorf("its windows %+v", alert.Windows)
	}
	if alert.Name != "TooManyErrors" || alert.Severity != "page" || alert.Owner != "team" || alert.Service != "front" || alert.Runbook != "https://wiki.example/front" || alert.Traces == "" {
		t.Errorf("the alert %+v", alert)
	}
	select {
	case m := <-hooked:
		if m["version"] != "4" || m["status"] != "firing" {
			t.Errorf("posted %v", m)
		}
	case <-time.After(time.Minute):
		t.Error("nothing was posted")
	}
	house.Until(t, "the owner has a mail", func() (bool, string) {
		box, err := c.Mails(t.Context())
		for _, m := range box.Mails {
			if len(m.To) == 1 && m.To[0] == "team@watched.example" {
				return true, ""
			}
		}
		return false, fmt.Sprint(box, err)
	})
	if out, code := h.Plat("alerts", "--check"); code != 1 {
		t.Errorf("plat alerts --check: exit %d\n%s", code, out)
	}
	out, code := h.Plat("objectives", "--burning")
	if code != 0 {
		t.Errorf("plat objectives: exit %d", code)
	}
	contains(t, "plat objectives", out, "availability", "burning", "team")

	if out, code := h.Plat("silence", alert.ID, "--for", "1h", "--reason", "a test"); code != 0 {
		t.Fatalf("plat silence: exit %d\n%s", code, out)
	}
	list, err := c.Alerts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list.Alerts {
		if a.Objective == "availability" && a.State == "firing" {
			t.Errorf("silenced, and yet %+v", a)
		}
	}
}

// TestAStoppedServiceIsTold: who stops a service that others need is told of
// it within seconds, sees it as drift, and takes it back by the command that
// both name.
func TestAStoppedServiceIsTold(t *testing.T) {
	t.Parallel()
	h := house.Up(t, system(t, map[string]string{
		"plat.yaml":                   "system: watched\nowners:\n  team: {mail: team@watched.example}\nservices:\n  - path: services/*\ngateways:\n  public:\n    routes:\n      - {path: /, service: front}\n",
		"services/front/service.yaml": "service: front\nowner: team\nrun: [DUMMY]\nconsumes: {services: {back: {}}}\n",
		"services/back/service.yaml":  "service: back\nowner: team\nrun: [DUMMY]\n",
	}))
	c := operator(t, h)
	if out, code := h.Plat("scale", "back=0"); code != 0 {
		t.Fatalf("plat scale: exit %d\n%s", code, out)
	}
	begin := time.Now()
	out, code := h.Plat("drift")
	if code != 1 {
		t.Errorf("plat drift: exit %d", code)
	}
	contains(t, "plat drift", out, "back was stopped by hand", "plat scale back=plan")
	var id string
	house.Until(t, "an alert names it", func() (bool, string) {
		list, err := c.Alerts(t.Context())
		for _, a := range list.Alerts {
			if a.Name == "ServiceDown" && a.Service == "back" && a.State == "firing" {
				id = a.ID
			}
		}
		return id != "", fmt.Sprint(list, err)
	})
	t.Log("it was told after", time.Since(begin).Round(time.Millisecond))
	out, code = h.Plat("alerts", id)
	if code != 0 {
		t.Errorf("plat alerts ID: exit %d", code)
	}
	contains(t, "plat alerts ID", out, "back does not run, and front needs it.", "plat scale back=plan", "plat explain ServiceDown")
	m, err := c.Map(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range m.Nodes {
		if (n.Finding != "") != (n.Name == "back") {
			t.Errorf("on the map %+v", n)
		}
	}
	if out, code := h.Plat("scale", "back=plan"); code != 0 {
		t.Fatalf("plat scale back=plan: exit %d\n%s", code, out)
	}
	if out, code := h.Plat("drift"); code != 0 {
		t.Errorf("plat drift after it was taken back: exit %d\n%s", code, out)
	}
	house.Until(t, "the alert ends", func() (bool, string) {
		list, err := c.Alerts(t.Context())
		return err == nil && len(list.Alerts) == 1 && list.Alerts[0].State == "ended", fmt.Sprint(list, err)
	})
}
