package gateway

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway/cache"
	"github.com/plat-dev/plat/gateway/lastgood"
	"github.com/plat-dev/plat/plan"
)

// keepBy is the cache's rule for a route; nil where nothing is kept.
func keepBy(c *plan.RouteCache) *cache.Rule {
	if c == nil {
		return nil
	}
	return &cache.Rule{
		HideOrigin: c.HideOrigin, Tags: c.Tags, Longest: time.Duration(c.Longest),
		StaleIfError: time.Duration(c.StaleIfError), StaleWhileRevalidate: time.Duration(c.StaleWhileRevalidate),
	}
}

// SetCache gives one gateway a cache of these bounds, nil: none. One that has
// them already keeps what it holds.
func (g *Gateway) SetCache(gatewayName string, bounds *plan.Cache) {
	f := g.front(gatewayName)
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.cache.Load()
	switch {
	case bounds == nil:
		f.cache.Store(nil)
	case old != nil && f.bounds == *bounds:
		return
	default:
		f.bounds = *bounds
		f.cache.Store(cache.New(cache.Options{Memory: int64(bounds.Memory), Object: int64(bounds.Object)}))
	}
	if old != nil {
		old.Close()
	}
}

func (g *Gateway) closeCaches() {
	for _, f := range g.sortedFronts() {
		if kept := f.cache.Load(); kept != nil {
			kept.Close()
		}
	}
}

func (g *Gateway) sortedFronts() []*front {
	g.mu.Lock()
	defer g.mu.Unlock()
	fronts := make([]*front, 0, len(g.fronts))
	for _, name := range slices.Sorted(maps.Keys(g.fronts)) {
		fronts = append(fronts, g.fronts[name])
	}
	return fronts
}

// fromCache answers from the cache, which passes on what it cannot answer.
func (p *passage) fromCache(kept *cache.Cache) {
	w := p.w
	defer func() { p.writeTo(w) }()
	if out := kept.Serve(w, &cache.Ask{Request: p.r, Rule: p.to.cached, Test: p.mark != "", Origin: p}); out.Kept {
		p.Status, p.BytesOut = out.Status, out.Bytes
	}
}

// Fetch passes the request on.
func (p *passage) Fetch(w http.ResponseWriter, header http.Header) {
	p.writeTo(w)
	if p.enterGate(p.to.pool, p.to.priority) {
		defer p.leaveGate()
		p.forward(p.call(header))
	}
}

// Refuse answers in place of the cache.
func (p *passage) Refuse(status int, why string) {
	if status == http.StatusServiceUnavailable {
		p.w.Header()["Retry-After"] = []string{"1"}
	}
	p.problem(status, fault.GatewayNotCached, why)
}

// Mark sets what belongs to this exchange alone.
func (p *passage) Mark(h http.Header) { h["X-Correlation-Id"] = []string{p.CorrelationID} }

// writeTo has the exchange answer to another writer from here on.
func (x *exchange) writeTo(w http.ResponseWriter) {
	x.w, x.control = w, http.NewResponseController(w)
}

// Behind is an exchange of the cache's own: the same request, with nobody
// waiting. It tells whether the answer came to its end.
func (p *passage) Behind(ctx context.Context, w http.ResponseWriter, header http.Header) (whole bool) {
	r := p.r.Clone(ctx)
	r.Body, r.ContentLength = http.NoBody, 0
	own := p.gateway.begin(w, r)
	own.Gateway, own.Service, own.Route, own.count = p.Gateway, p.to.service, p.to.path, p.to.count
	own.Client, own.CorrelationID = "", p.CorrelationID
	defer func() {
		own.finish()
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // it is compared as net/http does
			panic(p)
		}
	}()
	own.identify(false)
	if own.enterGate(p.to.pool, p.to.priority) {
		defer own.leaveGate()
		own.forward(p.call(header.Clone()))
	}
	return true
}

// CacheAnswer is what is told of one kept answer.
type CacheAnswer = cache.Answer

// CacheStats are the counters of one gateway's cache.
type CacheStats struct {
	Gateway string
	cache.Stats
}

// CacheStats reads the counters of every cache.
func (g *Gateway) CacheStats() []CacheStats {
	var all []CacheStats
	for _, f := range g.sortedFronts() {
		if kept := f.cache.Load(); kept != nil {
			all = append(all, CacheStats{f.name, kept.Stats()})
		}
	}
	return all
}

// CacheWhy tells what a gateway's cache would make of a GET of this URL with
// these fields, and by which route.
func (g *Gateway) CacheWhy(gatewayName string, u *url.URL, header http.Header) (cache.Why, plan.Route, error) {
	f, kept, err := g.cacheOf(gatewayName)
	if err != nil {
		return cache.Why{}, plan.Route{}, err
	}
	to, err := f.routeOf(u)
	if err != nil {
		return cache.Why{}, plan.Route{}, err
	}
	why := kept.Why(&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: header}, to.cached)
	return why, plan.Route{Gateway: gatewayName, Path: to.path, Service: to.service}, nil
}

