package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
)

// What holds where neither a service nor the system says otherwise.
const (
	defaultEnvironment  = Local
	defaultRuntime      = "process"
	defaultEngine       = "sqlite"
	defaultCallTimeout  = Duration(time.Second)
	defaultRouteTimeout = Duration(30 * time.Second) // a request may pass through several calls
	defaultGrace        = Duration(10 * time.Second)
	defaultStart        = Duration(30 * time.Second)
	defaultRetries      = 5
)

// Resolve checks parsed declarations together, wherever they come from, and
// makes the system of them for one environment. It changes neither argument,
// so that declarations may be resolved again with others. Options.Artifact is
// not used.
func Resolve(system *SystemDeclaration, services []*Declaration, opts Options) Result {
	r := newResolver(system, services, opts)
	if !r.system.doc.broken {
		r.system.check()
		inParallel(len(r.all), func(i int) { r.all[i].check() })
		r.checkNames()
		r.checkOwners()
		r.checkDependencies()
		r.checkEvents()
		r.checkRoutes()
		r.checkOverrides()
	}
	out := Result{documents: make(map[string]*document, len(r.services))}
	resolved := r.resolve()
	if !r.system.doc.broken {
		r.checkPorts(resolved)
		r.checkCycles(resolved)
		r.checkTimeouts(resolved)
		r.checkPolicies(resolved)
	}
	out.Findings = append(out.Findings, r.system.doc.faults.take(r.system.doc.file)...)
	for _, d := range r.all {
		out.Findings = append(out.Findings, d.doc.faults.take(d.doc.file)...)
	}
	for name, d := range r.services {
		out.documents[name] = d.doc
	}
	sortFindings(out.Findings)
	if !slices.ContainsFunc(out.Findings, func(f *fault.Fault) bool { return f.Severity == fault.Error }) {
		out.System = resolved
		out.System.Revision = revision(resolved)
	}
	return out
}

// resolver holds what the checks across files look up.
type resolver struct {
	system      *SystemDeclaration
	all         []*Declaration          // as given, sorted by file
	services    map[string]*Declaration // by name; of several with one name the first
	names       []string                // of services, sorted
	providers   map[string]*Declaration // by event type
	doubtful    map[string]bool         // names of services that exist but could not be read
	vague       bool                    // some declaration may provide more than could be read
	absent      []string                // artefacts known by name alone
	environment string
	compared    int // names, for suggestions
}

func newResolver(system *SystemDeclaration, services []*Declaration, opts Options) *resolver {
	r := &resolver{
		services: map[string]*Declaration{}, providers: map[string]*Declaration{}, doubtful: map[string]bool{},
		environment: opts.Environment,
	}
	if r.environment == "" {
		r.environment = defaultEnvironment
	}
	s := *system
	s.doc = s.doc.copy(systemFile)
	r.system = &s
	for _, d := range services {
		c := *d
		c.doc = c.doc.copy(c.Dir)
		r.all = append(r.all, &c)
	}
	slices.SortStableFunc(r.all, func(a, b *Declaration) int { return strings.Compare(a.doc.file, b.doc.file) })
	for _, name := range s.missing {
		r.doubtful[name] = true
	}
	for _, d := range r.all {
		name := d.name()
		if d.doc.broken || d.File.Service == "" && !d.absent {
			r.doubtful[name] = true
		} else if r.services[name] == nil {
			r.services[name] = d
		}
		if d.absent {
			r.absent = append(r.absent, name)
		}
		r.vague = r.vague || d.vague() && !d.absent
	}
	r.vague = r.vague || len(s.missing) > 0
	r.names = slices.Sorted(maps.Keys(r.services))
	return r
}

// copy is the document with findings of its own, so that a parsed file can be
// resolved several times.
func (d *document) copy(file string) *document {
	if d == nil {
		return &document{file: file}
	}
	c := *d
	c.faults.all = slices.Clone(d.faults.all)
	return &c
}

