package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	consul "github.com/hashicorp/consul/api"
	"github.com/hashicorp/consul/api/watch"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/internal/house"
)

// withinNetwork marks a test process that has a network of its own.
const withinNetwork = "PLAT_TEST_OWN_NETWORK"

// ownNetwork runs the calling test again in a network namespace of its own,
// where the doors' fixed ports are free whatever else runs on this machine,
// and tells whether this is that second run.
func ownNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv(withinNetwork) == t.Name() {
		if err := loopbackUp(); err != nil {
			t.Fatal(err)
		}
		return true
	}
	house.Bin(t) // once, and not by two processes
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=4m")
	cmd.Env = append(os.Environ(), withinNetwork+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	cmd.WaitDelay = 10 * time.Second
	runtime.LockOSThread() // Pdeathsig is about the thread
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	switch {
	case cmd.Process == nil && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSPC)):
		t.Skipf("SKIPPED: this machine gives no network namespace, and the doors have fixed ports: %v", err)
	case err != nil:
		t.Fatalf("in a network of its own: %v\n%s", err, out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Fatalf("the test did not run in a network of its own:\n%s", out)
	}
	return false
}

// loopbackUp does what "ip link set lo up" does.
func loopbackUp() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(fd) }()
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(request.name[:], "lo")
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))) // see netdevice(7)
	if errno != 0 {
		return errno
	}
	return nil
}

const outsidePlan = `system: outside
owners:
  team: {mail: team@outside.example}
services:
  - path: services/*
external:
  legacy: {url: http://legacy.internal, owner: team}
doors: [consul, dns]
gateways:
  public:
    routes:
      - {path: /, service: front}
      - {path: /back, service: back}
      - {path: /legacy, service: legacy}
`

// outside is a system with both doors open, into which programs come that
// plat did not start.
func outside(t *testing.T) *house.House {
	t.Helper()
	return house.Up(t, system(t, map[string]string{
		"plat.yaml":                   outsidePlan,
		"services/front/service.yaml": "service: front\nowner: team\nrun: [DUMMY]\nconsumes: {services: {legacy: {}}}\n",
		"services/back/service.yaml":  "service: back\nowner: team\nrun: [DUMMY]\n",
	}))
}

