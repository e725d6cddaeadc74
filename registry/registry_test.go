package registry_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/registry"
)

func register(t *testing.T, r *registry.Registry, id, service string, lease time.Duration) {
	t.Helper()
	if err := r.Register(registry.Instance{ID: id, Service: service, Addr: "127.0.0.1:1"}, lease); err != nil {
		t.Fatal(err)
	}
}

// await receives one change or fails after a deadline.
func await(t *testing.T, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(time.Minute):
		t.Fatal("no change within a minute")
	}
}

func TestRegisterAndDeregister(t *testing.T) {
	t.Parallel()
	r := registry.New()
	register(t, r, "order-2", "order", 0)
	register(t, r, "order-1", "order", 0)
	register(t, r, "web-1", "web", 0)
	got, _ := r.Instances("order")
	if len(got) != 2 || got[0].ID != "order-1" || got[1].ID != "order-2" {
		t.Fatalf("instances = %+v, want order-1 and order-2", got)
	}
	if names := strings.Join(r.Services(), " "); names != "order web" {
		t.Fatalf("services = %q", names)
	}
	if !r.Deregister("order-1") || r.Deregister("order-1") {
		t.Fatal("deregister tells wrongly whether the instance was there")
	}
	if got, _ := r.Instances("order"); len(got) != 1 {
		t.Fatalf("instances after deregister = %+v", got)
	}
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	r := registry.New()
	for _, inst := range []registry.Instance{{}, {ID: "a"}, {ID: "a", Service: "b"}, {ID: "a", Service: "b", Addr: "c", Checks: make([]registry.Check, registry.MaxChecks+1)}} {
		if err := r.Register(inst, 0); !fault.Is(err, fault.RegistryInvalid) {
			t.Errorf("Register(%+v) = %v, want registry-invalid", inst, err)
		}
	}
	for i := range registry.MaxInstances {
		register(t, r, fmt.Sprint(i), "s", 0)
	}
	if err := r.Register(registry.Instance{ID: "more", Service: "s", Addr: "a:1"}, 0); !fault.Is(err, fault.RegistryFull) {
		t.Fatalf("one more than the limit = %v, want registry-full", err)
	}
	if err := r.Register(registry.Instance{ID: "0", Service: "s", Addr: "a:2"}, 0); err != nil {
		t.Fatalf("replacing a known instance at the limit: %v", err)
	}
}

func TestReplaceMovesService(t *testing.T) {
	t.Parallel()
	r := registry.New()
	register(t, r, "x", "old", 0)
	register(t, r, "x", "new", 0)
	if got, _ := r.Instances("old"); len(got) != 0 {
		t.Fatalf("the old service still has %+v", got)
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	r := registry.New()
	register(t, r, "order-1", "order", 0)
	if r.SetCheck("nobody", "ready", registry.Passing, "") {
		t.Fatal("a check of an unknown instance was taken")
	}
	for _, step := range []struct {
		check  string
		status registry.Status
		want   registry.Status
	}{
		{"ready", registry.Passing, registry.Passing},
		{"disk", registry.Warning, registry.Warning},
		{"ready", registry.Critical, registry.Critical},
		{"ready", registry.Passing, registry.Warning},
	} {
		r.SetCheck("order-1", step.check, step.status, "said")
		inst, _ := r.Instance("order-1")
		if inst.Status() != step.want {
			t.Fatalf("after %s=%s the instance is %s, want %s", step.check, step.status, inst.Status(), step.want)
		}
	}
	r.SetCheck("order-1", "long", registry.Passing, strings.Repeat("é", registry.MaxOutput))
	inst, _ := r.Instance("order-1")
	for _, c := range inst.Checks {
		if len(c.Output) > registry.MaxOutput {
			t.Fatalf("output of %s is %d bytes long", c.ID, len(c.Output))
		}
	}
	for i := range registry.MaxChecks {
		r.SetCheck("order-1", fmt.Sprint("c", i), registry.Passing, "")
	}
	if inst, _ = r.Instance("order-1"); len(inst.Checks) != registry.MaxChecks {
		t.Fatalf("%d checks, want the limit of %d", len(inst.Checks), registry.MaxChecks)
	}
}

func TestWatchCoalescesAndFilters(t *testing.T) {
	t.Parallel()
	r := registry.New()
	ctx, cancel := context.WithCancel(t.Context())
	order, all := r.Watch(ctx, "order"), r.Watch(ctx, "")
	await(t, order)
	await(t, all)
	_, before := r.Instances("order")
	register(t, r, "web-1", "web", 0)
	await(t, all)
	select {
	case <-order:
		t.Fatal("a change of web was told to who watches order")
	default:
	}
	for i := range 100 {
		register(t, r, fmt.Sprint("order-", i), "order", 0)
	}
	await(t, order)
	select {
	case <-order:
		t.Fatal("a hundred changes were more than one value")
	default:
	}
	if _, after := r.Instances("order"); after <= before {
		t.Fatalf("index went from %d to %d", before, after)
	}
	r.SetCheck("order-1", "ready", registry.Passing, "")
	await(t, order)
	r.SetCheck("order-1", "ready", registry.Passing, "")
	select {
	case <-order:
		t.Fatal("an unchanged check was told")
	default:
	}
	cancel()
}

func TestLeasesEnd(t *testing.T) {
	t.Parallel()
	r := registry.New()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	watch := r.Watch(ctx, "order")
	await(t, watch)
	register(t, r, "long", "order", time.Hour)
	register(t, r, "short", "order", 20*time.Millisecond)
	for {
		await(t, watch)
		if list, _ := r.Instances("order"); len(list) == 1 && list[0].ID == "long" {
			break
		}
	}
	if r.Expired() != 1 {
		t.Fatalf("expired = %d, want 1", r.Expired())
	}
	if !r.Renew("long", 10*time.Millisecond) || r.Renew("short", time.Hour) {
		t.Fatal("renew tells wrongly whether the instance is known")
	}
	await(t, watch)
	if list, _ := r.Instances("order"); len(list) != 0 {
		t.Fatalf("the shortened lease did not end: %+v", list)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	r := registry.New()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.Run(ctx) })
	for i := range 8 {
		wg.Go(func() {
			id := fmt.Sprint("i", i)
			for range 200 {
				_ = r.Register(registry.Instance{ID: id, Service: "s", Addr: "a:1"}, time.Minute)
				r.SetCheck(id, "ready", registry.Critical, "")
				r.Renew(id, time.Minute)
				r.Instances("s")
				r.Deregister(id)
			}
		})
	}
	cancel()
	wg.Wait()
	if list, _ := r.Instances("s"); len(list) != 0 {
		t.Fatalf("left over: %+v", list)
	}
}

