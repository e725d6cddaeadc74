package gateway_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plat-dev/plat/plan"
)

// archive answers with ten bytes and the parts of them that are asked for, as
// Go's own file server does.
type archive struct {
	mu    sync.Mutex // guards what follows
	text  string
	tag   string
	since time.Time
	deaf  bool     // it overlooks If-Range
	asked []string // the Range and If-Range of each request
}

func (a *archive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, strings.TrimSpace(r.Header.Get("Range")+" "+r.Header.Get("If-Range")))
	if a.deaf {
		r.Header.Del("If-Range")
	}
	w.Header().Set("Cache-Control", "max-age=60")
	w.Header().Set("Content-Type", "text/plain")
	if a.tag != "" {
		w.Header().Set("ETag", a.tag)
	}
	http.ServeContent(w, r, "", a.since, bytes.NewReader([]byte(a.text)))
}

func (a *archive) change(do func(a *archive)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	do(a)
}

func TestCacheCompletesParts(t *testing.T) {
	t.Parallel()
	const text, other = "0123456789", "abcdefghij"
	long := time.Now().Add(-time.Hour)
	type ask struct {
		bytes  string // the Range; empty: the whole
		status int
		reads  string
		sent   string // what the service is asked for; "kept": nothing
		before func(a *archive)
	}
	for name, c := range map[string]struct {
		archive *archive
		asks    []ask
	}{
		"a beginning": {&archive{tag: `"a"`}, []ask{
			{bytes: "0-3", status: 206, reads: "0123", sent: "bytes=0-3"},
			{status: 200, reads: text, sent: `bytes=4- "a"`},
			{status: 200, reads: text, sent: "kept"}, {bytes: "2-5", status: 206, reads: "2345", sent: "kept"},
		}},
		"an end":         {&archive{tag: `"a"`}, []ask{{bytes: "-4", status: 206, reads: "6789", sent: "bytes=-4"}, {status: 200, reads: text, sent: `bytes=0-5 "a"`}, {status: 200, reads: text, sent: "kept"}}},
		"a middle is no": {&archive{tag: `"a"`}, []ask{{bytes: "3-5", status: 206, reads: "345", sent: "bytes=3-5"}, {status: 200, reads: text}}},
		"by a date":      {&archive{since: long}, []ask{{bytes: "0-3", status: 206, reads: "0123", sent: "bytes=0-3"}, {status: 200, reads: text, sent: "bytes=4- " + long.UTC().Format(http.TimeFormat)}, {status: 200, reads: text, sent: "kept"}}},
		"a date of now":  {&archive{since: time.Now()}, []ask{{bytes: "0-3", status: 206, reads: "0123", sent: "bytes=0-3"}, {status: 200, reads: text}}},
		"a weak tag":     {&archive{tag: `W/"a"`}, []ask{{bytes: "0-3", status: 206, reads: "0123", sent: "bytes=0-3"}, {status: 200, reads: text}}},
		"nothing to go by": {&archive{}, []ask{
			{bytes: "0-3", status: 206, reads: "0123", sent: "bytes=0-3"}, {bytes: "4-9", status: 206, reads: "456789", sent: "bytes=4-9"}, {status: 200, reads: text},
		}},
		"parts that touch": {&archive{tag: `"a"`}, []ask{
			{bytes: "0-3", status: 206, reads: "0123", sent: "bytes=0-3"}, {bytes: "4-6", status: 206, reads: "456", sent: "bytes=4-6"}, {bytes: "2-5", status: 206, reads: "2345", sent: "kept"},
			{bytes: "5-9", status: 206, reads: "56789", sent: "bytes=5-9"}, {status: 200, reads: text, sent: "kept"},
		}},
		"parts apart": {&archive{tag: `"a"`}, []ask{
			{bytes: "0-2", status: 206, reads: "012", sent: "bytes=0-2"}, {bytes: "7-9", status: 206, reads: "789", sent: "bytes=7-9"},
			{bytes: "1-2", status: 206, reads: "12", sent: "kept"}, {bytes: "8-9", status: 206, reads: "89", sent: "kept"}, {bytes: "2-7", status: 206, reads: "234567", sent: "bytes=2-7"}, {status: 200, reads: text, sent: "kept"},
		}},
		"it changed": {&archive{tag: `"a"`}, []ask{
			{bytes: "0-3", status: 206, reads: "0123", sent: "bytes=0-3"},
			{status: 200, reads: other, sent: `bytes=4- "a"`, before: func(a *archive) { a.text, a.tag = other, `"b"` }}, {status: 200, reads: other, sent: "kept"},
		}},
		"it changed, and the service overlooks the guard": {&archive{tag: `"a"`, deaf: true}, []ask{
			{bytes: "0-3", status: 206, reads: "0123", sent: "bytes=0-3"},
			{status: 200, reads: other, before: func(a *archive) { a.text, a.tag = other, `"b"` }}, {status: 200, reads: other, sent: "kept"},
		}},
		"it became shorter, and the service overlooks the guard": {&archive{tag: `"a"`, deaf: true}, []ask{
			{bytes: "0-3", status: 206, reads: "0123", sent: "bytes=0-3"},
			{status: 200, reads: "ab", before: func(a *archive) { a.text, a.tag = "ab", `"b"` }}, {status: 200, reads: "ab", sent: "kept"},
		}},
		"another's parts": {&archive{tag: `"a"`}, []ask{
			{bytes: "0-4", status: 206, reads: "01234", sent: "bytes=0-4"},
			{bytes: "5-9", status: 206, reads: "fghij", sent: "bytes=5-9", before: func(a *archive) { a.text, a.tag = other, `"b"` }},
			{status: 200, reads: other, sent: `bytes=0-4 "b"`},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := c.archive
			if a.text == "" {
				a.text = text
			}
			rig := cached(t, plan.RouteCache{}, a.ServeHTTP)
			client := client(t, false)
			for i, ask := range c.asks {
				if ask.before != nil {
					a.change(ask.before)
				}
				a.change(func(a *archive) { a.asked = nil })
				var header []string
				if ask.bytes != "" {
					header = []string{"Range", "bytes=" + ask.bytes}
				}
				got := do(t, client, "GET", "http://"+rig.addr+"/", "", header...)
				if got.StatusCode != ask.status || got.body != ask.reads || got.ContentLength != int64(len(ask.reads)) || (got.Header.Get("Content-Range") != "") != (ask.status == 206) {
					t.Errorf("step %d: %d %q of %d, Content-Range %q", i+1, got.StatusCode, got.body, got.ContentLength, got.Header.Get("Content-Range"))
				}
				a.change(func(a *archive) {
					if ask.sent == "kept" && a.asked != nil || ask.sent != "" && ask.sent != "kept" && !slices.Equal(a.asked, []string{ask.sent}) || ask.sent == "" && a.asked[len(a.asked)-1] != "" {
						t.Errorf("step %d: the service was asked for %q, want %q", i+1, a.asked, ask.sent)
					}
				})
			}
		})
	}
}

