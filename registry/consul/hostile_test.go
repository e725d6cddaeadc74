package consul_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/registry"
	"github.com/plat-dev/plat/registry/consul"
)

func emptyRegistry() *registry.Registry { return registry.New() }

func TestGarbageIsRefused(t *testing.T) {
	t.Parallel()
	r := open(t)
	long := strings.Repeat("a", 64)
	const register = "/v1/agent/service/register"
	for _, c := range []struct{ path, body, says string }{
		{register, ``, "decode"},
		{register, `[]`, "decode"},
		{register, `{"Name":`, "decode"},
		{register, `{"Name":7}`, "decode"},
		{register, `{}`, "Missing service name"},
		{register, `{"Name":""}`, "Missing service name"},
		{register, `{"Name":"Legacy","Port":1}`, "lower-case"},
		{register, `{"Name":"legacy.system","Port":1}`, "Invalid service name"},
		{register, `{"Name":"legacy_system","Port":1}`, "Invalid service name"},
		{register, `{"Name":"-legacy","Port":1}`, "Invalid service name"},
		{register, `{"Name":"` + long + `","Port":1}`, "at most 63"},
		{register, `{"Name":"lègacy","Port":1}`, "Invalid service name"},
		{register, `{"Name":"x"}`, "Invalid service port 0"},
		{register, `{"Name":"x","Port":65536}`, "Invalid service port 65536"},
		{register, `{"Name":"x","Port":-1}`, "Invalid service port -1"},
		{register, `{"Name":"x","Port":"80"}`, "decode"},
		{register, `{"Name":"x","Port":1,"ID":"a\nb"}`, "Invalid service ID"},
		{register, `{"Name":"x","Port":1,"ID":"` + strings.Repeat("i", 256) + `"}`, "Invalid service ID"},
		{register, `{"Name":"x","Port":1,"Address":"10.0.0.1:80"}`, "Invalid service address"},
		{register, `{"Name":"x","Port":1,"Address":"0.0.0.0"}`, "Invalid service address"},
		{register, `{"Name":"x","Port":1,"Address":"a b"}`, "Invalid service address"},
		{register, `{"Name":"x","Port":1,"Tags":[""]}`, "Invalid tags"},
		{register, `{"Name":"x","Port":1,"Tags":[` + strings.Repeat(`"t",`, 64) + `"t"]}`, "Invalid tags"},
		{register, `{"Name":"x","Port":1,"Meta":{"a b":"c"}}`, "Invalid meta"},
		{register, `{"Name":"x","Port":1,"Meta":{"a":"` + strings.Repeat("v", 513) + `"}}`, "Invalid meta"},
		{register, `{"Name":"x","Port":1,"Kind":"connect-proxy"}`, "Kind connect-proxy"},
		{register, `{"Name":"x","Port":1,"Connect":{"Native":true}}`, "Connect"},
		{register, `{"Name":"x","SocketPath":"/s"}`, "SocketPath"},
		{register, `{"Name":"x","Port":1,"Namespace":"team"}`, "Namespace"},
		{register, `{"Name":"x","Port":1,"Weights":{"Passing":-1}}`, "Invalid weights"},
		{register, `{"Name":"x","Port":1,"Check":{"Interval":"1s"}}`, "none of TTL, HTTP and TCP"},
		{register, `{"Name":"x","Port":1,"Check":{"HTTP":"http://a"}}`, "Interval"},
		{register, `{"Name":"x","Port":1,"Check":{"HTTP":"file:///etc/passwd","Interval":"1s"}}`, "Invalid HTTP"},
		{register, `{"Name":"x","Port":1,"Check":{"HTTP":"http://a","Method":"G T","Interval":"1s"}}`, "Invalid Method"},
		{register, `{"Name":"x","Port":1,"Check":{"TCP":"nowhere","Interval":"1s"}}`, "Invalid TCP"},
		{register, `{"Name":"x","Port":1,"Check":{"TTL":"soon"}}`, "decode"},
		{register, `{"Name":"x","Port":1,"Check":{"TTL":"-1s"}}`, "Invalid duration"},
		{register, `{"Name":"x","Port":1,"Check":{"TTL":"1s","HTTP":"http://a","Interval":"1s"}}`, "more than one"},
		{register, `{"Name":"x","Port":1,"Check":{"GRPC":"a:1","Interval":"1s"}}`, "GRPC"},
		{register, `{"Name":"x","Port":1,"Check":{"Args":["rm"],"Interval":"1s"}}`, "a script"},
		{register, `{"Name":"x","Port":1,"Check":{"ScriptArgs":["rm"],"Interval":"1s"}}`, "a script"},
		{register, `{"Name":"x","Port":1,"Check":{"TTL":"1s","Status":"fine"}}`, "Invalid check status"},
		{register, `{"Name":"x","Port":1,"Checks":[{"CheckID":"c","TTL":"1s"},{"CheckID":"c","TTL":"1s"}]}`, "Duplicate check ID"},
		{register, `{"Name":"x","Port":1,"Checks":[` + strings.Repeat(`{"TTL":"1s"},`, 32) + `{"TTL":"1s"}]}`, "33 checks"},
		{register, `{"Name":"x","Port":1,"Checks":[null]}`, "null"},
		{"/v1/agent/check/register", `{"Name":"c","TTL":"1s"}`, "whole node"},
		{"/v1/agent/check/register", `{"ServiceID":"x","TTL":"1s"}`, "Missing check name"},
		{"/v1/catalog/register", `{"Node":"n"}`, "Node and Address"},
		{"/v1/catalog/register", `{"Node":"n n","Address":"a","Service":{"Service":"x","Port":1}}`, "Invalid node name"},
		{"/v1/catalog/register", `{"Node":"n","Address":"a","Check":{"Name":"c"}}`, "whole nodes"},
		{"/v1/catalog/deregister", `{}`, "Node"},
	} {
		code, h, body := r.do("PUT", c.path, c.body)
		if code != 400 || !strings.Contains(body, c.says) || !strings.Contains(body, "[consul-") || h.Get("X-Correlation-ID") == "" {
			t.Errorf("%s %.120s: %d %q; want 400 that says %q", c.path, c.body, code, body, c.says)
		}
	}
	if code, _, _ := r.do("PUT", register, `{"Name":"x","Port":1,"Meta":{"a":"`+strings.Repeat("v", 10<<20)+`"}}`); code != 413 {
		t.Errorf("10 MB: %d, want 413", code)
	}
	if n := r.door.Stats().Outsiders; n != 0 {
		t.Errorf("%d of them are registered", n)
	}
	// Fields that nobody knows are left alone: clients newer than plat send them.
	if code, _, body := r.do("PUT", register, `{"Name":"x","Port":1,"FromTheFuture":{"a":1},"Check":{"TTL":"1s","Also":true}}`); code != 200 {
		t.Errorf("an unknown field: %d %s", code, body)
	}
}