// outsider is a program that plat did not start: it answers with its name.
func outsider(t *testing.T, name string) (port int) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "I am "+name+", asked for "+r.URL.Path+" by "+r.Header.Get("Plat-Caller"))
	}))
	t.Cleanup(server.Close)
	_, text, _ := net.SplitHostPort(server.Listener.Addr().String())
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// agent is a client of Consul that knows nothing of plat.
func agent(t *testing.T) *consul.Client {
	t.Helper()
	c, err := consul.NewClient(consul.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// join registers a program with a TTL check.
func join(t *testing.T, c *consul.Client, id, name string, port int, ttl string) {
	t.Helper()
	err := c.Agent().ServiceRegister(&consul.AgentServiceRegistration{
		ID: id, Name: name, Address: "127.0.0.1", Port: port, Tags: []string{"old"},
		Check: &consul.AgentServiceCheck{CheckID: id + "-alive", TTL: ttl, Status: "passing"},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// resolver asks plat's door for names.
func resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:8600")
	}}
}

// answers waits until an address answers with the status and the words.
func answers(t *testing.T, url, host string, status int, words string) house.Answer {
	t.Helper()
	var a house.Answer
	house.Until(t, fmt.Sprintf("%s (%s) answers %d %s", url, host, status, words), func() (bool, string) {
		a = hosted(t, http.DefaultClient, url, host)
		return a.Status == status && strings.Contains(string(a.Body), words), fmt.Sprint(a.Status, " ", string(a.Body))
	})
	return a
}

// TestOutsiders lets programs that plat did not start join a system, serve in
// it, and die.
func TestOutsiders(t *testing.T) {
	t.Parallel()
	if !ownNetwork(t) {
		return
	}
	h := outside(t)
	mesh := gave(t, h, "front", "PLAT_MESH")
	declared := gave(t, h, "front", "PLAT_URL_LEGACY")
	c := agent(t)

	// Before it is there, its callers are told so.
	for url, host := range map[string]string{declared: "", h.Gateway + "/legacy": "", mesh: "legacy.internal"} {
		if a := hosted(t, http.DefaultClient, url, host); a.Status != 503 || !strings.Contains(string(a.Body), "legacy") {
			t.Errorf("%s %s before: %d %s", url, host, a.Status, a.Body)
		}
	}
	if a := hosted(t, http.DefaultClient, mesh, "stranger.internal"); a.Status != 502 {
		t.Errorf("a stranger before: %d %s", a.Status, a.Body)
	}

	// There, it is reached in every way.
	port := outsider(t, "legacy")
	join(t, c, "legacy-1", "legacy", port, "5s")
	join(t, c, "stranger-1", "stranger", outsider(t, "stranger"), "1m")
	if err := c.Agent().ServiceRegister(&consul.AgentServiceRegistration{Name: "Stranger.Of_Old", Port: port}); err == nil || !strings.Contains(err.Error(), "lower-case letters, digits and hyphens") {
		t.Errorf("a name that nobody could look up: %v", err)
	}
	alive := make(chan struct{})
	beaten := beat(t, c, "legacy-1-alive", alive)
	answers(t, declared+"/a", "", 200, "I am legacy, asked for /a by front")
	answers(t, mesh+"/b", "legacy.internal", 200, "I am legacy, asked for /b by front")
	answers(t, h.Gateway+"/legacy/c", "", 200, "I am legacy, asked for /legacy/c by ")
	answers(t, h.Gateway+"/call/legacy", "", 200, "I am legacy, asked for /called by front")
	answers(t, mesh+"/d", "Stranger.Internal", 200, "I am stranger, asked for /d by front")
	if _, srv, err := resolver().LookupSRV(t.Context(), "", "", "legacy.service.plat."); err != nil || len(srv) != 1 || int(srv[0].Port) != port {
		t.Errorf("SRV %+v, %v", srv, err)
	}
	if hosts, err := resolver().LookupHost(t.Context(), "old.legacy.service.consul."); err != nil || strings.Join(hosts, " ") != "127.0.0.1" {
		t.Errorf("A %v, %v", hosts, err)
	}
	service, err := operator(t, h).Service(t.Context(), "stranger")
	if err != nil || !service.Outside || service.State != "ready" || service.Ready != 1 || len(service.Instances) != 1 || service.Instances[0].ID != "stranger-1" {
		t.Errorf("GET /v1/services/stranger: %+v, %v", service, err)
	}
	kinds := map[string]string{}
	m, err := operator(t, h).Map(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range m.Nodes {
		kinds[n.Name] += n.Kind
	}
	if kinds["legacy"] != "external" || kinds["stranger"] != "outside" || len(kinds) != 5 {
		t.Errorf("the map has %v", kinds)
	}
	if e, ok := edge(t, h, "front", "legacy"); !ok || !e.Declared || e.Count < 3 {
		t.Errorf("the map has %+v", e)
	}
	house.Until(t, "the call of the stranger is a finding", func() (bool, string) {
		list, err := operator(t, h).Findings(t.Context())
		return err == nil && len(list) == 1 && list[0].Callee == "stranger", fmt.Sprintf("%+v %v", list, err)
	})
	out, code := h.Plat("ps")
	if code != 0 {
		t.Errorf("plat ps: exit %d", code)
	}
	contains(t, "plat ps", out, "stranger")

	// Another instance of a service of the plan shares its traffic.
	join(t, c, "back-own", "back", outsider(t, "another back"), "1m")
	for _, words := range []string{"I am another back", `"instance":"back-1"`} {
		answers(t, h.Gateway+"/back", "", 200, words)
	}
	if err := c.Agent().ServiceDeregister("back-1"); err == nil {
		t.Error("a program from outside took out what plat runs")
	}
	if err := c.Agent().ServiceDeregister("back-own"); err != nil {
		t.Error(err)
	}
	house.Until(t, "all go to back-1 after it went", func() (bool, string) {
		for range 8 {
			if a := house.Call(t, "GET", h.Gateway+"/back", nil); a.Status != 200 || !strings.Contains(string(a.Body), `"instance":"back-1"`) {
				return false, fmt.Sprint(a.Status, string(a.Body))
			}
		}
		return true, ""
	})

	// It dies without a word.
	close(alive)
	<-beaten
	answers(t, declared, "", 503, "legacy")
	for url, host := range map[string]string{h.Gateway + "/legacy": "", mesh: "legacy.internal"} {
		answers(t, url, host, 503, "legacy")
	}
	if _, srv, err := resolver().LookupSRV(t.Context(), "", "", "legacy.service.plat."); err == nil {
		t.Errorf("DNS still answers %+v", srv)
	}
	if up, _, err := c.Health().Service("legacy", "", true, nil); err != nil || len(up) != 0 {
		t.Errorf("Consul's health has %+v, %v", up, err)
	}
	if all, _, err := c.Health().Service("legacy", "", false, nil); err != nil || len(all) != 1 || all[0].Checks.AggregatedStatus() != "critical" {
		t.Errorf("it is not critical: %+v, %v", all, err)
	}
	// And comes back by a heartbeat alone.
	if err := c.Agent().UpdateTTL("legacy-1-alive", "here again", "pass"); err != nil {
		t.Fatal(err)
	}
	answers(t, declared, "", 200, "I am legacy")
}

// beat keeps a TTL check passing until stop is closed.
func beat(t *testing.T, c *consul.Client, check string, stop <-chan struct{}) (done <-chan struct{}) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(300 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-t.Context().Done():
				return
			case <-tick.C:
				if err := c.Agent().UpdateTTL(check, "alive", "pass"); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	return ended
}

// TestDoorsAreTaken starts plat where another program has a door's address.
func TestDoorsAreTaken(t *testing.T) {
	t.Parallel()
	if !ownNetwork(t) {
		return
	}
	for _, addr := range []string{"127.0.0.1:8500", "127.0.0.1:8600"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		dir := system(t, map[string]string{
			"plat.yaml":                   outsidePlan,
			"services/front/service.yaml": "service: front\nowner: team\nrun: [DUMMY]\n",
			"services/back/service.yaml":  "service: back\nowner: team\nrun: [DUMMY]\n",
		})
		h := &house.House{T: t, Dir: dir}
		out, code := h.Plat("up", "-d", "--gateway", house.FreeAddr(t), "--api", house.FreeAddr(t))
		if code == 0 {
			t.Errorf("plat up with %s taken: exit 0\n%s", addr, out)
		}
		contains(t, "plat up", out, "port-taken", addr, fmt.Sprint(os.Getpid()), "doors")
		if left := family(t, dir); len(left) > 0 {
			t.Errorf("it left %v", left)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDoorsFollowThePlan opens and closes a door while plat runs.
func TestDoorsFollowThePlan(t *testing.T) {
	t.Parallel()
	if !ownNetwork(t) {
		return
	}
	dir := system(t, map[string]string{
		"plat.yaml":                   "system: doors\nowners:\n  team: {}\nservices:\n  - path: services/*\ndoors: [dns]\n",
		"services/front/service.yaml": "service: front\nowner: team\nrun: [DUMMY]\n",
	})
	h := house.Up(t, dir)
	file := filepath.Join(dir, "plat.yaml")
	answers := func() (bool, string) {
		resp, err := http.Get("http://127.0.0.1:8500/v1/catalog/services")
		if err != nil {
			return false, err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		return err == nil && strings.Contains(string(text), `"front"`), string(text)
	}
	for range 2 {
		house.Edit(t, file, "doors: [dns]", "doors: [dns, consul]")
		house.Until(t, "the door is open", answers)
		out, _ := h.Plat("get", "doors")
		contains(t, "plat get doors", out, "127.0.0.1:8500")
		house.Edit(t, file, "doors: [dns, consul]", "doors: [dns]")
		house.Until(t, "the door is closed", func() (bool, string) {
			open, said := answers()
			return !open && strings.Contains(said, "refused"), said
		})
	}
	// One whose address is taken is refused, and all goes on.
	l, err := net.Listen("tcp", "127.0.0.1:8500")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	house.Edit(t, file, "doors: [dns]", "doors: [dns, consul]")
	house.Until(t, "plat ps says who has it", func() (bool, string) {
		out, _ := h.Plat("ps")
		return strings.Contains(out, "port-taken") && strings.Contains(out, "ready"), out
	})
}

// TestOutsidersOutlastPlat ends plat in both ways while programs are
// registered and others watch.
func TestOutsidersOutlastPlat(t *testing.T) {
	t.Parallel()
	if !ownNetwork(t) {
		return
	}
	h := outside(t)
	c := agent(t)
	join(t, c, "legacy-1", "legacy", outsider(t, "legacy"), "1m")
	if err := c.Agent().ServiceRegister(&consul.AgentServiceRegistration{
		ID: "brief-1", Name: "brief", Address: "127.0.0.1", Port: outsider(t, "brief"),
		Check: &consul.AgentServiceCheck{TTL: "1s", Status: "passing", DeregisterCriticalServiceAfter: "1s"},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.KV().Put(&consul.KVPair{Key: "flag", Value: []byte("on")}, nil); err != nil {
		t.Fatal(err)
	}

	// A plan of Consul's own library watches all the time.
	plan, err := watch.Parse(map[string]any{"type": "service", "service": "legacy", "passingonly": true})
	if err != nil {
		t.Fatal(err)
	}
	var instances, told atomic.Int64
	plan.Handler = func(_ uint64, raw any) {
		if entries, ok := raw.([]*consul.ServiceEntry); ok {
			instances.Store(int64(len(entries)))
			told.Add(1)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- plan.RunWithClientAndHclog(c, nil) }()
	defer func() {
		plan.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	sees := func(n int64) {
		t.Helper()
		house.Until(t, fmt.Sprint("the watch sees ", n), func() (bool, string) { return instances.Load() == n, fmt.Sprint(instances.Load()) })
	}
	sees(1)

	// Critical for as long as it said, it is forgotten.
	house.Until(t, "brief is deregistered", func() (bool, string) {
		services, err := c.Agent().Services()
		return err == nil && services["brief-1"] == nil && services["legacy-1"] != nil, fmt.Sprint(services, err)
	})
	if services, err := operator(t, h).Services(t.Context()); err != nil || has(services, "brief") {
		t.Errorf("GET /v1/services has %+v, %v", services, err)
	}

	_, before, err := c.Health().Service("legacy", "", true, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(*testing.T, *house.House){"stopped": stopped, "killed": killed} {
		end(t, h)
		again(t, h)
		answers(t, h.Gateway+"/legacy", "", 200, "I am legacy")
		if _, after, err := c.Health().Service("legacy", "", true, nil); err != nil || after.LastIndex < before.LastIndex {
			t.Errorf("%s: the index was %d, is %d (%v)", name, before.LastIndex, after.LastIndex, err)
		}
		if pair, _, err := c.KV().Get("flag", nil); err != nil || pair == nil || string(pair.Value) != "on" {
			t.Errorf("%s: the key is %+v, %v", name, pair, err)
		}
		if services, err := c.Agent().Services(); err != nil || services["brief-1"] != nil {
			t.Errorf("%s: who was deregistered is back: %v", name, err)
		}
	}
	// The watch of before still hears.
	join(t, c, "legacy-2", "legacy", outsider(t, "legacy"), "1m")
	sees(2)
	if damaged, err := filepath.Glob(filepath.Join(h.Dir, ".plat", "*.damaged")); err != nil || len(damaged) > 0 {
		t.Errorf("damaged: %v %v", damaged, err)
	}
}

func has(services []api.Service, name string) bool {
	for _, s := range services {
		if s.Name == name {
			return true
		}
	}
	return false
}
