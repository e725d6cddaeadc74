package control

import (
	"net/http"
	"net/url"
	"slices"
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
func (p *plane) CacheWhy(only, rawURL string, fields []string) (api.CacheWhy, error) {
	u, names, err := p.cachesOf(only, rawURL)
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
	var out api.CacheWhy
	var fronts []places.Front
	for _, name := range names {
		why, to, err := p.gateway.CacheWhy(name, u, header)
		if err != nil {
			return api.CacheWhy{}, err
		}
		fronts = append(fronts, places.Front{Gateway: name, Service: to.Service, Why: why})
		if out.Gateway != "" && (out.Verdict != "miss" || why.Verdict == "miss") {
			continue
		}
		out = api.CacheWhy{URL: rawURL, Gateway: name, Route: to.Path, Service: to.Service, Key: why.Key, Verdict: why.Verdict, Rule: why.Rule, Variants: []api.CacheVariant{}, Places: []api.CachePlace{}}
		for _, v := range why.Variants {
			out.Variants = append(out.Variants, cacheVariant(v))
		}
	}
	out.Others = slices.DeleteFunc(names, func(name string) bool { return name == out.Gateway })
	for _, at := range places.Of(places.Question{URL: rawURL, Target: u.RequestURI()}, fronts, p.live(), p.gateway.LastGood().Kept()) {
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
	var from []gateway.CachePurged
	var lastGood int
	var err error
	if what.Tag != "" {
		from, lastGood, err = p.gateway.CachePurgeTag(what.Gateway, what.Tag)
	} else if u, names, bad := p.cachesOf(what.Gateway, what.URL); bad != nil {
		err = bad
	} else {
		from, lastGood, err = p.gateway.CachePurge(names, u, what.Gateway == "")
	}
	out := api.CachePurged{Purged: lastGood, Gateways: []api.CachePurgedFrom{}, LastGood: lastGood}
	for _, f := range from {
		out.Purged += f.Resources
		out.Gateways = append(out.Gateways, api.CachePurgedFrom{Gateway: f.Gateway, Purged: f.Resources})
	}
	return out, err
}

// cachesOf finds the gateways whose caches may keep a URL: the one that is
// named, or is at its address, else all that lead it to a service.
func (p *plane) cachesOf(only, rawURL string) (*url.URL, []string, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return nil, nil, fault.Newf(fault.GatewayBadURL, "%q is no URL that a gateway answers", rawURL)
	}
	address := "http://" + u.Host
	if u.Hostname() == "localhost" {
		address = "http://127.0.0.1:" + u.Port()
	}
	for name, at := range p.gateways {
		if only == "" && at == address {
			only = name
		}
	}
	names, err := p.gateway.CachesOf(only, u)
	return u, names, err
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
