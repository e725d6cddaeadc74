package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/yaml"
)

// checkNames finds services that share a name with another or with an
// external one.
func (r *resolver) checkNames() {
	for _, d := range r.all {
		name := d.File.Service
		if name == "" || d.doc.broken {
			continue
		}
		if first := r.services[name]; first != d {
			d.doc.value(fault.Newf(fault.PlanDuplicateService, "there are two services called %s", name).
				Why("the other is at "+first.where("service")).Fix("rename one of them"), "service")
		}
		if _, taken := r.system.File.External[name]; taken {
			d.doc.value(fault.Newf(fault.PlanDuplicateService, "the service %s is also an external one", name).
				Why("declared at "+r.system.doc.place("external", name)).Fix("rename one of them"), "service")
		}
	}
	external := r.system.File.External
	for _, name := range sortedKeys(external) {
		to := registered(external[name].URL)
		if to == "" {
			continue
		}
		if d := r.services[to]; d != nil {
			r.system.doc.value(fault.Newf(fault.PlanDuplicateService, "%s%s is no external service, but %s of this system", to, internalSuffix, to).
				Why("declared at "+d.where("service")).Fix("delete "+name+" from external, and consume "+to), "external", name, "url")
		}
		if other, taken := external[to]; taken && registered(other.URL) != to {
			r.system.doc.value(fault.Newf(fault.PlanDuplicateService, "%s%s could be two services", to, internalSuffix).
				Why("external has a "+to+" of its own, at "+r.system.doc.place("external", to)).Fix("rename that one"), "external", name, "url")
		}
	}
}

// where is a place in the declaration, or the artefact that it came in.
func (d *Declaration) where(path ...any) string {
	if d.Artifact != "" && !d.doc.parsed {
		return "artefact " + d.Artifact
	}
	return d.doc.place(path...)
}

func (r *resolver) checkOwners() {
	if !r.system.doc.isOrAbsent(yaml.Mapping, "owners") {
		return // reported: nobody can be looked up
	}
	owners := slices.Collect(maps.Keys(r.system.File.Owners))
	check := func(doc *document, owner string, path ...any) {
		if _, known := r.system.File.Owners[owner]; owner == "" || known {
			return
		}
		f := fault.Newf(fault.PlanUnknownOwner, "there is no owner %s", owner).
			Why("expected one of owners in " + r.system.doc.file).Fix(r.suggest(doc, owner, owners))
		if f.Remedy == "" {
			f.Fix("add it to owners in " + r.system.doc.file)
		}
		doc.value(f, path...)
	}
	for _, name := range sortedKeys(r.system.File.External) {
		check(r.system.doc, r.system.File.External[name].Owner, "external", name, "owner")
	}
	if a := r.system.File.Alerts; a != nil {
		check(r.system.doc, a.Owner, "alerts", "owner")
	}
	for _, name := range sortedKeys(r.system.File.Environments) {
		if a := r.system.File.Environments[name].Alerts; a != nil {
			check(r.system.doc, a.Owner, "environments", name, "alerts", "owner")
		}
	}
	for _, name := range sortedKeys(r.system.File.Journeys) {
		check(r.system.doc, r.system.File.Journeys[name].Owner, "journeys", name, "owner")
	}
	for _, d := range r.all {
		check(d.doc, d.File.Owner, "owner")
	}
}

// maxCompared bounds the work on suggestions: the names that are compared with
// misspelt ones in all.
const maxCompared = 2_000_000

// suggest is didYouMean as long as the finding will be shown and the bound
// allows.
func (r *resolver) suggest(doc *document, written string, candidates []string) string {
	if doc.faults.full() || r.compared > maxCompared {
		return ""
	}
	r.compared += len(candidates)
	return didYouMean(written, candidates)
}

// known lists what can be called: services and external ones.
func (r *resolver) known() []string {
	return append(slices.Collect(maps.Keys(r.system.File.External)), r.names...)
}

