// Package prometheustest asks plat's Consul door with Prometheus's own
// discovery. It is a module of its own, because Prometheus weighs more than
// plat.
package prometheustest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	promconsul "github.com/prometheus/prometheus/discovery/consul"
	"github.com/prometheus/prometheus/discovery/targetgroup"

	"github.com/plat-dev/plat/registry"
	"github.com/plat-dev/plat/registry/consul"
)

// found is what Prometheus knows, by the source of its target groups.
type found struct {
	mu     sync.Mutex
	groups map[string]*targetgroup.Group
}

// targets are the addresses of a service with the labels that are asked for.
func (f *found) targets(service string, labels ...model.LabelName) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, g := range f.groups {
		if string(g.Labels["__meta_consul_service"]) != service {
			continue
		}
		for _, target := range g.Targets {
			line := string(target[model.AddressLabel])
			for _, l := range labels {
				line += " " + string(target[l]+g.Labels[l])
			}
			all = append(all, line)
		}
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// Prometheus finds what plat runs and what registered from outside, follows
// what comes and goes, and goes on over a restart.
func TestPrometheusFindsTargets(t *testing.T) {
	t.Parallel()
	reg, addr, stop := serve(t, "127.0.0.1:0")
	own(t, reg, "order-1", "order", 4001)
	own(t, reg, "order-2", "order", 4002)
	f := discover(t, addr)
	await(t, "both instances", func() bool {
		return f.targets("order", "__meta_consul_tags", "__meta_consul_health", "__meta_consul_service_metadata_version", "__meta_consul_dc", "__meta_consul_node") ==
			"127.0.0.1:4001 ,1.4.0,local, passing 1.4.0 dc1 plat; 127.0.0.1:4002 ,1.4.0,local, passing 1.4.0 dc1 plat"
	})
	if err := reg.Register(registry.Instance{ID: "legacy-1", Service: "legacy", Addr: "10.0.0.7:80"}, 0); err != nil {
		t.Fatal(err)
	}
	await(t, "a new service", func() bool { return f.targets("legacy") == "10.0.0.7:80" })
	reg.SetCheck("order-2", "ready", registry.Critical, "broken")
	await(t, "a sick instance", func() bool {
		return strings.Contains(f.targets("order", "__meta_consul_health"), "127.0.0.1:4002 critical")
	})
	reg.Deregister("order-2")
	await(t, "an instance less", func() bool { return f.targets("order") == "127.0.0.1:4001" })
	reg.Deregister("legacy-1")
	await(t, "a service less", func() bool { return f.targets("legacy") == "" })
	stop()
	reg, _, _ = serve(t, addr)
	own(t, reg, "order-9", "order", 4009)
	await(t, "what is there after a restart", func() bool { return f.targets("order") == "127.0.0.1:4009" })
}

func serve(t *testing.T, addr string) (*registry.Registry, string, func()) {
	t.Helper()
	reg := registry.New()
	door, err := consul.New(consul.Options{Registry: reg})
	if err != nil {
		t.Fatal(err)
	}
	var l net.Listener
	await(t, "the port", func() bool {
		l, err = net.Listen("tcp", addr)
		return err == nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { _ = door.Run(ctx) })
	group.Go(func() {
		if err := door.Serve(ctx, l); err != nil {
			t.Error(err)
		}
	})
	stop := sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(stop)
	return reg, l.Addr().String(), stop
}

func own(t *testing.T, reg *registry.Registry, id, service string, port int) {
	t.Helper()
	err := reg.Register(registry.Instance{
		ID: id, Service: service, Addr: fmt.Sprintf("127.0.0.1:%d", port), Version: "1.4.0", Tags: []string{"1.4.0", "local"},
		Checks: []registry.Check{{ID: "ready", Status: registry.Passing}},
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
}

func discover(t *testing.T, addr string) *found {
	t.Helper()
	conf := promconsul.DefaultSDConfig
	conf.Server = addr
	conf.RefreshInterval = model.Duration(100 * time.Millisecond)
	metrics := prometheus.NewRegistry()
	refresh := discovery.NewRefreshMetrics(metrics)
	sd := conf.NewDiscovererMetrics(metrics, refresh)
	if err := sd.Register(); err != nil {
		t.Fatal(err)
	}
	d, err := conf.NewDiscoverer(discovery.DiscovererOptions{Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Metrics: sd})
	if err != nil {
		t.Fatal(err)
	}
	f := &found{groups: map[string]*targetgroup.Group{}}
	ctx, cancel := context.WithCancel(context.Background())
	ch := make(chan []*targetgroup.Group)
	var group sync.WaitGroup
	group.Go(func() { d.Run(ctx, ch) })
	group.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case groups := <-ch:
				f.mu.Lock()
				for _, g := range groups {
					f.groups[g.Source] = g
				}
				f.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() { cancel(); group.Wait() })
	return f
}

// await waits for a condition.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
