package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/gateway"
	"github.com/plat-dev/plat/plan"
)

// long is a body that does not come in one piece.
var long = strings.Repeat("plat ", 2000)

func talk(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, long) }

func TestFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", talk))
	edge := "http://" + r.serve(t, r.Edge("web", "shop", patience))
	impatient := "http://" + r.serve(t, r.Edge("web", "shop", 300*time.Millisecond))
	other := "http://" + r.serve(t, r.Edge("cart", "shop", patience))
	aim := func(kind string) gateway.Fault {
		return gateway.Fault{ID: "f1", Kind: kind, Service: "shop", Caller: "web", Status: 500}
	}
	for _, kind := range []string{gateway.FaultWatch, gateway.FaultError, gateway.FaultAbort, gateway.FaultReset, gateway.FaultTruncate, gateway.FaultStall, gateway.FaultSlow, gateway.FaultSilence, gateway.FaultGone} {
		for _, h2c := range []bool{false, true} {
			if h2c && kind == gateway.FaultReset {
				continue // has a test of its own
			}
			t.Run(fmt.Sprint(kind, h2c), func(t *testing.T) {
				c := client(t, h2c)
				r.SetFaults([]gateway.Fault{aim(kind)})
				defer r.SetFaults(nil)
				switch kind {
				case gateway.FaultWatch:
					if a := do(t, c, "GET", edge, ""); a.StatusCode != 200 || a.body != long {
						t.Errorf("%d %d bytes", a.StatusCode, len(a.body))
					}
				case gateway.FaultError:
					a := do(t, c, "POST", edge, "order")
					if a.StatusCode != 500 || a.Header.Get("Plat-Fault") != "f1" || a.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(a.body, `"code":"chaos-played"`) {
						t.Errorf("%d %v %s", a.StatusCode, a.Header, a.body)
					}
				case gateway.FaultAbort:
					problem(t, do(t, c, "POST", edge, "order"), 502, "gateway-upstream-failed")
				case gateway.FaultGone:
					problem(t, do(t, c, "GET", edge, ""), 503, "gateway-no-instance")
				case gateway.FaultSilence:
					problem(t, do(t, c, "POST", impatient, "order"), 504, "gateway-timeout")
				case gateway.FaultReset:
					if _, err := c.Post(edge, "text/plain", strings.NewReader("order")); !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("the caller saw %v, want a reset", err)
					}
				default:
					breaks(t, c, edge, kind)
				}
				if n := r.FaultCounts()["f1"].Played; n != 1 {
					t.Errorf("played %d times, want once", n)
				}
				if a := do(t, c, "GET", other, ""); a.StatusCode != 200 || a.body != long {
					t.Errorf("another caller got %d", a.StatusCode)
				}
			})
		}
	}
	if a := do(t, client(t, false), "GET", edge, ""); a.StatusCode != 200 || a.body != long || len(r.FaultCounts()) != 0 {
		t.Errorf("when all is over: %d", a.StatusCode)
	}
	eventually(t, "the log names the fault", func() bool {
		for _, line := range r.log.all(t) {
			if line["fault"] == "f1" && line["edge"] == "web" && line["code"] == "chaos-played" {
				return true
			}
		}
		return false
	})
}

// breaks asks for a body that does not come whole.
func breaks(t *testing.T, c *http.Client, url, kind string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if kind != gateway.FaultTruncate { // the others do not end by themselves
		time.AfterFunc(300*time.Millisecond, cancel)
	}
	b, err := io.ReadAll(res.Body)
	if err == nil || res.StatusCode != 200 || len(b) >= len(long) {
		t.Errorf("%d, %d of %d bytes, %v", res.StatusCode, len(b), len(long), err)
	}
	if late := ctx.Err() != nil; late == (kind == gateway.FaultTruncate) {
		t.Errorf("ended by %v after %d bytes", err, len(b))
	}
}

