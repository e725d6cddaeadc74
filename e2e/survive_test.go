package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/plat-dev/plat/internal/house"
)

const pairPlan = `system: pair
owners:
  team: {mail: team@pair.example}
services:
  - path: back
  - path: front
gateways:
  public:
    routes:
      - {path: /, service: front}
      - {path: /back, service: back}
`

// pair is a system of two dummies: front calls back, back forks grandchildren.
func pair(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	dummy := filepath.Join(house.Bin(t), "dummy")
	for name, text := range map[string]string{
		"plat.yaml":          pairPlan,
		"back/service.yaml":  fmt.Sprintf("service: back\nowner: team\nrun: [%q, -fork]\ngrace: 1s\n", dummy),
		"front/service.yaml": fmt.Sprintf("service: front\nowner: team\nrun: [%q]\ninstances: 2\nconsumes: {services: {back: {timeout: 20s}}}\n", dummy),
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// family lists the processes below root, by the marks that plat gives them
// and by what they run.
func family(t *testing.T, dir string) []int {
	t.Helper()
	out := []int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Skip("no /proc here: the guard's promise is kept by process groups")
	}
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil || pid == os.Getpid() {
			continue
		}
		cwd, _ := os.Readlink(filepath.Join("/proc", e.Name(), "cwd"))
		if strings.HasPrefix(cwd, dir) && house.Alive(pid) {
			out = append(out, pid)
		}
	}
	return out
}

// TestNothingSurvivesPlat kills plat as the kernel would and looks for what
// is left, then starts again and wants exactly the plan.
func TestNothingSurvivesPlat(t *testing.T) {
	t.Parallel()
	dir := pair(t)
	h := house.Up(t, dir)
	before := family(t, dir)
	if len(before) < 5 { // back, two grandchildren, two of front
		t.Fatalf("only %d processes run in %s", len(before), dir)
	}
	if err := syscall.Kill(h.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	house.Until(t, "everything has ended", func() (bool, string) {
		left := family(t, dir)
		return len(left) == 0, fmt.Sprint(left)
	})
	if out, code := h.Plat("ps"); code != 3 {
		t.Fatalf("ps after the kill: exit %d\n%s", code, out)
	}
	if out, code := h.Plat("up", "-d", "--gateway", house.FreeAddr(t), "--api", house.FreeAddr(t)); code != 0 {
		t.Fatalf("up after the kill: exit %d\n%s", code, out)
	}
	h.Learn()
	if after := family(t, dir); len(after) != len(before) {
		t.Fatalf("%d processes run after the next up, %d before the kill", len(after), len(before))
	}
	if a := house.Call(t, "GET", h.Gateway+"/call/back", nil); a.Status != 200 {
		t.Fatalf("a call through two services: %d %s", a.Status, a.Body)
	}
	if out, code := h.Plat("down"); code != 0 {
		t.Fatalf("down: exit %d\n%s", code, out)
	}
	if left := family(t, dir); len(left) > 0 {
		t.Fatalf("after down there is still %v", left)
	}
}

// TestCustomersNoticeNothing restarts, scales and kills instances under load.
func TestCustomersNoticeNothing(t *testing.T) {
	t.Parallel()
	h := house.Up(t, pair(t))
	var (
		wg     sync.WaitGroup
		stop   = make(chan struct{})
		served atomic.Int64
		mu     sync.Mutex
		failed []string
	)
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a, err := house.TryCall(http.MethodGet, h.Gateway+"/call/back", nil)
				if err != nil || a.Status != 200 {
					mu.Lock()
					failed = append(failed, fmt.Sprint(a.Status, err, string(a.Body)))
					mu.Unlock()
				}
				served.Add(1)
			}
		})
	}
	for _, verb := range [][]string{{"restart", "front"}, {"scale", "front=3"}, {"restart", "back"}, {"scale", "front=1"}} {
		if out, code := h.Plat(verb...); code != 0 {
			t.Errorf("plat %v: exit %d\n%s", verb, code, out)
		}
	}
	close(stop)
	wg.Wait()
	if len(failed) > 0 {
		t.Fatalf("%d of %d calls failed, as %s", len(failed), served.Load(), failed[0])
	}
	t.Logf("%d calls, none failed", served.Load())
}

