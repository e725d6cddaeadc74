package cache

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// recorder stands between who fetches and the client: it passes an answer on
// and keeps a copy, or holds one back in whose place the kept one is sent.
type recorder struct {
	*asked
	old       *entry // what is validated, or stands in for an error
	keep      bool   // the answer may be kept
	post      bool   // of a POST: kept only as what its own Content-Location names
	status    string // of Cache-Status
	flight    *flight
	mark      *mark
	requested time.Time
	behind    bool // nobody waits
	rest      bool // the rest of a kept part was asked for, to answer with the whole

	header   http.Header
	code     int
	judged   verdict
	body     []byte
	received time.Time
	held     bool // the answer is not passed on
}

func (r *recorder) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

// Unwrap is for http.ResponseController: deadlines are the connection's.
func (r *recorder) Unwrap() http.ResponseWriter { return r.w }

// FlushError passes a flush on, unless the answer is held back.
func (r *recorder) FlushError() error {
	if r.held || r.code == 0 {
		return nil
	}
	return http.NewResponseController(r.w).Flush()
}

// WriteHeader decides what becomes of the answer.
func (r *recorder) WriteHeader(code int) {
	if code < http.StatusOK && code != http.StatusSwitchingProtocols {
		to := r.w.Header()
		for name, values := range r.header {
			to[name] = values
		}
		r.w.WriteHeader(code)
		clear(to)
		return
	}
	if r.code != 0 {
		return
	}
	r.code, r.received = code, r.cache.o.Now()
	r.now = r.received
	switch {
	case code == http.StatusNotModified && r.validating():
		r.held = true
	case r.rest && (code == http.StatusPartialContent || code == http.StatusRequestedRangeNotSatisfiable):
		r.held = true
		r.judged = judge(r.Request, code, r.header, r.received, r.Rule)
	case failed(code) && r.excused(r.old):
		r.held = true
	default:
		r.pass()
	}
}

// validating tells whether a 304 is an answer to the cache's own question.
func (r *recorder) validating() bool {
	return r.old != nil && r.old.total == 0 && r.Request.Method == http.MethodGet && validatable(r.old.header)
}

func failed(code int) bool {
	return code == http.StatusInternalServerError || code == http.StatusBadGateway || code == http.StatusServiceUnavailable || code == http.StatusGatewayTimeout
}

// pass decides whether the answer is kept, and sends it on.
func (r *recorder) pass() {
	r.judge()
	if !r.keep && r.flight != nil {
		r.cache.leave(r.key, r.flight) // there is nothing to wait for
	}
	to := r.w.Header()
	for name, values := range r.header {
		to[name] = values
	}
	if r.status != "" {
		status := r.status
		if r.keep {
			status += "; stored"
		}
		to["Cache-Status"] = append(to["Cache-Status"][:len(to["Cache-Status"]):len(to["Cache-Status"])], status)
	}
	r.w.WriteHeader(r.code)
}

func (r *recorder) judge() {
	if !r.keep {
		return
	}
	if r.Request.Method == http.MethodHead || len(r.header["Trailer"]) > 0 {
		r.keep = false
		r.learn()
		return
	}
	r.judged = judge(r.Request, r.code, r.header, r.received, r.Rule)
	r.keep = r.judged.keep
	if r.post {
		target, ok := sameOrigin(r.Request, r.header.Get("Content-Location"))
		r.keep = r.keep && ok && target == r.key && r.judged.explicit && r.code == http.StatusOK
		return
	}
	if !r.keep {
		r.cache.counts.refused.Add(1)
		r.refused(r.judged.why)
	} else if n, ok := delta(r.header.Get("Content-Length")); ok && int64(n/time.Second) > r.cache.o.Object {
		r.tooLarge()
	}
}

// tooLarge gives up to keep the answer.
func (r *recorder) tooLarge() {
	r.keep, r.body = false, nil
	r.cache.counts.tooLarge.Add(1)
	r.refused("its body is over the limit of one answer")
}

// refused remembers why an answer is not kept, for who asks.
func (r *recorder) refused(why string) {
	r.cache.refusals.note(r.key, passed{why, r.received, agedBy(r.header, r.requested, r.received), downstreamOf(r.header, r.received)})
}

// learn brings what is kept up to date with what a HEAD tells of it, or
// forgets it where it shows that it changed (RFC 9111, 4.3.5). The same length
// alone proves nothing.
func (r *recorder) learn() {
	if r.old == nil || r.code != http.StatusOK || r.Request.Method != http.MethodHead {
		return
	}
	same := false
	if r.old.status != http.StatusOK && r.old.total == 0 {
		r.cache.forget(r.key, nil)
		return
	}
	for _, name := range []string{"Etag", "Last-Modified"} {
		if now := r.header.Get(name); now != "" {
			if now != r.old.header.Get(name) {
				r.cache.forget(r.key, nil)
				return
			}
			same = true
		}
	}
	length := max(int64(len(r.old.body)), r.old.total)
	if now := r.header.Get("Content-Length"); now != "" && now != strconv.FormatInt(length, 10) {
		r.cache.forget(r.key, nil)
	} else if same {
		r.update()
	}
}

