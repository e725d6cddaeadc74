package cache

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// Ask is one request for the cache.
type Ask struct {
	Request *http.Request
	Rule    *Rule
	Test    bool // from a test customer: what he gets is kept for his kind alone
	Origin
}

// Origin is the way to who answers the request.
type Origin interface {
	// Header is what is sent on, by which Vary selects. It is asked for once, at
	// most.
	Header() http.Header
	// Fetch passes the request on with this header, and answers to w. When the
	// answer breaks off it panics.
	Fetch(w http.ResponseWriter, header http.Header)
	// Behind does the same in the name of the cache, with nobody waiting. It
	// does not panic, and tells whether the answer came to its end.
	Behind(ctx context.Context, w http.ResponseWriter, header http.Header) bool
	// Refuse answers in place of the cache: 504 for only-if-cached, 503 while
	// the answer is fetched behind.
	Refuse(status int, why string)
	// Mark sets what belongs to this exchange alone; never kept.
	Mark(h http.Header)
}

// Outcome is what the client got from the cache itself.
type Outcome struct {
	Kept   bool // the answer came from here
	Status int
	Bytes  int64
}

// asked is an Ask under way.
type asked struct {
	*Ask
	cache  *Cache
	key    string
	w      http.ResponseWriter
	d      directives
	header http.Header // by sent
	now    time.Time   // when it was last looked at what is kept
	out    Outcome
}

// sent is the header that is sent on.
func (a *asked) sent() http.Header {
	if a.header == nil {
		a.header = a.Header()
	}
	return a.header
}

// Serve answers a request from what is kept, or fetches.
func (c *Cache) Serve(w http.ResponseWriter, ask *Ask) Outcome {
	r := ask.Request
	a := &asked{Ask: ask, cache: c, key: Key(r), w: w, d: requestDirectives(r.Header)}
	if ask.Test {
		a.key = forTests(a.key)
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		a.bypass("method")
		return a.out
	default:
		a.unsafe()
		return a.out
	}
	switch {
	case r.ContentLength != 0:
		a.bypass("body") // what is in it is in no key: a fat GET
	case a.steered():
		a.bypass("unkeyed")
	default:
		a.read()
	}
	return a.out
}

// requestDirectives reads Cache-Control, or Pragma in its place (RFC 9111, 5.4).
func requestDirectives(h http.Header) directives {
	if lines := h["Cache-Control"]; len(lines) > 0 {
		return parseDirectives(lines)
	}
	if d := parseDirectives(h["Pragma"]); d.has("no-cache") {
		return directives{"no-cache": bare}
	}
	return nil
}

func (a *asked) steered() bool {
	for name := range a.Request.Header {
		if unkeyed(name) {
			return true
		}
	}
	return false
}

func (a *asked) bypass(why string) {
	a.cache.counts.bypassed.Add(1)
	rec := &recorder{asked: a, status: "plat; fwd=bypass; detail=" + why}
	a.Fetch(rec, a.sent())
}

// unsafe passes a request on that may change something.
func (a *asked) unsafe() {
	m, _ := a.cache.begin(a.key, nil)
	defer a.cache.end(m)
	rec := &recorder{asked: a, status: "plat; fwd=method", keep: a.Request.Method == http.MethodPost && !a.steered(), post: true, requested: a.cache.o.Now(), mark: m}
	whole := false
	defer func() { // also when the answer broke off: what it has changed, it has changed
		if rec.code < 200 || rec.code >= 400 {
			return
		}
		a.cache.invalidate(a.Request, m, rec.header)
		if whole {
			rec.done()
		}
	}()
	a.Fetch(rec, a.sent())
	whole = true
}

