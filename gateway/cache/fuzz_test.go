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
