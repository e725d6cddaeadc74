package cache

import (
	"net/http"
	"time"
)

// Downstream is how long caches on the way to a client may use an answer: his
// own, and shared ones that are not plat's. Stale is for how much longer, while
// they ask or when nobody answers.
type Downstream struct {
	Client, ClientStale time.Duration
	Shared, SharedStale time.Duration
}

// downstreamOf reads what an answer says to others, from its age 0. Where it
// says nothing, they are taken to do as this cache does (RFC 9111, 4.2.2).
func downstreamOf(h http.Header, now time.Time) Downstream {
	d := parseDirectives(h["Cache-Control"])
	at := Downstream{}
	at.Client, at.ClientStale = useOf(h, d, "max-age", now)
	if forCDNs := targeted(h["Cdn-Cache-Control"]); forCDNs != nil {
		at.Shared, at.SharedStale = useOf(http.Header{}, forCDNs, "max-age", now)
		return at
	}
	if d.has("private") || len(h["Set-Cookie"]) > 0 && !d.said("public") {
		return at
	}
	if at.Shared, at.SharedStale = at.Client, at.ClientStale; d.said("s-maxage") {
		at.Shared, at.SharedStale = useOf(h, d, "s-maxage", now)
	}
	if d.said("s-maxage") || d.said("proxy-revalidate") {
		at.SharedStale = 0
	}
	return at
}

// useOf is how long an answer is fresh by a directive or what stands in for
// it, and how long it may be used when it is stale.
func useOf(h http.Header, d directives, directive string, now time.Time) (fresh, stale time.Duration) {
	if d.said("no-store") || d.has("no-cache") {
		return 0, 0
	}
	date, dated := dateOf(h, "Date", now)
	if !dated {
		date = now
	}
	modified, known := dateOf(h, "Last-Modified", now)
	if t, ok := d.seconds(directive); ok {
		fresh = t
	} else if len(h["Expires"]) > 0 {
		if at, ok := dateOf(h, "Expires", now); ok {
			fresh = max(0, at.Sub(date))
		}
	} else if known {
		fresh = min(max(0, date.Sub(modified)/10), maxHeuristic)
	}
	if d.said("must-revalidate") {
		return fresh, 0
	}
	meanwhile, _ := d.seconds("stale-while-revalidate")
	onError, _ := d.seconds("stale-if-error")
	return fresh, max(meanwhile, onError)
}

// after is what is left at an age.
func (d Downstream) after(age time.Duration) Downstream {
	left := func(fresh, stale time.Duration) (time.Duration, time.Duration) {
		return max(0, fresh-age), max(0, stale+min(0, fresh-age))
	}
	d.Client, d.ClientStale = left(d.Client, d.ClientStale)
	d.Shared, d.SharedStale = left(d.Shared, d.SharedStale)
	return d
}
