package runner_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/runner"
)

func TestScale(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), svc("order", 1))
	for _, n := range []int{4, 2, 0, 3} {
		if err := r.Scale(t.Context(), "order", n); err != nil {
			t.Fatal(err)
		}
		st := r.status("order")
		if got := len(r.rotation.ids()); got != n || st.Ready != n || st.Desired != n || !st.Scaled {
			t.Errorf("scaled to %d: %d in rotation, %+v", n, got, st)
		}
		if want := map[bool]runner.State{true: runner.Stopped, false: runner.Ready}[n == 0]; st.State != want {
			t.Errorf("scaled to %d it is %s", n, st.State)
		}
	}
	for _, n := range []int{-1, runner.MaxInstances + 1} {
		if err := r.Scale(t.Context(), "order", n); !fault.Is(err, fault.RunScaleRefused) {
			t.Errorf("Scale(%d) gives %v", n, err)
		}
	}
	// An override stands against a new plan, until it is taken back.
	r.Apply(system(svc("order", 2)))
	if st := r.status("order"); st.Desired != 3 {
		t.Errorf("desired is %d", st.Desired)
	}
	if err := r.Unscale("order"); err != nil {
		t.Fatal(err)
	}
	r.eventually(t, "the plan's number holds", func() bool { return len(r.rotation.ids()) == 2 && len(r.machine.running()) == 2 })
}

func TestRestartHasNoGap(t *testing.T) {
	t.Parallel()
	for instances := 1; instances <= 3; instances++ {
		t.Run(fmt.Sprint(instances), func(t *testing.T) {
			t.Parallel()
			r := start(t, quick(), svc("order", instances))
			r.wait(t, "order")
			before := r.status("order")
			r.rotation.watchLeast("order")
			if err := r.Restart(t.Context(), "order", true); err != nil {
				t.Fatal(err)
			}
			if least := r.rotation.fewest("order"); least < instances {
				t.Errorf("only %d of %d were in rotation: %v", least, instances, r.rotation.told())
			}
			after := r.status("order")
			if after.Ready != instances || len(after.Instances) != instances {
				t.Errorf("afterwards it is %+v", after)
			}
			for i := range after.Instances {
				for j := range before.Instances {
					if after.Instances[i].PID == before.Instances[j].PID {
						t.Errorf("%s was not replaced", before.Instances[j].ID)
					}
				}
			}
		})
	}
}

func TestApplyTouchesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	was := svc("web", 1)
	was.Calls = []plan.Dependency{{Service: "order", Timeout: plan.Duration(time.Second), OnFailure: "fail"}}
	r := start(t, quick(), svc("order", 1), was, svc("old", 1))
	for _, name := range []string{"order", "web", "old"} {
		r.wait(t, name)
	}
	web := r.status("web").Instances[0].PID
	order := svc("order", 1)
	order.Config = []plan.Setting{{Name: "currency", Env: "CURRENCY", Type: "string"}}
	described := svc("web", 1)
	described.About, described.Owner = "The website.", "shop"
	described.Calls = []plan.Dependency{{Service: "order", Timeout: plan.Duration(2 * time.Second), OnFailure: "degrade"}}
	r.rotation.watchLeast("order")
	r.Apply(system(order, described, svc("new", 1)))
	r.wait(t, "new")
	r.eventually(t, "order is replaced", func() bool { return cmp.Equal(r.machine.running(), []string{"new-1", "order-2", "web-1"}) })
	if r.rotation.fewest("order") < 1 {
		t.Errorf("there was a gap: %v", r.rotation.told())
	}
	if now := r.status("web").Instances[0].PID; now != web {
		t.Error("web was restarted for its description, or for how its call is guarded")
	}
	if st := r.status("old"); st.Service != "" {
		t.Errorf("old is still there: %+v", st)
	}
	if diff := cmp.Diff([]string{"old,order,web", "new,order"}, r.workshop.batches()); diff != "" {
		t.Error(diff)
	}
}

// TestNothingBeginsThatTheBuildWouldReplace changes the number of instances
// and the declaration in one edit.
func TestNothingBeginsThatTheBuildWouldReplace(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), svc("order", 1))
	r.wait(t, "order")
	r.workshop.hold = make(chan struct{}) // nobody builds at this moment
	order := svc("order", 2)
	order.Config = []plan.Setting{{Name: "currency", Env: "CURRENCY", Type: "string"}}
	r.Apply(system(order))
	r.eventually(t, "the build is on", func() bool { return r.status("order").Building })
	close(r.workshop.hold)
	r.eventually(t, "two new ones run", func() bool { return cmp.Equal(r.machine.running(), []string{"order-2", "order-3"}) })
	r.machine.mu.Lock()
	defer r.machine.mu.Unlock()
	if diff := cmp.Diff([]string{"order-1", "order-2", "order-3"}, r.machine.launches); diff != "" {
		t.Error(diff)
	}
}