// checkDependencies finds calls to what is not there.
func (r *resolver) checkDependencies() {
	known := r.known()
	for _, d := range r.all {
		for _, name := range sortedKeys(d.File.Consumes.Services) {
			_, external := r.system.File.External[name]
			switch {
			case name == d.File.Service:
				d.doc.key(fault.Newf(fault.PlanSelfCall, "%s calls itself", name).
					Why("a service reaches itself without a network").Fix("delete the dependency"), "consumes", "services", name)
			case r.services[name] != nil && r.services[name].mute():
				d.doc.key(mute(name, r.services[name]), "consumes", "services", name)
			case r.services[name] != nil || external || r.doubtful[name] || badLabel("", name) != nil:
			default:
				f := fault.Newf(fault.PlanUnknownService, "there is no service %s", name).
					Why("expected a service of this system or an external one").Fix(r.suggest(d.doc, name, known))
				d.doc.key(f, "consumes", "services", name)
			}
		}
	}
}

// mute tells whether nothing can lead to a service.
func (d *Declaration) mute() bool { return d.File.Listens != nil && !*d.File.Listens }

func mute(name string, d *Declaration) *fault.Fault {
	return fault.Newf(fault.PlanListensNowhere, "%s listens nowhere, so nobody can call it", name).
		Why("listens: false is declared at " + d.where("listens")).Fix("delete one of the two")
}

// checkEvents finds the provider of each event, events with two, and events
// that somebody waits for in vain.
func (r *resolver) checkEvents() {
	for _, d := range r.all {
		for _, event := range sortedKeys(d.File.Provides.Events) {
			first := r.providers[event]
			if first == nil {
				r.providers[event] = d
				continue
			}
			d.doc.key(fault.Newf(fault.PlanDuplicateEvent, "%s is already provided by %s", event, first.name()).
				Why("an event has one provider, which owns its meaning; the other is at "+first.where("provides", "events", event)).
				Fix("rename one of the two events"), "provides", "events", event)
		}
	}
	if r.vague {
		return // it may be provided by what could not be read
	}
	events := slices.Collect(maps.Keys(r.providers))
	for _, d := range r.all {
		for _, event := range sortedKeys(d.File.Consumes.Events) {
			if r.providers[event] != nil || badEventType(event) != nil {
				continue
			}
			f := fault.Newf(fault.PlanUnknownEvent, "nobody provides the event %s", event).
				Why("expected an event that a service declares under provides.events").Fix(r.suggest(d.doc, event, events))
			if len(r.absent) > 0 {
				f.Warn().Why("it may come from " + strings.Join(r.absent, ", ") + ", whose declaration is in an artefact that is not here")
			}
			d.doc.key(f, "consumes", "events", event)
		}
	}
}

// checkRoutes finds routes to what is not there, and routes that another one
// hides. In the order of Routes the only route that can hide another is one
// with the same host and path that takes a method from it: INVARIANT: this and
// Routes agree.
func (r *resolver) checkRoutes() {
	type place struct{ gateway, host, path string }
	type claim struct {
		index  int
		method string
	}
	taken := map[place][]claim{}
	for _, name := range sortedKeys(r.system.File.Gateways) {
		for i, route := range r.system.File.Gateways[name].Routes {
			r.checkRouteTarget(route.Service, "gateways", name, "routes", i, "service")
			if route.Path == "" {
				continue
			}
			methods := route.Methods
			if len(methods) == 0 {
				methods = []string{""}
			}
			at := place{name, strings.ToLower(route.Host), strings.Join(RouteSegments(route.Path), "/")}
			for _, m := range methods {
				if j := slices.IndexFunc(taken[at], func(c claim) bool { return c.method == m }); j >= 0 {
					r.duplicateRoute(name, i, taken[at][j].index, m)
					break
				}
				taken[at] = append(taken[at], claim{i, m})
			}
		}
	}
}