func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	r := open(t)
	for _, c := range []struct {
		header []string
		want   int
	}{
		{nil, 200},
		{[]string{"Host", "localhost:8500"}, 200},
		{[]string{"Host", "[::1]:8500"}, 200},
		{[]string{"Host", "127.0.0.1"}, 200},
		{[]string{"Host", "localhost:8500", "Origin", "http://localhost:8500"}, 200},
		{[]string{"X-Consul-Token", "secret", "User-Agent", "Prometheus/3.5.0"}, 200},
		{[]string{"Host", "evil.example"}, 403},
		{[]string{"Host", "127.0.0.1.evil.example:8500"}, 403},
		{[]string{"Host", "localhost.evil.example"}, 403},
		{[]string{"Host", "10.0.0.1:8500"}, 403},
		{[]string{"Origin", "http://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site"}, 403},
	} {
		code, h, body := r.do("GET", "/v1/agent/services", "", c.header...)
		if code != c.want || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%v: %d %s; want %d", c.header, code, body, c.want)
		}
	}
	if _, h, _ := r.do("GET", "/v1/status/leader", "", "X-Correlation-ID", "abc-1"); h.Get("X-Correlation-ID") != "abc-1" {
		t.Errorf("the correlation ID became %q", h.Get("X-Correlation-ID"))
	}
	if _, h, _ := r.do("GET", "/v1/status/leader", "", "X-Correlation-ID", "a b<script>"); strings.ContainsAny(h.Get("X-Correlation-ID"), " <") {
		t.Errorf("a hostile correlation ID is passed on: %q", h.Get("X-Correlation-ID"))
	}
}

