package cache

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// entry is one kept answer; nothing changes it.
type entry struct {
	verdict
	selected  []string // what the fields of Vary were in the request
	status    int
	header    http.Header
	body      []byte
	from      int64 // of a part: where it begins
	total     int64 // of a part: how long the whole is; 0: this is the whole
	requested time.Time
	received  time.Time
}

// resource is all that is kept of one key; nothing changes it.
type resource struct {
	variants []*entry // the latest first
}

const maxVariants = 32

// find gives the variant that answers a request, the latest first.
func (r *resource) find(h http.Header) *entry {
	if r == nil {
		return nil
	}
	for _, e := range r.variants {
		if e.selects(h) {
			return e
		}
	}
	return nil
}

func (e *entry) selects(h http.Header) bool {
	for i, name := range e.vary {
		if got := normal(name, h[name]); got != e.selected[i] && (name != "Accept-Language" || !speaks(e.header, h)) {
			return false
		}
	}
	return true
}

// with is the resource with one more variant, in place of the one it answers
// for.
func (r *resource) with(e *entry) *resource {
	kept := []*entry{e}
	if r != nil {
		for _, old := range r.variants {
			same := slices.Equal(old.vary, e.vary) && slices.Equal(old.selected, e.selected)
			if same && (old.total == 0 || e.total == 0 || old.from == e.from) || len(kept) == maxVariants {
				continue
			}
			kept = append(kept, old)
		}
	}
	return &resource{kept}
}

// size is about what the resource takes of memory.
func (r *resource) size(key string) int {
	n := len(key) + 64
	for _, e := range r.variants {
		n += len(e.body) + headerSize(e.header) + 512
		for _, s := range e.selected {
			n += len(s)
		}
	}
	return n
}

// age is how old the answer is (RFC 9111, 4.2.3).
func (e *entry) age(now time.Time) time.Duration {
	apparent := time.Duration(0)
	if date, ok := dateOf(e.header, "Date"); ok {
		apparent = max(0, e.received.Sub(date))
	}
	corrected := ageOf(e.header) + e.received.Sub(e.requested)
	return max(apparent, corrected) + now.Sub(e.received)
}

// weakTag is an entity tag without its strength, and without the quotes that
// some leave away.
func weakTag(tag string) string {
	return strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`)
}

// notModified tells whether the condition of the request is met by what is
// kept, so that 304 is the answer (RFC 9110, 13.2.2).
func (e *entry) notModified(r *http.Request) bool {
	if e.status != http.StatusOK {
		return false
	}
	if lines := r.Header["If-None-Match"]; len(lines) > 0 {
		kept := e.header.Get("Etag")
		for _, line := range lines {
			for line != "" {
				var tag string
				if tag, line = cutUnquoted(line); strings.TrimSpace(tag) == "*" || kept != "" && weakTag(tag) == weakTag(kept) {
					return true
				}
			}
		}
		return false
	}
	since, ok := dateOf(r.Header, "If-Modified-Since")
	if !ok {
		return false
	}
	modified, ok := dateOf(e.header, "Last-Modified")
	if !ok {
		if modified, ok = dateOf(e.header, "Date"); !ok {
			modified = e.received
		}
	}
	return !modified.After(since)
}

// updated is the entry with what a 304 says anew (RFC 9111, 3.2).
func (e *entry) updated(h http.Header, requested, received time.Time, judged verdict) *entry {
	n := *e
	n.verdict, n.header, n.requested, n.received = judged, h, requested, received
	return &n
}

// merged are the kept fields under those of a 304. Those that tell of the
// body stay: it did not change.
func (e *entry) merged(h http.Header) http.Header {
	all := e.header.Clone()
	delete(all, "Age")
	for name, values := range h {
		switch name {
		case "Content-Length", "Content-Encoding", "Content-Range", "Transfer-Encoding":
		default:
			all[name] = values
		}
	}
	return all
}

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