func (r *resolver) duplicateRoute(gateway string, i, first int, method string) {
	route := r.system.File.Gateways[gateway].Routes[i]
	what := strings.TrimSpace(method + " " + route.Host + route.Path)
	f := fault.Newf(fault.PlanDuplicateRoute, "%s is routed twice", what)
	if first == i {
		f.Why("the route names the method twice").Fix("delete one")
	} else {
		f.Why("it already leads to " + r.system.File.Gateways[gateway].Routes[first].Service + " by " +
			r.system.doc.place("gateways", gateway, "routes", first, "path") + ", so that this route would be hidden").
			Fix("delete one of them, or tell them apart by host, path or methods")
	}
	r.system.doc.value(f, "gateways", gateway, "routes", i, "path")
}

func (r *resolver) checkRouteTarget(service string, path ...any) {
	if d := r.services[service]; d != nil && d.mute() {
		r.system.doc.value(mute(service, d), path...)
		return
	}
	if service == "" || r.services[service] != nil || r.doubtful[service] {
		return
	}
	f := fault.Newf(fault.PlanUnknownService, "there is no service %s", service).
		Why("a route leads to a service of this system, or to a registered one").Fix(r.suggest(r.system.doc, service, r.names))
	if e, external := r.system.File.External[service]; external {
		if e.URL == "" || registered(e.URL) != "" {
			return
		}
		f.What = service + " is external"
		f.Fix("put a service of your own in front of it")
	}
	r.system.doc.value(f, path...)
}

// checkOverrides finds, in every environment, overrides of what is not there
// or of the wrong type; and an environment that is asked for but not declared.
func (r *resolver) checkOverrides() {
	environments := r.system.File.Environments
	if _, declared := environments[r.environment]; !declared && r.environment != defaultEnvironment {
		known := append(slices.Collect(maps.Keys(environments)), defaultEnvironment)
		slices.Sort(known)
		r.system.doc.key(fault.Newf(fault.PlanUnknownEnvironment, "there is no environment %s", r.environment).
			Why("expected local or one of environments in "+r.system.doc.file).Fix(r.suggest(r.system.doc, r.environment, slices.Compact(known))), "environments")
	}
	for _, env := range sortedKeys(environments) {
		for _, service := range sortedKeys(environments[env].Set) {
			d := r.services[service]
			switch {
			case d != nil && !d.absent:
				r.checkOverride(env, service, d)
			case d == nil && !r.doubtful[service]:
				r.system.doc.key(fault.Newf(fault.PlanUnknownService, "there is no service %s", service).
					Why("an environment sets values of a service of this system").Fix(r.suggest(r.system.doc, service, r.names)), "environments", env, "set", service)
			}
		}
	}
}

func (r *resolver) checkOverride(env, service string, d *Declaration) {
	set := r.system.File.Environments[env].Set[service]
	check := func(what string, names, declared []string, path ...any) {
		for _, name := range names {
			if _, known := slices.BinarySearch(declared, name); known {
				continue
			}
			f := fault.Newf(fault.PlanUnknownOverride, "%s declares no %s %s", service, what, name).
				Why("an environment changes what a service declares, and adds nothing").Fix(r.suggest(r.system.doc, name, declared))
			if f.Remedy == "" {
				f.Fix("declare it in " + d.doc.file)
			}
			r.system.doc.key(f, append(append([]any{"environments", env, "set", service}, path...), name)...)
		}
	}
	check("store", sortedKeys(set.Stores), sortedKeys(d.File.Stores), "stores")
	check("setting", sortedKeys(set.Config), sortedKeys(d.File.Config), "config")
	check("dependency on", sortedKeys(set.Consumes.Services), sortedKeys(d.File.Consumes.Services), "consumes", "services")
	check("subscription to", sortedKeys(set.Consumes.Events), sortedKeys(d.File.Consumes.Events), "consumes", "events")
	for _, name := range sortedKeys(set.Consumes.Events) {
		r.system.doc.report(badPush(set.Consumes.Events[name].Push), "environments", env, "set", service, "consumes", "events", name, "push")
	}
	for _, name := range sortedKeys(set.Config) {
		s, declared := d.File.Config[name]
		if !declared {
			continue
		}
		path := []any{"environments", env, "set", service, "config", name}
		if s.Secret {
			r.system.doc.key(plainSecret(name), path...)
		}
		r.system.doc.report(s.check(name, set.Config[name]), path...)
	}
}
