package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
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

// FuzzStrict: of a stream that strictConn lets pass, net/http sees the same
// requests and the same ends as it does.
func FuzzStrict(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: y\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX-T: v\r\n\r\nGET / HTTP/1.0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: a\r\n\r\nraw\nbytes", "GET / HTTP/1.1\nHost: x\n\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		f.Add([]byte(s), 1)
		f.Add([]byte(s), 1000)
	}
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		if size < 1 || size > 4096 || bytes.Contains(bytes.ToLower(stream), []byte("upgrade")) || bytes.HasPrefix(stream, []byte("PRI")) {
			return
		}
		starts, ok := gateway.Heads(stream)
		passed, err := io.ReadAll(&sized{gateway.Strict(&replay{r: bytes.NewReader(stream)}), size})
		if ok != (err == nil && bytes.Equal(passed, stream)) {
			t.Fatalf("in pieces of %d: passed %q of %q, in bytes: %v", size, passed, stream, ok)
		}
		for n, whole := 0, (&counting{r: bytes.NewReader(passed)}); ; n++ {
			at := whole.n // of the request that comes
			req, err := http.ReadRequest(whole.reader())
			if err != nil {
				return // malformed to net/http too, or the end
			}
			if n >= len(starts) || starts[n] != at {
				t.Fatalf("request %d of %q begins at %d, strictConn saw %v", n, passed, at, starts)
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
		}
	})
}

// counting gives a reader that counts what is taken from it exactly: byte by
// byte.
type counting struct {
	r *bytes.Reader
	n int
	b *bufio.Reader
}

func (c *counting) reader() *bufio.Reader {
	if c.b == nil {
		c.b = bufio.NewReaderSize(c, 16)
	}
	return c.b
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p[:min(1, len(p))])
	c.n += n
	return n, err
}

// replay is a connection of which only reading works.
type replay struct {
	net.Conn
	r io.Reader
}

func (c *replay) Read(p []byte) (int, error) { return c.r.Read(p) }

// sized reads in pieces.
type sized struct {
	r io.Reader
	n int
}

func (s *sized) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), s.n)]) }