// The client's own conditions are answered with what was put together, and a
// part that would be too long with its rest is not.
func TestCacheCompletesForConditions(t *testing.T) {
	t.Parallel()
	a := &archive{text: "0123456789", tag: `"a"`}
	rig := cached(t, plan.RouteCache{}, a.ServeHTTP)
	c := client(t, false)
	do(t, c, "GET", "http://"+rig.addr+"/", "", "Range", "bytes=0-3")
	if got := do(t, c, "GET", "http://"+rig.addr+"/", "", "If-None-Match", `"a"`); got.StatusCode != http.StatusNotModified {
		t.Errorf("If-None-Match: %d %q", got.StatusCode, got.body)
	}
	got := do(t, c, "GET", "http://"+rig.addr+"/", "")
	a.change(func(a *archive) {
		if got.body != a.text || len(a.asked) != 2 {
			t.Errorf("got %q by %q", got.body, a.asked)
		}
		a.text, a.asked = strings.Repeat("x", 70<<10), nil
	})
	do(t, c, "GET", "http://"+rig.addr+"/big", "", "Range", "bytes=0-3")
	got = do(t, c, "GET", "http://"+rig.addr+"/big", "")
	a.change(func(a *archive) {
		if got.body != a.text || a.asked[1] != "" {
			t.Errorf("too long to be kept: %d bytes by %q", len(got.body), a.asked)
		}
	})
}
