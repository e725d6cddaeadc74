package plan

import (
	"slices"
	"strings"
)

// Route is one line of a gateway's table.
type Route struct {
	Gateway string   `json:"gateway"`
	Host    string   `json:"host,omitempty"` // lower case, no port; empty: any
	Path    string   `json:"path"`           // prefix, matched on segment boundaries
	Methods []string `json:"methods,omitempty"`
	Service string   `json:"service"`
	Timeout Duration `json:"timeout"`
	Trust   bool     `json:"trust,omitempty"`

	Priority string       `json:"priority,omitempty"` // critical, high, low; empty: normal
	Rate     *RouteRate   `json:"rate,omitempty"`
	Body     Size         `json:"body,omitempty"`
	Headers  *HeaderLimit `json:"headers,omitempty"`
	URL      Size         `json:"url,omitempty"`

	// Registered is set for an external service that the registry knows by
	// that name.
	Registered string `json:"registered,omitempty"`

	Cache *RouteCache `json:"cache,omitempty"` // nil: nothing is kept
}

// Pool is the name under which the registry knows the instances that answer.
func (r Route) Pool() string {
	if r.Registered != "" {
		return r.Registered
	}
	return r.Service
}

// Edge is one declared synchronous call: the caller gets an address of its
// own for it, so that whoever calls there is known.
type Edge struct {
	Caller  string   `json:"caller"`
	Callee  string   `json:"callee"`
	Env     string   `json:"env"`           // PLAT_URL_<CALLEE>
	URL     string   `json:"url,omitempty"` // of an external callee
	Timeout Duration `json:"timeout"`

	// Registered is set instead of URL for an external callee that the
	// registry knows by that name.
	Registered string `json:"registered,omitempty"`

	Policy    CallPolicy     `json:"policy"`
	Ejection  *Ejection      `json:"ejection,omitempty"` // of the callee's instances; nil: none
	OnFailure string         `json:"on-failure"`
	Default   *DefaultAnswer `json:"default,omitempty"`
	LastGood  *LastGood      `json:"last-good,omitempty"`
	Queue     *Queue         `json:"queue,omitempty"`
}

// Pool is the name under which the registry knows the instances that answer;
// empty for an external callee with a URL, which is no business of the
// registry.
func (e Edge) Pool() string {
	switch {
	case e.Registered != "":
		return e.Registered
	case e.URL != "":
		return ""
	}
	return e.Callee
}

// Stream holds all events of one provider.
type Stream struct {
	Name     string   `json:"name"` // the provider's name
	Provider string   `json:"provider"`
	Subjects []string `json:"subjects"` // event.<type>
}

// Consumer is a durable subscription to one event by one service.
type Consumer struct {
	Name    string `json:"name"` // <service>_<event type with dots as underscores>
	Stream  string `json:"stream"`
	Service string `json:"service"`
	Event   string `json:"event"`
	Subject string `json:"subject"`
	Retries int    `json:"retries"`
	Push    string `json:"push,omitempty"` // path that plat delivers to; empty: the service pulls
}

// Grant is what one service may do on the event wire, in plat's words:
// which event types it may publish and which consumers it may pull from.
type Grant struct {
	Service   string     `json:"service"`
	Publish   []string   `json:"publish,omitempty"`
	Consumers []Consumer `json:"consumers,omitempty"`
}

// EnvName turns a name of the plan into an environment variable's: upper
// case, hyphens and dots as underscores.
func EnvName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '-' || r == '.':
			return '_'
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, name)
}

// RouteSegments are the segments of a route's path; {} stands for any, however
// it is named.
func RouteSegments(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "{}"
		}
	}
	return segments
}

// CompareRouteSegments orders what [RouteSegments] gives, the more specific
// first: with more segments, then with a plain segment where the other has {}.
// It is 0 for the same alone.
func CompareRouteSegments(a, b []string) int {
	if len(a) != len(b) {
		return len(b) - len(a)
	}
	for i := range a {
		switch {
		case a[i] == b[i]:
		case b[i] == "{}":
			return -1
		case a[i] == "{}":
			return 1
		}
	}
	return slices.Compare(a, b)
}

