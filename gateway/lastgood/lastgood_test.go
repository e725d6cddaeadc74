package lastgood_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plat-dev/plat/gateway/lastgood"
)

var web = lastgood.Scope{Caller: "cart", Callee: "catalog"}

// request makes a GET with fields, "Name: value".
func request(target string, fields ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	set(r.Header, fields)
	return r
}

func answer(fields ...string) *http.Response {
	res := &http.Response{StatusCode: 200, ContentLength: -1, Header: http.Header{}}
	set(res.Header, fields)
	return res
}

func set(h http.Header, fields []string) {
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		h.Add(name, value)
	}
}

// keep keeps an answer and tells whether it was one to be kept.
func keep(s *lastgood.Store, r *http.Request, res *http.Response, body string, private bool) bool {
	rec := s.Record(web, r, res, private)
	if rec == nil {
		return false
	}
	_, _ = rec.Write([]byte(body))
	rec.Keep()
	return true
}

func found(s *lastgood.Store, r *http.Request, private bool) string {
	a, ok := s.Find(web, r, time.Hour, private)
	if !ok {
		return "none"
	}
	return string(a.Body)
}

// TestRecord: which answers are kept.
func TestRecord(t *testing.T) {
	t.Parallel()
	post, head := request("/"), request("/")
	post.Method, head.Method = "POST", "HEAD"
	for _, test := range []struct {
		name          string
		r             *http.Request
		res           *http.Response
		want, private bool // kept, and with private
	}{
		{"plain", request("/"), answer(), true, true},
		{"public", request("/"), answer("Cache-Control: public, max-age=0"), true, true},
		{"no-store", request("/"), answer("Cache-Control: max-age=3", "Cache-Control: No-Store"), false, false},
		{"no-store asked for", request("/", "Cache-Control: no-store"), answer(), false, false},
		{"private", request("/"), answer("Cache-Control: private=\"x\""), false, true},
		{"authorized", request("/", "Authorization: Bearer x"), answer(), false, true},
		{"with a cookie", request("/", "Cookie: a=b"), answer(), false, true},
		{"sets a cookie", request("/"), answer("Set-Cookie: a=b"), false, false},
		{"varies by all", request("/"), answer("Vary: Accept, *"), false, false},
		{"a part", request("/", "Range: bytes=0-1"), answer(), false, false},
		{"POST", post, answer(), false, false},
		{"HEAD", head, answer(), false, false},
		{"no 200", request("/"), &http.Response{StatusCode: 404, Header: http.Header{}}, false, false},
		{"too large", request("/"), &http.Response{StatusCode: 200, ContentLength: lastgood.LargestBody + 1, Header: http.Header{}}, false, false},
	} {
		if got := keep(lastgood.New(0), test.r, test.res, "x", false); got != test.want {
			t.Errorf("%s: kept %v, want %v", test.name, got, test.want)
		}
		if got := keep(lastgood.New(0), test.r, test.res, "x", true); got != test.private {
			t.Errorf("%s, private: kept %v, want %v", test.name, got, test.private)
		}
	}
}

