package consul_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/plat-dev/plat/registry"
)

func TestAgentTellsWhoItIs(t *testing.T) {
	t.Parallel()
	r := open(t)
	self, err := r.api.Agent().Self()
	ok(t, err)
	if self["Config"]["Datacenter"] != "dc1" || self["Config"]["NodeName"] != "plat" {
		t.Errorf("agent/self says %v", self["Config"])
	}
	if name, err := r.api.Agent().NodeName(); err != nil || name != "plat" {
		t.Errorf("node name %q, %v", name, err)
	}
	if members, err := r.api.Agent().Members(false); err != nil || len(members) != 1 || members[0].Name != "plat" {
		t.Errorf("members %v, %v", members, err)
	}
	if leader, err := r.api.Status().Leader(); err != nil || leader == "" {
		t.Errorf("leader %q, %v", leader, err)
	}
	if peers, err := r.api.Status().Peers(); err != nil || len(peers) != 1 {
		t.Errorf("peers %v, %v", peers, err)
	}
	if dcs, err := r.api.Catalog().Datacenters(); err != nil || len(dcs) != 1 || dcs[0] != "dc1" {
		t.Errorf("datacenters %v, %v", dcs, err)
	}
}

// An outsider's life: registered, unhealthy until it says otherwise, in
// maintenance, gone.
func TestOutsiderWithTTL(t *testing.T) {
	t.Parallel()
	r := open(t)
	agent := r.api.Agent()
	r.register(&api.AgentServiceRegistration{
		ID: "legacy-1", Name: "legacy", Port: 9000, Tags: []string{"v1"}, Meta: map[string]string{"version": "1.0", "team": "old"},
		Check: &api.AgentServiceCheck{TTL: "10m", Notes: "tells itself"},
	})
	inst, known := r.reg.Instance("legacy-1")
	if !known || inst.Addr != "127.0.0.1:9000" || inst.Source != "consul" || inst.Metadata["source"] != "consul" || inst.Version != "1.0" || inst.Status() != registry.Critical {
		t.Fatalf("the registry has %+v", inst)
	}
	const check = "service:legacy-1"
	for _, step := range []struct {
		do   func() error
		want registry.Status
		code string
	}{
		{func() error { return agent.PassTTL(check, "fine") }, registry.Passing, api.HealthPassing},
		{func() error { return agent.WarnTTL(check, "so-so") }, registry.Warning, api.HealthWarning},
		{func() error { return agent.FailTTL(check, "broken") }, registry.Critical, api.HealthCritical},
		{func() error { return agent.UpdateTTL(check, "fine again", api.HealthPassing) }, registry.Passing, api.HealthPassing},
		{func() error { return agent.EnableServiceMaintenance("legacy-1", "moving") }, registry.Critical, api.HealthCritical},
		{func() error { return agent.DisableServiceMaintenance("legacy-1") }, registry.Passing, api.HealthPassing},
	} {
		ok(t, step.do())
		if inst, _ := r.reg.Instance("legacy-1"); inst.Status() != step.want {
			t.Fatalf("the instance is %s, want %s", inst.Status(), step.want)
		}
		if code, info, err := agent.AgentHealthServiceByID("legacy-1"); err != nil || code != step.code || info.AggregatedStatus == "" {
			t.Fatalf("agent/health says %s, %v; want %s", code, err, step.code)
		}
		if code, list, err := agent.AgentHealthServiceByName("legacy"); err != nil || code != step.code || len(list) != 1 {
			t.Fatalf("agent/health by name says %s, %v; want %s", code, err, step.code)
		}
	}
	ok(t, agent.EnableServiceMaintenance("legacy-1", "moving"))
	if _, info, err := agent.AgentHealthServiceByID("legacy-1"); err != nil || info.AggregatedStatus != api.HealthMaint || info.Checks[0].Output != "moving" {
		t.Fatalf("in maintenance it is %+v, %v", info, err)
	}
	ok(t, agent.DisableServiceMaintenance("legacy-1"))
	checks, err := agent.Checks()
	ok(t, err)
	if c := checks[check]; c == nil || c.Output != "fine again" || c.Notes != "tells itself" || c.ServiceName != "legacy" || c.Type != "ttl" {
		t.Fatalf("agent/checks has %+v", c)
	}
	services, err := agent.Services()
	ok(t, err)
	if s := services["legacy-1"]; s == nil || s.Port != 9000 || s.Tags[0] != "v1" || s.Meta["team"] != "old" || s.Meta["source"] != "" {
		t.Fatalf("agent/services has %+v", s)
	}
	ok(t, agent.ServiceDeregister("legacy-1"))
	if _, known := r.reg.Instance("legacy-1"); known {
		t.Fatal("deregistered and still there")
	}
	refused(t, agent.ServiceDeregister("legacy-1"), 404, "Unknown service ID")
	refused(t, agent.PassTTL(check, ""), 404, "Unknown check ID")
}