// TestFaultTwice: the instance gets the whole request twice, and the caller one
// answer.
func TestFaultTwice(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Method+" "+string(b))
		_, _ = fmt.Fprintf(w, "answer %d", len(got))
	}))
	r.SetFaults([]gateway.Fault{{ID: "f1", Kind: gateway.FaultTwice}})
	c := client(t, false)
	for _, want := range []string{"answer 2", "answer 4"} {
		if a := do(t, c, "POST", "http://"+r.addr+"/", "order"); a.body != want {
			t.Errorf("answered %q, want %q", a.body, want)
		}
	}
	if a := do(t, c, "GET", "http://"+r.addr+"/", ""); a.body != "answer 6" {
		t.Errorf("answered %q", a.body)
	}
	if diff := cmp.Diff([]string{"POST order", "POST order", "POST order", "POST order", "GET ", "GET "}, got); diff != "" {
		t.Errorf("the instance got (-want +got):\n%s", diff)
	}
	res, err := c.Post("http://"+r.addr+"/", "text/plain", io.MultiReader(strings.NewReader("of unknown length"))) // sent once
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if len(got) != 7 {
		t.Errorf("a stream was sent %d times", len(got)-6)
	}
}

// TestFaultResetsStream is a reset as HTTP/2 has it: of the stream alone.
func TestFaultResetsStream(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", echo))
	r.SetFaults([]gateway.Fault{{ID: "f1", Kind: gateway.FaultReset, Route: "/"}})
	c := client(t, true)
	if res, err := c.Get("http://" + r.addr + "/"); err == nil {
		_ = res.Body.Close()
		t.Errorf("answered %d", res.StatusCode)
	}
	r.SetFaults(nil)
	if a := do(t, c, "GET", "http://"+r.addr+"/", ""); a.StatusCode != 200 {
		t.Errorf("afterwards %d", a.StatusCode)
	}
}

// TestFaultLifted: what a fault holds back goes on when it is lifted, and is
// whole.
func TestFaultLifted(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", talk))
	for _, kind := range []string{gateway.FaultSilence, gateway.FaultLatency, gateway.FaultStall, gateway.FaultSlow} {
		r.SetFaults([]gateway.Fault{{ID: kind, Kind: kind, Delay: time.Hour, Gateway: "public"}})
		answered := make(chan answer, 1)
		go func() { answered <- do(t, client(t, false), "GET", "http://"+r.addr+"/", "") }()
		eventually(t, "the fault is played", func() bool { return r.FaultCounts()[kind].Played == 1 })
		r.SetFaults(nil)
		select {
		case a := <-answered:
			if a.StatusCode != 200 || a.body != long {
				t.Errorf("%s: %d, %d bytes", kind, a.StatusCode, len(a.body))
			}
		case <-time.After(patience):
			t.Fatalf("%s still holds", kind)
		}
	}
}

