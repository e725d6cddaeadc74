package gateway_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/gateway"
)

// meshRig is a mesh of the caller "web": catalog is declared, rating is not,
// payroll is refused, stripe is outside.
type meshRig struct {
	*rig
	mesh string

	mu   sync.Mutex
	seen []gateway.Exchange
}

func newMeshRig(t *testing.T, stripe string) *meshRig {
	t.Helper()
	m := &meshRig{}
	m.rig = newRig(t, gateway.Options{Seen: func(x *gateway.Exchange) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.seen = append(m.seen, *x)
	}}, backend(t, "shop-1", echo))
	for _, name := range []string{"catalog", "rating", "payroll", "legacy-program"} {
		m.SetUpstreams(name, []gateway.Upstream{backend(t, name+"-1", echo)})
	}
	decide := func(callee string) gateway.MeshDecision {
		switch callee {
		case "catalog":
			return gateway.MeshDecision{Name: callee, Timeout: 20 * time.Second, Declared: true}
		case "rating":
			return gateway.MeshDecision{Name: callee, Timeout: 10 * time.Second}
		case "payroll":
			return gateway.MeshDecision{Name: callee, Refused: true}
		case "legacy":
			return gateway.MeshDecision{Name: callee, Pool: "legacy-program", Declared: true}
		case "stripe", "broken":
			return gateway.MeshDecision{Name: callee, URL: map[string]string{"stripe": stripe, "broken": "ftp://x"}[callee], Declared: true, Timeout: patience}
		case "catalgo":
			return gateway.MeshDecision{Meant: "catalog"}
		}
		return gateway.MeshDecision{}
	}
	own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "own "+r.URL.Path) })
	m.mesh = m.serve(t, m.Mesh("web", decide, own))
	return m
}

func (m *meshRig) last(t *testing.T, n int) gateway.Exchange {
	t.Helper()
	var x gateway.Exchange
	eventually(t, "the exchange", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.seen) != n {
			return false
		}
		x = m.seen[n-1]
		return true
	})
	return x
}

func TestMesh(t *testing.T) {
	t.Parallel()
	outside := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(outside.Close)
	m := newMeshRig(t, outside.URL+"/v1")
	c := client(t, false)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	s := decode(t, do(t, c, "GET", "http://"+m.mesh+"/albums?q=1", "", "Host", "Catalog.INTERNAL.:8080", "Traceparent", parent, "X-Correlation-ID", "work-1", "Plat-Caller", "somebody"))
	if s.Header.Get("Plat-Caller") != "web" || s.Header.Get("Plat-Timeout") != "20000" || s.Header.Get("Traceparent") != parent || s.Header.Get("X-Correlation-ID") != "work-1" || s.URI != "/albums?q=1" {
		t.Errorf("%+v", s)
	}
	x := m.last(t, 1)
	if diff := cmp.Diff(gateway.Call{Caller: "web", Mesh: true, Declared: true}, x.Call); diff != "" || x.Service != "catalog" || x.Upstream != "catalog-1" || x.Path != "/albums" {
		t.Errorf("%+v\n%s", x, diff)
	}
	if s := decode(t, do(t, c, "GET", "http://"+m.mesh+"/r", "", "Host", "rating.internal")); s.Header.Get("Plat-Caller") != "web" || s.Header.Get("Plat-Timeout") != "10000" {
		t.Errorf("%+v", s)
	}
	id := regexp.MustCompile(`^c[0-9a-z]{10}$`)
	if x := m.last(t, 2); x.Declared || x.Refused || !id.MatchString(x.ID) || x.Status != 200 {
		t.Errorf("%+v", x)
	}
	if s := decode(t, do(t, c, "GET", "http://"+m.mesh+"/l", "", "Host", "legacy.internal")); s.Header.Get("Plat-Caller") != "web" {
		t.Errorf("%+v", s)
	}
	if x := m.last(t, 3); x.Service != "legacy" || x.Upstream != "legacy-program-1" {
		t.Errorf("%+v", x)
	}
	if s := decode(t, do(t, c, "GET", "http://"+m.mesh+"/charges", "", "Host", "stripe.internal")); s.URI != "/v1/charges" || s.Header.Get("Plat-Caller") != "" || s.Host != strings.TrimPrefix(outside.URL, "http://") {
		t.Errorf("%+v", s)
	}
	// The declared edge and the mesh count as one.
	edge := m.serve(t, m.Edge("web", "catalog", patience))
	decode(t, do(t, c, "GET", "http://"+edge+"/", ""))
	want := []gateway.EdgeStats{
		{Caller: "web", Callee: "catalog", Answers: gateway.Answers{2: 2}}, {Caller: "web", Callee: "rating", Answers: gateway.Answers{2: 1}},
		{Caller: "web", Callee: "legacy", Answers: gateway.Answers{2: 1}}, {Caller: "web", Callee: "stripe", Answers: gateway.Answers{2: 1}},
	}
	if diff := cmp.Diff(want, m.Stats().Edges); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	eventually(t, "the lines", func() bool { return len(m.log.all(t)) == 5 })
	if line := m.log.all(t)[1]; line["mesh"] != true || line["edge"] != "web" || line["service"] != "rating" || !id.MatchString(fmt.Sprint(line["undeclared"])) {
		t.Errorf("line %v", line)
	}
	if line := m.log.all(t)[0]; line["undeclared"] != nil || line["mesh"] != true {
		t.Errorf("line %v", line)
	}
}

