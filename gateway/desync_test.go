package gateway_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/plat-dev/plat/gateway"
)

// lying answers more than it says to /lie, in one piece, and to others their
// path.
func lying(br *bufio.Reader, c net.Conn) {
	for {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // a failure is the next request's
		text, more := r.URL.RequestURI(), ""
		if r.URL.Path == "/lie" {
			text, more = "abc", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 7\r\n\r\nplanted"
		}
		if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", len(text), text, more); err != nil {
			return
		}
	}
}

// TestNobodyGetsAnothersAnswer: what an instance sends beyond an answer's end
// is nobody's.
func TestNobodyGetsAnothersAnswer(t *testing.T) {
	t.Parallel()
	some := httptest.NewTLSServer(nil)
	roots := x509.NewCertPool()
	roots.AddCert(some.Certificate())
	certificates := some.TLS.Certificates
	some.Close()

	l, outside := listen(t), listen(t)
	converse(t, l, lying)
	converse(t, tls.NewListener(outside, &tls.Config{Certificates: certificates, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}), lying)
	r := newRig(t, gateway.Options{RootCAs: roots}, gateway.Upstream{ID: "shop-1", Addr: l.Addr().String()})
	external, err := r.ExternalEdge("finance", "stripe", "https://"+outside.Addr().String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	for name, addr := range map[string]string{
		"route": r.addr, "edge": r.serve(t, r.Edge("web", "shop", patience)), "external": r.serve(t, external),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(t, false)
			var wg sync.WaitGroup
			for i := range 16 {
				wg.Go(func() {
					for n := range 100 {
						path := fmt.Sprintf("/own?%d.%d", i, n)
						want := path
						if (n+i)%2 == 0 {
							path, want = "/lie", "abc"
						}
						if got, err := bodyOf(c, n, "http://"+addr+path); got != want && !t.Failed() {
							t.Errorf("%s: %q, %v", path, got, err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// bodyOf asks by GET, and each fifth time by POST.
func bodyOf(c *http.Client, n int, url string) (string, error) {
	var res *http.Response
	var err error
	if n%5 == 4 {
		res, err = c.Post(url, "text/plain", strings.NewReader("x"))
	} else {
		res, err = c.Get(url)
	}
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// TestUnderscores: what some take for the length of a body, or for a field of
// the connection, is not passed on, wherever it comes from.
func TestUnderscores(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", echo))
	for name, addr := range map[string]string{"route": r.addr, "edge": r.serve(t, r.Edge("web", "shop", patience))} {
		a := do(t, client(t, false), "POST", "http://"+addr+"/", "ab",
			"Content_Length", "50", "content_length", "50", "Transfer_Encoding", "chunked", "Keep_Alive", "timeout=1", "Proxy_Connection", "close", "Own_Field", "kept")
		got := decode(t, a).Header
		for field := range got {
			if strings.Contains(field, "_") && field != "Own_field" {
				t.Errorf("%s: %s is passed on", name, field)
			}
		}
		if got.Get("Own_field") != "kept" || got.Get("Content-Length") != "2" {
			t.Errorf("%s: %v", name, got)
		}
	}
}
