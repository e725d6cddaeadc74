package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// FuzzPath: whatever a lenient server makes of a path that passes stays below
// the route that was matched.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "/api/albums", "/api/../admin", "/api/%2e%2e/admin", "/api/..%2fadmin", "/api\\..\\admin", "/api/..;/admin", "//admin", "/admin;x=1", "/%61dmin", "/.well-known", "/a/...", "/a%00", "/api/x/admin", "/api//x/%2e/admin", "/api/x;y/admin/z"} {
		f.Add(s)
	}
	routes := []plan.Route{
		{Gateway: "public", Path: "/admin", Service: "admin"}, {Gateway: "public", Path: "/api/albums", Service: "catalog"},
		{Gateway: "public", Path: "/api", Service: "api"}, {Gateway: "public", Path: "/", Service: "web"},
		{Gateway: "public", Path: "/api/{thing}/admin", Service: "guarded"},
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") {
			return
		}
		form, ok := gateway.RoutePath(u.Path)
		if !ok {
			return
		}
		got := gateway.Match(routes, form)
		// A server that takes backslashes for slashes, cuts parameters off
		// and cleans the path.
		var segments []string
		for s := range strings.SplitSeq(strings.ReplaceAll(u.Path, `\`, "/"), "/") {
			s, _, _ = strings.Cut(s, ";")
			segments = append(segments, s)
		}
		lenient := path.Clean("/" + strings.Join(segments, "/"))
		want := "web"
		for _, r := range routes[:3] {
			if lenient == r.Path || strings.HasPrefix(lenient, r.Path+"/") {
				want = r.Service
				break
			}
		}
		if part := strings.Split(lenient, "/"); len(part) > 3 && part[1] == "api" && part[3] == "admin" {
			want = "guarded"
		}
		if got != want {
			t.Errorf("%q (form %q) goes to %s; %q belongs to %s", target, form, got, lenient, want)
		}
	})
}

// FuzzLine: every line is one line of valid JSON that says what went in.
func FuzzLine(f *testing.F) {
	f.Add("GET", "shop.example", "/a\"b\\c\n", "boom\x00", 200, int64(1))
	f.Add("\xff", "ü", "/\u2028\xc3", strings.Repeat("é", 1000), -1, int64(-1))
	f.Fuzz(func(t *testing.T, method, host, p, cause string, status int, n int64) {
		x := &gateway.Exchange{Start: time.Unix(0, n), Duration: time.Duration(n), Method: method, Host: host, Path: p, Status: status, BytesIn: n, Err: errors.New(cause), Code: fault.GatewayTimeout, Gateway: "public"}
		b := gateway.AppendLine(nil, x)
		if bytes.IndexByte(b, '\n') != len(b)-1 {
			t.Fatalf("not one line: %q", b)
		}
		var got map[string]any
		if err := json.Unmarshal(b, &got); err != nil || !utf8.Valid(b) {
			t.Fatalf("%v: %q", err, b)
		}
		if len(host) <= 1024 && got["host"] != string([]rune(host)) {
			t.Errorf("host %q became %q", host, got["host"])
		}
	})
}