func TestFaultAim(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{Synthetic: func(mark string, _ bool) (string, bool) { return mark, mark != "" }}, backend(t, "shop-1", echo))
	edge := "http://" + r.serve(t, r.Edge("web", "shop", patience))
	c := client(t, false)
	for _, tt := range []struct {
		name string
		aim  gateway.Fault
		want []int // of a request at the entrance, on the edge, and on the edge by a test customer with X-Beta: 1
	}{
		{"all", gateway.Fault{}, []int{418, 418, 418}},
		{"the service", gateway.Fault{Service: "shop"}, []int{418, 418, 418}},
		{"another service", gateway.Fault{Service: "cart"}, []int{200, 200, 200}},
		{"the caller", gateway.Fault{Caller: "web"}, []int{200, 418, 418}},
		{"the entrance", gateway.Fault{Gateway: "public"}, []int{418, 200, 200}},
		{"the route", gateway.Fault{Route: "/"}, []int{418, 200, 200}},
		{"another route", gateway.Fault{Route: "/api"}, []int{200, 200, 200}},
		{"the instance", gateway.Fault{Instance: "shop-1"}, []int{418, 418, 418}},
		{"another instance", gateway.Fault{Instance: "shop-2"}, []int{200, 200, 200}},
		{"a header", gateway.Fault{Header: "x-beta"}, []int{200, 200, 418}},
		{"a header's value", gateway.Fault{Header: "X-Beta", Value: "1"}, []int{200, 200, 418}},
		{"another value", gateway.Fault{Header: "X-Beta", Value: "2"}, []int{200, 200, 200}},
		{"test customers", gateway.Fault{Synthetic: true}, []int{200, 200, 418}},
		{"one journey", gateway.Fault{Journey: "buy"}, []int{200, 200, 418}},
		{"another journey", gateway.Fault{Journey: "look"}, []int{200, 200, 200}},
	} {
		tt.aim.ID, tt.aim.Kind, tt.aim.Status = "f1", gateway.FaultError, 418
		r.SetFaults([]gateway.Fault{tt.aim})
		got := []int{
			do(t, c, "GET", "http://"+r.addr+"/", "").StatusCode, do(t, c, "GET", edge, "").StatusCode,
			do(t, c, "GET", edge, "", "Plat-Test", "buy", "X-Beta", "1").StatusCode,
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestFaultShare: a share of customers is met, each one always or never.
func TestFaultShare(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{}, backend(t, "shop-1", echo))
	edge := "http://" + r.serve(t, r.Edge("web", "shop", patience))
	c := client(t, false)
	r.SetFaults([]gateway.Fault{{ID: "f1", Kind: gateway.FaultError, Share: 0.3}})
	const customers = 300
	met := 0
	for i := range customers {
		who := fmt.Sprintf("customer-%d", i)
		first := do(t, c, "GET", edge, "", "X-Correlation-ID", who).StatusCode
		if again := do(t, c, "GET", edge, "", "X-Correlation-ID", who).StatusCode; again != first {
			t.Errorf("%s got %d, then %d", who, first, again)
		}
		if first == 503 {
			met++
		}
	}
	if met < customers*20/100 || met > customers*40/100 {
		t.Errorf("%d of %d were met, want about 30%%", met, customers)
	}
	counted := r.FaultCounts()["f1"]
	if counted.Played != uint64(2*met) || len(counted.Examples) != 5 || counted.Examples[0].CorrelationID == "" {
		t.Errorf("counted %+v", counted)
	}
	r.SetFaults([]gateway.Fault{{ID: "f1", Kind: gateway.FaultError, Share: 0.3}, {ID: "f2", Kind: gateway.FaultWatch}})
	if again := r.FaultCounts()["f1"].Played; again != counted.Played {
		t.Errorf("a fault that stays has %d, had %d", again, counted.Played)
	}
}

// TestFaultSpares: what is played for test customers opens no breaker and
// ejects no instance for real ones; what is played for all does.
func TestFaultSpares(t *testing.T) {
	t.Parallel()
	r := newRig(t, gateway.Options{Synthetic: func(mark string, _ bool) (string, bool) { return mark, mark != "" }}, backend(t, "shop-1", echo))
	r.SetCalls([]plan.Edge{{Caller: "web", Callee: "shop"}})
	edge := "http://" + r.serve(t, r.Edge("web", "shop", patience))
	c := client(t, false)
	const enough = 60 // for a breaker to open
	r.SetFaults([]gateway.Fault{{ID: "f1", Kind: gateway.FaultError, Journey: "buy"}})
	for range enough {
		if a := do(t, c, "POST", edge, "order", "Plat-Test", "buy"); a.StatusCode != 503 || a.Header.Get("Plat-Fault") == "" {
			t.Fatalf("a test customer got %d %v", a.StatusCode, a.Header)
		}
		if a := do(t, c, "POST", edge, "order"); a.StatusCode != 200 {
			t.Fatalf("a real customer got %d %s", a.StatusCode, a.body)
		}
	}
	r.SetFaults([]gateway.Fault{{ID: "f2", Kind: gateway.FaultError}})
	for i := 0; ; i++ {
		if a := do(t, c, "POST", edge, "order"); a.Header.Get("Plat-Fault") == "" {
			return // refused by what protects the call
		}
		if i > 10*enough {
			t.Fatal("no breaker opened")
		}
	}
}