// resolve builds the system: defaults, then the service's own words, then
// the environment's.
func (r *resolver) resolve() *System {
	f := &r.system.File
	env := f.Environments[r.environment]
	s := &System{Name: f.System, Environment: r.environment, Runtime: env.Runtime, Owners: f.Owners, Doors: f.Doors}
	if s.Runtime == "" {
		s.Runtime = defaultRuntime
	}
	standard := AccessEnforce
	if r.environment == defaultEnvironment {
		standard = AccessObserve
	}
	s.Access = pick(standard, nonEmpty(f.Defaults.Access), nonEmpty(env.Access))
	s.Alerts = alerts(f.Alerts)
	if env.Alerts != nil {
		s.Alerts = alerts(env.Alerts)
	}
	s.Telemetry = telemetry(f.Telemetry)
	if env.Telemetry != nil {
		s.Telemetry = telemetry(env.Telemetry)
	}
	if s.Owners == nil {
		s.Owners = map[string]Owner{}
	}
	for _, name := range r.names {
		s.Services = append(s.Services, r.service(r.services[name], env.Set[name]))
	}
	for _, name := range sortedKeys(f.External) {
		e := f.External[name]
		s.External = append(s.External, External{Name: name, URL: strings.TrimSuffix(e.URL, "/"), Owner: e.Owner, Registered: registered(e.URL)})
	}
	for _, name := range sortedKeys(f.Gateways) {
		s.Gateways = append(s.Gateways, gateway(name, f.Gateways[name]))
	}
	for _, name := range sortedKeys(f.Journeys) {
		s.Journeys = append(s.Journeys, r.system.journey(name))
	}
	return s
}

func alerts(f *AlertsFile) *Alerts {
	if f == nil {
		return nil
	}
	a := &Alerts{Mail: pick(true, f.Mail), Owner: f.Owner}
	for _, w := range f.Webhooks {
		a.Webhooks = append(a.Webhooks, Webhook(w))
	}
	return a
}

// registered is the name that a URL of http://NAME.internal stands for; ""
// for any other.
func registered(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "http" {
		return ""
	}
	name, ok := strings.CutSuffix(u.Host, internalSuffix)
	if !ok {
		return ""
	}
	return name
}

func gateway(name string, f GatewayFile) Gateway {
	g := Gateway{Name: name, Cache: cacheOf(f.Cache)}
	for _, r := range f.Routes {
		g.Routes = append(g.Routes, DeclaredRoute{
			Host: strings.ToLower(r.Host), Path: cleanPath(r.Path), Methods: r.Methods, Service: r.Service,
			Timeout: pick(defaultRouteTimeout, f.Timeout, r.Timeout), Trust: r.Trust, Priority: r.Priority, Rate: r.Rate, Body: r.Body, Headers: r.Headers, URL: r.URL, Cache: routeCache(f.Cache, r.Cache),
		})
	}
	return g
}

// nonEmpty is nil for a text that was not said.
func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// pick is the last value that was said, or the fallback.
func pick[T any](fallback T, said ...*T) T {
	for _, s := range said {
		if s != nil {
			fallback = *s
		}
	}
	return fallback
}