func TestTTLEndsAndReaps(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.register(&api.AgentServiceRegistration{ID: "a", Name: "silent", Port: 1, Check: &api.AgentServiceCheck{TTL: "100ms", Status: "passing"}})
	r.register(&api.AgentServiceRegistration{ID: "b", Name: "silent", Port: 2, Check: &api.AgentServiceCheck{TTL: "100ms", Status: "passing", DeregisterCriticalServiceAfter: "200ms"}})
	within(t, "a is critical", func() bool { inst, _ := r.reg.Instance("a"); return inst.Status() == registry.Critical })
	within(t, "b is gone", func() bool { _, known := r.reg.Instance("b"); return !known })
	if inst, known := r.reg.Instance("a"); !known || !strings.Contains(inst.Checks[0].Output, "TTL expired") {
		t.Fatalf("a is %+v", inst)
	}
	ok(t, r.api.Agent().PassTTL("service:a", ""))
	refused(t, r.api.Agent().PassTTL("service:b", ""), 404, "Unknown check ID")
}

func TestChecksThatPlatRuns(t *testing.T) {
	t.Parallel()
	r := open(t)
	var code atomic.Int64
	code.Store(200)
	var seen atomic.Value
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		seen.Store(req.Method + " " + req.Header.Get("X-Probe"))
		w.WriteHeader(int(code.Load()))
		fmt.Fprint(w, strings.Repeat("y", 10_000))
	}))
	defer target.Close()
	open := target.Listener.Addr().String()
	const none = "127.0.0.1:1" // nobody is given this port meanwhile
	r.register(&api.AgentServiceRegistration{ID: "w", Name: "web-shop", Port: 1, Checks: api.AgentServiceChecks{
		{CheckID: "h", HTTP: target.URL + "/health", Method: "POST", Header: map[string][]string{"X-Probe": {"yes"}}, Interval: "1s", Timeout: "60s"},
		{CheckID: "t", TCP: open, Interval: "1s"},
		{CheckID: "n", TCP: none, Interval: "1s"},
	}})
	status := func(id string) string {
		inst, _ := r.reg.Instance("w")
		for _, c := range inst.Checks {
			if c.ID == id && c.Output != "" {
				return string(c.Status)
			}
		}
		return "not checked"
	}
	within(t, "h and t pass, n fails", func() bool {
		return status("h") == "passing" && status("t") == "passing" && status("n") == "critical"
	})
	if seen.Load() != "POST yes" {
		t.Errorf("the check asked %v", seen.Load())
	}
	code.Store(429)
	within(t, "h warns", func() bool { return status("h") == "warning" })
	code.Store(500)
	within(t, "h fails", func() bool { return status("h") == "critical" })
	ok(t, r.api.Agent().CheckDeregister("n"))
	ok(t, r.api.Agent().CheckRegister(&api.AgentCheckRegistration{ID: "u", Name: "told", ServiceID: "w", AgentServiceCheck: api.AgentServiceCheck{TTL: "1h"}}))
	ok(t, r.api.Agent().PassTTL("u", "fine"))
	refused(t, r.api.Agent().PassTTL("h", ""), 400, "does not have associated TTL")
	code.Store(200)
	within(t, "all pass", func() bool {
		inst, _ := r.reg.Instance("w")
		return inst.Status() == registry.Passing && len(inst.Checks) == 3
	})
}

