package control

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/registry"
	"github.com/plat-dev/plat/runner"
)

// Up puts an instance of the runner in the registry and so in rotation.
func (p *plane) Up(in runner.Instance) {
	err := p.registry.Register(registry.Instance{
		ID: in.ID, Service: in.Service, Addr: in.Addr, Version: in.Version,
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
func (p *plane) Gone(id string) { p.registry.Deregister(id) }

// Drained waits until the gateway has no request at the instance.
func (p *plane) Drained(ctx context.Context, id string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p.gateway.InFlight(id) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// route tells the gateway who is in rotation for a service.
func (p *plane) route(service string) {
	p.routing.Lock()
	defer p.routing.Unlock()
	instances, _ := p.registry.Instances(service)
	var upstreams []gateway.Upstream
	sys, _ := p.live().Service(service)
	for _, in := range instances {
		if in.Status() != registry.Critical {
			upstreams = append(upstreams, gateway.Upstream{ID: in.ID, Addr: in.Addr, Version: in.Version, H2C: sys.HTTP != nil && sys.HTTP.Protocol == "h2c"})
		}
	}
	p.gateway.SetUpstreams(service, upstreams)
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

// environment is the contract of an instance: what plat gives every process.
func (p *plane) environment(svc plan.Service, instance, version string, port int) ([]string, error) {
	sys := p.live()
	var env []string
	set := func(name, value string) { env = append(env, name+"="+value) }
	set("PORT", strconv.Itoa(port))
	set("PLAT_SERVICE", svc.Name)
	set("PLAT_INSTANCE", instance)
	set("PLAT_VERSION", version)
	set("PLAT_ENVIRONMENT", sys.Environment)
	set("PLAT_API", p.api)
	set("PLAT_TOKEN", p.serviceToken(svc.Name))
	for name, url := range p.edges.urls(svc.Name) {
		set(name, url)
	}
	if events := eventContract(sys, svc.Name); events != "" {
		set("PLAT_EVENTS", events)
		set("NATS_URL", p.broker.URL(svc.Name))
	}
	for _, st := range svc.Stores {
		dir := filepath.Join(p.folder.Path, "stores", svc.Name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		file := filepath.Join(dir, st.Name+".db")
		set("PLAT_STORE_"+plan.EnvName(st.Name), file)
		if len(svc.Stores) == 1 {
			set("DATABASE_URL", "sqlite://"+file)
		}
	}
	for _, c := range svc.Config {
		switch {
		case c.Value != nil:
			set(c.Env, *c.Value)
		case c.Default != nil:
			set(c.Env, *c.Default)
		case c.Secret:
			set(c.Env, derive(p.secret, "config "+svc.Name+" "+c.Name))
		}
	}
	return env, nil
}

// derive makes a value that only who has the secret can make, the same each
// time, so that nothing more must be kept.
func derive(secret []byte, purpose string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(purpose))
	return hex.EncodeToString(mac.Sum(nil))
}

// eventContract is the value of PLAT_EVENTS; "" for a service without events.
func eventContract(sys *plan.System, service string) string {
	type consumed struct {
		Stream   string `json:"stream"`
		Consumer string `json:"consumer"`
		Retries  int    `json:"retries"`
	}
	contract := struct {
		Publish []string            `json:"publish,omitempty"`
		Consume map[string]consumed `json:"consume,omitempty"`
	}{Consume: map[string]consumed{}}
	for _, g := range plan.Grants(sys) {
		if g.Service != service {
			continue
		}
		contract.Publish = g.Publish
		for _, c := range g.Consumers {
			contract.Consume[c.Event] = consumed{c.Stream, c.Name, c.Retries}
		}
		text, err := json.Marshal(contract)
		if err != nil {
			return ""
		}
		return string(text)
	}
	return ""
}

// serviceToken is a service's own token, of this run.
func (p *plane) serviceToken(service string) string {
	return derive([]byte(p.token), "service "+service)
}

// serviceOf tells whose token it is; "" for nobody's.
func (p *plane) serviceOf(token string) string {
	for _, svc := range p.live().Services {
		if hmac.Equal([]byte(p.serviceToken(svc.Name)), []byte(token)) {
			return svc.Name
		}
	}
	return ""
}