// read answers GET and HEAD.
func (a *asked) read() {
	for waited := false; ; waited = true {
		a.now = a.cache.o.Now()
		e := a.find(a.cache.get(a.key))
		use, why := a.usable(e)
		switch {
		case use == fresh:
			a.cache.counts.hits.Add(1)
			a.answer(e, "plat; hit; ttl="+seconds(e.lifetime-e.age(a.now)))
			return
		case use == stale:
			a.cache.counts.stale.Add(1)
			a.answer(e, "plat; hit; ttl="+seconds(e.lifetime-e.age(a.now)))
			if why == staleMeanwhile {
				a.revalidateBehind(e)
			}
			return
		case a.d.said("only-if-cached"):
			a.Refuse(http.StatusGatewayTimeout, "nothing usable is kept, and the request wants nothing else")
			a.out = Outcome{Status: http.StatusGatewayTimeout}
			return
		}
		if a.Rule.HideOrigin && a.Request.Method == http.MethodGet && why != "request" && a.hidden(e) {
			return
		}
		if waited || a.Request.Method == http.MethodHead || a.Request.Header.Get("Range") != "" || why == "request" {
			a.fetch(e, why, nil)
			return
		}
		f, lead := a.cache.join(a.key)
		if lead {
			a.fetch(e, why, f)
			return
		}
		if !a.wait(f) {
			a.fetch(e, why, nil)
			return
		}
	}
}

// wait waits for a fetch of another, for a while; false: too many do so, the
// client has gone, or it took too long.
func (a *asked) wait(f *flight) bool {
	done, ok := a.cache.queue(f)
	if !ok {
		return false
	}
	defer done()
	a.cache.counts.collapsed.Add(1)
	timer := time.NewTimer(a.cache.o.Patience)
	defer timer.Stop()
	select {
	case <-f.done:
		return true
	case <-timer.C:
	case <-a.Request.Context().Done():
	}
	return false
}

// hidden has the answer fetched behind, and refuses meanwhile.
func (a *asked) hidden(e *entry) bool {
	a.revalidateBehind(e)
	a.cache.counts.misses.Add(1)
	a.Refuse(http.StatusServiceUnavailable, "the answer is being fetched")
	a.out = Outcome{Status: http.StatusServiceUnavailable}
	return true
}

func (a *asked) revalidateBehind(e *entry) {
	if f, lead := a.cache.join(a.key); lead && !a.behind(e, f) {
		a.cache.leave(a.key, f)
	}
}

// behind fetches with nobody waiting.
func (a *asked) behind(e *entry, f *flight) bool {
	bg := &asked{Ask: a.Ask, cache: a.cache, key: a.key, w: &nobody{header: http.Header{}}, header: a.sent()}
	return a.cache.fill(func(ctx context.Context) {
		defer a.cache.leave(a.key, f)
		m, e := a.cache.begin(a.key, e)
		defer a.cache.end(m)
		header := bg.conditional(e)
		rec := &recorder{asked: bg, old: e, keep: true, behind: true, flight: f, requested: a.cache.o.Now(), mark: m}
		if a.Behind(ctx, rec, header) {
			rec.done()
		}
	})
}

// fetch passes the request on; e, if any, is what may be validated.
func (a *asked) fetch(e *entry, why string, f *flight) {
	if f != nil {
		defer a.cache.leave(a.key, f)
	}
	m, e := a.cache.begin(a.key, e)
	defer a.cache.end(m)
	fwd := "uri-miss"
	header, rest := a.sent(), false
	switch {
	case e != nil:
		if fwd = "stale"; why == "request" {
			fwd = "request"
		} else if e.total > 0 {
			fwd = "partial"
		}
		header = a.conditional(e)
		rest = a.complete(e, &header)
	case a.cache.get(a.key) != nil:
		fwd = "vary-miss"
	}
	a.cache.counts.misses.Add(1)
	rec := &recorder{asked: a, old: e, keep: true, flight: f, status: "plat; fwd=" + fwd, requested: a.cache.o.Now(), mark: m, rest: rest}
	a.Fetch(rec, header)
	rec.done()
}