func TestMeshRefuses(t *testing.T) {
	t.Parallel()
	m := newMeshRig(t, "")
	c := client(t, false)
	a := do(t, c, "POST", "http://"+m.mesh+"/salaries?all", "body", "Host", "payroll.internal")
	problem(t, a, 403, "drift-undeclared-call")
	var p struct{ ID, Remedy, Detail string }
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatal(err)
	}
	x := m.last(t, 1)
	if p.ID == "" || p.ID != x.ID || p.Remedy != "plat plan add web consumes payroll" || !strings.Contains(p.Detail, "plat why "+p.ID) {
		t.Errorf("%s, exchange %+v", a.body, x)
	}
	if x.Declared || !x.Refused || x.Status != 403 || x.Upstream != "" || x.Service != "payroll" || x.Path != "/salaries" {
		t.Errorf("%+v", x)
	}
	again := do(t, c, "GET", "http://"+m.mesh+"/", "", "Host", "payroll.internal")
	if strings.Contains(again.body, p.ID) {
		t.Error("two calls have one ID")
	}
	a = do(t, c, "GET", "http://"+m.mesh+"/", "", "Host", "catalgo.internal")
	problem(t, a, 502, "gateway-unknown-service")
	if !strings.Contains(a.body, "did you mean catalog.internal?") {
		t.Errorf("%s", a.body)
	}
	problem(t, do(t, c, "GET", "http://"+m.mesh+"/", "", "Host", "broken.internal"), 502, "gateway-external-url")
	problem(t, do(t, c, "GET", "http://"+m.mesh+"/a%2f..%2fb", "", "Host", "catalog.internal"), 400, "gateway-bad-request")
	problem(t, do(t, c, "GET", "http://"+m.mesh+"/", "", "Host", "catalog.internal", "Plat-Timeout", "0"), 504, "gateway-timeout")
	m.SetUpstreams("catalog", nil)
	problem(t, do(t, c, "GET", "http://"+m.mesh+"/", "", "Host", "catalog.internal"), 503, "gateway-no-instance")
}