func TestSourcesKeepApart(t *testing.T) {
	t.Parallel()
	r := registry.New()
	outside := registry.Instance{ID: "x-1", Service: "x", Addr: "127.0.0.1:1", Source: "consul", Metadata: map[string]string{"a": "b", "source": "a lie"}}
	if err := r.Register(outside, 0); err != nil {
		t.Fatal(err)
	}
	if got, _ := r.Instance("x-1"); got.Metadata[registry.MetaSource] != "consul" || outside.Metadata["source"] != "a lie" {
		t.Fatalf("the source is noted as %v", got.Metadata)
	}
	other := outside
	other.Source = "other"
	if err := r.Register(other, 0); !fault.Is(err, fault.RegistryTaken) {
		t.Fatalf("another source replaces it: %v", err)
	}
	if r.Withdraw("x-1", "other") || r.SetChecks("x-1", "other", nil) {
		t.Fatal("another source changes it")
	}
	if !r.SetChecks("x-1", "consul", []registry.Check{{ID: "c", Status: registry.Critical}}) {
		t.Fatal("its own source cannot change it")
	}
	register(t, r, "x-1", "x", 0) // plat's own
	if err := r.Register(outside, 0); !fault.Is(err, fault.RegistryTaken) {
		t.Fatalf("an outsider replaces plat's own: %v", err)
	}
	if r.Withdraw("x-1", "consul") || r.SetChecks("x-1", "consul", []registry.Check{{ID: "c", Status: registry.Critical}}) {
		t.Fatal("an outsider changes plat's own")
	}
	if got, _ := r.Instance("x-1"); got.Source != "" || got.Status() != registry.Passing {
		t.Fatalf("plat's own is %+v", got)
	}
}

func TestOutputAloneIsNoChange(t *testing.T) {
	t.Parallel()
	r := registry.New()
	if err := r.Register(registry.Instance{ID: "x", Service: "x", Addr: "a:1", Source: "s"}, 0); err != nil {
		t.Fatal(err)
	}
	say := func(status registry.Status, output string) uint64 {
		t.Helper()
		if !r.SetChecks("x", "s", []registry.Check{{ID: "c", Status: status, Output: output}}) {
			t.Fatal("not taken")
		}
		index, _ := r.Index("x")
		return index
	}
	first := say(registry.Passing, "at 10:00")
	got, _ := r.Instance("x")
	since := got.Checks[0].Since
	if again := say(registry.Passing, "at 10:01"); again != first {
		t.Fatalf("a new output moved the index from %d to %d", first, again)
	}
	if got, _ := r.Instance("x"); got.Checks[0].Output != "at 10:01" || got.Checks[0].Since != since {
		t.Fatalf("the check is %+v", got.Checks[0])
	}
	if then := say(registry.Critical, "at 10:02"); then <= first {
		t.Fatal("a new status did not move the index")
	}
}

// Indexes only grow: of services that are there, that are gone, that are
// forgotten, that never were, and over a restart.
func TestIndexesNeverFall(t *testing.T) {
	t.Parallel()
	r := registry.New()
	seen := map[string]uint64{}
	look := func(names ...string) {
		t.Helper()
		for _, name := range names {
			index, all := r.Index(name)
			if index < seen[name] || index == 0 || all < seen["/names"] {
				t.Fatalf("the index of %q went from %d to %d, that of names from %d to %d", name, seen[name], index, seen["/names"], all)
			}
			seen[name], seen["/names"] = index, all
		}
	}
	look("", "never", "order")
	register(t, r, "order-1", "order", 0)
	before, _ := r.Index("order")
	for i := range 10_000 {
		name := fmt.Sprint("s", i)
		register(t, r, name, name, 0)
		look("", name)
		r.Deregister(name)
		look("", "never", "order", name, "s0")
	}
	if after, _ := r.Index("order"); after != before {
		t.Fatalf("the index of order went from %d to %d, and nothing happened to it", before, after)
	}
	_, _, names := r.All()
	r.SetCheck("order-1", "ready", registry.Critical, "")
	if _, _, after := r.All(); after != names {
		t.Fatal("a check changed which instances there are")
	}
	r = registry.New()
	look("", "never", "order", "s0", "s9999")
}
