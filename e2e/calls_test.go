package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/internal/house"
)

const callsPlan = `system: calls
owners:
  team: {mail: team@calls.example}
services:
  - path: services/*
gateways:
  public:
    routes:
      - {path: /, service: front}
environments:
  local: {access: observe}
`

// calls is a system in which nothing is declared: front and back could call
// one another.
func calls(t *testing.T) string {
	t.Helper()
	return system(t, map[string]string{
		"plat.yaml":                   callsPlan,
		"services/front/service.yaml": "service: front\nowner: team\nrun: [DUMMY]\n",
		"services/back/service.yaml":  "service: back\nowner: team\nrun: [DUMMY]\n",
	})
}

// TestCallsAgainstThePlan lets a service call another that it does not
// declare, has the line written, and then forbids another such call.
func TestCallsAgainstThePlan(t *testing.T) {
	t.Parallel()
	h := house.Up(t, calls(t))
	c := operator(t, h)

	// It is served, with the caller's name, and told with evidence.
	a := house.Call(t, "GET", h.Gateway+"/mesh/back", nil)
	if a.Status != 200 {
		t.Fatalf("an undeclared call: %d %s", a.Status, a.Body)
	}
	contains(t, "back", string(a.Body), `"service":"back"`, `"Plat-Caller":["front"]`, a.Header.Get("X-Correlation-Id"))
	finding := found(t, c, 1)[0]
	if finding.Severity != "warning" || finding.Count != 1 || len(finding.Evidence) != 1 || finding.Evidence[0].Path != "/called" || finding.Evidence[0].Status != 200 || finding.Evidence[0].CorrelationID != a.Header.Get("X-Correlation-Id") {
		t.Errorf("finding %+v", finding)
	}
	out, code := h.Plat("get", "findings")
	if code != 0 {
		t.Errorf("plat get findings: exit %d", code)
	}
	contains(t, "plat get findings", out, finding.ID, "plat plan add front consumes back")
	for _, id := range []string{finding.ID, finding.Evidence[0].ID} {
		out, code := h.Plat("why", id)
		if code != 0 {
			t.Errorf("plat why %s: exit %d", id, code)
		}
		contains(t, "plat why", out, "front calls back", "services/front/service.yaml", "plat plan add front consumes back", "GET /called")
	}
	if e, ok := edge(t, h, "front", "back"); !ok || e.Declared || e.Count != 1 || e.Finding != finding.ID {
		t.Errorf("on the map: %+v", e)
	}

	// The remedy is what it says.
	if out, code := h.Plat("plan", "add", "front", "consumes", "back"); code != 0 {
		t.Fatalf("plat plan add: exit %d\n%s", code, out)
	}
	found(t, c, 0)
	house.Until(t, "front has the address of back", func() (bool, string) {
		a := house.Call(t, "GET", h.Gateway+"/call/back", nil)
		return a.Status == 200, fmt.Sprint(a.Status, string(a.Body))
	})
	house.Until(t, "it is on the map", func() (bool, string) { // counted when all of it has passed
		e, _ := edge(t, h, "front", "back")
		return e.Declared && !e.DeclaredAt.IsZero() && e.Count >= 2 && e.Finding == "", fmt.Sprintf("%+v", e)
	})

	// Enforced, another one is refused, and the refusal explains itself.
	house.Edit(t, filepath.Join(h.Dir, "plat.yaml"), "access: observe", "access: enforce")
	mesh := gave(t, h, "back", "PLAT_MESH")
	var refused problem
	house.Until(t, "the call is refused", func() (bool, string) {
		a := hosted(t, http.DefaultClient, mesh+"/secret?token=1", "front.internal")
		if a.Status == 403 {
			a.JSON(t, &refused)
		}
		return a.Status == 403, fmt.Sprint(a.Status)
	})
	if refused.Code != "drift-undeclared-call" || refused.Remedy != "plat plan add back consumes front" {
		t.Errorf("refused with %+v", refused)
	}
	out, code = h.Plat("why", refused.ID)
	if code != 0 || strings.Contains(out, "token=1") {
		t.Errorf("plat why %s: exit %d\n%s", refused.ID, code, out)
	}
	contains(t, "plat why", out, "back may not call front", "services/back/service.yaml", "plat plan add back consumes front", "/secret")
	if f := found(t, c, 1)[0]; f.Severity != "error" || !f.Refused {
		t.Errorf("finding %+v", f)
	}
	if a := hosted(t, http.DefaultClient, gave(t, h, "front", "PLAT_MESH"), "back.internal"); a.Status != 200 {
		t.Errorf("a declared call by the general address: %d %s", a.Status, a.Body)
	}

	conn, err := grpc.NewClient(strings.TrimPrefix(mesh, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("front.internal"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	err = conn.Invoke(t.Context(), "/stock.v1.Stock/Get", &emptypb.Empty{}, &emptypb.Empty{})
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("by gRPC: %v", err)
	}
	contains(t, "gRPC's status", status.Convert(err).Message(), "drift-undeclared-call", "plat why c")
}

// found waits until there are so many findings about undeclared calls.
func found(t *testing.T, c *api.Client, n int) (list []api.Finding) {
	t.Helper()
	house.Until(t, fmt.Sprint(n, " findings"), func() (bool, string) {
		var err error
		list, err = c.Findings(t.Context())
		list = slices.DeleteFunc(list, func(f api.Finding) bool { return f.Code != fault.DriftUndeclaredCall })
		return err == nil && len(list) == n, fmt.Sprint(list, err)
	})
	return list
}

// TestNamesOfTheMesh asks for names as programs write them, and for ones that
// nobody has.
func TestNamesOfTheMesh(t *testing.T) {
	t.Parallel()
	h := house.Up(t, calls(t))
	mesh := gave(t, h, "front", "PLAT_MESH")
	for _, host := range []string{"back.internal", "BACK.internal", "Back.Internal.:8080", "back.internal:80"} {
		if a := hosted(t, http.DefaultClient, mesh, host); a.Status != 200 {
			t.Errorf("%s: %d %s", host, a.Status, a.Body)
		}
	}
	for _, c := range []struct {
		host, code string
		status     int
		words      []string
	}{
		{"baack.internal", "gateway-unknown-service", 502, []string{"nobody here is called baack", "did you mean back.internal?"}},
		{strings.Repeat("x", 64) + ".internal", "gateway-unknown-service", 502, nil},
		{"a.back.internal", "gateway-unknown-service", 502, nil},
		{"127.0.0.1.internal", "gateway-unknown-service", 502, nil},
		{"back.example", "gateway-unknown-service", 502, []string{"NAME.internal"}},
		{".internal", "gateway-bad-request", 400, []string{"NAME.internal"}},
		{strings.Repeat("x.", 130) + "internal", "gateway-bad-request", 400, nil},
		{"127.0.0.1", "gateway-unknown-service", 404, []string{"plat's own address for front"}},
	} {
		a := hosted(t, http.DefaultClient, mesh, c.host)
		var p problem
		a.JSON(t, &p)
		if a.Status != c.status || p.Code != c.code {
			t.Errorf("%s: %d %s", c.host, a.Status, a.Body)
		}
		contains(t, c.host, p.Detail+" "+p.Remedy, c.words...)
	}
	if m, err := operator(t, h).Map(t.Context()); err != nil || len(m.Nodes) != 3 {
		t.Errorf("the map has %d nodes (%v), of front, back and the gateway: %+v", len(m.Nodes), err, m.Nodes)
	}

	// A program that takes a proxy from its environment needs no change.
	proxy, err := url.Parse(mesh)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	if a := hosted(t, client, "http://back.internal/by/proxy", ""); a.Status != 200 || !strings.Contains(string(a.Body), `"path":"/by/proxy"`) {
		t.Errorf("by a proxy: %d %s", a.Status, a.Body)
	}
	if a := hosted(t, client, "http://example.com/", ""); a.Status != 502 {
		t.Errorf("the mesh is a proxy to elsewhere: %d %s", a.Status, a.Body)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://back.internal/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := house.Send(client, req); err == nil { // CONNECT is refused
		t.Errorf("by https: %d %s", a.Status, a.Body)
	}
	if a := hosted(t, http.DefaultClient, gave(t, h, "back", "PLAT_MESH"), "front.internal"); a.Status != 200 {
		t.Errorf("back cannot call front: %d", a.Status)
	}
}

// TestTheMapIsRemembered counts calls over the end, and a violent end, of plat.
func TestTheMapIsRemembered(t *testing.T) {
	t.Parallel()
	dir := calls(t)
	house.Edit(t, filepath.Join(dir, "services", "front", "service.yaml"), "run: [", "consumes: {services: {back: {}}}\nrun: [")
	h := house.Up(t, dir)
	called := func(n int) {
		t.Helper()
		for range n {
			if a := house.Call(t, "GET", h.Gateway+"/call/back", nil); a.Status != 200 {
				t.Fatalf("call: %d %s", a.Status, a.Body)
			}
		}
	}
	called(5)
	hosted(t, http.DefaultClient, gave(t, h, "back", "PLAT_MESH"), "front.internal")
	finding := found(t, operator(t, h), 1)[0]
	var before api.Edge
	house.Until(t, "the calls are on the map", func() (bool, string) { // counted when all of them has passed
		before, _ = edge(t, h, "front", "back")
		return before.Count == 5 && !before.DeclaredAt.IsZero(), fmt.Sprintf("%+v", before)
	})
	stopped(t, h)
	again(t, h)
	after, _ := edge(t, h, "front", "back")
	if after.Count != 5 || !after.DeclaredAt.Equal(before.DeclaredAt) || !after.First.Equal(before.First) {
		t.Errorf("the map had %+v, has after a restart %+v", before, after)
	}
	if f := found(t, operator(t, h), 1)[0]; f.ID != finding.ID || len(f.Evidence) != 1 || f.Evidence[0].ID != finding.Evidence[0].ID {
		t.Errorf("the finding was %+v, is %+v", finding, f)
	}

	// What is on disk outlives a kill, whatever plat is about to write.
	called(5)
	house.Until(t, "the calls are on disk", func() (bool, string) {
		n := recorded(t, dir, "front", "back")
		return n == 10, fmt.Sprint(n)
	})
	called(20)
	killed(t, h)
	again(t, h)
	after, _ = edge(t, h, "front", "back")
	if after.Count < 10 || after.Count > 30 || !after.DeclaredAt.Equal(before.DeclaredAt) {
		t.Errorf("after a kill the map has %+v, of 30 calls", after)
	}
	aside := func() []string {
		t.Helper()
		damaged, err := filepath.Glob(filepath.Join(dir, ".plat", "*.damaged"))
		if err != nil {
			t.Fatal(err)
		}
		return damaged
	}
	if damaged := aside(); len(damaged) > 0 {
		t.Errorf("damaged: %v", damaged)
	}

	// Damaged by another, it is set aside and plat counts anew.
	stopped(t, h)
	if err := os.WriteFile(filepath.Join(dir, ".plat", "topology.json"), []byte(`{"version": 1, "edges": [`), 0o600); err != nil {
		t.Fatal(err)
	}
	again(t, h)
	if after, ok := edge(t, h, "front", "back"); !ok || !after.Declared || after.Count != 0 || len(aside()) != 1 {
		t.Errorf("after the damage the map has %+v; set aside: %v", after, aside())
	}
}

// recorded is how many calls of an edge are on disk.
func recorded(t *testing.T, dir, caller, callee string) uint64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, ".plat", "topology.json"))
	if os.IsNotExist(err) {
		return 0
	}
	var file struct {
		Since time.Time
		Edges []struct {
			Caller, Callee string
			Count          uint64
		}
	}
	if err != nil || json.Unmarshal(text, &file) != nil {
		t.Fatalf("topology.json is damaged (%v): %s", err, text)
	}
	for _, e := range file.Edges {
		if e.Caller == caller && e.Callee == callee {
			return e.Count
		}
	}
	return 0
}