// Write passes a piece on and keeps a copy.
func (r *recorder) Write(piece []byte) (int, error) {
	if r.code == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if r.held && !r.rest {
		return len(piece), nil
	}
	if r.keep {
		if int64(len(r.body)+len(piece)) > r.cache.o.Object {
			r.tooLarge()
			r.cache.leave(r.key, r.flight)
		} else {
			r.body = append(r.body, piece...)
		}
	}
	if r.held {
		return len(piece), nil
	}
	return r.w.Write(piece)
}

// done keeps what came whole, or answers with what is kept in place of what
// was held back. It is not called when the answer broke off.
func (r *recorder) done() {
	switch {
	case r.held && r.code == http.StatusNotModified:
		r.revalidated()
	case r.held && r.rest:
		r.completed()
	case r.held:
		r.cache.counts.stale.Add(1)
		r.answer(r.old, "plat; hit; ttl="+seconds(r.old.lifetime-r.old.age(r.received))+"; fwd=stale; fwd-status="+strconv.Itoa(r.code)+"; detail=stale-if-error")
	case r.keep && r.whole():
		if e := r.entry(); e != nil {
			r.cache.put(r.mark, e, nil)
		}
	}
}

// entry is what came, as it is kept; nil: it is a part that lies.
func (r *recorder) entry() *entry {
	e := &entry{
		verdict: r.judged, selected: selecting(r.sent(), r.judged.vary), status: r.code, header: keptFields(r.header), body: r.body,
		received: r.received, aged: agedBy(r.header, r.requested, r.received),
	}
	if r.code == http.StatusPartialContent {
		var ok bool
		if e.from, e.total, ok = contentRange(r.header, len(r.body)); !ok {
			return nil
		}
	}
	if r.post {
		e.status = http.StatusOK
	}
	return e
}

// completed answers with a kept part and the rest that came. Where they do not
// belong together, the whole is fetched.
func (r *recorder) completed() {
	if e := r.entry(); e != nil && r.keep && r.whole() {
		if all := e.join(r.old, r.cache.o.Object); all != nil && all.total == 0 {
			status := r.status + "; fwd-status=206"
			if r.judged.keep && r.cache.put(r.mark, all, r.old) {
				status += "; stored"
			}
			r.answer(all, status)
			return
		}
	}
	r.again()
}

// again forgets what is kept and fetches the whole.
func (r *recorder) again() {
	r.cache.forget(r.key, r.mark)
	if r.behind {
		return
	}
	again := &recorder{asked: r.asked, keep: true, flight: r.flight, mark: r.mark, status: r.status, requested: r.cache.o.Now()}
	r.Fetch(again, r.sent())
	again.done()
}

// whole tells whether the body is as long as was said.
func (r *recorder) whole() bool {
	length := r.header.Get("Content-Length")
	return length == "" || length == strconv.Itoa(len(r.body)) || r.code == http.StatusNoContent
}

// revalidated brings what is kept up to date, and answers with it.
func (r *recorder) revalidated() {
	if tag, old := r.header.Get("Etag"), r.old.header.Get("Etag"); strings.HasPrefix(tag, `"`) && old != "" && weakTag(tag) != weakTag(old) {
		r.again() // it tells of another representation (RFC 9111, 4.3.4)
		return
	}
	r.cache.counts.validated.Add(1)
	e, kept := r.update()
	r.status += "; fwd-status=304"
	if kept {
		r.status += "; stored"
	}
	r.answer(e, r.status)
}

// update is the kept answer with what is said of it anew (RFC 9111, 3.2), and
// keeps it.
func (r *recorder) update() (_ *entry, kept bool) {
	e := *r.old
	e.header = keptFields(r.old.merged(r.header))
	e.verdict = judge(r.Request, e.status, e.header, r.received, r.Rule)
	e.received, e.aged = r.received, agedBy(r.header, r.requested, r.received)
	if e.keep {
		e.selected = selecting(r.sent(), e.vary)
		kept = r.cache.put(r.mark, &e, r.old)
	} else {
		r.cache.forget(r.key, nil)
	}
	return &e, kept
}

// keptFields are the fields of an answer that are kept: not those of one
// exchange or connection, nor those that no-cache and private name.
func keptFields(h http.Header) http.Header {
	kept := make(http.Header, len(h))
	for name, values := range h {
		switch name {
		case "X-Correlation-Id", "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
			"Proxy-Authentication-Info", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
			continue
		}
		kept[name] = values
	}
	d, _ := toUs(h)
	for _, name := range without(d) {
		delete(kept, name)
	}
	return kept
}

// without are the fields that are not kept, since no-cache or private name them.
func without(d directives) []string { return append(d.fields("no-cache"), d.fields("private")...) }

// nobody takes an answer that is fetched behind.
type nobody struct{ header http.Header }

func (n *nobody) Header() http.Header             { return n.header }
func (n *nobody) WriteHeader(int)                 {}
func (n *nobody) Write(piece []byte) (int, error) { return len(piece), nil }
