package gateway

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/gateway/cache"
	"github.com/plat-dev/plat/kit/admit"
	"github.com/plat-dev/plat/plan"
)

// table is a gateway's routes, compiled; nothing changes it.
type table struct {
	hosts  map[string]*paths
	any    *paths // routes without a host
	routes []*route
}

// paths are the routes of one host, by prefix.
type paths struct {
	byPrefix map[string]*target // "" is the prefix of every path
	longest  int                // of the prefixes: bounds the search
	patterns []*pattern         // of prefixes with {NAME} in them, the most specific first
}

// pattern is a prefix in which some segments stand for any.
type pattern struct {
	segments []string // {} stands for any
	to       *target
}

// target is what one host and prefix leads to.
type target struct {
	methods []*route // routes that name their methods
	rest    *route   // the route for all other methods; nil: none
	allow   string   // the Allow header when there is no rest
}

// route is one line of the table.
type route struct {
	host    string
	path    string
	methods []string
	service string
	timeout time.Duration
	trust   bool
	cached  *cache.Rule // nil: nothing is kept
	pool    *pool
	count   *counters

	priority admit.Priority
	rates    *admit.Rates // nil: as often as anybody likes
	rateBy   string       // the header that tells clients apart; empty: the address
	sizes    admit.Sizes
}

// compile makes a table of those routes that belong to the gateway. Routes
// that were in the old table keep their counters.
func compile(gatewayName string, routes []plan.Route, old *table, poolOf func(string) *pool) *table {
	t := &table{hosts: map[string]*paths{}, any: newPaths()}
	for _, r := range routes {
		if r.Gateway != gatewayName {
			continue
		}
		compiled := &route{
			host: strings.ToLower(r.Host), path: r.Path, methods: r.Methods, service: r.Service,
			timeout: time.Duration(r.Timeout), trust: r.Trust, pool: poolOf(r.Pool()), cached: keepBy(r.Cache),
			priority: admit.ParsePriority(r.Priority), sizes: sizesOf(r),
		}
		compiled.keep(old.same(compiled), r.Rate)
		t.routes = append(t.routes, compiled)
		ps := t.any
		if compiled.host != "" {
			if t.hosts[compiled.host] == nil {
				t.hosts[compiled.host] = newPaths()
			}
			ps = t.hosts[compiled.host]
		}
		ps.add(compiled)
	}
	return t
}

func newPaths() *paths { return &paths{byPrefix: map[string]*target{}} }

func (p *paths) add(r *route) {
	to := p.target(strings.TrimRight(r.path, "/"))
	switch {
	case len(r.methods) > 0:
		to.methods = append(to.methods, r)
	case to.rest == nil:
		to.rest = r
	}
	var allow []string
	for _, r := range to.methods {
		for _, m := range r.methods {
			if allow = append(allow, m); m == "GET" {
				allow = append(allow, "HEAD")
			}
		}
	}
	slices.Sort(allow)
	to.allow = strings.Join(slices.Compact(allow), ", ")
}

// target finds or makes what a prefix leads to.
func (p *paths) target(prefix string) *target {
	if strings.Contains(prefix, "{") {
		return p.patternTarget(plan.RouteSegments(prefix))
	}
	p.longest = max(p.longest, len(prefix))
	to := p.byPrefix[prefix]
	if to == nil {
		to = &target{}
		p.byPrefix[prefix] = to
	}
	return to
}

func (p *paths) patternTarget(segments []string) *target {
	at, found := slices.BinarySearchFunc(p.patterns, segments, func(known *pattern, wanted []string) int {
		return plan.CompareRouteSegments(known.segments, wanted)
	})
	if !found {
		p.patterns = slices.Insert(p.patterns, at, &pattern{segments, &target{}})
	}
	return p.patterns[at].to
}

// same finds the route as it was.
func (t *table) same(r *route) *route {
	if t != nil {
		for _, o := range t.routes {
			if o.host == r.host && o.path == r.path && o.service == r.service && slices.Equal(o.methods, r.methods) {
				return o
			}
		}
	}
	return nil
}