// CacheList tells what a gateway's cache keeps that fits a text: so many at
// most, and how many there are.
func (g *Gateway) CacheList(gatewayName, like string, most int) ([]cache.Kept, int, error) {
	_, kept, err := g.cacheOf(gatewayName)
	if err != nil {
		return nil, 0, err
	}
	list, all := kept.List(like, most)
	return list, all, nil
}

// LastGood is what stands in for answers between the services.
func (g *Gateway) LastGood() *lastgood.Store { return g.lastGood }

// CachePurged is what a purge took out of one gateway's cache.
type CachePurged struct {
	Gateway   string
	Resources int
}

// CachesOf names the gateways that have a cache and lead a URL to a service;
// where one is named, that one.
func (g *Gateway) CachesOf(only string, u *url.URL) ([]string, error) {
	if only != "" {
		f, _, err := g.cacheOf(only)
		if err == nil {
			_, err = f.routeOf(u)
		}
		return []string{only}, err
	}
	var names []string
	var led bool
	for _, f := range g.sortedFronts() {
		_, err := f.routeOf(u)
		if fault.Is(err, fault.GatewayBadURL) {
			return nil, err
		}
		led = led || err == nil
		if err == nil && f.cache.Load() != nil {
			names = append(names, f.name)
		}
	}
	switch {
	case !led:
		return nil, fault.Newf(fault.GatewayNoRoute, "no route of any gateway leads to %s", u.Host+u.Path)
	case names == nil:
		return nil, fault.Newf(fault.GatewayNoCache, "no gateway that leads to %s has a cache", u.Host+u.Path)
	}
	return names, nil
}

// CachePurge forgets the resource of a URL in the caches of these gateways, and,
// if between, where it stands in for answers to services: it tells how many of
// those there were, too.
func (g *Gateway) CachePurge(names []string, u *url.URL, between bool) (all []CachePurged, lastGood int, err error) {
	var services []string
	for _, name := range names {
		f, kept, err := g.cacheOf(name)
		if err != nil {
			return all, 0, err
		}
		to, err := f.routeOf(u)
		if err != nil {
			return all, 0, err
		}
		all = append(all, CachePurged{name, kept.Purge(cache.Key(&http.Request{URL: u, Host: u.Host}))})
		services = append(services, to.service)
	}
	if between {
		lastGood = g.lastGood.Forget(func(k lastgood.Kept) bool { return slices.Contains(services, k.Callee) && k.Target == u.RequestURI() })
	}
	return all, lastGood, nil
}

// routeOf is the route of a GET of a URL.
func (f *front) routeOf(u *url.URL) (*route, error) {
	path, ok := routePath(u.Path)
	if !ok || u.Host == "" {
		return nil, fault.Newf(fault.GatewayBadURL, "%q is no URL that a gateway answers", u.String())
	}
	to, _ := f.table.Load().match(hostName(u.Host), path, http.MethodGet)
	if to == nil {
		return nil, fault.Newf(fault.GatewayNoRoute, "no route of %s leads to %s", f.name, u.Path)
	}
	return to, nil
}

// CachePurgeTag forgets what bears a tag in every cache, and where it stands in
// for answers to services: it tells how many of those there were, too. Where a
// gateway is named, it forgets what its cache keeps, and nothing else.
func (g *Gateway) CachePurgeTag(only, tag string) (all []CachePurged, lastGood int, err error) {
	if only != "" {
		_, kept, err := g.cacheOf(only)
		if err != nil {
			return nil, 0, err
		}
		return []CachePurged{{only, kept.PurgeTag(tag)}}, 0, nil
	}
	for _, f := range g.sortedFronts() {
		if kept := f.cache.Load(); kept != nil {
			all = append(all, CachePurged{f.name, kept.PurgeTag(tag)})
		}
	}
	return all, g.lastGood.Forget(func(k lastgood.Kept) bool { return slices.Contains(k.Tags, tag) }), nil
}

func (g *Gateway) cacheOf(gatewayName string) (*front, *cache.Cache, error) {
	g.mu.Lock()
	f := g.fronts[gatewayName]
	g.mu.Unlock()
	if f == nil {
		return nil, nil, fault.Newf(fault.GatewayNoCache, "there is no gateway %s", gatewayName)
	}
	kept := f.cache.Load()
	if kept == nil {
		return nil, nil, fault.Newf(fault.GatewayNoCache, "the gateway %s has no cache", gatewayName)
	}
	return f, kept, nil
}