// TestMeshFollows: what is decided anew holds for the next request.
func TestMeshFollows(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", echo))
	var mu sync.Mutex
	d := gateway.MeshDecision{Name: "shop", Refused: true}
	mesh := r.serve(t, r.Mesh("web", func(string) gateway.MeshDecision {
		mu.Lock()
		defer mu.Unlock()
		return d
	}, nil))
	c := client(t, false)
	problem(t, do(t, c, "GET", "http://"+mesh+"/", "", "Host", "shop.internal"), 403, "drift-undeclared-call")
	for _, timeout := range []time.Duration{20 * time.Second, 30 * time.Second} {
		mu.Lock()
		d = gateway.MeshDecision{Name: "shop", Declared: true, Timeout: timeout}
		mu.Unlock()
		if got := decode(t, do(t, c, "GET", "http://"+mesh+"/", "", "Host", "shop.internal")).Header.Get("Plat-Timeout"); got != fmt.Sprint(timeout.Milliseconds()) {
			t.Errorf("Plat-Timeout %s, want %v", got, timeout)
		}
	}
}

// TestMeshHosts: every host has a defined answer.
func TestMeshHosts(t *testing.T) {
	t.Parallel()
	m := newMeshRig(t, "")
	_, port, _ := strings.Cut(m.mesh, ":")
	for host, want := range map[string]string{
		"catalog.internal": "200", "CATALOG.internal": "200", "catalog.internal.": "200", "catalog.internal:": "200", "catalog.internal:80": "200",
		"127.0.0.1": "own /x", "127.0.0.1:" + port: "own /x", "localhost": "own /x", "LOCALHOST:1": "own /x", "[::1]:80": "own /x",
		"evil.example": "502 gateway-unknown-service", "10.0.0.1": "502 gateway-unknown-service", "internal": "502 gateway-unknown-service",
		"": "502 gateway-unknown-service", "localhost.evil.example": "502 gateway-unknown-service", "127.0.0.1.evil.example": "502 gateway-unknown-service",
		"catalog.internal.evil.example": "502 gateway-unknown-service",
		"a.catalog.internal":            "502 gateway-unknown-service", "127.0.0.1.internal": "502 gateway-unknown-service", "internal.internal": "502 gateway-unknown-service",
		strings.Repeat("a", 64) + ".internal": "502 gateway-unknown-service", "cat_alog.internal": "502 gateway-unknown-service",
		".internal": "400 gateway-bad-request", "..internal": "502 gateway-unknown-service", "catalog.internal:http": "400 gateway-bad-request",
		"catalog.internal:80:80": "400 gateway-bad-request", "catalog.internal:123456": "400 gateway-bad-request",
		strings.Repeat("a", 300) + ".internal": "400 gateway-bad-request", "cat%61log.internal": "400 gateway-bad-request", "a,catalog.internal": "400 gateway-bad-request",
		"user@catalog.internal": "400", "user:pass@catalog.internal": "400", "catalog.internal/x": "400", "cat\xc3\xa4log.internal": "400",
	} {
		got := raw(t, m.mesh, "GET /x HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n", patience)
		switch {
		case strings.HasPrefix(want, "own"):
			if !strings.Contains(got, want) {
				t.Errorf("%q: got %.200q, want plat's own", host, got)
			}
		default:
			status, code, _ := strings.Cut(want, " ")
			if !strings.HasPrefix(got, "HTTP/1.1 "+status+" ") || !strings.Contains(got, code) || strings.Contains(got, "own /x") && status != "200" {
				t.Errorf("%q: got %.300q, want %s", host, got, want)
			}
		}
	}
	problemless := raw(t, m.mesh, "GET /x HTTP/1.1\r\nHost: catalog.internal\r\nHost: payroll.internal\r\nConnection: close\r\n\r\n", patience)
	if !strings.HasPrefix(problemless, "HTTP/1.1 400 ") {
		t.Errorf("two hosts: %.80q", problemless)
	}
}

