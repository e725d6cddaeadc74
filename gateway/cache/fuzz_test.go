package cache

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func FuzzDirectives(f *testing.F) {
	for _, s := range []string{`max-age=60, no-cache="a, b"`, `x="\"`, "=", `"`, "max-age=99999999999999999999", ",,", `private="`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := parseDirectives([]string{s})
		for name := range d {
			if !isToken(name) {
				t.Errorf("%q is a directive of %q", name, s)
			}
			if n, _ := d.seconds(name); n < 0 || n > maxDelta*time.Second {
				t.Errorf("%s of %q is %v", name, s, n)
			}
			d.fields(name)
		}
		targeted([]string{s})
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if v := judge(r, 200, http.Header{"Cache-Control": {s}, "Expires": {s}, "Age": {s}}, time.Now(), &Rule{}); v.lifetime < 0 || v.lifetime > aWeek {
			t.Errorf("%q is fresh for %v", s, v.lifetime)
		}
	})
}

func FuzzVary(f *testing.F) {
	f.Add("Accept-Language, foo", "en;q=0.5, de")
	f.Add("*", "")
	f.Fuzz(func(t *testing.T, vary, value string) {
		fields, why := varyOf(http.Header{"Vary": {vary}})
		if why != "" && fields != nil {
			t.Errorf("%q is refused and has fields", vary)
		}
		h := http.Header{"Accept-Language": {value}, "Foo": {value}}
		selecting(h, fields)
		speaks(http.Header{"Content-Language": {value}}, h)
		once := normal("Accept-Language", []string{value})
		if again := normal("Accept-Language", []string{once}); again != once && once != "" {
			t.Errorf("%q is normalised to %q, that to %q", value, once, again)
		}
	})
}

func FuzzRange(f *testing.F) {
	f.Add("bytes=0-1", int64(10))
	f.Add("bytes=-0", int64(0))
	f.Add("bytes=9223372036854775807-", int64(5))
	f.Fuzz(func(t *testing.T, s string, total int64) {
		if total < 0 {
			return
		}
		p, wanted, ok := rangeOf(s, total)
		if wanted && ok && (p.from < 0 || p.to > total || p.from >= p.to) {
			t.Errorf("%q of %d is %+v", s, total, p)
		}
		contentRange(http.Header{"Content-Range": {s}}, 5)
	})
}

func FuzzJoin(f *testing.F) {
	f.Add("0123456789", uint8(0), uint8(4), uint8(4), uint8(6))
	f.Add("0123456789", uint8(5), uint8(5), uint8(0), uint8(3))
	f.Fuzz(func(t *testing.T, text string, from, length, oldFrom, oldLength uint8) {
		cut := func(from, length uint8) *entry {
			at := min(int(from), len(text))
			return &entry{status: http.StatusPartialContent, header: http.Header{"Etag": {`"a"`}, "Content-Range": {"x"}}, body: []byte(text[at:min(at+int(length), len(text))]), from: int64(at), total: int64(len(text))}
		}
		e, old := cut(from, length), cut(oldFrom, oldLength)
		if len(e.body) == 0 || len(old.body) == 0 {
			return // no answer has a part of nothing
		}
		all := e.join(old, 1000)
		if all == nil {
			if at, oldAt := e.from+int64(len(e.body)), old.from+int64(len(old.body)); e.from <= oldAt && old.from <= at && len(text) <= 1000 {
				t.Errorf("%d+%d and %d+%d touch, and are not joined", e.from, len(e.body), old.from, len(old.body))
			}
			return
		}
		if got, want := string(all.body), text[all.from:all.from+int64(len(all.body))]; got != want {
			t.Errorf("joined to %q, want %q", got, want)
		}
		if whole := all.total == 0; whole != (len(all.body) == len(text)) || whole && (all.status != http.StatusOK || all.header["Content-Range"] != nil) {
			t.Errorf("%d of %d bytes are status %d, total %d", len(all.body), len(text), all.status, all.total)
		}
	})
}
