package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/internal/house"
)

// briefly is how long a caller is in use here until a call that it never made
// is a finding.
const briefly = 2 * time.Second

// TestDrift holds MusicCorp to its plan: after a purchase nothing differs; of
// an undeclared call, a dead declaration and a shared store each gives one
// finding, and the patch settles what a patch can.
func TestDrift(t *testing.T) {
	t.Parallel()
	h := house.Up(t, house.MusicCorp(t))
	c := operator(t, h)
	purchase(t, h)
	began := time.Now()
	house.Until(t, "the website was in use for long enough", func() (bool, string) {
		house.Call(t, "GET", h.Gateway+"/", nil)
		return time.Since(began) > briefly+briefly/2, ""
	})
	if out, code := h.Plat("drift", "--unused", briefly.String()); code != 0 || !strings.Contains(out, "the system is as the plan says") {
		t.Fatalf("plat drift: exit %d\n%s", code, out)
	}
	m, err := c.Map(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range m.Edges {
		if e.Kind == "call" && (!e.Declared || e.Count == 0 || e.Figures == nil || e.Figures.LastHour.P95 <= 0 || e.Actions == nil || e.Actions.Most > 5) {
			t.Errorf("on the map: %+v, %+v, %+v", e, e.Figures, e.Actions)
		}
		if e.Kind == "event" && e.From == "order" && e.Label == "order.placed" && e.Count == 0 {
			t.Errorf("on the map: %+v", e)
		}
	}
	if len(m.Chains) == 0 || strings.Join(m.Chains[0].Services[:2], " ") != "web order" {
		t.Errorf("chains: %+v", m.Chains)
	}

	// Reports reads the warehouse's tables, calls the catalogue without saying
	// so, and says that it calls loyalty, which it does not.
	stock := filepath.Join(h.Dir, ".plat", "stores", "warehouse", "stock.db")
	declaration := filepath.Join(h.Dir, "services", "reports", "service.yaml")
	if err := os.MkdirAll(filepath.Dir(declaration), 0o750); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("service: reports\nowner: website\nrun: [%q, -open, %q]\nconsumes:\n  services:\n    loyalty: {}\n", filepath.Join(house.Bin(t), "dummy"), stock)
	if err := os.WriteFile(declaration, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	house.Until(t, "reports calls", func() (bool, string) {
		out, _ := h.Plat("call", "reports", "GET", "/mesh/catalog")
		return strings.Contains(out, "HTTP/1.1 404"), out // the catalogue answers that it has no such page
	})
	var found api.Findings
	house.Until(t, "three findings", func() (bool, string) {
		h.Plat("call", "reports", "GET", "/mesh/catalog")
		found, err = c.Drift(t.Context(), briefly)
		return err == nil && len(found.Findings) >= 3, fmt.Sprint(found.Findings, err)
	})
	planted(t, found.Findings)
	out, code := h.Plat("drift", "--unused", briefly.String())
	if code != 1 {
		t.Errorf("plat drift: exit %d", code)
	}
	contains(t, "plat drift", out, "reports calls catalog without declaring it", "reports declares that it calls loyalty, and never did", "reports opens the store of warehouse", "services/reports/service.yaml:6", "3 findings")

	// One patch has the changes that settle something.
	patch, code := h.Plat("drift", "--patch", "--unused", briefly.String())
	if code != 0 {
		t.Fatalf("plat drift --patch: exit %d\n%s", code, patch)
	}
	if strings.Contains(patch, "warehouse: {}") || !strings.Contains(patch, "no change of the plan alone settles it: let reports ask warehouse") {
		t.Errorf("the patch declares a call that nobody makes, or does not say what is left:\n%s", patch)
	}
	cmd := exec.CommandContext(t.Context(), "git", "apply", "-")
	cmd.Dir, cmd.Stdin = h.Dir, strings.NewReader(patch)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git apply: %v: %s\n%s", err, said, patch)
	}
	house.Until(t, "the shared store is what is left", func() (bool, string) {
		list, err := c.Findings(t.Context())
		return err == nil && len(list) == 1 && list[0].Code == fault.DriftSharedStore && list[0].Part, fmt.Sprint(list, err)
	})
	house.Edit(t, declaration, fmt.Sprintf(", -open, %q", stock), "")
	house.Until(t, "nothing differs", func() (bool, string) {
		out, code := h.Plat("drift")
		return code == 0, out
	})
}

// planted looks for the three findings, and their patches.
func planted(t *testing.T, findings []api.Finding) {
	t.Helper()
	if len(findings) != 3 {
		t.Fatalf("%d findings: %+v", len(findings), findings)
	}
	want := map[fault.Code][2]string{
		fault.DriftUndeclaredCall: {"catalog", "+    catalog: {}"},
		fault.DriftUnusedCall:     {"loyalty", "-    loyalty: {}"},
		fault.DriftSharedStore:    {"warehouse", "+    warehouse: {}"},
	}
	for _, f := range findings {
		w, ok := want[f.Code]
		delete(want, f.Code)
		if !ok || f.Caller != "reports" || f.Callee != w[0] || f.Severity != fault.Warning || f.File != "services/reports/service.yaml" || f.Patch == "" || !strings.Contains(f.Diff, "\n"+w[1]) {
			t.Errorf("%s: %+v", f.Code, f)
		}
		if f.Code == fault.DriftSharedStore && (len(f.Evidence) != 1 || f.Evidence[0].Path != ".plat/stores/warehouse/stock.db" || !strings.Contains(f.Evidence[0].Note, "reports-1")) {
			t.Errorf("evidence: %+v", f.Evidence)
		}
	}
	for code := range want {
		t.Errorf("no finding of %s: %+v", code, findings)
	}
}

var hidden = regexp.MustCompile(`name="(\w+)" value="([^"]*)"`)

// purchase buys an album on the website, as a browser does, and looks at every
// page.
func purchase(t *testing.T, h *house.House) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	page := func(path string, form url.Values) string {
		t.Helper()
		method, body := http.MethodGet, io.Reader(nil)
		if form != nil {
			method, body = http.MethodPost, strings.NewReader(form.Encode())
		}
		req, err := http.NewRequestWithContext(t.Context(), method, h.Gateway+path, body)
		if err != nil {
			t.Fatal(err)
		}
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		a := sent(t, client, req)
		if a.Status != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, path, a.Status, a.Body)
		}
		return string(a.Body)
	}
	page("/", nil)
	page("/search?query=a", nil)
	page("/albums/MC-0001", nil)
	page("/basket", url.Values{"sku": {"MC-0001"}, "quantity": {"1"}})
	page("/register", url.Values{"name": {"Sam"}, "email": {"sam@example.com"}})
	form := url.Values{}
	for _, field := range hidden.FindAllStringSubmatch(page("/checkout", nil), -1) {
		form.Set(field[1], field[2])
	}
	page("/checkout", form)
	page("/orders", nil)
	house.Until(t, "the order is dispatched", func() (bool, string) {
		out, _ := h.Plat("mail")
		return strings.Contains(out, "is on its way"), out
	})
}
