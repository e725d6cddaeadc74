package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plat-dev/plat/internal/house"
)

// promtool is Prometheus's own tool, pointed at a plat.
type promtool struct {
	t      *testing.T
	path   string
	server string
	auth   []string // flags of queries
}

// newPromtool finds the tool. Debian's takes no token for queries: there a
// proxy adds it.
func newPromtool(t *testing.T, h *house.House) promtool {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(house.Root(), "tools", "promtool")).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: make prepare, or tools/prepare, sees to it", out)
	}
	p := promtool{t: t, path: strings.TrimSpace(string(out)), server: h.API + "/prometheus"}
	token := tokenOf(t, h.Dir)
	if help, _ := exec.CommandContext(t.Context(), p.path, "query", "instant", "--help").CombinedOutput(); strings.Contains(string(help), "--http.config.file") {
		file := filepath.Join(t.TempDir(), "http.yml")
		if err := os.WriteFile(file, []byte("authorization: {credentials: "+token+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		p.auth = []string{"--http.config.file=" + file}
		return p
	}
	to, err := url.Parse(h.API)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to) // the host as well: the API takes its own alone
		r.Out.Header.Set("Authorization", "Bearer "+token)
	}})
	t.Cleanup(proxy.Close)
	p.server = proxy.URL + "/prometheus"
	return p
}

// run gives what the tool prints, and its exit code.
func (p promtool) run(args ...string) (string, int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.path, args...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// query asks plat.
func (p promtool) query(kind string, args ...string) (string, int) {
	p.t.Helper()
	return p.run(append(append([]string{"query", kind}, p.auth...), args...)...)
}

// TestPromtool asks plat with promtool itself, and gives it plat's rules to check.
func TestPromtool(t *testing.T) {
	t.Parallel()
	dir := calls(t)
	objectives := "objectives:\n  availability: 99.9%\n  latency: {p95: 100ms, concurrent: 20}\n"
	file := filepath.Join(dir, "services", "front", "service.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, objectives...), 0o600); err != nil {
		t.Fatal(err)
	}
	h := house.Up(t, dir)
	p := newPromtool(t, h)
	house.Call(t, http.MethodGet, h.Gateway+"/", nil)
	const counted = `plat_requests_total{service="front",gateway="public"}`
	house.Until(t, "the request to be counted", func() (bool, string) {
		out, code := p.query("instant", p.server, counted)
		return code == 0 && strings.Contains(out, `service="front"`), fmt.Sprintf("exit %d: %s", code, out)
	})
	now := time.Now()
	from, to := fmt.Sprintf("--start=%d", now.Add(-time.Minute).Unix()), fmt.Sprintf("--end=%d", now.Add(time.Minute).Unix())
	for _, c := range []struct {
		name, kind string
		args       []string
		code       int
		want       string
	}{
		{"a range", "range", []string{from, to, "--step=5s", p.server, counted}, 0, `service="front"`},
		{"as JSON", "instant", []string{"-o", "json", p.server, "1+1"}, 0, `"2"`},
		{"series", "series", []string{from, to, "--match=" + counted, p.server}, 0, `code_class="2xx"`},
		{"labels", "labels", []string{p.server, "service"}, 0, "front"},
		{"nothing", "instant", []string{p.server, "no_such_metric"}, 0, ""},
		{"an expression that is none", "instant", []string{p.server, "sum(rate("}, 1, "parse error"},
		{"a range without steps", "range", []string{from, to, "--step=0s", p.server, counted}, 0, `service="front"`}, // the tool chooses
		{"too many points", "range", []string{"--start=1", to, "--step=1s", p.server, counted}, 1, "exceeded maximum resolution"},
		{"series of nothing", "series", []string{"--match={", p.server}, 1, "parse error"},
	} {
		out, code := p.query(c.kind, c.args...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d, want %d and %q:\n%s", c.name, code, c.code, c.want, out)
		}
	}
	if out, code := p.run("query", "instant", h.API+"/prometheus", "up"); code == 0 || !strings.Contains(out, "401") && !strings.Contains(out, "token") {
		t.Errorf("without a token: exit %d\n%s", code, out)
	}
	t.Run("check rules", func(t *testing.T) { checksRules(t, h, p) })
}

// checksRules gives promtool the rules that plat evaluates, as a file.
func checksRules(t *testing.T, h *house.House, p promtool) {
	a := house.Call(t, http.MethodGet, h.API+"/prometheus/api/v1/rules", nil, "Authorization", "Bearer "+tokenOf(t, h.Dir))
	var told struct {
		Data struct {
			Groups []struct {
				Name     string
				Interval float64
				Rules    []struct {
					Type, Name, Query       string
					Duration, KeepFiringFor float64
					Labels, Annotations     map[string]string
				}
			}
		}
	}
	a.JSON(t, &told)
	type object = map[string]any
	seconds := func(n float64) string { return fmt.Sprintf("%ds", int64(n)) }
	var groups []object
	rules, kinds := 0, map[string]int{}
	for _, g := range told.Data.Groups {
		var list []object
		for _, r := range g.Rules {
			rule := object{"expr": r.Query, "labels": r.Labels}
			switch r.Type {
			case "alerting":
				rule["alert"], rule["for"], rule["annotations"] = r.Name, seconds(r.Duration), r.Annotations
				if r.KeepFiringFor > 0 {
					rule["keep_firing_for"] = seconds(r.KeepFiringFor)
				}
			default:
				rule["record"] = r.Name
			}
			kinds[r.Type]++
			rules++
			list = append(list, rule)
		}
		groups = append(groups, object{"name": g.Name, "interval": seconds(g.Interval), "rules": list})
	}
	if kinds["alerting"] == 0 || kinds["recording"] == 0 {
		t.Fatalf("plat evaluates %v: %.300s", kinds, a.Body)
	}
	text, err := json.Marshal(object{"groups": groups}) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := p.run("check", "rules", "--lint-fatal", file); code != 0 || !strings.Contains(out, fmt.Sprintf("%d rules found", rules)) {
		t.Errorf("exit %d, want %d rules:\n%s", code, rules, out)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), `"expr":"`, `"expr":"sum(`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := p.run("check", "rules", file); code == 0 {
		t.Errorf("a broken rule passes:\n%s", out)
	}
}
