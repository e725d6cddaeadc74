package plan

import (
	"net/url"
	"slices"
	"strings"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/yaml"
)

// check finds what is wrong in the system's file regardless of the services.
func (s *SystemDeclaration) check() {
	f := &s.File
	s.doc.required(f.System, "the system's name", "system")
	if f.System != "" {
		s.doc.report(badLabel("the system", f.System), "system")
	}
	for _, name := range sortedKeys(f.Owners) {
		s.doc.reportKey(badLabel("the owner", name), "owners", name)
		s.checkOwner(name, f.Owners[name])
	}
	if len(f.Services) == 0 && !s.doc.has("services") {
		s.doc.key(fault.New(fault.PlanMissingField, "services is missing").Why("expected where the services' declarations are").
			Fix("add services: [{path: services/*}]"), "services")
	}
	for i, ref := range f.Services {
		s.checkRef(i, ref)
	}
	for _, name := range sortedKeys(f.External) {
		s.doc.reportKey(badServiceName("the external service", name), "external", name)
		s.checkExternal(name, f.External[name])
	}
	for _, name := range sortedKeys(f.Gateways) {
		s.doc.reportKey(badLabel("the gateway", name), "gateways", name)
		if len(f.Gateways[name].Routes) == 0 && !s.doc.has("gateways", name, "routes") {
			s.doc.key(fault.Newf(fault.PlanMissingField, "the gateway %s has no routes", name).Why("expected what leads where").
				Fix("add routes: [{path: /, service: NAME}]"), "gateways", name)
		}
		s.checkCache(name, f.Gateways[name])
		for i, r := range f.Gateways[name].Routes {
			s.checkRoute(name, i, r)
		}
	}
	for _, name := range sortedKeys(f.Environments) {
		s.doc.reportKey(badLabel("the environment", name), "environments", name)
		s.checkAlerts(f.Environments[name].Alerts, "environments", name, "alerts")
		s.checkTelemetry(f.Environments[name].Telemetry, "environments", name, "telemetry")
	}
	s.checkAlerts(f.Alerts, "alerts")
	s.checkTelemetry(f.Telemetry, "telemetry")
	s.checkJourneys()
	doors := []string{"dns", "consul"}
	for i, door := range f.Doors {
		switch {
		case door == "":
		case !slices.Contains(doors, door):
			s.doc.value(fault.Newf(fault.PlanUnknownValue, "there is no door %q", door).
				Why("expected one of "+strings.Join(doors, ", ")).Fix(didYouMean(door, doors)), "doors", i)
		case slices.Index(f.Doors, door) < i:
			s.doc.value(fault.Newf(fault.PlanBadValue, "the door %s is named twice", door).Why("it can be open only once").Fix("delete one"), "doors", i)
		}
	}
}

// checkAlerts finds webhooks that cannot be called, and secrets among them.
func (s *SystemDeclaration) checkAlerts(a *AlertsFile, path ...any) {
	if a == nil {
		return
	}
	for i, hook := range a.Webhooks {
		at := append(slices.Clone(path), "webhooks", i)
		s.doc.required(hook.URL, "the address of the webhook", append(slices.Clone(at), "url")...)
		if hook.URL != "" {
			s.doc.report(badURL("the address of the webhook", hook.URL), append(slices.Clone(at), "url")...)
		}
		s.checkVariable(hook.Token, append(slices.Clone(at), "token")...)
	}
}

func (s *SystemDeclaration) checkOwner(name string, o Owner) {
	if o.Mail != "" && (strings.Count(o.Mail, "@") != 1 || strings.HasPrefix(o.Mail, "@") || strings.HasSuffix(o.Mail, "@") || strings.ContainsAny(o.Mail, " \t\n<>")) {
		s.doc.value(fault.Newf(fault.PlanBadValue, "mail is %q", o.Mail).Why("expected a mail address").Fix("write it as name@domain"), "owners", name, "mail")
	}
	if o.URL != "" {
		s.doc.report(badURL("the address of owner "+name, o.URL), "owners", name, "url")
	}
}

