package control

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/gateway/places"
)

// Caches tells what the gateways keep.
func (p *plane) Caches() api.Caches {
	all := api.Caches{Caches: []api.Cache{}}
	for _, s := range p.gateway.CacheStats() {
		all.Caches = append(all.Caches, api.Cache{
			Gateway: s.Gateway, Entries: s.Entries, Bytes: s.Bytes, Memory: s.Memory, HitRatio: s.HitRatio(),
			Hits: s.Hits, Stale: s.Stale, Misses: s.Misses, Validated: s.Validated, Collapsed: s.Collapsed, Bypassed: s.Bypassed, Stored: s.Stored,
			Refused: s.Refused, TooLarge: s.TooLarge, Evicted: s.Evicted, Purged: s.Purged, NotFilled: s.NotFilled,
		})
	}
	return all
}

// CacheWhy tells what would become of a GET.
func (p *plane) CacheWhy(rawURL string, fields []string) (api.CacheWhy, error) {
	u, gateway, err := p.cachedURL(rawURL)
	if err != nil {
		return api.CacheWhy{}, err
	}
	header := http.Header{}
	for _, f := range fields {
		name, value, ok := strings.Cut(f, ":")
		if !ok {
			return api.CacheWhy{}, fault.Newf(fault.BadArgument, "%q is no header field", f).Fix("write it as Accept-Language: de")
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	why, to, err := p.gateway.CacheWhy(gateway, u, header)
	if err != nil {
		return api.CacheWhy{}, err
	}
	out := api.CacheWhy{URL: rawURL, Gateway: gateway, Route: to.Path, Service: to.Service, Key: why.Key, Verdict: why.Verdict, Rule: why.Rule, Variants: []api.CacheVariant{}, Places: []api.CachePlace{}}
	for _, v := range why.Variants {
		out.Variants = append(out.Variants, cacheVariant(v))
	}
	q := places.Question{URL: rawURL, Target: u.RequestURI(), Gateway: gateway, Service: to.Service}
	for _, at := range places.Of(q, why, p.live(), p.gateway.LastGood().Kept()) {
		out.Places = append(out.Places, api.CachePlace{Place: at.Name, Seconds: at.Fresh.Round(time.Second).Seconds(), Stale: at.Stale.Round(time.Second).Seconds(), Undo: at.Undo})
	}
	return out, nil
}

func cacheVariant(v gateway.CacheAnswer) api.CacheVariant {
	return api.CacheVariant{
		Status: v.Status, Chosen: v.Chosen, Vary: v.Vary, Part: v.Part, Bytes: v.Bytes, Received: v.Received, Age: v.Age.Seconds(), Lifetime: v.Lifetime.Seconds(),
		Basis: v.Basis, Meanwhile: v.Meanwhile.Seconds(), OnError: v.OnError.Seconds(), CacheControl: v.CacheControl, Tags: v.Tags,
	}
}

// CacheList tells what one cache keeps.
func (p *plane) CacheList(gateway, like string, most int) (api.CacheList, error) {
	list, found, err := p.gateway.CacheList(gateway, like, most)
	out := api.CacheList{Found: found, Entries: []api.CacheEntry{}}
	for _, k := range list {
		out.Entries = append(out.Entries, api.CacheEntry{URL: k.Key, Variants: k.Variants, Bytes: k.Bytes, Latest: cacheVariant(k.Latest)})
	}
	return out, err
}

// PurgeCache takes answers out of the caches.
func (p *plane) PurgeCache(what api.CachePurge) (api.CachePurged, error) {
	if (what.Tag == "") == (what.URL == "") {
		return api.CachePurged{}, fault.New(fault.BadArgument, "a purge is by a tag or by a URL").Fix("give one of both")
	}
	if what.Tag != "" {
		return api.CachePurged{Purged: p.gateway.CachePurgeTag(what.Tag)}, nil
	}
	u, gateway, err := p.cachedURL(what.URL)
	if err != nil {
		return api.CachePurged{}, err
	}
	n, err := p.gateway.CachePurge(gateway, u)
	return api.CachePurged{Purged: n}, err
}

// cachedURL finds the gateway that answers a URL: the one at its address, else
// the only one.
func (p *plane) cachedURL(rawURL string) (*url.URL, string, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return nil, "", fault.Newf(fault.GatewayBadURL, "%q is no URL that a gateway answers", rawURL)
	}
	only := ""
	for name, at := range p.gateways {
		if at == "http://"+u.Host || len(p.gateways) == 1 {
			only = name
		}
	}
	if only == "" {
		return nil, "", fault.Newf(fault.GatewayBadURL, "no gateway is at %s", u.Host).Fix("use the address of a gateway, as plat ps prints it")
	}
	return u, only, nil
}

func (p *plane) sampleCaches(s *samples) {
	for _, c := range p.gateway.CacheStats() {
		by := []string{"gateway", c.Gateway}
		for result, n := range map[string]uint64{"hit": c.Hits, "stale": c.Stale, "miss": c.Misses, "bypass": c.Bypassed} {
			s.add("counter", "plat_cache_requests_total", "Requests to the gateway's cache by what became of them.", float64(n), "gateway", c.Gateway, "result", result)
		}
		for reason, n := range map[string]uint64{"refused": c.Refused, "too-large": c.TooLarge, "not-filled": c.NotFilled} {
			s.add("counter", "plat_cache_not_stored_total", "Answers that the gateway's cache did not keep.", float64(n), "gateway", c.Gateway, "reason", reason)
		}
		s.add("counter", "plat_cache_evictions_total", "Resources that went out of the gateway's cache for others.", float64(c.Evicted), by...)
		s.add("gauge", "plat_cache_entries", "Resources in the gateway's cache.", float64(c.Entries), by...)
		s.add("gauge", "plat_cache_bytes", "Memory that the gateway's cache takes.", float64(c.Bytes), by...)
	}
}
