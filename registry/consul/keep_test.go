package consul_test

import (
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/plat-dev/plat/registry"
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