// TestMeshAsProxy: a program that knows PLAT_MESH as its HTTP_PROXY.
func TestMeshAsProxy(t *testing.T) {
	t.Parallel()
	m := newMeshRig(t, "")
	proxy := &url.URL{Scheme: "http", Host: m.mesh}
	tr := &http.Transport{Proxy: http.ProxyURL(proxy)}
	t.Cleanup(tr.CloseIdleConnections)
	c := &http.Client{Transport: tr, Timeout: patience}
	s := decode(t, do(t, c, "GET", "http://catalog.internal/albums?q=1", ""))
	if s.URI != "/albums?q=1" || s.Host != "catalog.internal" || s.Header.Get("Plat-Caller") != "web" || s.Header.Get("Proxy-Connection") != "" {
		t.Errorf("%+v", s)
	}
	if s := decode(t, do(t, c, "POST", "http://Catalog.internal:9000", "body")); s.URI != "/" {
		t.Errorf("%+v", s)
	}
	problem(t, do(t, c, "GET", "http://payroll.internal/", ""), 403, "drift-undeclared-call")
	// It is no proxy to anybody else, and not to plat's own endpoints.
	for _, target := range []string{"http://evil.example/", "http://127.0.0.1:" + strings.Split(m.mesh, ":")[1] + "/events"} {
		problem(t, do(t, c, "GET", target, ""), 502, "gateway-unknown-service")
	}
	if _, err := c.Get("https://catalog.internal/"); err == nil || !strings.Contains(err.Error(), "Method Not Allowed") {
		t.Errorf("CONNECT: %v", err)
	}
	for request, want := range map[string]string{
		"GET http://user:secret@catalog.internal/ HTTP/1.1\r\nHost: catalog.internal": "400",
		"GET http://catalog.internal/ HTTP/1.1\r\nHost: payroll.internal":             "200", // the target counts (RFC 9112, 3.2.2)
		"GET http://payroll.internal/ HTTP/1.1\r\nHost: catalog.internal":             "403",
		"GET http://payroll.internal/ HTTP/1.1\r\nHost: 127.0.0.1":                    "403",
		"CONNECT catalog.internal:80 HTTP/1.1\r\nHost: catalog.internal":              "405",
		"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1":                            "405",
		"GET catalog.internal HTTP/1.1\r\nHost: catalog.internal":                     "400",
		"GET ftp://catalog.internal/ HTTP/1.1\r\nHost: catalog.internal":              "400",
		"GET http:///albums HTTP/1.1\r\nHost: catalog.internal":                       "200",
		"OPTIONS * HTTP/1.1\r\nHost: catalog.internal":                                "204",
	} {
		got := raw(t, m.mesh, request+"\r\nConnection: close\r\n\r\n", patience)
		if !strings.HasPrefix(got, "HTTP/1.1 "+want+" ") || strings.Contains(got, "secret") {
			t.Errorf("%q: got %.300q, want %s", request, got, want)
		}
	}
}

// TestMeshPasses: what an edge passes on, the mesh does: here an upgrade, and
// a body in both directions at once.
func TestMeshPasses(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: shout\r\nX-Caller: "+r.Header.Get("Plat-Caller")+"\r\n\r\n")
		line, _ := rw.ReadString('\n')
		_, _ = io.WriteString(c, strings.ToUpper(line))
	}))
	mesh := r.serve(t, r.Mesh("web", func(string) gateway.MeshDecision { return gateway.MeshDecision{Name: "shop"} }, nil))
	c := dial(t, mesh)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.internal\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\nhello\n")
	br := bufio.NewReader(c)
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("X-Caller") != "web" {
		t.Fatalf("%v %v", res, err)
	}
	if got, err := io.ReadAll(br); string(got) != "HELLO\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestSeen: Seen leaves traces alone, Observe takes part in them; both are
// told of routes too.
func TestSeen(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	seen := make(chan gateway.Exchange, 10)
	r := newRig(t, gateway.Options{Seen: func(x *gateway.Exchange) { seen <- *x }}, backend(t, "shop-1", echo))
	edge := r.serve(t, r.Edge("plat", "shop", patience))
	c := client(t, false)
	if s := decode(t, do(t, c, "GET", "http://"+edge+"/", "", "Traceparent", parent)); s.Header.Get("Traceparent") != parent || s.Header.Get("Plat-Caller") != "plat" {
		t.Errorf("%+v", s)
	}
	if x := <-seen; x.Caller != "plat" || !x.Declared || x.Mesh || x.Gateway != "" {
		t.Errorf("%+v", x)
	}
	decode(t, do(t, c, "GET", "http://"+r.addr+"/a?secret", ""))
	if x := <-seen; x.Gateway != "public" || x.Route != "/" || x.Service != "shop" || x.Caller != "" || x.Path != "/a" || x.Declared {
		t.Errorf("%+v", x)
	}
}

