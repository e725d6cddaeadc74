package cache

import (
	"net/http"
	"strconv"
)

// answer answers from what is kept: with 304, a part, or the whole.
func (a *asked) answer(e *entry, status string) {
	r := a.Request
	h := a.w.Header()
	for name, values := range e.header {
		h[name] = values
	}
	a.Mark(h)
	h["Age"] = []string{seconds(e.age(a.now))}
	said := h["Cache-Status"]
	h["Cache-Status"] = append(said[:len(said):len(said)], status)
	a.out = Outcome{Kept: true, Status: e.status}
	body := e.body
	if e.notModified(r) {
		for _, name := range []string{"Content-Length", "Content-Encoding", "Content-Type", "Content-Language", "Content-Range"} {
			delete(h, name)
		}
		a.out.Status = http.StatusNotModified
		a.w.WriteHeader(http.StatusNotModified)
		return
	}
	if e.total > 0 || e.status == http.StatusOK && r.Method == http.MethodGet && a.rangeHolds(e) {
		total := max(e.total, int64(len(e.body)))
		p, wanted, ok := rangeOf(r.Header.Get("Range"), max(e.total, int64(len(e.body))))
		if wanted && !ok {
			delete(h, "Content-Type")
			h["Content-Range"], h["Content-Length"] = []string{"bytes */" + strconv.FormatInt(total, 10)}, []string{"0"}
			a.out.Status = http.StatusRequestedRangeNotSatisfiable
			a.w.WriteHeader(a.out.Status)
			return
		}
		if wanted {
			h["Content-Range"] = []string{"bytes " + strconv.FormatInt(p.from, 10) + "-" + strconv.FormatInt(p.to-1, 10) + "/" + strconv.FormatInt(total, 10)}
			body = body[p.from-e.from : p.to-e.from]
			a.out.Status = http.StatusPartialContent
		}
	}
	if a.out.Status != http.StatusNoContent {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	a.w.WriteHeader(a.out.Status)
	if r.Method != http.MethodHead {
		n, _ := a.w.Write(body) // the client has gone: nobody to tell
		a.out.Bytes = int64(n)
	}
}

// rangeHolds tells whether the range is wanted of this very representation
// (RFC 9110, 13.1.5): If-Range compares strongly.
func (a *asked) rangeHolds(e *entry) bool {
	if a.Request.Header.Get("Range") == "" {
		return false
	}
	want := a.Request.Header.Get("If-Range")
	if want == "" {
		return true
	}
	if tag := e.header.Get("Etag"); want[0] == '"' {
		return tag == want
	}
	return want == e.header.Get("Last-Modified")
}