// TestFind: each gets the answer to his own question.
func TestFind(t *testing.T) {
	t.Parallel()
	s := lastgood.New(0)
	keep(s, request("/a?b=1"), answer(), "one", false)
	keep(s, request("/a?b=2"), answer(), "two", false)
	keep(s, request("/v", "Accept-Language: de"), answer("Vary: accept-language"), "deutsch", false)
	keep(s, request("/v", "Accept-Language: en"), answer("Vary: Accept-Language"), "english", false)
	keep(s, request("/mine", "Authorization: Bearer ada"), answer("Cache-Control: private"), "Ada's", true)
	keep(s, request("/mine", "Cookie: bob"), answer(), "Bob's", true)
	head := request("/a?b=1")
	head.Method = "HEAD"
	post := request("/a?b=1")
	post.Method = "POST"
	for _, test := range []struct {
		name    string
		r       *http.Request
		private bool
		want    string
	}{
		{"query", request("/a?b=1"), false, "one"},
		{"another query", request("/a?b=2"), false, "two"},
		{"HEAD", head, false, "one"},
		{"POST", post, false, "none"},
		{"another host", request("http://other/a?b=1"), false, "none"},
		{"who may have one of his own", request("/a?b=1", "Authorization: x"), false, "none"},
		{"German", request("/v", "Accept-Language: de"), false, "deutsch"},
		{"English", request("/v", "Accept-Language: en"), false, "english"},
		{"French", request("/v", "Accept-Language: fr"), false, "none"},
		{"Ada", request("/mine", "Authorization: Bearer ada"), true, "Ada's"},
		{"Bob", request("/mine", "Cookie: bob"), true, "Bob's"},
		{"Eve", request("/mine", "Authorization: Bearer eve"), true, "none"},
		{"nobody", request("/mine"), true, "none"},
		{"Ada, no longer declared", request("/mine", "Authorization: Bearer ada"), false, "none"},
		{"nobody, no longer declared", request("/mine"), false, "none"},
	} {
		if got := found(s, test.r, test.private); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	if _, ok := s.Find(lastgood.Scope{Caller: "mail", Callee: "catalog"}, request("/a?b=1"), time.Hour, false); ok {
		t.Error("another caller gets it")
	}
}

// TestAge: an answer is as old as it was when it came and has become since,
// and is given no longer than is declared.
func TestAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := lastgood.New(0)
		keep(s, request("/"), answer("Age: 30"), "x", false)
		time.Sleep(time.Minute)
		if a, ok := s.Find(web, request("/"), 2*time.Minute, false); !ok || a.Age != 90*time.Second {
			t.Errorf("%v %v", a.Age, ok)
		}
		if _, ok := s.Find(web, request("/"), time.Minute, false); ok {
			t.Error("it is too old")
		}
		if s.Used() != 0 {
			t.Errorf("%d bytes are kept of what is too old", s.Used())
		}
	})
}

// TestBounds: whatever is asked, memory is bounded, and what was used last
// stays.
func TestBounds(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	s := lastgood.New(size)
	body := strings.Repeat("x", 10<<10)
	keep(s, request("/first"), answer(), body, false)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 500 {
				keep(s, request(fmt.Sprintf("/%d/%d", w, i)), answer(), body, false)
				_ = found(s, request("/first"), false)
				if used := s.Used(); used > size {
					t.Errorf("%d bytes are kept", used)
					return
				}
			}
		})
	}
	wg.Wait()
	if found(s, request("/first"), false) == "none" || found(s, request("/0/0"), false) != "none" {
		t.Error("what was used last went, or what was not stayed")
	}
	for i := range 100 { // as many languages as one likes
		keep(s, request("/v", fmt.Sprintf("Accept-Language: %d", i)), answer("Vary: Accept-Language"), "x", false)
	}
	if found(s, request("/v", "Accept-Language: 99"), false) != "x" || found(s, request("/v", "Accept-Language: 3"), false) != "none" {
		t.Error("variants are not bounded")
	}
	if keep(s, request("/big"), answer(), strings.Repeat("x", lastgood.LargestBody+1), false); found(s, request("/big"), false) != "none" {
		t.Error("a body over the bound is kept")
	}
}

// TestLate: an answer that took long does not replace a later one.
func TestLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := lastgood.New(0)
		slow := s.Record(web, request("/"), answer(), false)
		_, _ = slow.Write([]byte("old"))
		time.Sleep(time.Second)
		keep(s, request("/"), answer(), "new", false)
		slow.Keep()
		if got := found(s, request("/"), false); got != "new" {
			t.Errorf("%q is kept", got)
		}
	})
}

func TestForget(t *testing.T) {
	t.Parallel()
	s := lastgood.New(0)
	for _, path := range []string{"/a", "/b", "/c?x=1"} {
		keep(s, request(path), answer("Cache-Tag: all, "+path, "Surrogate-Key: first second", "Age: 7"), path, false)
	}
	all := s.Kept()
	if len(all) != 3 || all[0].Target != "/c?x=1" || all[0].Scope != web || all[0].Age < 7*time.Second || !slices.Equal(all[0].Tags, []string{"first", "second", "all", "/c?x=1"}) {
		t.Errorf("kept: %+v", all)
	}
	if n := s.Forget(func(k lastgood.Kept) bool { return slices.Contains(k.Tags, "/b") || k.Target == "/c?x=1" }); n != 2 {
		t.Errorf("forgot %d, want 2", n)
	}
	if a, b, c := found(s, request("/a"), false), found(s, request("/b"), false), found(s, request("/c?x=1"), false); a != "/a" || b != "none" || c != "none" {
		t.Errorf("left: %s %s %s", a, b, c)
	}
	s.Forget(func(lastgood.Kept) bool { return true })
	if s.Used() != 0 || s.Kept() != nil {
		t.Errorf("%d bytes are left of nothing", s.Used())
	}
}