// FuzzInternalName: the name of a host that has one can be written as a host
// again, and no host but those that end in .internal has one.
func FuzzInternalName(f *testing.F) {
	for _, s := range []string{"catalog.internal", "Catalog.INTERNAL.:80", ".internal", "internal", "a.b.internal:", "catalog.internal:x", "[::1]", "\u212aatalog.internal", "catalog.\u0130nternal", "user@catalog.internal", "catalog.internal..", "catalog.internal:80:80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, ok := gateway.InternalName(host)
		bare, _, _ := strings.Cut(host, ":")
		if want := strings.HasSuffix(strings.ToLower(strings.TrimSuffix(bare, ".")), ".internal"); ok != want && !strings.ContainsAny(host, "\u0130\u0131\u212a\u017f") {
			t.Fatalf("%q: %v, want %v", host, ok, want)
		}
		if name == "" {
			return
		}
		if !ok || len(name) > 253 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			t.Fatalf("%q has the name %q, %v", host, name, ok)
		}
		for _, form := range []string{name + ".internal", strings.ToUpper(name) + ".INTERNAL.", name + ".internal:65535"} {
			if again, ok := gateway.InternalName(form); !ok || again != name {
				t.Fatalf("%q became %q", form, again)
			}
		}
	})
}

// wrapped is an answer's writer of somebody else's handler.
type wrapped struct{ w http.ResponseWriter }

func (w wrapped) Header() http.Header         { return w.w.Header() }
func (w wrapped) Write(p []byte) (int, error) { return w.w.Write(p) }
func (w wrapped) WriteHeader(status int)      { w.w.WriteHeader(status) }
func (w wrapped) Unwrap() http.ResponseWriter { return w.w }

// TestEdgeInAnotherServer: plat's own calls go by an edge whose handler another
// server serves. Streams flow, an upgrade is joined, a break shows.
func TestEdgeInAnotherServer(t *testing.T) {
	t.Parallel()
	next := make(chan bool)
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Plat-Caller") != "plat" {
			t.Errorf("the caller is %q", r.Header.Get("Plat-Caller"))
		}
		if r.Header.Get("Upgrade") != "" {
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nhello")
				_ = c.Close()
			}
			return
		}
		_, _ = io.WriteString(w, r.URL.Path+"\n")
		_ = http.NewResponseController(w).Flush()
		if !<-next {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "more\n")
	}))
	edge := r.Edge("plat", "shop", patience)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := r.Clone(r.Context())
		out.URL.Path = strings.TrimPrefix(r.URL.Path, "/v1/services/shop/http")
		out.RequestURI, out.Host = out.URL.RequestURI(), "shop.internal"
		edge.ServeHTTP(wrapped{w}, out)
	}))
	t.Cleanup(other.Close)
	for _, whole := range []bool{true, false} {
		res, err := http.Get(other.URL + "/v1/services/shop/http/albums")
		if err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReader(res.Body)
		if line, err := br.ReadString('\n'); line != "/albums\n" || err != nil { // before the rest is there
			t.Errorf("%q %v", line, err)
		}
		next <- whole
		rest, err := io.ReadAll(br)
		_ = res.Body.Close()
		if whole != (err == nil) || whole && string(rest) != "more\n" {
			t.Errorf("whole %v: %q %v", whole, rest, err)
		}
	}
	got := raw(t, strings.TrimPrefix(other.URL, "http://"), "GET /v1/services/shop/http/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n", patience)
	if !strings.HasPrefix(got, "HTTP/1.1 101 ") || !strings.HasSuffix(got, "hello") {
		t.Errorf("the upgrade: %q", got)
	}
}
