// Package h2spec has h2spec, which was written by others, look at the
// gateway's HTTP/2, beside that of Go's own server.
package h2spec

import (
	"context"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	h2 "github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

func answer(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm() // reads a form, as services do
	_, _ = w.Write([]byte(strings.Repeat("plat ", 100)))
}

// rounds is how often a difference must be seen. Some cases fail Go's own
// server by chance, about every fourth time: whether it still knows a stream
// that has just ended.
const rounds = 5

// The gateway fails nothing that Go's own server passes.
func TestAsGoodAsGo(t *testing.T) {
	quiet(t)
	worse := map[string]bool{}
	for round := range rounds {
		plain, ours := failures(t, plainServer(t)), failures(t, gatewayServer(t))
		t.Logf("net/http fails %d of %d cases, the gateway %d of %d", len(plain.failed), plain.total, len(ours.failed), ours.total)
		if ours.total != plain.total || ours.total < 140 {
			t.Fatalf("%d cases were run against the gateway, %d against net/http: expected all of about 146", ours.total, plain.total)
		}
		for name := range ours.failed {
			if round == 0 {
				worse[name] = true
			}
		}
		maps.DeleteFunc(worse, func(name string, _ bool) bool { return plain.failed[name] || !ours.failed[name] })
		if len(worse) == 0 {
			return
		}
	}
	t.Errorf("in each of %d rounds the gateway failed what net/http passed: %q", rounds, slices.Sorted(maps.Keys(worse)))
}

func plainServer(t *testing.T) net.Addr {
	t.Helper()
	l := listen(t)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: http.HandlerFunc(answer), Protocols: protocols, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr()
}

func gatewayServer(t *testing.T) net.Addr {
	t.Helper()
	up := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(up.Close)
	g := gateway.New(gateway.Options{})
	t.Cleanup(g.Close)
	g.SetRoutes("public", []plan.Route{{Gateway: "public", Path: "/", Service: "shop"}})
	g.SetUpstreams("shop", []gateway.Upstream{{ID: "shop-1", Addr: up.Listener.Addr().String()}})
	l := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(ctx, l, g.Public("public")) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

type outcome struct {
	total  int
	failed map[string]bool
}

// failures runs all cases, the strict ones too.
func failures(t *testing.T, addr net.Addr) outcome {
	t.Helper()
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		t.Fatalf("address %v", addr)
	}
	c := &config.Config{Host: "127.0.0.1", Port: tcp.Port, Path: "/", Timeout: time.Second, MaxHeaderLen: 4000, Strict: true}
	o := outcome{failed: map[string]bool{}}
	for _, group := range []*spec.TestGroup{generic.Spec(), h2.Spec(), hpack.Spec()} {
		group.Test(c)
		o.collect(group)
	}
	return o
}

func (o *outcome) collect(g *spec.TestGroup) {
	for _, test := range slices.Concat(g.Tests, g.StrictTests) {
		if test.Result == nil || test.Result.Skipped {
			continue
		}
		o.total++
		if test.Result.Failed {
			o.failed[g.ID()+" "+g.Name+": "+test.Desc] = true
		}
	}
	for _, below := range g.Groups {
		o.collect(below)
	}
}

// quiet keeps what h2spec prints out of the tests' output.
func quiet(t *testing.T) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := os.Stdout
	os.Stdout = null
	t.Cleanup(func() { os.Stdout = out; _ = null.Close() })
}
