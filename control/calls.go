package control

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/api/serve"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/registry"
	"github.com/plat-dev/plat/topology"
)

// platCaller is how plat's own calls are known to services.
const platCaller = "plat"

// callTimeout is for calls that a person makes through plat.
const callTimeout = time.Minute

// general answers at a service's general address: calls of any other service,
// and plat's own endpoints.
func (p *plane) general(service string) http.Handler {
	own := http.NewServeMux()
	own.Handle(eventsPath, p.publisher.Service(service))
	own.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		serve.Problem(w, http.StatusNotFound, fault.New(fault.GatewayUnknownService, "this is plat's own address for "+service+", and it has no "+r.URL.Path).
			Fix("send the Host of a service, as catalog.internal, or POST an event to "+eventsPath))
	})
	return p.gateway.Mesh(service, func(callee string) gateway.MeshDecision {
		return gateway.MeshDecision(p.access.Load().Decide(service, callee))
	}, own)
}

// call is the handler by which plat calls a service for a person.
func (p *plane) call(name string) (http.Handler, error) {
	d := p.access.Load().Decide(platCaller, strings.ToLower(name))
	switch {
	case d.Name == "":
		f := fault.New(fault.NoSuchService, "there is no service "+name).Fix("plat ps lists them")
		if d.Meant != "" {
			f.Fix("did you mean " + d.Meant + "?")
		}
		return nil, f
	case d.URL != "":
		return p.gateway.ExternalEdge(platCaller, d.Name, d.URL, callTimeout)
	}
	return p.gateway.RegisteredEdge(platCaller, d.Name, d.Pool, callTimeout), nil
}

// Address is where plat delivers the events of a service, and whether somebody
// is there.
func (p *plane) Address(service string) (base string, ready bool) {
	instances, _ := p.registry.Instances(service)
	return p.ways.url(wayKey{platCaller, service}), slices.ContainsFunc(instances, func(in registry.Instance) bool { return in.Status() != registry.Critical })
}

// seen tells topology of an exchange.
func (p *plane) seen(x *gateway.Exchange) {
	if x.Caller == platCaller {
		return // plat is no member of the system
	}
	p.topology.Observe(topology.Seen{
		Caller: x.Caller, Gateway: x.Gateway, Route: x.Route, Callee: x.Service,
		ID: x.ID, Time: x.Start, Duration: x.Duration, Method: x.Method, Path: x.Path, Status: x.Status,
		CorrelationID: x.CorrelationID, Declared: x.Declared, Refused: x.Refused,
	})
}

// keepConsole takes the console's cookies out of what comes from outside:
// browsers send them to every port of this machine, and no service should see
// them.
func keepConsole(public http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lines := r.Header["Cookie"]
		if slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, serve.CookiePrefix) }) {
			r.Header.Del("Cookie")
			for _, line := range lines {
				kept := slices.DeleteFunc(strings.Split(line, ";"), func(pair string) bool {
					return strings.HasPrefix(strings.TrimSpace(pair), serve.CookiePrefix)
				})
				if len(kept) > 0 {
					r.Header.Add("Cookie", strings.TrimSpace(strings.Join(kept, ";")))
				}
			}
		}
		public.ServeHTTP(w, r)
	})
}