// conditional is the header by which a kept answer is validated. What the
// client wants to know for itself is answered when that is done.
func (a *asked) conditional(e *entry) http.Header {
	if e == nil || a.Request.Method == http.MethodHead || e.total > 0 {
		return a.sent()
	}
	tag, modified := e.header.Get("Etag"), e.header.Get("Last-Modified")
	if tag == "" && modified == "" {
		return a.sent()
	}
	h := a.sent().Clone()
	delete(h, "If-None-Match")
	delete(h, "If-Modified-Since")
	if tag != "" {
		h["If-None-Match"] = []string{tag}
	}
	if modified != "" {
		h["If-Modified-Since"] = []string{modified}
	}
	return h
}

// find gives the variant that answers the request, the latest first; one of
// the parts that hold not all that is asked for where there is none.
func (a *asked) find(r *resource) (part *entry) {
	if r == nil {
		return nil
	}
	for _, e := range r.variants {
		switch {
		case len(e.vary) > 0 && !e.selects(a.sent()):
		case e.total == 0 || a.within(e):
			return e
		case part == nil:
			part = e
		}
	}
	return part
}

// complete asks for the rest alone where a part of what is asked for is kept,
// and tells whether it does.
func (a *asked) complete(e *entry, header *http.Header) bool {
	asked := a.Request.Header
	if a.Request.Method != http.MethodGet || asked["Range"] != nil || asked["If-Match"] != nil || asked["If-Unmodified-Since"] != nil ||
		e.total == 0 || e.total > a.cache.o.Object {
		return false
	}
	field, guard := e.missing()
	if field == "" {
		return false
	}
	h := a.sent().Clone()
	delete(h, "If-None-Match")
	delete(h, "If-Modified-Since")
	h["Range"], h["If-Range"] = []string{field}, []string{guard}
	*header = h
	return true
}

// How an entry may be used.
const (
	unusable = iota
	fresh
	stale
)

// staleMeanwhile is why a stale answer is used that is validated behind.
const staleMeanwhile = "stale-while-revalidate"

// usable tells how an entry may be used, and why not.
func (a *asked) usable(e *entry) (int, string) {
	if e == nil {
		return unusable, "nothing is kept"
	}
	if e.total > 0 && !a.within(e) {
		return unusable, "only another part is kept"
	}
	age := e.age(a.now)
	left := e.lifetime - age
	if a.d.said("no-cache") || a.d.said("no-store") {
		return unusable, "request"
	}
	if t, ok := a.d.seconds("max-age"); ok && age > t {
		return unusable, "request"
	}
	if t, ok := a.d.seconds("min-fresh"); ok && left < t {
		return unusable, "request"
	}
	switch {
	case e.noCache:
		return unusable, "no-cache: it is validated before every use"
	case left > 0:
		return fresh, e.basis
	case e.strict:
		return unusable, "stale, and it must be validated then"
	}
	if a.d.has("max-stale") {
		return stale, "max-stale"
	}
	if t, ok := a.d.seconds("max-stale"); ok && -left <= t {
		return stale, "max-stale"
	}
	if -left <= e.swr && e.swr > 0 {
		return stale, staleMeanwhile
	}
	return unusable, "stale"
}

// excused tells whether a stale entry may stand in for an error.
func (a *asked) excused(e *entry) bool {
	if e == nil || e.strict || e.total > 0 {
		return false
	}
	allowed := e.sie
	if t, ok := a.d.seconds("stale-if-error"); ok {
		allowed = t
	}
	return e.age(a.cache.o.Now())-e.lifetime <= allowed
}

// within tells whether a kept part holds all that is asked for.
func (a *asked) within(e *entry) bool {
	p, wanted, ok := rangeOf(a.Request.Header.Get("Range"), e.total)
	return a.Request.Method == http.MethodGet && wanted && ok && a.Request.Header.Get("If-Range") == "" && p.from >= e.from && p.to <= e.from+int64(len(e.body))
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