func TestRefusedClearly(t *testing.T) {
	t.Parallel()
	r := open(t)
	_, _, err := r.api.Session().Create(nil, nil)
	refused(t, err, 501, "a trap")
	lock, err := r.api.LockKey("lock")
	ok(t, err)
	_, err = lock.Lock(nil)
	if err == nil || !strings.Contains(err.Error(), "a trap") {
		t.Errorf("a lock: %v", err)
	}
	_, _, _, err = r.api.Txn().Txn(api.TxnOps{{KV: &api.KVTxnOp{Verb: api.KVSet, Key: "k"}}}, nil)
	if err == nil || !strings.Contains(err.Error(), "use cas") {
		t.Errorf("a transaction: %v", err)
	}
	_, err = r.api.Agent().UpdateDefaultACLToken("x", nil)
	refused(t, err, 501, "no tokens")
	for path, want := range map[string]int{
		"GET /v1/nothing": 404, "GET /": 404, "GET /v1/acl/tokens": 501, "GET /v1/connect/ca/roots": 501, "POST /v1/agent/service/register": 405, "DELETE /v1/catalog/nodes": 405,
		"GET /v1/agent/service/register": 404, "PUT /v1/event/fire/x": 501, "GET /v1/catalog/nodes?dc=mars": 500, "GET /v1/catalog/nodes?dc=dc1&stale&consistent=&cached&near=_agent": 200,
		"GET /v1/catalog/nodes?ns=team": 400, "GET /v1/catalog/nodes?ns=default": 200, "GET /v1/catalog/nodes?peer=x": 501, "GET /v1/catalog/nodes?a=%zz": 400, "GET /v1/health/service/x?passing=perhaps": 400,
		"PUT /v1/agent/service/maintenance/x": 400, "PUT /v1/agent/service/maintenance/x?enable=perhaps": 400, "PUT /v1/agent/service/maintenance/x?enable=true": 404,
	} {
		method, target, _ := strings.Cut(path, " ")
		code, h, body := r.do(method, target, "")
		if code != want || code >= 400 && !strings.Contains(body, "[") || code == 405 && h.Get("Allow") == "" {
			t.Errorf("%s: %d %s; want %d", path, code, body, want)
		}
	}
	if _, known := fault.Lookup(fault.ConsulUnsupported); !known {
		t.Error("what is printed cannot be explained")
	}
}

// Whatever is sent, the door answers and its registry holds only what is valid.
func FuzzRegister(f *testing.F) {
	for _, seed := range []string{`{"Name":"x","Port":1}`, `{"ID":"a/b","Name":"x","Port":1,"Check":{"TTL":"1s"}}`, `{"Name":"x","Port":1,"Checks":[{"TCP":"a:1","Interval":1}]}`, `null`, `{"Name":"x","Port":1,"TaggedAddresses":{"lan":{"Address":"a","Port":1}}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		reg := registry.New()
		door, err := consul.New(consul.Options{Registry: reg})
		ok(t, err)
		w := httptest.NewRecorder()
		door.ServeHTTP(w, httptest.NewRequest("PUT", "http://localhost/v1/agent/service/register", strings.NewReader(body)))
		list, _, _ := reg.All()
		if len(list) > 1 || (len(list) == 1) != (w.Code == 200) || w.Code >= 500 {
			t.Fatalf("%d %s, and the registry has %+v", w.Code, w.Body, list)
		}
		for _, inst := range list {
			if _, port, err := net.SplitHostPort(inst.Addr); err != nil || port == "0" || inst.Source != consul.Source {
				t.Fatalf("%+v", inst)
			}
		}
		w = httptest.NewRecorder()
		door.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/v1/agent/services", nil))
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("no JSON: %s", w.Body)
		}
	})
}

func TestOutsidersAreBounded(t *testing.T) {
	t.Parallel()
	reg := registry.New()
	door, err := consul.New(consul.Options{Registry: reg})
	ok(t, err)
	put := func(body string) int {
		w := httptest.NewRecorder()
		door.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), "PUT", "http://localhost/v1/agent/service/register", strings.NewReader(body)))
		_, _ = io.Copy(io.Discard, w.Body)
		return w.Code
	}
	for i := range consul.MaxOutsiders {
		if code := put(fmt.Sprintf(`{"ID":"i%d","Name":"x%d","Port":1}`, i, i%100)); code != 200 {
			t.Fatalf("number %d: %d", i, code)
		}
	}
	if code := put(`{"ID":"more","Name":"x","Port":1}`); code != 507 {
		t.Errorf("one too many: %d, want 507", code)
	}
	if code := put(`{"ID":"i7","Name":"x7","Port":2}`); code != 200 {
		t.Errorf("a known one at the limit: %d", code)
	}
	if err := reg.Register(registry.Instance{ID: "own", Service: "own", Addr: "127.0.0.1:1"}, 0); err != nil {
		t.Errorf("plat's own has no room: %v", err)
	}
}
