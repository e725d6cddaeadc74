package consul_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"

	"github.com/plat-dev/plat/registry"
	"github.com/plat-dev/plat/registry/consul"
	"github.com/plat-dev/plat/store/nats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a door on a port of its own with a client of Consul.
type rig struct {
	t    *testing.T
	reg  *registry.Registry
	door *consul.Door
	url  string
	addr string
	api  *api.Client
	stop func()
}

// patience bounds every wait of these tests.
const patience = time.Minute

type with func(*consul.Options)

// open serves a door until the test ends or stop.
func open(t *testing.T, options ...with) *rig { return reopen(t, "127.0.0.1:0", options...) }

func reopen(t *testing.T, addr string, options ...with) *rig {
	t.Helper()
	o := consul.Options{Registry: registry.New(), Environment: "local", Grace: patience}
	for _, f := range options {
		f(&o)
	}
	door, err := consul.New(o)
	if err != nil {
		t.Fatal(err)
	}
	var l net.Listener
	within(t, "the port is free", func() bool {
		l, err = net.Listen("tcp", addr)
		return err == nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := door.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	group.Go(func() {
		if err := door.Serve(ctx, l); err != nil {
			t.Error(err)
		}
	})
	r := &rig{t: t, reg: o.Registry, door: door, addr: l.Addr().String(), url: "http://" + l.Addr().String()}
	r.stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(r.stop)
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	t.Cleanup(transport.CloseIdleConnections)
	r.api, err = api.NewClient(&api.Config{Address: r.addr, Transport: transport, HttpClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// keys opens a store in a folder.
func keys(t *testing.T, dir string) (kv, registrations with, stop func()) {
	t.Helper()
	srv, err := nats.Open(t.Context(), nats.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() { _ = srv.Close() })
	t.Cleanup(stop)
	a, err := srv.OpenKeys(t.Context(), nats.KeysOptions{Name: "consul"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := srv.OpenKeys(t.Context(), nats.KeysOptions{Name: "outsiders"})
	if err != nil {
		t.Fatal(err)
	}
	return func(o *consul.Options) { o.KV = a }, func(o *consul.Options) { o.Registrations = b }, stop
}

// own registers an instance as plat does.
func (r *rig) own(id, service string, port int, status registry.Status) {
	r.t.Helper()
	err := r.reg.Register(registry.Instance{
		ID: id, Service: service, Addr: fmt.Sprintf("127.0.0.1:%d", port), Version: "1.4.0", Tags: []string{"1.4.0", "local"},
		Checks: []registry.Check{{ID: "ready", Status: status}},
	}, 0)
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) register(s *api.AgentServiceRegistration) {
	r.t.Helper()
	if err := r.api.Agent().ServiceRegister(s); err != nil {
		r.t.Fatal(err)
	}
}

// do sends a request as it is and gives status, header and body.
func (r *rig) do(method, path, body string, header ...string) (int, http.Header, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	req.Close = true
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(data)
}

// within waits for a condition.
func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused wants an error of a status that says something.
func refused(t *testing.T, err error, status int, says string) {
	t.Helper()
	var code api.StatusError
	if err == nil || !errors.As(err, &code) || code.Code != status || !strings.Contains(code.Body, says) {
		t.Errorf("error %v; want status %d that says %q", err, status, says)
	}
}