// TestStateTakenAway removes the state folder of a running system: nobody
// could reach that plat any more, so it ends with all that it started.
func TestStateTakenAway(t *testing.T) {
	t.Parallel()
	dir := pair(t)
	h := house.Up(t, dir)
	log, err := os.Open(filepath.Join(dir, ".plat", "plat.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	if err := os.RemoveAll(filepath.Join(dir, ".plat")); err != nil {
		t.Fatal(err)
	}
	house.Until(t, "plat and everything below it has ended", func() (bool, string) {
		left := family(t, dir)
		return len(left) == 0 && !house.Alive(h.PID), fmt.Sprint(left)
	})
	if said, err := io.ReadAll(log); err != nil || !strings.Contains(string(said), "[state-lost]") { // open since before
		t.Fatalf("plat.log does not say why plat ended (%v): %s", err, said)
	}
	if out, code := h.Plat("ps"); code != 3 || !strings.Contains(out, "nothing runs") {
		t.Fatalf("ps: exit %d\n%s", code, out)
	}
}

// TestContract asks a service what plat gave it, and who its callers are.
func TestContract(t *testing.T) {
	t.Parallel()
	dir := pair(t)
	h := house.Up(t, dir)
	var said struct {
		Service string
		Headers map[string][]string
		Env     []string
	}
	a := house.Call(t, "GET", h.Gateway+"/anything", nil, "Baggage", "admin=true", "Plat-Caller", "front", "X-Forwarded-For", "10.1.2.3", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	a.JSON(t, &said)
	for _, name := range []string{"PORT", "PLAT_SERVICE", "PLAT_INSTANCE", "PLAT_VERSION", "PLAT_ENVIRONMENT", "PLAT_API", "PLAT_TOKEN", "PLAT_URL_BACK", "PLAT_MESH", "PLAT_PUBLISH", "SMTP_URL", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"} {
		if !strings.Contains(" "+strings.Join(said.Env, " ")+" ", " "+name+" ") {
			t.Errorf("the environment has no %s", name)
		}
	}
	if strings.Contains(strings.Join(said.Env, " "), "NATS_URL") {
		t.Error("the environment has NATS_URL, and nothing answers behind it")
	}
	text, _ := json.Marshal(said.Headers)
	for _, forged := range []string{"Baggage", "Plat-Caller", "10.1.2.3", "0af7651916cd43dd8448eb211c80319c"} {
		if strings.Contains(string(text), forged) {
			t.Errorf("%s came through the edge: %s", forged, text)
		}
	}
	for _, made := range []string{"Forwarded", "X-Forwarded-For", "Traceparent", "X-Correlation-Id"} {
		if len(said.Headers[made]) != 1 {
			t.Errorf("%s is %v", made, said.Headers[made])
		}
	}
	a = house.Call(t, "GET", h.Gateway+"/call/back", nil)
	if !strings.Contains(string(a.Body), `"Plat-Caller":["front"]`) {
		t.Errorf("back does not know its caller: %s", a.Body)
	}
	if id := a.Header.Get("X-Correlation-Id"); !strings.Contains(string(a.Body), id) {
		t.Errorf("the correlation ID %s did not reach back: %s", id, a.Body)
	}
	token := tokenOf(t, dir)
	for _, c := range []struct {
		token string
		want  int
	}{{token, 200}, {"", 401}, {"guessed", 401}} {
		a := house.Call(t, "GET", h.API+"/v1/services", nil, "Authorization", "Bearer "+c.token)
		if a.Status != c.want {
			t.Errorf("the API with token %q: %d, want %d", c.token, a.Status, c.want)
		}
		if strings.Contains(string(a.Body), token) {
			t.Error("the API tells its token")
		}
	}
}

func tokenOf(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, ".plat", "token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
