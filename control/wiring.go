package control

import (
	"context"
	"strconv"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/kit/direct"
	"github.com/plat-dev/plat/registry"
	"github.com/plat-dev/plat/runner"
)

// Up puts an instance of the runner in the registry and so in rotation.
func (p *plane) Up(in runner.Instance) {
	err := p.registry.Register(registry.Instance{
		ID: in.ID, Service: in.Service, Addr: in.Addr, Version: in.Version, Tags: []string{in.Version, p.live().Environment},
		Metadata: map[string]string{"pid": strconv.Itoa(in.PID), "started": in.Started.UTC().Format(time.RFC3339Nano)},
		Checks:   []registry.Check{{ID: "ready", Status: registry.Passing}},
	}, 0)
	if err != nil {
		p.log.Error("an instance cannot be put in rotation", "instance", in.ID, "error", err)
		return
	}
	p.route(in.Service)
}

// Down takes an instance out of rotation, before anything else is done to it.
func (p *plane) Down(id string) {
	if in, ok := p.registry.Instance(id); ok {
		p.registry.SetCheck(id, "ready", registry.Critical, "out of rotation")
		p.route(in.Service)
	}
}

// Gone forgets an instance whose process has ended.
func (p *plane) Gone(id string) {
	p.registry.Deregister(id)
	p.callers.Gone(id)
}

// Drained waits until neither the gateway nor a service that calls by itself
// has a request at the instance, but for streams without an end.
func (p *plane) Drained(ctx context.Context, id string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p.gateway.Busy(id) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	p.callers.Drained(ctx, id)
}

// ejected tells whether plat's listeners or a program that calls by itself give
// an instance no requests.
func (p *plane) ejected(service, id string) bool {
	return p.gateway.Ejected(service, id) || p.callers.Ejected(id)
}

// route tells the gateway who is in rotation for a service.
func (p *plane) route(service string) {
	p.routing.Lock()
	defer p.routing.Unlock()
	instances, _ := p.registry.Instances(service)
	var upstreams []gateway.Upstream
	var known []direct.Instance
	sys, _ := p.live().Service(service)
	for _, in := range instances {
		if in.Status() != registry.Critical {
			upstreams = append(upstreams, gateway.Upstream{ID: in.ID, Addr: in.Addr, Version: in.Version, H2C: sys.HTTP != nil && sys.HTTP.Protocol == "h2c"})
			known = append(known, direct.Instance{ID: in.ID, Addr: in.Addr, Version: in.Version})
		}
	}
	p.gateway.SetUpstreams(service, upstreams)
	p.callers.SetInstances(service, known)
}

// announceOthers follows what others than the runner change in the registry:
// leases that end, and doors.
func (p *plane) announceOthers(ctx context.Context) error {
	watch := p.registry.Watch(ctx, "")
	seen := map[string]uint64{} // each service's last change; one stays when its last instance goes
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-watch:
		}
		for _, service := range p.registry.Services() {
			if _, known := seen[service]; !known {
				seen[service] = 0
			}
		}
		for service, index := range seen {
			if _, now := p.registry.Instances(service); now != index {
				seen[service] = now
				p.route(service)
			}
		}
	}
}
