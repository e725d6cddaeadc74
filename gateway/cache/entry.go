package cache

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// entry is one kept answer; nothing changes it.
type entry struct {
	verdict
	selected []string // what the fields of Vary were in the request
	status   int
	header   http.Header
	body     []byte
	from     int64 // of a part: where it begins
	total    int64 // of a part: how long the whole is; 0: this is the whole
	received time.Time
	aged     time.Duration // how old it was then
}

// resource is all that is kept of one key; nothing changes it.
type resource struct {
	variants []*entry // the latest first
}

const maxVariants = 32

func (e *entry) selects(h http.Header) bool {
	for i, name := range e.vary {
		if got := normal(name, h[name]); got != e.selected[i] && (name != "Accept-Language" || !speaks(e.header, h)) {
			return false
		}
	}
	return true
}

// with is the resource with one more variant, in place of those that it answers
// for: what it was before it was brought up to date, if it was, and what is
// selected by the same fields. Parts that belong together become one, of at
// most so many bytes.
func (r *resource) with(e, instead *entry, most int64) *resource {
	kept := []*entry{e}
	if r == nil {
		return &resource{kept}
	}
	for _, old := range r.variants {
		if old == instead {
			continue
		}
		if !slices.Equal(old.vary, e.vary) || !slices.Equal(old.selected, e.selected) {
			kept = append(kept, old)
		} else if old.total > 0 && kept[0].total > 0 {
			if joined := kept[0].join(old, most); joined != nil {
				kept[0] = joined
			} else if old.from != e.from {
				kept = append(kept, old)
			}
		}
	}
	return &resource{kept[:min(len(kept), maxVariants)]}
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

// agedBy is how old an answer is when it is received (RFC 9111, 4.2.3).
func agedBy(h http.Header, requested, received time.Time) time.Duration {
	apparent := time.Duration(0)
	if date, ok := dateOf(h, "Date", received); ok {
		apparent = max(0, received.Sub(date))
	}
	return max(apparent, ageOf(h)+received.Sub(requested))
}

// age is how old the answer is.
func (e *entry) age(now time.Time) time.Duration { return e.aged + now.Sub(e.received) }

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
	if r.Header["If-Modified-Since"] == nil {
		return false
	}
	since, ok := dateOf(r.Header, "If-Modified-Since", e.received)
	if !ok {
		return false
	}
	modified, ok := dateOf(e.header, "Last-Modified", e.received)
	if !ok {
		if modified, ok = dateOf(e.header, "Date", e.received); !ok {
			modified = e.received
		}
	}
	return !modified.After(since)
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