func TestBadSuccessorLeavesTheOldOneInRotation(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), svc("order", 1))
	r.wait(t, "order")
	r.machine.of("order").exits.Store(1 << 20)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Restart(ctx, "order", false); !fault.Is(err, fault.RunCrashLoop) {
		t.Fatalf("Restart gives %v", err)
	}
	if diff := cmp.Diff([]string{"order-1"}, r.rotation.ids()); diff != "" {
		t.Error(diff)
	}
	if st := r.status("order"); st.Fault == nil || st.Ready != 1 {
		t.Errorf("status is %+v", st)
	}
	// The next restart, with a good program, replaces both.
	r.machine.of("order").exits.Store(0)
	if err := r.Restart(ctx, "order", false); err != nil {
		t.Fatal(err)
	}
	if st := r.status("order"); st.Fault != nil || st.Ready != 1 || len(st.Instances) != 1 {
		t.Errorf("status is %+v", st)
	}
}

func TestFailedRebuildKeepsWhatRuns(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), svc("order", 1))
	r.wait(t, "order")
	r.workshop.mu.Lock()
	r.workshop.faults["order"] = fault.New(fault.RunBuildFailed, "it does not build")
	r.workshop.mu.Unlock()
	if err := r.Restart(t.Context(), "order", true); !fault.Is(err, fault.RunBuildFailed) {
		t.Errorf("Restart gives %v", err)
	}
	st := r.status("order")
	if st.State != runner.Ready || st.Fault == nil || st.Fault.Code != fault.RunBuildFailed {
		t.Errorf("status is %+v", st)
	}
	if diff := cmp.Diff([]string{"up order-1"}, r.rotation.told()); diff != "" {
		t.Error(diff)
	}
}

func TestStopDuringEveryStage(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*rig){
		"building":   func(*rig) {},
		"not ready":  func(r *rig) { r.machine.of("order").unready.Store(true); close(r.workshop.hold) },
		"crash loop": func(r *rig) { r.machine.of("order").exits.Store(1 << 20); close(r.workshop.hold) },
		"stubborn":   func(r *rig) { r.machine.of("order").stubborn = true; close(r.workshop.hold) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, quick())
			r.workshop.hold = make(chan struct{})
			set(r)
			r.Apply(system(svc("order", 3)))
			time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond) // any moment must do
			r.stop()
		})
	}
}

// TestHoldsUnderConfusion does at random what operators and programs do, and
// then looks whether exactly what the plan wants runs and is in rotation. The
// fakes panic when an instance runs or is announced twice.
func TestHoldsUnderConfusion(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	r := start(t, quick(), svc("order", 2), svc("web", 1))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	short := func() context.Context {
		c, stop := context.WithTimeout(ctx, time.Duration(random.IntN(20))*time.Millisecond)
		context.AfterFunc(ctx, stop)
		return c
	}
	for range 60 {
		name := []string{"order", "web"}[random.IntN(2)]
		switch random.IntN(7) {
		case 0:
			_ = r.Restart(short(), name, random.IntN(2) == 0) // it goes on without us
		case 1:
			_ = r.Scale(short(), name, random.IntN(4))
		case 2:
			changed := svc(name, 1+random.IntN(3))
			changed.Run = []string{fmt.Sprint(random.IntN(3))}
			other := svc(map[string]string{"order": "web", "web": "order"}[name], 1)
			r.Apply(system(changed, other))
		case 3:
			r.machine.of(name).exits.Store(random.Int32N(3))
		case 4:
			r.machine.of(name).unready.Store(random.IntN(2) == 0)
		case 5:
			if ids := r.machine.running(); len(ids) > 0 {
				r.machine.mu.Lock()
				p := r.machine.processes[ids[random.IntN(len(ids))]]
				r.machine.mu.Unlock()
				if p != nil {
					p.end(runner.Exit{Code: 3})
				}
			}
		case 6:
			time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
		}
	}
	for _, name := range []string{"order", "web"} {
		r.machine.of(name).unready.Store(false)
		r.machine.of(name).exits.Store(0)
	}
	r.Apply(system(svc("order", 2), svc("web", 1)))
	for name, n := range map[string]int{"order": 2, "web": 1} {
		if err := r.Scale(ctx, name, n); err != nil {
			r.eventually(t, name+" is ready", func() bool { return r.Scale(short(), name, n) == nil })
		}
	}
	// A restart that was asked for before may still be on its way.
	r.eventually(t, "what runs is what the plan wants, all of it in rotation", func() bool {
		got, up := r.machine.running(), r.rotation.ids()
		return len(got) == 3 && cmp.Equal(got, up) && !r.status("order").Building && !r.status("web").Building
	})
}
