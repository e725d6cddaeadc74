package cache

import (
	"net/http"
	"strings"
	"time"
)

// Stats are the cache's counters since New, and what it holds.
type Stats struct {
	Entries int
	Bytes   uint64
	Memory  int64 // the bound of Bytes

	Hits      uint64 // fresh, answered from here
	Stale     uint64 // stale, answered from here
	Misses    uint64 // passed on
	Validated uint64 // of the misses, those that 304 came to
	Collapsed uint64 // requests that waited for another's fetch
	Bypassed  uint64 // fat GETs and the like
	Stored    uint64
	Refused   uint64 // answers that may not be kept
	TooLarge  uint64 // answers over the bound of one
	Evicted   uint64 // resources that went for others
	Purged    uint64 // resources that were purged
	NotFilled uint64 // fetches behind that were left out, since too many ran
}

// HitRatio is the share of requests that were answered from here.
func (s Stats) HitRatio() float64 {
	kept := float64(s.Hits + s.Stale)
	if all := kept + float64(s.Misses); all > 0 {
		return kept / all
	}
	return 0
}

// Stats reads the counters, one after another.
func (c *Cache) Stats() Stats {
	n := &c.counts
	return Stats{
		Entries: c.kept.EstimatedSize(), Bytes: c.kept.WeightedSize(), Memory: c.o.Memory,
		Hits: n.hits.Load(), Stale: n.stale.Load(), Misses: n.misses.Load(), Validated: n.validated.Load(), Collapsed: n.collapsed.Load(), Bypassed: n.bypassed.Load(),
		Stored: n.stored.Load(), Refused: n.refused.Load(), TooLarge: n.tooLarge.Load(), Evicted: n.evicted.Load(), Purged: n.purged.Load(), NotFilled: n.notFilled.Load(),
	}
}

// Purge forgets the resource of a key, and tells how many that were.
func (c *Cache) Purge(key string) int {
	if !c.forget(key, nil) {
		return 0
	}
	c.counts.purged.Add(1)
	return 1
}

// PurgeTag forgets every resource that has an answer with the tag.
func (c *Cache) PurgeTag(tag string) int {
	n := c.forgetTag(tag)
	c.counts.purged.Add(uint64(n)) // #nosec G115 -- a length
	return n
}

// Answer is what is told of one kept answer.
type Answer struct {
	Status       int
	Vary         []string // the fields that it was chosen by, with what they were
	Bytes        int
	Part         bool
	Tags         []string
	Age          time.Duration
	Lifetime     time.Duration
	Basis        string // what the lifetime comes from
	Meanwhile    time.Duration
	OnError      time.Duration
	Received     time.Time
	CacheControl string
	Downstream   Downstream // where whoever got it this moment has it
	Chosen       bool       // it answers this request
}

// Why tells what would become of a request.
type Why struct {
	Key      string
	Verdict  string // hit, stale or miss
	Rule     string // which rule decided
	Variants []Answer
	Passed   *Downstream // of the last answer, where it was not kept here
}

// Why tells what would become of a request that is sent on as it is, and
// changes nothing. No rule: its route keeps nothing.
func (c *Cache) Why(r *http.Request, rule *Rule) Why {
	now := c.o.Now()
	a := &asked{Ask: &Ask{Request: r, Rule: rule}, cache: c, key: Key(r), d: requestDirectives(r.Header), header: r.Header, now: now}
	if a.header == nil {
		a.header = http.Header{}
	}
	w := Why{Key: a.key, Verdict: "miss"}
	kept := c.get(a.key)
	chosen := a.find(kept)
	if kept != nil {
		for _, e := range kept.variants {
			w.Variants = append(w.Variants, e.tell(now, e == chosen))
		}
	}
	switch {
	case rule == nil:
		w.Rule = "the cache is off for this route"
		return w
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Rule = "only GET and HEAD are answered from the cache"
		return w
	case a.steered():
		w.Rule = "the request has a field by which services take another host, path or method"
		return w
	}
	use, why := a.usable(chosen)
	switch {
	case use == fresh:
		w.Verdict, w.Rule = "hit", "fresh by "+why
	case use == stale:
		w.Verdict, w.Rule = "stale", "stale, allowed by "+why
	case why == "request":
		w.Rule = "the request's Cache-Control asks for more than is kept"
	case chosen == nil && kept != nil:
		w.Rule = "variants are kept, none for these request fields"
	case kept == nil:
		w.Rule = "nothing is kept under this key: it was never asked for, could not be kept, or has gone"
	default:
		w.Rule = why
		if a.excused(chosen) {
			w.Rule += ", so it is asked for anew; it stands in where that fails"
		}
	}
	if last, ok := c.refusals.of(a.key); ok && chosen == nil {
		w.Rule = "the last answer was not kept: " + last.why
		left := last.downstream.after(last.aged + now.Sub(last.received))
		w.Passed = &left
	}
	return w
}

func (e *entry) tell(now time.Time, chosen bool) Answer {
	age := e.age(now)
	t := Answer{
		Status: e.status, Bytes: len(e.body), Part: e.total > 0, Tags: e.tags, Age: age, Lifetime: e.lifetime, Basis: e.basis,
		Meanwhile: e.swr, OnError: e.sie, Received: e.received, CacheControl: strings.Join(e.header["Cache-Control"], ", "), Chosen: chosen,
	}
	if e.strict {
		t.Meanwhile, t.OnError = 0, 0
	}
	for i, name := range e.vary {
		value := e.selected[i]
		if value == absent {
			value = "(absent)"
		}
		t.Vary = append(t.Vary, name+": "+value)
	}
	t.Downstream = downstreamOf(e.header, e.received).after(age)
	return t
}
