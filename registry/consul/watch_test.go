package consul_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/consul/api/watch"
	"github.com/hashicorp/go-hclog"

	"github.com/plat-dev/plat/registry"
)

// plan is a watch of Consul's library and what it told.
type plan struct {
	mu    sync.Mutex
	told  []any
	index []uint64
}

func (p *plan) last() any {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.told) == 0 {
		return nil
	}
	return p.told[len(p.told)-1]
}

func (p *plan) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.told)
}

func watchFor(t *testing.T, r *rig, params map[string]any) *plan {
	t.Helper()
	wp, err := watch.Parse(params)
	ok(t, err)
	p := &plan{}
	wp.HybridHandler = func(at watch.BlockingParamVal, v any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.told = append(p.told, v)
		if index, is := at.(watch.WaitIndexVal); is {
			p.index = append(p.index, uint64(index))
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := wp.RunWithClientAndHclog(r.api, hclog.NewNullLogger()); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { wp.Stop(); <-done })
	return p
}

func TestWatchPlans(t *testing.T) {
	t.Parallel()
	kv, _, _ := keys(t, t.TempDir())
	r := open(t, kv)
	r.own("order-1", "order", 1, registry.Passing)
	put := func(key, value string) {
		t.Helper()
		_, err := r.api.KV().Put(&api.KVPair{Key: key, Value: []byte(value)}, nil)
		ok(t, err)
	}
	put("config/a", "1")
	for _, w := range []struct {
		params map[string]any
		show   func(any) string
		first  string
		change func()
		then   string
	}{
		{map[string]any{"type": "service", "service": "order"}, func(v any) string { return fmt.Sprint(len(v.([]*api.ServiceEntry))) }, "1", func() { r.own("order-2", "order", 2, registry.Passing) }, "2"},
		{map[string]any{"type": "services"}, func(v any) string { return fmt.Sprint(len(v.(map[string][]string))) }, "1", func() { r.own("web-1", "web", 3, registry.Passing) }, "2"},
		{map[string]any{"type": "key", "key": "config/a"}, func(v any) string { return string(v.(*api.KVPair).Value) }, "1", func() { put("config/a", "2") }, "2"},
		{map[string]any{"type": "keyprefix", "prefix": "config/"}, func(v any) string { return fmt.Sprint(len(v.(api.KVPairs))) }, "1", func() { put("config/b", "") }, "2"},
		{map[string]any{"type": "checks", "service": "order"}, func(v any) string { return v.([]*api.HealthCheck)[0].Status }, "passing", func() { r.reg.SetCheck("order-1", "ready", registry.Critical, "x") }, "critical"},
		{map[string]any{"type": "checks", "state": "critical"}, func(v any) string { return fmt.Sprint(len(v.([]*api.HealthCheck))) }, "1", func() { r.reg.SetCheck("web-1", "ready", registry.Critical, "x") }, "2"},
		{map[string]any{"type": "nodes"}, func(v any) string { return fmt.Sprint(len(v.([]*api.Node))) }, "1", func() {
			_, err := r.api.Catalog().Register(&api.CatalogRegistration{Node: "far", Address: "10.0.0.1", Service: &api.AgentService{Service: "far", Port: 1}}, nil)
			ok(t, err)
		}, "2"},
	} {
		name := fmt.Sprint(w.params)
		p := watchFor(t, r, w.params)
		within(t, name+" tells what is", func() bool { return p.last() != nil && w.show(p.last()) == w.first })
		w.change()
		within(t, name+" tells of the change", func() bool { return w.show(p.last()) == w.then })
	}
}

// A plan goes on over a restart of plat, and its index only grows: it would
// begin anew otherwise.
func TestWatchPlanOverARestart(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.own("order-1", "order", 1, registry.Passing)
	p := watchFor(t, r, map[string]any{"type": "service", "service": "order"})
	within(t, "it tells what is", func() bool { return p.count() == 1 })
	r.stop()
	again := reopen(t, r.addr)
	again.own("order-1", "order", 1, registry.Passing)
	again.own("order-2", "order", 2, registry.Passing)
	within(t, "it tells what is after the restart", func() bool { return len(p.last().([]*api.ServiceEntry)) == 2 })
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.IsSorted(p.index) {
		t.Errorf("the index went %v", p.index)
	}
}