// Routes derives the gateways' tables, the most specific route first: with a
// host before without, more segments before fewer, with methods before
// without.
func Routes(s *System) []Route {
	external := externals(s)
	var routes []Route
	for _, g := range s.Gateways {
		for _, r := range g.Routes {
			routes = append(routes, Route{Gateway: g.Name, Host: r.Host, Path: r.Path, Methods: r.Methods, Service: r.Service, Timeout: r.Timeout, Trust: r.Trust, Priority: r.Priority, Rate: r.Rate, Body: r.Body, Headers: r.Headers, URL: r.URL, Registered: external[r.Service].Registered, Cache: r.Cache})
		}
	}
	slices.SortStableFunc(routes, func(a, b Route) int {
		if c := strings.Compare(a.Gateway, b.Gateway); c != 0 {
			return c
		}
		if (a.Host == "") != (b.Host == "") {
			if a.Host != "" {
				return -1
			}
			return 1
		}
		if c := CompareRouteSegments(RouteSegments(a.Path), RouteSegments(b.Path)); c != 0 {
			return c
		}
		if (len(a.Methods) == 0) != (len(b.Methods) == 0) {
			return len(b.Methods) - len(a.Methods)
		}
		return strings.Compare(a.Host+a.Path, b.Host+b.Path)
	})
	return routes
}

// Edges derives the declared calls, sorted by caller, then callee.
func Edges(s *System) []Edge {
	external := externals(s)
	var edges []Edge
	for _, svc := range s.Services {
		for _, d := range svc.Calls {
			e := Edge{Caller: svc.Name, Callee: d.Service, Env: "PLAT_URL_" + EnvName(d.Service), Timeout: d.Timeout, Policy: d.Policy, OnFailure: d.OnFailure, Default: d.Default, LastGood: d.LastGood, Queue: d.Queue}
			if to, ours := s.Service(d.Service); ours {
				e.Ejection = to.Ejection
			}
			if to := external[d.Service]; to.Registered != "" {
				e.Registered = to.Registered
			} else {
				e.URL = to.URL
			}
			edges = append(edges, e)
		}
	}
	return edges
}

func externals(s *System) map[string]External {
	m := make(map[string]External, len(s.External))
	for _, e := range s.External {
		m[e.Name] = e
	}
	return m
}

// Streams derives one stream for each service that provides events.
func Streams(s *System) []Stream {
	var streams []Stream
	for _, svc := range s.Services {
		if len(svc.Events) == 0 {
			continue
		}
		st := Stream{Name: svc.Name, Provider: svc.Name}
		for _, e := range svc.Events {
			st.Subjects = append(st.Subjects, subject(e.Type))
		}
		streams = append(streams, st)
	}
	return streams
}

// Consumers derives one durable consumer for each consumed event, so that a
// poisoned event of one type does not hold up another.
func Consumers(s *System) []Consumer {
	var consumers []Consumer
	for _, svc := range s.Services {
		for _, e := range svc.Consumes {
			consumers = append(consumers, Consumer{
				Name:   svc.Name + "_" + strings.ReplaceAll(e.Type, ".", "_"),
				Stream: e.Provider, Service: svc.Name, Event: e.Type, Subject: subject(e.Type), Retries: e.Retries, Push: e.Push,
			})
		}
	}
	return consumers
}

// Grants derives each service's permissions on the event wire; a service
// that neither publishes nor consumes has none.
func Grants(s *System) []Grant {
	consumers := map[string][]Consumer{}
	for _, c := range Consumers(s) {
		if c.Push == "" { // what is pushed to a service, it need not pull
			consumers[c.Service] = append(consumers[c.Service], c)
		}
	}
	var grants []Grant
	for _, svc := range s.Services {
		g := Grant{Service: svc.Name, Consumers: consumers[svc.Name]}
		for _, e := range svc.Events {
			g.Publish = append(g.Publish, e.Type)
		}
		if len(g.Publish)+len(g.Consumers) > 0 {
			grants = append(grants, g)
		}
	}
	return grants
}

func subject(eventType string) string { return "event." + eventType }