func (r *resolver) service(d *Declaration, set ServiceSet) Service {
	f, standard := &d.File, &r.system.File.Defaults
	s := Service{
		Name: d.name(), Owner: f.Owner, Context: f.Context, About: strings.TrimSpace(f.About), Runbook: f.Runbook, Dir: d.Dir, Artifact: d.Artifact, Run: f.Run, Needs: f.Needs,
		Port: pick(0, f.Port, set.Port), Listens: pick(true, f.Listens), Instances: pick(1, f.Instances, set.Instances),
		Grace: pick(defaultGrace, standard.Grace, f.Grace, set.Grace), Start: pick(defaultStart, standard.Start, f.Start, set.Start),
		Limits:     mergeLimits(standard.Limits, f.Limits, set.Limits),
		Ejection:   ejection(standard.Ejection, f.Ejection, set.Ejection),
		Objectives: mergeObjectives(standard.Objectives, f.Objectives, set.Objectives),
	}
	if f.Build != nil {
		s.Build = Build(*f.Build)
	}
	if h := f.Provides.HTTP; h != nil {
		s.HTTP = &HTTP{OpenAPI: h.OpenAPI, Ready: h.Ready, Live: h.Live, Protocol: "http"}
		if h.Protocol != "" {
			s.HTTP.Protocol = h.Protocol
		}
	}
	for _, name := range sortedKeys(f.Provides.Events) {
		e := f.Provides.Events[name]
		s.Events = append(s.Events, ProvidedEvent{Type: name, Schema: e.Schema, Key: e.Key})
	}
	for _, name := range sortedKeys(f.Consumes.Services) {
		s.Calls = append(s.Calls, r.call(name, f.Consumes.Services[name], set.Consumes.Services[name]))
	}
	for _, name := range sortedKeys(f.Consumes.Events) {
		e := ConsumedEvent{Type: name, Retries: pick(defaultRetries, f.Consumes.Events[name].Retries, set.Consumes.Events[name].Retries)}
		for _, said := range []*Duration{f.Consumes.Events[name].Fresh, set.Consumes.Events[name].Fresh} {
			if said != nil {
				e.Fresh = said
			}
		}
		e.Push = pick("", nonEmpty(f.Consumes.Events[name].Push), nonEmpty(set.Consumes.Events[name].Push))
		if p := r.providers[name]; p != nil {
			e.Provider = p.name()
		}
		s.Consumes = append(s.Consumes, e)
	}
	for _, name := range sortedKeys(f.Stores) {
		s.Stores = append(s.Stores, store(name, f.Stores[name], set.Stores[name]))
	}
	for _, name := range sortedKeys(f.Config) {
		s.Config = append(s.Config, setting(name, f.Config[name], set.Config))
	}
	return s
}

func (r *resolver) call(name string, own, set CallFile) Dependency {
	d := Dependency{
		Service: name, Timeout: pick(defaultCallTimeout, r.system.File.Defaults.Timeout, own.Timeout, set.Timeout),
		OnFailure: OnFail, Optional: pick(false, own.Optional, set.Optional),
	}
	if d.Fresh = own.Fresh; set.Fresh != nil {
		d.Fresh = set.Fresh
	}
	_, d.External = r.system.File.External[name]
	for _, said := range []string{own.OnFailure, set.OnFailure} {
		if said != "" {
			d.OnFailure = said
		}
	}
	d.Policy = callPolicy(d.Timeout, r.system.File.Defaults.Calls, own.policies(), set.policies())
	d.fallback(own, set)
	return d
}

func store(name string, own, set StoreFile) Store {
	s := Store{Name: name, Engine: defaultEngine, Holds: own.Holds, Keep: own.Keep, MayLose: own.MayLose}
	for _, said := range []string{own.Engine, set.Engine} {
		if said != "" {
			s.Engine = said
		}
	}
	if set.Holds != nil {
		s.Holds = set.Holds
	}
	if set.Keep != nil {
		s.Keep = set.Keep
	}
	if set.MayLose != nil {
		s.MayLose = set.MayLose
	}
	return s
}

func setting(name string, own SettingFile, set map[string]Scalar) Setting {
	s := Setting{Name: name, Env: EnvName(name), Type: own.kind(), Secret: own.Secret}
	if own.Default != nil {
		s.Default = &own.Default.Text
	}
	if v, ok := set[name]; ok {
		s.Value = &v.Text
	}
	return s
}

func mergeLimits(said ...Limits) Limits {
	var out Limits
	for _, l := range said {
		if l.Memory != 0 {
			out.Memory = l.Memory
		}
		if l.CPU != 0 {
			out.CPU = l.CPU
		}
		if l.Concurrent != 0 {
			out.Concurrent = l.Concurrent
		}
		if l.Queue != 0 {
			out.Queue = l.Queue
		}
		if l.Rate != nil {
			out.Rate = l.Rate
		}
	}
	return out
}

func mergeObjectives(said ...Objectives) Objectives {
	var out Objectives
	for _, o := range said {
		if o.Availability != nil {
			out.Availability = o.Availability
		}
		if o.Latency != nil {
			out.Latency = o.Latency
		}
	}
	return out
}

// revision is the first 12 hex digits of the SHA-256 of the resolved plan.
func revision(s *System) string {
	c := *s
	c.Revision = ""
	text, err := json.Marshal(&c)
	if err != nil {
		panic("plan: a resolved plan is always JSON: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:12]
}
