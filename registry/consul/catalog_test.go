package consul_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/plat-dev/plat/registry"
)

// town has two services of plat and an outsider.
func town(t *testing.T) *rig {
	t.Helper()
	r := open(t)
	r.own("order-1", "order", 4001, registry.Passing)
	r.own("order-2", "order", 4002, registry.Critical)
	r.own("web-1", "web", 4003, registry.Warning)
	r.register(&api.AgentServiceRegistration{ID: "legacy-1", Name: "legacy", Address: "10.0.0.7", Port: 80, Tags: []string{"old", "Blue"}, Meta: map[string]string{"zone": "b"}})
	return r
}

func TestCatalog(t *testing.T) {
	t.Parallel()
	r := town(t)
	c := r.api.Catalog()
	services, meta, err := c.Services(nil)
	ok(t, err)
	if fmt.Sprint(services) != "map[legacy:[Blue old] order:[1.4.0 local] web:[1.4.0 local]]" {
		t.Errorf("services are %v", services)
	}
	if meta.LastIndex == 0 || !meta.KnownLeader || meta.DefaultACLPolicy != "allow" {
		t.Errorf("the headers say %+v", meta)
	}
	orders, _, err := c.Service("order", "", nil)
	ok(t, err)
	if len(orders) != 2 || orders[0].ServiceID != "order-1" || orders[0].ServicePort != 4001 || orders[0].ServiceAddress != "127.0.0.1" ||
		orders[0].ServiceMeta["version"] != "1.4.0" || orders[0].ServiceMeta["environment"] != "local" || orders[0].Node != "plat" || orders[0].Datacenter != "dc1" {
		t.Errorf("orders are %+v", orders)
	}
	for _, tags := range [][]string{{"old"}, {"blue", "old"}} {
		if list, _, err := c.ServiceMultipleTags("legacy", tags, nil); err != nil || len(list) != 1 {
			t.Errorf("tags %v: %v, %v", tags, list, err)
		}
	}
	if list, _, err := c.ServiceMultipleTags("legacy", []string{"old", "new"}, nil); err != nil || len(list) != 0 {
		t.Errorf("tags that it has not: %v, %v", list, err)
	}
	if list, meta, err := c.Service("nobody", "", nil); err != nil || len(list) != 0 || meta.LastIndex == 0 {
		t.Errorf("nobody: %v, %+v, %v", list, meta, err)
	}
	node, _, err := c.Node("plat", nil)
	ok(t, err)
	if node.Node.Address != "127.0.0.1" || len(node.Services) != 4 {
		t.Errorf("the node is %+v", node)
	}
	if node, _, err := c.Node("nowhere", nil); err != nil || node != nil {
		t.Errorf("nowhere is %+v, %v", node, err)
	}
	if list, _, err := c.NodeServiceList("plat", nil); err != nil || len(list.Services) != 4 {
		t.Errorf("node-services are %+v, %v", list, err)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	r := town(t)
	h := r.api.Health()
	for _, query := range []struct {
		service, tag, filter string
		passing              bool
		want                 string
	}{
		{"order", "", "", false, "order-1 order-2"},
		{"order", "", "", true, "order-1"},
		{"web", "", "", true, ""},
		{"legacy", "", "", true, "legacy-1"},
		{"order", "local", "", true, "order-1"},
		{"order", "nightly", "", false, ""},
		{"order", "", `Service.Port == 4002`, false, "order-2"},
		{"order", "", `Service.Meta.version == "1.4.0" and (any Checks as c { c.Status == "critical" })`, false, "order-2"},
		{"order", "", `"local" in Service.Tags and Service.ID matches "-1$"`, false, "order-1"},
		{"legacy", "", `Service.Meta.zone != "a"`, false, "legacy-1"},
		{"legacy", "", `Service.Meta.missing == "a"`, false, ""},
		{"legacy", "", `Node.Node == "plat"`, false, "legacy-1"},
	} {
		list, _, err := h.Service(query.service, query.tag, query.passing, &api.QueryOptions{Filter: query.filter})
		var got []string
		for _, e := range list {
			got = append(got, e.Service.ID)
		}
		if err != nil || strings.Join(got, " ") != query.want {
			t.Errorf("%+v: %v, %v", query, got, err)
		}
	}
	checks, _, err := h.Checks("order", nil)
	ok(t, err)
	if len(checks) != 2 || checks[0].CheckID != "order-1:ready" || checks.AggregatedStatus() != "critical" {
		t.Errorf("checks of order are %+v", checks)
	}
	for state, want := range map[string]int{"any": 4, "passing": 2, "warning": 1, "critical": 1} {
		if list, _, err := h.State(state, nil); err != nil || len(list) != want {
			t.Errorf("%d checks are %s, want %d; %v", len(list), state, want, err)
		}
	}
	if list, _, err := h.Node("plat", nil); err != nil || len(list) != 4 {
		t.Errorf("checks of the node are %v, %v", list, err)
	}
	if code, _, body := r.do("GET", "/v1/health/state/dubious", ""); code != 400 || !strings.Contains(body, "dubious") {
		t.Errorf("a dubious state: %d %s", code, body)
	}
	for _, filter := range []string{`Service.Port ==`, `Nothing == "x"`, strings.Repeat("a", 5000), strings.Repeat("(", 1000), `Service.ID matches "("`} {
		_, _, err := h.Service("order", "", false, &api.QueryOptions{Filter: filter})
		refused(t, err, 400, "consul-invalid")
		if t.Failed() {
			t.Fatalf("filter %.40q", filter)
		}
	}
}

func TestFiltersElsewhere(t *testing.T) {
	t.Parallel()
	r := town(t)
	if m, err := r.api.Agent().ServicesWithFilter(`Service == "web"`); err != nil || len(m) != 1 {
		t.Errorf("agent/services: %v, %v", m, err)
	}
	if m, err := r.api.Agent().ChecksWithFilter(`Status == "critical"`); err != nil || len(m) != 1 {
		t.Errorf("agent/checks: %v, %v", m, err)
	}
	if m, _, err := r.api.Catalog().Services(&api.QueryOptions{Filter: `ServiceName != "web"`}); err != nil || len(m) != 2 {
		t.Errorf("catalog/services: %v, %v", m, err)
	}
	if m, _, err := r.api.Catalog().Nodes(&api.QueryOptions{Filter: `Meta.environment == "local"`}); err != nil || len(m) != 1 {
		t.Errorf("catalog/nodes: %v, %v", m, err)
	}
	if m, _, err := r.api.Catalog().Service("order", "", &api.QueryOptions{NodeMeta: map[string]string{"environment": "local"}}); err != nil || len(m) != 2 {
		t.Errorf("node-meta that is: %v, %v", m, err)
	}
	if m, _, err := r.api.Catalog().Service("order", "", &api.QueryOptions{NodeMeta: map[string]string{"environment": "prod"}}); err != nil || len(m) != 0 {
		t.Errorf("node-meta that is not: %v, %v", m, err)
	}
}

func TestNodesOfOthers(t *testing.T) {
	t.Parallel()
	r := town(t)
	c := r.api.Catalog()
	reg := &api.CatalogRegistration{
		Node: "mainframe", Address: "10.1.2.3", NodeMeta: map[string]string{"external": "true"},
		Service: &api.AgentService{ID: "db2", Service: "ledger", Port: 50000, Tags: []string{"primary"}},
		Check:   &api.AgentCheck{CheckID: "db2:up", Name: "up", Status: "passing", ServiceID: "db2"},
	}
	_, err := c.Register(reg, nil)
	ok(t, err)
	if inst, _ := r.reg.Instance("mainframe/db2"); inst.Addr != "10.1.2.3:50000" || inst.Status() != registry.Passing || inst.Source != "consul" {
		t.Fatalf("the registry has %+v", inst)
	}
	list, _, err := r.api.Health().Service("ledger", "primary", true, nil)
	ok(t, err)
	if len(list) != 1 || list[0].Node.Node != "mainframe" || list[0].Service.ID != "db2" || list[0].Node.Meta["external"] != "true" {
		t.Fatalf("health says %+v", list)
	}
	nodes, _, err := c.Nodes(nil)
	ok(t, err)
	if !slices.ContainsFunc(nodes, func(n *api.Node) bool { return n.Node == "mainframe" && n.Address == "10.1.2.3" }) || len(nodes) != 2 {
		t.Fatalf("nodes are %+v", nodes)
	}
	if m, err := r.api.Agent().Services(); err != nil || m["db2"] != nil || len(m) != 4 {
		t.Fatalf("the agent has %v, %v", m, err)
	}
	reg.Service, reg.Check.Status = nil, "critical"
	_, err = c.Register(reg, nil)
	ok(t, err)
	if inst, _ := r.reg.Instance("mainframe/db2"); inst.Status() != registry.Critical {
		t.Fatalf("told critical, it is %+v", inst)
	}
	_, err = c.Deregister(&api.CatalogDeregistration{Node: "mainframe", CheckID: "db2:up"}, nil)
	ok(t, err)
	if inst, _ := r.reg.Instance("mainframe/db2"); len(inst.Checks) != 0 {
		t.Fatalf("its check is gone, and it has %+v", inst.Checks)
	}
	_, err = c.Deregister(&api.CatalogDeregistration{Node: "mainframe"}, nil)
	ok(t, err)
	if _, known := r.reg.Instance("mainframe/db2"); known {
		t.Fatal("the node is gone, and its service is there")
	}
	_, err = c.Register(&api.CatalogRegistration{Node: "alone", Address: "10.0.0.1"}, nil)
	refused(t, err, 400, "node without a service")
	_, err = c.Register(&api.CatalogRegistration{Node: "n", Address: "10.0.0.1", Datacenter: "mars", Service: &api.AgentService{Service: "s", Port: 1}}, nil)
	refused(t, err, 500, "No path to datacenter")
}