// What is registered again keeps its checks' word; what is registered apart
// stays unless it is to be replaced.
func TestRegisterAgain(t *testing.T) {
	t.Parallel()
	r := open(t)
	reg := &api.AgentServiceRegistration{ID: "x", Name: "again", Port: 1, Check: &api.AgentServiceCheck{TTL: "1h"}}
	r.register(reg)
	ok(t, r.api.Agent().PassTTL("service:x", "fine"))
	ok(t, r.api.Agent().CheckRegister(&api.AgentCheckRegistration{ID: "more", Name: "more", ServiceID: "x", AgentServiceCheck: api.AgentServiceCheck{TTL: "1h", Status: "passing"}}))
	_, before := r.reg.Instances("again")
	reg.Port = 2
	r.register(reg)
	inst, _ := r.reg.Instance("x")
	if inst.Addr != "127.0.0.1:2" || inst.Status() != registry.Passing || len(inst.Checks) != 2 {
		t.Fatalf("registered again it is %+v", inst)
	}
	if _, after := r.reg.Instances("again"); after <= before {
		t.Fatal("a new port is no change")
	}
	ok(t, r.api.Agent().ServiceRegisterOpts(reg, api.ServiceRegisterOpts{ReplaceExistingChecks: true}))
	if inst, _ = r.reg.Instance("x"); len(inst.Checks) != 1 {
		t.Fatalf("replaced, its checks are %+v", inst.Checks)
	}
	refused(t, r.api.Agent().ServiceRegister(&api.AgentServiceRegistration{ID: "y", Name: "again", Port: 3, Check: &api.AgentServiceCheck{CheckID: "service:x", TTL: "1h"}}), 409, "belongs to service")
}

func TestPlatsOwnIsProtected(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.own("order-1", "order", 4001, registry.Passing)
	agent := r.api.Agent()
	before, _ := r.reg.Instance("order-1")
	for what, err := range map[string]error{
		"deregister":  agent.ServiceDeregister("order-1"),
		"replace":     agent.ServiceRegister(&api.AgentServiceRegistration{ID: "order-1", Name: "order", Port: 1}),
		"maintenance": agent.EnableServiceMaintenance("order-1", ""),
		"add a check": agent.CheckRegister(&api.AgentCheckRegistration{ID: "c", Name: "c", ServiceID: "order-1", AgentServiceCheck: api.AgentServiceCheck{TTL: "1s"}}),
		"check":       agent.FailTTL("order-1:ready", ""),
		"drop check":  agent.CheckDeregister("order-1:ready"),
		"catalog":     catalog(r, &api.CatalogDeregistration{Node: "plat", ServiceID: "order-1"}),
		"node":        catalog(r, &api.CatalogDeregistration{Node: "plat"}),
	} {
		refused(t, err, 403, "run by plat")
		if t.Failed() {
			t.Fatalf("to %s", what)
		}
	}
	refused(t, agent.EnableNodeMaintenance("x"), 501, "plat itself")
	refused(t, agent.CheckRegister(&api.AgentCheckRegistration{Name: "node", AgentServiceCheck: api.AgentServiceCheck{TTL: "1s"}}), 400, "whole node")
	if after, _ := r.reg.Instance("order-1"); after.Modified != before.Modified {
		t.Fatalf("it was changed: %+v", after)
	}
	// An outsider may join the service under an ID of its own, until plat needs
	// the ID itself.
	r.register(&api.AgentServiceRegistration{ID: "order-2", Name: "order", Port: 7, Check: &api.AgentServiceCheck{TTL: "1h"}})
	r.own("order-2", "order", 4002, registry.Passing)
	_ = agent.FailTTL("service:order-2", "not mine any more")
	if inst, _ := r.reg.Instance("order-2"); inst.Addr != "127.0.0.1:4002" || inst.Status() != registry.Passing {
		t.Fatalf("plat's own became %+v", inst)
	}
	refused(t, agent.ServiceDeregister("order-2"), 403, "run by plat")
}

func catalog(r *rig, d *api.CatalogDeregistration) error {
	_, err := r.api.Catalog().Deregister(d, nil)
	return err
}

func TestAgentServiceWaitsByHash(t *testing.T) {
	t.Parallel()
	r := open(t)
	reg := &api.AgentServiceRegistration{ID: "x", Name: "hashed", Port: 1}
	r.register(reg)
	_, meta, err := r.api.Agent().Service("x", nil)
	ok(t, err)
	got := make(chan int, 1)
	go func() {
		s, _, err := r.api.Agent().Service("x", &api.QueryOptions{WaitHash: meta.LastContentHash})
		if err != nil {
			t.Error(err)
			got <- 0
			return
		}
		got <- s.Port
	}()
	within(t, "it waits", func() bool { return r.door.Stats().Waiting == 1 })
	reg.Port = 2
	r.register(reg)
	if port := <-got; port != 2 {
		t.Fatalf("it woke with port %d", port)
	}
}
