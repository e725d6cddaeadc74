package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plat-dev/plat/gateway"
)

// whole is what a server was asked: each request whose body came whole.
type whole struct {
	self string // the address that stands where nobody named a host
	mu   sync.Mutex
	all  []string
}

func (s *whole) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		s.mu.Lock()
		s.all = append(s.all, fmt.Sprintf("%s %s of %s: %q", r.Method, r.URL.RequestURI(), strings.TrimPrefix(r.Host, s.self), body))
		s.mu.Unlock()
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *whole) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

// last is said after each stream, so that its server closes as soon as all of
// it was answered.
const last = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

// speak sends a stream and what is last, and reads until the other side closes,
// or waits for more than comes.
func speak(t *testing.T, addr string, stream []byte) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()                // all has been said
	_ = c.SetDeadline(time.Now().Add(patience / 4)) // who waits for more, waits in vain
	if _, err := c.Write(append(bytes.Clone(stream), last...)); err != nil {
		return // refused, and closed
	}
	_, _ = io.Copy(io.Discard, c) // until it is closed
}

// ambiguous tells, by other means than the gateway's own, whether the first
// head of a stream could be read in two ways.
func ambiguous(stream []byte) bool {
	head, _, _ := bytes.Cut(stream, []byte("\r\n\r\n"))
	lower := bytes.ToLower(head)
	count := func(name string) int {
		return len(regexp.MustCompile(`(?m)^`+name+`[ \t]*:`).FindAll(lower, -1))
	}
	return bytes.ContainsAny(bytes.ReplaceAll(head, []byte("\r\n"), nil), "\r\n\x00") || // bare CR, bare LF
		bytes.Contains(head, []byte("\r\n ")) || bytes.Contains(head, []byte("\r\n\t")) || // obs-fold
		count("content-length") > 1 || count("transfer-encoding") > 1 ||
		count("content-length") > 0 && count("transfer-encoding") > 0
}

// FuzzFront: of whatever bytes come, an instance gets no request that Go's own
// server would not see in the same bytes, in the same order and with the same
// body, and nothing of a stream that begins with an ambiguous one.
func FuzzFront(f *testing.F) {
	const good = "GET /good HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, s := range []string{
		good, good + good, "GET http://y/abs?q HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + good,
		"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + good,
		"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\n\r\n" + good,
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + good,
		"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + good,
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc" + good,
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc" + good,
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc" + good,
		"GET /a HTTP/1.1\nHost: x\n\n" + good, "GET /a HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n" + good,
		"GET /a HTTP/1.1\r\nHost: x\r\nX-A: b\rc\r\n\r\n" + good, "GET /a HTTP/1.0\r\n\r\n" + good,
		"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + good,
		"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + good,
		"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + good,
		"POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" + good,
	} {
		f.Add([]byte(s))
	}
	var direct, behind whole
	shop := serveBackend(f, "shop-1", &http.Server{Handler: &behind, ReadHeaderTimeout: patience}, false)
	behind.self = shop.Addr
	r := newRig(f, gateway.Options{}, shop)
	plain := serveBackend(f, "plain", &http.Server{Handler: &direct, ReadHeaderTimeout: patience}, false)
	f.Fuzz(func(t *testing.T, stream []byte) {
		if len(stream) > 16<<10 || bytes.Contains(bytes.ToLower(stream), []byte("upgrade")) || bytes.HasPrefix(stream, []byte("PRI")) {
			return
		}
		speak(t, r.addr, stream)
		eventually(t, "the gateway's rest", func() bool { return r.Stats().InFlight == 0 })
		got := behind.take()
		if len(got) == 0 {
			return
		}
		if ambiguous(stream) {
			t.Fatalf("of %q the instance got %q", stream, got)
		}
		speak(t, plain.Addr, stream)
		if want := direct.take(); !within(got, want) {
			t.Fatalf("of %q the instance got %q, Go's own server sees %q", stream, got, want)
		}
	})
}

// within tells whether all of got are in want, in their order.
func within(got, want []string) bool {
	for _, w := range want {
		if len(got) > 0 && got[0] == w {
			got = got[1:]
		}
	}
	return len(got) == 0
}

// TestPlainStreamsPass: what FuzzFront holds is not held by letting nothing
// pass.
func TestPlainStreamsPass(t *testing.T) {
	t.Parallel()
	var behind whole
	r := newRig(t, gateway.Options{}, serveBackend(t, "shop-1", &http.Server{Handler: &behind, ReadHeaderTimeout: patience}, false))
	raw(t, r.addr, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"+
		"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"+
		"GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", patience)
	if got := strings.Join(behind.take(), ", "); got != `POST /a of x: "abc", POST /b of x: "abc", GET /c of x: ""` {
		t.Error(got)
	}
}
