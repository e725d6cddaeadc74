package plan

import (
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
)

// CacheFile switches a gateway's cache on.
type CacheFile struct {
	Memory               Size      `json:"memory,omitempty" jsonschema_description:"What it may take of memory; then what is asked for least goes. Absent: 64MiB."`
	Object               Size      `json:"object,omitempty" jsonschema_description:"Longest body of one answer that is kept. Absent: an eighth of memory, at most 8MiB."`
	Longest              *Duration `json:"longest,omitempty" plan:"positive" jsonschema:"default=7d" jsonschema_description:"No answer is fresh for longer, whatever it says."`
	StaleIfError         *Duration `json:"stale-if-error,omitempty" jsonschema:"default=1m" jsonschema_description:"How long after it went stale an answer stands in for an error, when it does not say so itself."`
	StaleWhileRevalidate *Duration `json:"stale-while-revalidate,omitempty" jsonschema:"default=0s" jsonschema_description:"How long after it went stale an answer is served while it is fetched anew, when it does not say so itself."`
}

// RouteCacheFile is what one route wants otherwise.
type RouteCacheFile struct {
	Off                  bool      `json:"off,omitempty" jsonschema:"default=false" jsonschema_description:"Nothing of this route is kept."`
	HideOrigin           bool      `json:"hide-origin,omitempty" jsonschema:"default=false" jsonschema_description:"A miss is answered with 503 at once, while the answer is fetched behind: customers' bursts never reach the service."`
	Tags                 []string  `json:"tags,omitempty" jsonschema_description:"Tags of every answer of the route, for plat cache purge --tag."`
	Longest              *Duration `json:"longest,omitempty" plan:"positive" jsonschema_description:"No answer is fresh for longer; absent: the gateway's."`
	StaleIfError         *Duration `json:"stale-if-error,omitempty" jsonschema_description:"Absent: the gateway's."`
	StaleWhileRevalidate *Duration `json:"stale-while-revalidate,omitempty" jsonschema_description:"Absent: the gateway's."`
}

// Cache is a gateway's cache.
type Cache struct {
	Memory Size `json:"memory"`
	Object Size `json:"object"`
}

// RouteCache is how answers of one route are kept.
type RouteCache struct {
	HideOrigin           bool     `json:"hide-origin,omitempty"`
	Tags                 []string `json:"tags,omitempty"`
	Longest              Duration `json:"longest"`
	StaleIfError         Duration `json:"stale-if-error"`
	StaleWhileRevalidate Duration `json:"stale-while-revalidate,omitempty"`
}

const (
	defaultCache   = Size(64 << 20)
	leastCache     = Size(1 << 20)
	mostObject     = Size(8 << 20)
	defaultLongest = Duration(7 * 24 * time.Hour)
	defaultOnError = Duration(time.Minute)
)

func cacheOf(f *CacheFile) *Cache {
	if f == nil {
		return nil
	}
	c := &Cache{Memory: f.Memory, Object: f.Object}
	if c.Memory == 0 {
		c.Memory = defaultCache
	}
	if c.Object == 0 {
		c.Object = min(c.Memory/8, mostObject)
	}
	return c
}

// routeCache is nil where nothing is kept.
func routeCache(g *CacheFile, r *RouteCacheFile) *RouteCache {
	if g == nil || r != nil && r.Off {
		return nil
	}
	if r == nil {
		r = &RouteCacheFile{}
	}
	return &RouteCache{
		HideOrigin: r.HideOrigin, Tags: r.Tags, Longest: pick(defaultLongest, g.Longest, r.Longest),
		StaleIfError: pick(defaultOnError, g.StaleIfError, r.StaleIfError), StaleWhileRevalidate: pick(0, g.StaleWhileRevalidate, r.StaleWhileRevalidate),
	}
}

// checkCache finds a cache that could keep nothing, and routes that tune one
// that is not there.
func (s *SystemDeclaration) checkCache(gateway string, f GatewayFile) {
	if c := f.Cache; c != nil {
		memory := cacheOf(c).Memory
		if memory < leastCache {
			s.doc.value(fault.New(fault.PlanBadValue, "memory is less than a cache needs").Why("expected at least 1MiB").Fix("write one such as 64MiB, or delete the key"), "gateways", gateway, "cache", "memory")
		}
		if c.Object > memory {
			s.doc.value(fault.New(fault.PlanBadValue, "object is more than memory").Why("such an answer would never be kept").Fix("write less than memory, as an eighth of it"), "gateways", gateway, "cache", "object")
		}
	}
	for i, r := range f.Routes {
		if r.Cache == nil {
			continue
		}
		if f.Cache == nil {
			s.doc.key(fault.Newf(fault.PlanBadValue, "the gateway %s has no cache that this route could tune", gateway).
				Why("a cache is switched on for a whole gateway").Fix("add cache: {memory: 64MiB} to the gateway, or delete the key"), "gateways", gateway, "routes", i, "cache")
		}
		for j, tag := range r.Cache.Tags {
			if tag == "" || len(tag) > 256 || strings.ContainsAny(tag, ", \t\r\n") {
				s.doc.value(fault.Newf(fault.PlanBadValue, "%q is no tag", tag).Why("a tag has 1 to 256 characters, and no space or comma").Fix("write one word, as albums"), "gateways", gateway, "routes", i, "cache", "tags", j)
			}
		}
	}
}