func (s *SystemDeclaration) checkRef(i int, ref ServiceRef) {
	switch {
	case ref.Path != "" && ref.Artifact != "":
		s.doc.key(fault.New(fault.PlanConflictingFields, "path and artifact at once").Why("a declaration is in one place").Fix("keep one of them, or make two items"), "services", i, "artifact")
	case ref.Path == "" && ref.Artifact == "" && !s.doc.has("services", i, "path") && !s.doc.has("services", i, "artifact") && s.doc.isOrAbsent(yaml.Mapping, "services", i):
		s.doc.value(fault.New(fault.PlanMissingField, "an item of services names no place").Why("expected path or artifact").Fix("write path: services/*"), "services", i)
	case ref.Artifact != "" && !isLabel(artifactName(ref.Artifact)):
		s.doc.value(fault.Newf(fault.PlanBadValue, "artifact is %q", ref.Artifact).
			Why("expected a reference whose last part is the service's name, such as registry.example/shop/order:1.2").
			Fix("correct the reference"), "services", i, "artifact")
	}
}

// artifactName is the last part of a reference without tag and digest.
func artifactName(reference string) string {
	if strings.ContainsAny(reference, " \t\n") {
		return ""
	}
	name := reference[strings.LastIndex(reference, "/")+1:]
	name, _, _ = strings.Cut(name, "@")
	name, _, _ = strings.Cut(name, ":")
	return name
}

func (s *SystemDeclaration) checkExternal(name string, e ExternalFile) {
	s.doc.required(e.URL, "the address of "+name, "external", name, "url")
	if e.URL != "" {
		f := badURL("the address of "+name, e.URL)
		if u, err := url.Parse(e.URL); f == nil && err == nil {
			f = badRegistered("the address of "+name, e.URL, u)
		}
		s.doc.report(f, "external", name, "url")
	}
	if e.Owner == "" && !s.doc.has("external", name, "owner") {
		s.doc.key(fault.Newf(fault.PlanMissingOwner, "%s has no owner", name).
			Why("somebody must answer for every service that is used").Fix("add owner: with one of the system's owners"), "external", name)
	}
}

// badURL is the finding about an address that is no plain http or https one.
func badURL(what, address string) *fault.Fault {
	u, err := url.Parse(address)
	f := fault.Newf(fault.PlanBadURL, "%s is not usable", what).
		Why("expected http or https with a host, without credentials, query or fragment").Fix("write it as https://host/path")
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return f
	case u.User != nil:
		return f.Fix("delete the credentials: who reads the plan would know them")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return f
	}
	return nil
}

// badRegistered is the finding about an address of http://NAME.internal that
// says more than the name; nil for any other.
func badRegistered(what, address string, u *url.URL) *fault.Fault {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if !strings.HasSuffix(host, internalSuffix) {
		return nil
	}
	written := strings.TrimSuffix(u.Hostname(), ".")
	name := written[:len(written)-len(internalSuffix)]
	wrong := func(why string) *fault.Fault {
		f := fault.Newf(fault.PlanBadURL, "%s is not usable", what).Why(why)
		if isLabel(name) {
			f.Fix("write it as http://" + name + internalSuffix)
		}
		return f
	}
	switch f := badServiceName("the registered service", name); {
	case f != nil:
		return f
	case u.Scheme != "http":
		return wrong("what is registered runs beside plat and is reached by plain HTTP")
	case u.Port() != "":
		return wrong("whoever registers says its port itself")
	case u.Path != "" && u.Path != "/":
		return wrong("it stands for a program, not for a path of it; the caller says the path")
	case strings.TrimSuffix(address, "/") != "http://"+name+internalSuffix:
		return wrong("expected http://NAME.internal in lower case, with nothing after it")
	}
	return nil
}

// methods are what a route may name; a gateway never sees others.
func methods() []string {
	return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}
}

