package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/internal/house"
)

// bank is a service that is not ours and outlives plat. Its effects are by
// idempotency key, as the draft asks.
type bank struct {
	*httptest.Server
	release chan struct{} // closed: whoever hangs goes on

	mu      sync.Mutex
	mode    string // down, ok, hang (after the effect), refuse
	asked   int
	effects []string // paths, in order
	keys    map[string]bool
}

func newBank(t *testing.T) *bank {
	t.Helper()
	b := &bank{mode: "down", keys: map[string]bool{}, release: make(chan struct{})}
	b.Server = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.Close)
	t.Cleanup(sync.OnceFunc(func() { close(b.release) }))
	return b
}

func (b *bank) serve(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	b.mu.Lock()
	mode := b.mode
	b.asked++
	switch mode {
	case "down":
		w.WriteHeader(http.StatusServiceUnavailable)
	case "refuse":
		http.Error(w, "no such account", http.StatusUnprocessableEntity)
	default:
		if key := r.Header.Get("Idempotency-Key"); !b.keys[key] {
			b.keys[key] = true
			b.effects = append(b.effects, r.URL.Path)
		}
	}
	b.mu.Unlock()
	if mode == "hang" {
		select {
		case <-b.release:
		case <-r.Context().Done():
		}
	}
}

func (b *bank) set(mode string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mode = mode
}

func (b *bank) did() (asked int, effects []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked, slices.Clone(b.effects)
}

// TestDoneLater: what was accepted is done in its order and once, though plat
// is killed after the answer, and between the deed and its note of it.
func TestDoneLater(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	h := house.Up(t, system(t, map[string]string{
		"plat.yaml":                   strings.Replace(callsPlan, "gateways:", "external:\n  bank: {url: "+b.URL+", owner: team}\ngateways:", 1),
		"services/front/service.yaml": "service: front\nowner: team\nrun: [DUMMY]\nconsumes: {services: {bank: {timeout: 5s, on-failure: queue, breaker: {enabled: false}}}}\n",
	}))
	pay := func(n int) api.KeptCall {
		t.Helper()
		a := house.Call(t, "POST", gave(t, h, "front", "PLAT_URL_BANK")+fmt.Sprintf("/payments/%d", n), map[string]int{"amount": n})
		var kept api.KeptCall
		if a.JSON(t, &kept); a.Status != 202 || a.Header.Get("Plat-Fallback") != "queue" || kept.ID == "" {
			t.Fatalf("payment %d: %d %v %s", n, a.Status, a.Header, a.Body)
		}
		return kept
	}
	done := func(want ...string) {
		t.Helper()
		house.Until(t, "the payments are made", func() (bool, string) {
			all, err := operator(t, h).KeptCalls(t.Context(), false)
			if err != nil {
				return false, err.Error()
			}
			_, effects := b.did()
			return len(all.Calls) == 0 && len(effects) >= len(want), fmt.Sprint(effects, all)
		})
		if _, effects := b.did(); cmp.Diff(want, effects) != "" {
			t.Fatalf("payments (-want +got):\n%s", cmp.Diff(want, effects))
		}
	}
	for n := range 5 {
		pay(n)
	}
	killed(t, h) // right after the last answer
	b.set("ok")
	again(t, h)
	done("/payments/0", "/payments/1", "/payments/2", "/payments/3", "/payments/4")

	b.set("down")
	pay(5)
	asked, _ := b.did()
	b.set("hang")
	house.Until(t, "a payment is made, and not answered", func() (bool, string) {
		_, effects := b.did()
		return len(effects) == 6, fmt.Sprint(effects)
	})
	killed(t, h)
	b.set("ok")
	again(t, h)
	done("/payments/0", "/payments/1", "/payments/2", "/payments/3", "/payments/4", "/payments/5")
	if now, _ := b.did(); now < asked+2 {
		t.Errorf("the payment was asked for %d times after the first failure, want 2 at least", now-asked)
	}

	// What is refused for good is a dead letter, until somebody decides.
	b.set("down")
	first, second := pay(6), pay(7)
	b.set("refuse")
	var dead string
	house.Until(t, "dead letters", func() (bool, string) {
		dead, _ = h.Plat("queue", "list", "--dead")
		return strings.Count(dead, "refused for good: 422") == 2, dead
	})
	contains(t, "the dead letters", dead, first.ID, second.ID, "front→bank", "POST /payments/6")
	if out, code := h.Plat("queue", "show", first.ID); code != 0 || !strings.Contains(out, `{"amount":6}`) || !strings.Contains(out, "Idempotency-Key") {
		t.Errorf("plat queue show: exit %d\n%s", code, out)
	}
	b.set("ok")
	if out, code := h.Plat("queue", "drop", second.ID); code != 0 {
		t.Errorf("plat queue drop: exit %d\n%s", code, out)
	}
	if out, code := h.Plat("queue", "retry", "--dead", "front", "bank"); code != 0 || !strings.Contains(out, "1 call retried") {
		t.Errorf("plat queue retry: exit %d\n%s", code, out)
	}
	done("/payments/0", "/payments/1", "/payments/2", "/payments/3", "/payments/4", "/payments/5", "/payments/6")
	if out, code := h.Plat("queue", "drop", second.ID); code != 1 || !strings.Contains(out, "no-such-call") {
		t.Errorf("plat queue drop of what is gone: exit %d\n%s", code, out)
	}
	out, _ := h.Plat("queue")
	contains(t, "plat queue", out, "front→bank")
	out, _ = h.Plat("describe", "front")
	contains(t, "plat describe", out, "queue, at most 1d", "0 wait")
}
