package control

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/plan"
)

// mask stands for a secret where people see it.
const mask = "••••"

// storesFolder holds the services' stores in the state folder, a folder each.
const storesFolder = "stores"

// variable is one variable of the environment contract.
type variable struct {
	name, value string
	shown       string // to people, where that is another; else empty
	config      bool   // it is the service's own configuration
}

// environment is the contract of an instance: what plat gives every process.
func (p *plane) environment(svc plan.Service, instance, version string, port int) ([]string, error) {
	vars, err := p.contract(svc, instance, version, port)
	env := make([]string, len(vars))
	for i, v := range vars {
		env[i] = v.name + "=" + v.value
	}
	return env, err
}

// contract is the environment with what people may see of it.
func (p *plane) contract(svc plan.Service, instance, version string, port int) ([]variable, error) {
	sys := p.live()
	var vars []variable
	set := func(name, value string) { vars = append(vars, variable{name: name, value: value}) }
	secret := func(name, value, shown string) {
		vars = append(vars, variable{name: name, value: value, shown: shown})
	}
	if svc.Listens {
		set("PORT", strconv.Itoa(port))
	}
	set("PLAT_SERVICE", svc.Name)
	set("PLAT_INSTANCE", instance)
	set("PLAT_VERSION", version)
	set("PLAT_ENVIRONMENT", sys.Environment)
	set("PLAT_API", p.api)
	secret("PLAT_TOKEN", p.serviceToken(svc.Name), mask)
	for name, addr := range p.ways.urls(svc.Name) {
		set(name, addr)
		if name == meshVariable {
			set("PLAT_PUBLISH", addr+eventsPath)
		}
	}
	for _, d := range svc.Calls {
		if d.Fresh != nil {
			set("PLAT_FRESH_"+plan.EnvName(d.Service), time.Duration(*d.Fresh).String()) // as Go reads it
		}
	}
	if events := eventContract(sys, svc.Name); events != "" {
		set("PLAT_EVENTS", events)
		address := p.broker.URL(svc.Name)
		secret("NATS_URL", address, withoutPassword(address))
	}
	set("SMTP_URL", "smtp://"+p.smtp)
	set("OTEL_EXPORTER_OTLP_ENDPOINT", p.otlpHTTP)
	set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	set("OTEL_SERVICE_NAME", svc.Name)
	set("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id="+instance+",service.version="+version+",deployment.environment.name="+sys.Environment)
	for _, st := range svc.Stores {
		dir := filepath.Join(p.folder.Path, storesFolder, svc.Name)
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
		v := variable{name: c.Env, config: true}
		switch {
		case c.Value != nil:
			v.value = *c.Value
		case c.Default != nil:
			v.value = *c.Default
		case c.Secret:
			v.value = derive(p.secret, "config "+svc.Name+" "+c.Name)
		default:
			continue
		}
		if c.Secret {
			v.shown = mask
		}
		vars = append(vars, v)
	}
	return vars, nil
}

// shownEnvironment is a service's environment as people may see it, that of
// the given instance; before there is one, what is not known yet is empty.
func (p *plane) shownEnvironment(svc plan.Service, in api.Instance) ([]api.Variable, error) {
	port := 0
	if _, text, err := net.SplitHostPort(in.Addr); err == nil {
		port, _ = strconv.Atoi(text) // an address of ours has a number there
	}
	vars, err := p.contract(svc, in.ID, in.Version, port)
	if err != nil {
		return nil, err
	}
	shown := make([]api.Variable, len(vars))
	for i, v := range vars {
		shown[i] = api.Variable{Name: v.name, Value: v.value, Source: "plat", Secret: v.shown != ""}
		if v.shown != "" {
			shown[i].Value = v.shown
		}
		if v.config {
			shown[i].Source = "config"
		}
	}
	return shown, nil
}

func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return mask
	}
	return u.Scheme + "://" + u.User.Username() + ":" + mask + "@" + u.Host
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
