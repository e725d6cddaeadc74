package gateway_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/gateway"
)

// TestMarkOfATestCustomer: a customer cannot pass for a test; plat's own
// customer is known by the service, and by whom that calls.
func TestMarkOfATestCustomer(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	journeys := map[string]string{} // by path
	r := newRig(t, gateway.Options{
		Synthetic: func(mark string, entering bool) (string, bool) {
			return "purchase", mark == "good" || mark == "late" && !entering
		},
		Seen: func(x *gateway.Exchange) {
			mu.Lock()
			defer mu.Unlock()
			journeys[x.Path] = x.Synthetic
		},
	}, backend(t, "shop-1", echo))
	edge := r.serve(t, r.Edge("web", "shop", patience))
	c := client(t, false)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	want := map[string]string{}
	for name, tc := range map[string]struct {
		addr  string
		marks []string
		want  string
	}{
		"outside":           {r.addr, []string{"Plat-Test", "good"}, "good"},
		"outside-forged":    {r.addr, []string{"Plat-Test", "forged"}, ""},
		"outside-empty":     {r.addr, []string{"Plat-Test", ""}, ""},
		"outside-late":      {r.addr, []string{"Plat-Test", "late"}, ""},
		"outside-twice":     {r.addr, []string{"Plat-Test", "good", "Plat-Test", "good"}, ""},
		"outside-disguised": {r.addr, []string{"Plat_test", "good"}, ""},
		"outside-none":      {r.addr, nil, ""},
		"inside":            {edge, []string{"Plat-Test", "good"}, "good"},
		"inside-late":       {edge, []string{"Plat-Test", "late"}, "late"},
		"inside-forged":     {edge, []string{"Plat-Test", "forged"}, ""},
		"inside-none":       {edge, nil, ""},
	} {
		a := do(t, c, "GET", "http://"+tc.addr+"/"+name, "", append(tc.marks, "Traceparent", parent, "X-Correlation-ID", "run-1")...)
		got := decode(t, a)
		if got.Header.Get("Plat-Test") != tc.want || len(got.Header["Plat_test"]) > 0 {
			t.Errorf("%s: the service saw %q, want %q (%v)", name, got.Header.Get("Plat-Test"), tc.want, got.Header)
		}
		// Only plat's own customer says where it stands.
		if believed := got.Header.Get("X-Correlation-Id") == "run-1"; tc.addr == r.addr && believed != (tc.want != "") {
			t.Errorf("%s: correlation ID %q", name, got.Header.Get("X-Correlation-Id"))
		}
		want["/"+name] = ""
		if tc.want != "" {
			want["/"+name] = "purchase"
		}
	}
	eventually(t, "all told", func() bool { mu.Lock(); defer mu.Unlock(); return len(journeys) == len(want) })
	mu.Lock()
	defer mu.Unlock()
	if d := cmp.Diff(want, journeys); d != "" {
		t.Errorf("journeys told (-want +got):\n%s", d)
	}
	plain := newRig(t, gateway.Options{}, backend(t, "shop-1", echo))
	if got := decode(t, do(t, c, "GET", "http://"+plain.addr+"/", "", "Plat-Test", "good")).Header.Get("Plat-Test"); got != "" {
		t.Errorf("without anybody who verifies it: %q", got)
	}
}
