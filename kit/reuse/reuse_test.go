package reuse_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/plat-dev/plat/kit/internal/liar"
	"github.com/plat-dev/plat/kit/reuse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func transport(t *testing.T) *http.Transport {
	t.Helper()
	tr := &http.Transport{MaxIdleConnsPerHost: 64, DialContext: reuse.Dialer(new(net.Dialer).DialContext)}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// ask gives the answer's body, or the error as text.
func ask(tr *http.Transport, method, url string, body io.Reader) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return "", err
	}
	res, err := reuse.Send(tr, r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// unread is a body without GetBody, as one that is passed on.
type unread struct {
	io.Reader
	read atomic.Bool
}

func (u *unread) Read(p []byte) (int, error) { u.read.Store(true); return u.Reader.Read(p) }
func (u *unread) Close() error               { return nil }
func (u *unread) Unread() bool               { return !u.read.Load() }

// mixed lets many ask, each now and then for a lie, and counts the answers that
// are not theirs.
func mixed(t *testing.T, tr *http.Transport, base, lie, expect string) {
	t.Helper()
	var wrong atomic.Int64
	var first atomic.Pointer[string]
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 100 {
				path, want := fmt.Sprintf("/own?%d.%d", i, n), ""
				if want = path; (n+i)%2 == 0 {
					path, want = lie, expect
				}
				got, err := ask(tr, http.MethodGet, base+path, nil)
				if err != nil || got != want {
					wrong.Add(1)
					said := fmt.Sprintf("%s: %.40q, %v", path, got, err)
					first.CompareAndSwap(nil, &said)
				}
			}
		})
	}
	wg.Wait()
	if n := wrong.Load(); n > 0 {
		t.Errorf("%d of 1,600 answers are somebody else's, such as %s", n, *first.Load())
	}
}

func TestAnswersAreNotMixedUp(t *testing.T) {
	t.Parallel()
	for lie, want := range map[string]string{"/lie": "abc", "/big": liar.Big, "/close": "abc"} {
		t.Run(lie[1:], func(t *testing.T) {
			t.Parallel()
			l := listen(t)
			liar.Serve(t, l)
			mixed(t, transport(t), "http://"+l.Addr().String(), lie, want)
		})
	}
}

func TestAnswersAreNotMixedUpUnderTLS(t *testing.T) {
	t.Parallel()
	some := httptest.NewTLSServer(nil)
	certificates, roots := some.TLS.Certificates, some.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	some.Close()
	l := listen(t)
	liar.Serve(t, tls.NewListener(l, &tls.Config{Certificates: certificates, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}))
	tr := transport(t)
	tr.TLSClientConfig, tr.ForceAttemptHTTP2 = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, true
	mixed(t, tr, "https://"+l.Addr().String(), "/lie", "abc")
}

// What has come before a request is sent is never its answer, whoever has seen
// it first.
func TestWhatComesLateIsNoAnswer(t *testing.T) {
	t.Parallel()
	l := listen(t)
	late := liar.Serve(t, l)
	tr, base := transport(t), "http://"+l.Addr().String()
	for n := range 300 {
		if got, err := ask(tr, http.MethodGet, base+"/late", nil); got != "abc" {
			t.Fatal(got, err)
		}
		<-late
		path := fmt.Sprintf("/own?%d", n)
		if got, err := ask(tr, http.MethodGet, base+path, nil); got != path {
			t.Fatalf("answer %d: %q, %v", n, got, err)
		}
	}
}

// A body that was not read goes by another connection; one that says nothing
// of it is not sent, and never answered by what was left.
func TestBodies(t *testing.T) {
	t.Parallel()
	l := listen(t)
	liar.Serve(t, l)
	base := "http://" + l.Addr().String()
	t.Run("that can be sent again", func(t *testing.T) {
		t.Parallel()
		tr := transport(t)
		for n := range 300 {
			if got, err := ask(tr, http.MethodPost, base+"/lie", &unread{Reader: strings.NewReader("x")}); got != "abc" && !errors.Is(err, reuse.ErrRefused) {
				t.Fatalf("lie %d: %q, %v", n, got, err)
			}
			got, err := ask(tr, http.MethodPost, base+"/own", &unread{Reader: strings.NewReader("mine")})
			if got != "/ownmine" && !errors.Is(err, reuse.ErrRefused) {
				t.Fatalf("answer %d: %q, %v", n, got, err)
			}
		}
	})
	t.Run("that cannot", func(t *testing.T) {
		t.Parallel()
		tr := transport(t)
		for n := range 300 {
			if got, err := ask(tr, http.MethodGet, base+"/lie", nil); got != "abc" {
				t.Fatalf("lie %d: %q, %v", n, got, err)
			}
			got, err := ask(tr, http.MethodPost, base+"/own", io.MultiReader(strings.NewReader("mine")))
			if got != "/ownmine" && !errors.Is(err, reuse.ErrRefused) {
				t.Fatalf("answer %d: %q, %v", n, got, err)
			}
		}
	})
}

// A good server's connections are kept, with bodies of all lengths.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		_, _ = w.Write(text)
	}))
	defer s.Close()
	tr := transport(t)
	fresh := 0
	for n := range 200 {
		body := bytes.Repeat([]byte("y"), n*997)
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
			if !i.Reused {
				fresh++
			}
		}})
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := reuse.Send(tr, r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%d bytes of %d came back: %v", len(got), len(body), err)
		}
	}
	if fresh != 1 {
		t.Errorf("%d connections were made for requests one by one, one expected", fresh)
	}
}

// HTTP/2 knows by itself what belongs to what: nobody waits.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto+r.URL.Path) }))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	tr := transport(t)
	tr.TLSClientConfig, tr.ForceAttemptHTTP2 = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone(), true
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 50 {
				path := fmt.Sprintf("/%d", n)
				if got, err := ask(tr, http.MethodGet, s.URL+path, nil); got != "HTTP/2.0"+path {
					t.Errorf("%q, %v", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
