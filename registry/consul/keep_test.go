package consul_test

import (
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/plat-dev/plat/registry"
	"github.com/plat-dev/plat/registry/consul"
)

// What outsiders registered is there after a restart of plat; what their checks
// said is not believed.
func TestRegistrationsOutlivePlat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kv, kept, end := keys(t, dir)
	r := open(t, kv, kept)
	r.register(&api.AgentServiceRegistration{ID: "team/legacy 1", Name: "legacy", Port: 9000, Address: "10.0.0.7", Tags: []string{"v1"}, Meta: map[string]string{"a": "b"}, Check: &api.AgentServiceCheck{CheckID: "c", TTL: "1h"}})
	r.register(&api.AgentServiceRegistration{ID: "passing", Name: "legacy", Port: 9001, Check: &api.AgentServiceCheck{TTL: "1h", Status: "passing"}})
	r.register(&api.AgentServiceRegistration{ID: "gone", Name: "legacy", Port: 9002})
	r.register(&api.AgentServiceRegistration{ID: "resting", Name: "legacy", Port: 9003})
	ok(t, r.api.Agent().PassTTL("c", "fine"))
	ok(t, r.api.Agent().EnableServiceMaintenance("resting", "tired"))
	ok(t, r.api.Agent().ServiceDeregister("gone"))
	_, err := r.api.Catalog().Register(&api.CatalogRegistration{Node: "far", Address: "10.1.1.1", Service: &api.AgentService{ID: "db", Service: "db", Port: 5432}}, nil)
	ok(t, err)
	before, err := r.api.Agent().Services()
	ok(t, err)
	r.stop()
	end()

	kv, kept, _ = keys(t, dir)
	r = open(t, kv, kept)
	after, err := r.api.Agent().Services()
	ok(t, err)
	if len(after) != 3 || len(before) != 3 {
		t.Fatalf("before %v, after %v", before, after)
	}
	if s := after["team/legacy 1"]; s == nil || s.Address != "10.0.0.7" || s.Port != 9000 || s.Tags[0] != "v1" || s.Meta["a"] != "b" {
		t.Fatalf("it came back as %+v", s)
	}
	for id, want := range map[string]registry.Status{"team/legacy 1": registry.Critical, "passing": registry.Passing, "resting": registry.Critical, "far/db": registry.Passing} {
		if inst, known := r.reg.Instance(id); !known || inst.Status() != want || inst.Source != "consul" {
			t.Errorf("%s is %+v, want %s", id, inst, want)
		}
	}
	ok(t, r.api.Agent().PassTTL("c", "still fine"))
	ok(t, r.api.Agent().DisableServiceMaintenance("resting"))
	ok(t, r.api.Agent().ServiceDeregister("team/legacy 1"))
}

// Who gave way to one of plat's own is not there again after a restart.
func TestWhoGaveWayIsGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kv, kept, end := keys(t, dir)
	r := open(t, kv, kept)
	r.register(&api.AgentServiceRegistration{ID: "order-2", Name: "order", Port: 7, Check: &api.AgentServiceCheck{TTL: "100ms", DeregisterCriticalServiceAfter: "100ms"}})
	r.own("order-2", "order", 4002, registry.Passing)
	within(t, "the outsider is dropped", func() bool { return r.door.Stats().Outsiders == 0 })
	if inst, _ := r.reg.Instance("order-2"); inst.Source != "" || inst.Status() != registry.Passing {
		t.Fatalf("plat's own is %+v", inst)
	}
	var o consul.Options
	kept(&o)
	within(t, "nothing is on disk", func() bool { list, _ := o.Registrations.List(""); return len(list) == 0 })
	r.stop()
	end()
	kv, kept, _ = keys(t, dir)
	if r = open(t, kv, kept); r.door.Stats().Outsiders != 0 {
		t.Fatal("the outsider is back")
	}
}
