package callers_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/plat-dev/plat/callers"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/kit/direct"
	"github.com/plat-dev/plat/kit/policy"
	"github.com/plat-dev/plat/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is a deadline, and no measure.
const patience = 30 * time.Second

// shop is a plan in which web calls others in each way that matters.
func shop() *callers.Callers {
	c := callers.New(func(plan.Edge) (policy.Config, policy.Ejection) { return policy.Config{}, policy.Ejection{} })
	c.SetPlan([]plan.Service{
		{Name: "web"}, {Name: "stock"}, {Name: "rating"}, {Name: "busy", Limits: plan.Limits{Concurrent: 10}}, {Name: "rpc", HTTP: &plan.HTTP{Protocol: "h2c"}},
	}, []plan.Edge{
		{Caller: "web", Callee: "stock", Timeout: plan.Duration(time.Second), OnFailure: plan.OnFail},
		{Caller: "web", Callee: "rating", OnFailure: plan.OnDefault},
		{Caller: "web", Callee: "busy", OnFailure: plan.OnDegrade},
		{Caller: "web", Callee: "rpc", OnFailure: plan.OnFail},
		{Caller: "web", Callee: "bank", URL: "https://bank.example", OnFailure: plan.OnFail},
	})
	return c
}

func watch(t *testing.T, c *callers.Callers, instance, has string) direct.View {
	t.Helper()
	v, err := c.Watch(t.Context(), "web", instance, has, patience)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAViewSaysWhoMakesEachCall(t *testing.T) {
	t.Parallel()
	c := shop()
	c.SetInstances("stock", []direct.Instance{{ID: "stock-2", Addr: "127.0.0.1:2"}, {ID: "stock-1", Addr: "127.0.0.1:1", Version: "v1"}})
	v := watch(t, c, "web-1", "")
	got := map[string]string{}
	for _, call := range v.Calls {
		got[call.Service] = call.By + " " + call.Why
	}
	want := map[string]string{
		"stock": "kit ", "rating": "edge plat keeps what stands in for its answers", "busy": "edge plat keeps the limits that busy declares",
		"rpc": "edge rpc speaks HTTP/2 alone", "bank": "edge plat does not run bank",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	stock := v.Calls[0]
	if d := cmp.Diff([]direct.Instance{{ID: "stock-1", Addr: "127.0.0.1:1", Version: "v1"}, {ID: "stock-2", Addr: "127.0.0.1:2"}}, stock.Instances); d != "" || stock.Timeout != time.Second {
		t.Errorf("%s, time-out %s", d, stock.Timeout)
	}
	c.SetBroken(true)
	if v := watch(t, c, "web-1", v.Revision); v.Calls[0].By != direct.ByEdge || v.Calls[0].Why == "" {
		t.Errorf("during an experiment: %+v", v.Calls[0])
	}
	c.SetBroken(false)
	if again := watch(t, c, "web-1", "another"); again.Revision != v.Revision {
		t.Error("the same content has another revision")
	}
}

func TestAWatchEndsWithAChangeOrItsTime(t *testing.T) {
	t.Parallel()
	c := shop()
	first := watch(t, c, "web-1", "")
	if v, err := c.Watch(t.Context(), "web", "web-1", first.Revision, time.Millisecond); err != nil || v.Revision != first.Revision {
		t.Errorf("without a change: %+v, %v", v, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Watch(gone, "web", "web-1", first.Revision, patience); err != nil {
		t.Error(err)
	}
	changed := make(chan direct.View, 1)
	go func() {
		v, _ := c.Watch(t.Context(), "web", "web-1", first.Revision, patience)
		changed <- v
	}()
	c.SetInstances("stock", []direct.Instance{{ID: "stock-1", Addr: "127.0.0.1:1"}})
	if v := <-changed; len(v.Calls) == 0 || len(v.Calls[0].Instances) != 1 {
		t.Errorf("after a change: %+v", v)
	}
	if _, err := c.Watch(t.Context(), "nobody", "x", "", 0); err == nil || !strings.Contains(err.Error(), string(fault.NoSuchService)) {
		t.Errorf("a service that is not there: %v", err)
	}
	if _, err := c.Watch(t.Context(), "web", "", "", 0); err == nil {
		t.Error("a program without a name may watch")
	}
}

func TestWhoHasNotSwitchedIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, whoHasNotSwitchedIsSaid)
}

func whoHasNotSwitchedIsSaid(t *testing.T) {
	c := shop()
	v := watch(t, c, "web-1", "")
	now, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if late := c.Settle(now); len(late) != 1 || late[0] != "web-1" {
		t.Errorf("before it acknowledged: %v", late)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	settled := make(chan []string, 1)
	go func() { settled <- c.Settle(ctx) }()
	if _, err := c.Watch(t.Context(), "web", "web-1", v.Revision, time.Millisecond); err != nil { // it asks for the next one
		t.Fatal(err)
	}
	if late := <-settled; len(late) > 0 {
		t.Errorf("after it acknowledged: %v", late)
	}
}

func TestAnInstanceIsDrainedWhenNobodyIsWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, anInstanceIsDrainedWhenNobodyIsWithIt)
}

func anInstanceIsDrainedWhenNobodyIsWithIt(t *testing.T) {
	c := shop()
	c.SetInstances("stock", []direct.Instance{{ID: "stock-1"}})
	watch(t, c, "web-1", "")
	c.SetInstances("stock", nil)
	v := watch(t, c, "web-1", "old")
	if _, err := c.Watch(t.Context(), "web", "web-1", v.Revision, 0); err != nil {
		t.Fatal(err)
	}
	tell := func(telling direct.Telling) {
		telling.Instance, telling.Revision = "web-1", v.Revision
		if _, err := c.Tell("web", telling); err != nil {
			t.Fatal(err)
		}
	}
	uncounted, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if c.Drained(uncounted, "stock-1"); uncounted.Err() == nil {
		t.Error("drained by an acknowledgement, which counts no calls")
	}
	tell(direct.Telling{InFlight: map[string]int{"stock-1": 1}})
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if c.Drained(short, "stock-1"); short.Err() == nil {
		t.Error("drained while a call is with it")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan bool, 1)
	go func() { c.Drained(ctx, "stock-1"); done <- ctx.Err() == nil }()
	tell(direct.Telling{})
	if !<-done {
		t.Error("not drained though nobody is with it")
	}
	tell(direct.Telling{InFlight: map[string]int{"stock-1": 1}})
	c.Gone("web-1") // as one that was killed
	if c.Drained(ctx, "stock-1"); ctx.Err() != nil {
		t.Error("a program that has ended is waited for")
	}
}

func TestWhatIsToldIsHeldToThePlan(t *testing.T) {
	t.Parallel()
	c := shop()
	now := time.Now()
	good := direct.Told{Service: "stock", Start: now, Duration: time.Millisecond, Method: "GET", Path: "/" + strings.Repeat("a", 2*direct.MaxText), Status: 200}
	bad := func(change func(*direct.Told)) direct.Told {
		t := good
		change(&t)
		return t
	}
	calls := []direct.Told{
		good,
		bad(func(t *direct.Told) { t.Service = "web" }),
		bad(func(t *direct.Told) { t.Service = "finance" }),
		bad(func(t *direct.Told) { t.Status = 42 }),
		bad(func(t *direct.Told) { t.Duration = -1 }),
		bad(func(t *direct.Told) { t.Start = now.Add(time.Hour) }),
		bad(func(t *direct.Told) { t.Duration = time.Hour }),
		bad(func(t *direct.Told) { t.Retries = 1 << 40 }),
		bad(func(t *direct.Told) { t.Start = now.Add(-48 * time.Hour) }),
		bad(func(t *direct.Told) { t.Trace = strings.Repeat("a", 33) }),
	}
	got, err := c.Tell("web", direct.Telling{Instance: "web-1", Calls: calls, Dropped: 3, States: []direct.State{{Service: "stock"}, {Service: "finance"}, {Service: "stock"}}})
	if err != nil || len(got) != 1 || len(got[0].Path) != direct.MaxText {
		t.Fatalf("%d calls are believed, %v", len(got), err)
	}
	if _, err := c.Tell("web", direct.Telling{Instance: "web-1", Dropped: 5}); err != nil {
		t.Fatal(err)
	}
	if states := c.States("web"); len(states) != 1 || states[0].Service != "stock" || states[0].Instance != "web-1" {
		t.Errorf("states %+v", states)
	}
	if _, err := c.Tell("web", direct.Telling{Instance: "web-1", Ends: true}); err != nil {
		t.Fatal(err)
	}
	if dropped, refused := c.Lost(); dropped["web"] != 5 || refused != uint64(len(calls)-1) {
		t.Errorf("%v dropped, %d refused", dropped, refused)
	}
	if states := c.States(""); len(states) != 0 {
		t.Errorf("of a program that has ended: %+v", states)
	}
}

// TestTheCodesAreThoseOfPlat: what the kit answers with is explained by plat.
func TestTheCodesAreThoseOfPlat(t *testing.T) {
	t.Parallel()
	for _, code := range direct.Codes() {
		if _, ok := fault.Lookup(fault.Code(code)); !ok {
			t.Errorf("plat does not know %s", code)
		}
	}
}
