package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Caches is the answer of GET /v1/cache: what the gateways keep for others.
type Caches struct {
	Caches []Cache `json:"caches" nullable:"false" doc:"Of the gateways that have one, by name."`
}

// Cache is one gateway's cache; counters are since it was switched on.
type Cache struct {
	Gateway   string  `json:"gateway"`
	Entries   int     `json:"entries" doc:"Resources that are kept."`
	Bytes     uint64  `json:"bytes"`
	Memory    int64   `json:"memory" doc:"What bytes never goes beyond."`
	HitRatio  float64 `json:"hitRatio" doc:"Share of requests answered from here, stale ones too; 0 to 1."`
	Hits      uint64  `json:"hits" doc:"Answered fresh."`
	Stale     uint64  `json:"stale" doc:"Answered stale, as allowed."`
	Misses    uint64  `json:"misses" doc:"Passed on."`
	Validated uint64  `json:"validated" doc:"Of the misses, those for which 304 came."`
	Collapsed uint64  `json:"collapsed" doc:"Requests that waited for another's."`
	Bypassed  uint64  `json:"bypassed" doc:"Passed by: a GET with a body, or a field that no key covers."`
	Stored    uint64  `json:"stored"`
	Refused   uint64  `json:"refused" doc:"Answers that may not be kept."`
	TooLarge  uint64  `json:"tooLarge" doc:"Answers over the bound of one."`
	Evicted   uint64  `json:"evicted" doc:"Resources that went for others."`
	Purged    uint64  `json:"purged"`
	NotFilled uint64  `json:"notFilled" doc:"Fetches behind that were left out, since too many ran."`
}

// CacheWhy is the answer of GET /v1/cache/why: what would become of a GET.
type CacheWhy struct {
	URL      string         `json:"url"`
	Gateway  string         `json:"gateway" doc:"Whose cache this is of: the one that was asked for, or at the URL's address; else the first by name that has something to answer with."`
	Others   []string       `json:"others,omitempty" doc:"Other gateways with a cache that lead the URL to a service."`
	Route    string         `json:"route"`
	Service  string         `json:"service"`
	Key      string         `json:"key" doc:"All of the request that the answer is looked up by, but for the fields of Vary."`
	Verdict  string         `json:"verdict" enum:"hit,stale,miss"`
	Rule     string         `json:"rule" doc:"Which rule decided."`
	Variants []CacheVariant `json:"variants" nullable:"false" doc:"What is kept under the key, the latest first."`
	Places   []CachePlace   `json:"places" nullable:"false" doc:"Where an answer may be stuck, and for how long from now: by way of all these gateways, or of the one that was asked for."`
}

// CacheVariant is one kept answer.
type CacheVariant struct {
	Status       int       `json:"status"`
	Chosen       bool      `json:"chosen" doc:"It is the one for this request."`
	Vary         []string  `json:"vary,omitempty" doc:"Request fields that it was chosen by."`
	Part         bool      `json:"part,omitempty" doc:"It is a range, not the whole."`
	Bytes        int       `json:"bytes"`
	Received     time.Time `json:"received"`
	Age          float64   `json:"age" doc:"Seconds."`
	Lifetime     float64   `json:"lifetime" doc:"Seconds for which it is fresh, from its age 0."`
	Basis        string    `json:"basis,omitempty" doc:"What the lifetime comes from."`
	Meanwhile    float64   `json:"staleWhileRevalidate,omitempty" doc:"Seconds."`
	OnError      float64   `json:"staleIfError,omitempty" doc:"Seconds."`
	CacheControl string    `json:"cacheControl,omitempty"`
	Tags         []string  `json:"tags,omitempty"`
}

// CacheList is the answer of GET /v1/cache/{gateway}/entries: what one cache keeps.
type CacheList struct {
	Found   int          `json:"found" doc:"How many fit."`
	Entries []CacheEntry `json:"entries" nullable:"false" doc:"The latest received first; so many as were asked for at most."`
}

// CacheEntry is one resource that is kept.
type CacheEntry struct {
	URL      string       `json:"url"`
	Variants int          `json:"variants" doc:"Answers for it, by fields of Vary or ranges."`
	Bytes    int          `json:"bytes" doc:"Of memory, all variants together."`
	Latest   CacheVariant `json:"latest"`
}

// CachePlace is a place in which an answer may be stuck.
type CachePlace struct {
	Place   string  `json:"place"`
	Seconds float64 `json:"seconds" doc:"How long it may still be served from there without asking."`
	Stale   float64 `json:"stale,omitempty" doc:"How much longer when asking fails or goes on meanwhile."`
	Undo    string  `json:"undo" doc:"What gets it out."`
}

// CachePurge says what goes: by a tag or by a URL.
type CachePurge struct {
	Tag     string `json:"tag,omitempty" maxLength:"256" doc:"Of Surrogate-Key or Cache-Tag, or of the route."`
	URL     string `json:"url,omitempty" maxLength:"8192"`
	Gateway string `json:"gateway,omitempty" maxLength:"128" doc:"From this gateway's cache alone. Without it, from all that lead to the URL, or all where it is by a tag, and from between the services."`
}

// CachePurged tells what went, and where.
type CachePurged struct {
	Purged   int               `json:"purged" doc:"All together."`
	Gateways []CachePurgedFrom `json:"gateways" nullable:"false" doc:"The caches that were looked into, by name."`
	LastGood int               `json:"lastGood" doc:"Last good answers that stood in between services."`
}

// CachePurgedFrom tells what went from one gateway's cache.
type CachePurgedFrom struct {
	Gateway string `json:"gateway"`
	Purged  int    `json:"purged" doc:"Resources, each with all its variants."`
}

// Caches tells what the gateways keep.
func (c *Client) Caches(ctx context.Context) (Caches, error) {
	return get[Caches](ctx, c, "/v1/cache")
}

// CacheWhy tells what would become of a GET of a URL with these fields, each
// as "Name: value"; of one gateway, unless its name is empty.
func (c *Client) CacheWhy(ctx context.Context, gateway, rawURL string, fields []string) (CacheWhy, error) {
	query := url.Values{"url": {rawURL}, "field": fields}
	if gateway != "" {
		query.Set("gateway", gateway)
	}
	return get[CacheWhy](ctx, c, "/v1/cache/why?"+query.Encode())
}

// CacheList tells what a gateway's cache keeps whose URL contains a text, or
// that bears this tag.
func (c *Client) CacheList(ctx context.Context, gateway, like string, limit int) (CacheList, error) {
	return get[CacheList](ctx, c, "/v1/cache/"+url.PathEscape(gateway)+"/entries?"+url.Values{"q": {like}, "limit": {strconv.Itoa(limit)}}.Encode())
}

// PurgeCache takes answers out of the caches.
func (c *Client) PurgeCache(ctx context.Context, what CachePurge) (CachePurged, error) {
	var out CachePurged
	err := c.call(ctx, http.MethodPost, "/v1/cache/purge", what, &out)
	return out, err
}