// keep takes over what was counted; nil: nothing was.
func (r *route) keep(old *route, rate *plan.RouteRate) {
	r.count = new(counters)
	if old != nil {
		r.count = old.count
	}
	if rate == nil {
		return
	}
	r.rateBy = http.CanonicalHeaderKey(rate.Header)
	may := admit.Rate{Limit: rate.Limit, Per: perOf(rate.Per), Burst: rate.Burst}
	if old == nil || old.rates == nil || old.rateBy != r.rateBy {
		r.rates = admit.NewRates(may)
		return
	}
	r.rates = old.rates
	r.rates.Set(may)
}

// match finds the most specific route: of the host before any host, of the
// longest prefix, that takes the method. Without a route, target tells why:
// nil when no prefix fits, else its Allow.
func (t *table) match(host, path, method string) (*route, *target) {
	var to *target
	if len(t.hosts) > 0 {
		if ps := t.hosts[host]; ps != nil {
			to = ps.find(path)
		}
	}
	if to == nil {
		if to = t.any.find(path); to == nil {
			return nil, nil
		}
	}
	for _, r := range to.methods {
		for _, m := range r.methods {
			if m == method || m == "GET" && method == "HEAD" {
				return r, to
			}
		}
	}
	return to.rest, to
}

// find looks up the prefixes of path that end where a segment does, the
// longest first, none longer than the table's longest: a hostile path costs
// no more than a plain one. A pattern wins by more segments alone.
func (p *paths) find(path string) *target {
	to, prefix := p.byPrefix[""], ""
	for i := min(len(path), p.longest); i > 0; i-- {
		if i == len(path) || path[i] == '/' {
			if found := p.byPrefix[path[:i]]; found != nil {
				to, prefix = found, path[:i]
				break
			}
		}
	}
	if len(p.patterns) == 0 {
		return to
	}
	known := strings.Count(prefix, "/")
	for _, pt := range p.patterns {
		if to != nil && len(pt.segments) <= known {
			break
		}
		if pt.matches(path) {
			return pt.to
		}
	}
	return to
}

// matches tells whether the path begins with such segments.
func (p *pattern) matches(path string) bool {
	for _, want := range p.segments {
		if path == "" {
			return false
		}
		path = path[1:] // the slash
		end := strings.IndexByte(path, '/')
		if end < 0 {
			end = len(path)
		}
		if end == 0 || want != "{}" && want != path[:end] {
			return false
		}
		path = path[end:]
	}
	return true
}

// routePath gives the form of a decoded path that routes are matched by, and
// whether the path may pass at all. The form is what the most lenient server
// would make of the path: a backslash is a slash, a run of slashes is one, and
// ;parameters are cut off.
//
// INVARIANT: a path whose meaning would change by removing dot segments never
// passes, whether they were written plainly, percent-encoded, with encoded or
// backward slashes around them, or with ;parameters. So what a service sees
// lies below the prefix that was matched.
func routePath(p string) (string, bool) {
	if p == "" {
		return "/", true // absolute form without a path
	}
	if p[0] != '/' {
		return "", false
	}
	plain := true
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c < ' ' || c == 0x7f:
			return "", false
		case c == '\\' || c == ';':
			plain = false
		case c == '/' && i+1 < len(p) && (p[i+1] == '/' || p[i+1] == '.'):
			plain = false
		}
	}
	if plain {
		return p, true
	}
	form := make([]byte, 0, len(p))
	for i := 0; i < len(p); {
		start := i
		for i < len(p) && p[i] != '/' && p[i] != '\\' {
			i++
		}
		switch name, _, _ := strings.Cut(p[start:i], ";"); name {
		case ".", "..":
			return "", false
		case "":
		default:
			form = append(append(form, '/'), name...)
		}
		i++
	}
	if len(form) == 0 {
		return "/", true
	}
	return string(form), true
}

// hostName is the host that routes are matched by: lower case, without port
// and final dot.
func hostName(host string) string {
	if strings.HasPrefix(host, "[") {
		if end := strings.IndexByte(host, ']'); end > 0 {
			host = host[1:end]
		}
	} else if colon := strings.LastIndexByte(host, ':'); colon >= 0 && strings.IndexByte(host, ':') == colon {
		host = host[:colon]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
