package cache

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// part is a range of bytes that was asked for: to is exclusive.
type part struct{ from, to int64 }

// rangeOf reads a Range of one part against a length. Several parts, and what
// is malformed, are none: the whole is an answer to them, too.
func rangeOf(field string, total int64) (p part, wanted, satisfiable bool) {
	spec, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(field)), "bytes=")
	if !ok || strings.IndexByte(spec, ',') >= 0 {
		return part{}, false, false
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return part{}, false, false
	}
	number := func(s string) (int64, bool) {
		if s == "" || len(s) > 18 || strings.Trim(s, "0123456789") != "" {
			return 0, false
		}
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil
	}
	if first == "" {
		n, ok := number(last)
		if !ok {
			return part{}, false, false
		}
		return part{max(0, total-n), total}, true, n > 0 && total > 0
	}
	from, ok := number(first)
	if !ok {
		return part{}, false, false
	}
	to := total
	if last != "" {
		n, ok := number(last)
		if !ok || n < from {
			return part{}, false, false
		}
		to = min(total, n+1)
	}
	return part{from, to}, true, from < total
}

// contentRange reads the place of a part; only one whose whole is known and
// whose body is as long as it says counts.
func contentRange(h http.Header, body int) (from, total int64, ok bool) {
	spec, found := strings.CutPrefix(h.Get("Content-Range"), "bytes ")
	place, whole, cut := strings.Cut(spec, "/")
	first, last, dash := strings.Cut(place, "-")
	if !found || !cut || !dash {
		return 0, 0, false
	}
	from, err1 := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	total, err3 := strconv.ParseInt(whole, 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || from < 0 || to < from || to >= total || to-from+1 != int64(body) {
		return 0, 0, false
	}
	return from, total, true
}

// strongTag is what parts of one representation have in common: a strong
// entity tag, or a Last-Modified that counts as one, since it was a minute
// ago when the answer was made (RFC 9110, 8.8.2.2). Empty: there is none.
func strongTag(h http.Header, received time.Time) string {
	if tag := h.Get("Etag"); len(tag) > 2 && tag[0] == '"' {
		return tag
	}
	modified, ok1 := dateOf(h, "Last-Modified", received)
	date, ok2 := dateOf(h, "Date", received)
	if h["Etag"] != nil || !ok1 || !ok2 || date.Sub(modified) < time.Minute {
		return ""
	}
	return h.Get("Last-Modified")
}

// join puts a part and one that was kept before together, if they are of the
// same representation and touch (RFC 9110, 15.3.7.3; RFC 9111, 3.4); nil: they
// do not. All parts make the whole.
func (e *entry) join(old *entry, most int64) *entry {
	tag := strongTag(e.header, e.received)
	last, oldLast := e.from+int64(len(e.body)), old.from+int64(len(old.body))
	if tag == "" || tag != strongTag(old.header, old.received) || e.total != old.total ||
		e.from > oldLast || old.from > last || max(last, oldLast)-min(e.from, old.from) > most {
		return nil
	}
	n := *e
	n.header = old.merged(e.header)
	n.from = min(e.from, old.from)
	n.body = make([]byte, 0, max(last, oldLast)-n.from)
	if old.from < e.from {
		n.body = append(n.body, old.body[:e.from-old.from]...)
	}
	if n.body = append(n.body, e.body...); oldLast > last {
		n.body = append(n.body, old.body[last-old.from:]...)
	}
	if int64(len(n.body)) == n.total {
		n.total, n.status = 0, http.StatusOK
		delete(n.header, "Content-Range")
	}
	return &n
}

// missing is the Range, and the If-Range that guards it, by which a part
// becomes the whole. It must be a beginning or an end, and have something by
// which what comes is known to be of the same representation.
func (e *entry) missing() (field, guard string) {
	guard = strongTag(e.header, e.received)
	last := e.from + int64(len(e.body))
	switch {
	case guard == "":
		return "", ""
	case e.from == 0:
		return "bytes=" + strconv.FormatInt(last, 10) + "-", guard
	case last == e.total:
		return "bytes=0-" + strconv.FormatInt(e.from-1, 10), guard
	}
	return "", ""
}