// checkRoute finds a route that no request can match.
func (s *SystemDeclaration) checkRoute(gateway string, i int, r RouteFile) {
	at := func(key string) []any { return []any{"gateways", gateway, "routes", i, key} }
	dead := func(what, why, fix string, path ...any) {
		s.doc.value(fault.New(fault.PlanDeadRoute, what).Why(why).Fix(fix), path...)
	}
	s.doc.required(r.Path, "the path that leads to the service", at("path")...)
	s.doc.required(r.Service, "the service that answers", at("service")...)
	switch clean := cleanPath(r.Path); {
	case r.Path == "":
	case r.Path[0] != '/':
		dead("the path "+r.Path+" does not begin with a slash", "no request matches it", "write /"+r.Path, at("path")...)
	case strings.Contains(r.Path, "*"):
		dead("the path "+r.Path+" has a wildcard", "a path is a prefix: it takes what is below it by itself", "write the prefix before the wildcard, or {NAME} for one whole segment", at("path")...)
	case !namesWholeSegments(clean):
		dead("the path "+r.Path+" has braces that are no segment", "{NAME} stands for one whole segment", "write it as /orders/{order}/lines", at("path")...)
	case strings.ContainsAny(r.Path, "?#%\\ \t\n"):
		dead("the path "+r.Path+" has a character that no path has", "it is compared with the decoded path, without the query", "write the plain path", at("path")...)
	case strings.Contains(clean+"/", "//") && clean != "/" || strings.Contains(clean+"/", "/./") || strings.Contains(clean+"/", "/../"):
		dead("the path "+r.Path+" is not clean", "requests are cleaned before they are compared", "write it without empty, . and .. segments", at("path")...)
	}
	if r.Host != "" && !isHost(strings.ToLower(r.Host)) {
		dead("the host "+r.Host+" is not a host name", "expected a name without scheme, port and wildcard", "write it as shop.example.com", at("host")...)
	}
	if r.Rate != nil && r.Rate.Limit == 0 {
		s.doc.key(noLimit(), at("rate")...)
	}
	if r.Rate != nil && strings.ContainsFunc(r.Rate.Header, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-'
	}) {
		s.doc.value(fault.New(fault.PlanBadValue, "the header "+r.Rate.Header+" is no name of a header").
			Why("a name has letters, digits and hyphens").Fix("write it as X-API-Key"), "gateways", gateway, "routes", i, "rate", "header")
	}
	s.checkSize("the longest URL", r.URL, at("url")...)
	if r.Headers != nil {
		s.checkSize("the limit of the header", r.Headers.Bytes, append(at("headers"), "bytes")...)
	}
	for j, m := range r.Methods {
		if m == "" || slices.Contains(methods(), m) {
			continue
		}
		dead("there is no method "+m, "methods are in upper case", didYouMean(strings.ToUpper(m), methods()), append(at("methods"), j)...)
	}
}

// mostHeader is what a gateway takes of a request's line and header at all.
const mostHeader Size = 64 << 10

// checkSize finds a limit that can never count.
func (s *SystemDeclaration) checkSize(what string, is Size, path ...any) {
	if is > mostHeader {
		s.doc.value(fault.Newf(fault.PlanBadValue, "%s is %s", what, is).
			Why("a gateway takes "+mostHeader.String()+" of request line and header at most, so it would never count").
			Fix("write "+mostHeader.String()+" or less, or delete the key"), path...)
	}
}

// namesWholeSegments tells whether braces stand only around the name of a whole
// segment.
func namesWholeSegments(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		name, braced := strings.CutPrefix(segment, "{")
		if braced {
			var closed bool
			if name, closed = strings.CutSuffix(name, "}"); !closed || !isLabel(name) {
				return false
			}
		}
		if strings.ContainsAny(name, "{}") {
			return false
		}
	}
	return true
}

// cleanPath is a route's path without the slash at its end, which does not
// change what a prefix matches.
func cleanPath(p string) string {
	if len(p) > 1 {
		return strings.TrimSuffix(p, "/")
	}
	return p
}

// isHost reports whether s is a host name in lower case, or an IPv4 address.
func isHost(s string) bool {
	for _, l := range strings.Split(s, ".") {
		if !isLabel("h"+l) || l == "" || l[0] == '-' {
			return false
		}
	}
	return len(s) <= 253
}
