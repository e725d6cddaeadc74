package runner_test

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/runner"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStartsWhatThePlanWantsAndStopsAll(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), svc("order", 2), svc("web", 1))
	r.wait(t, "order")
	r.wait(t, "web")
	if diff := cmp.Diff([]string{"order-1", "order-2", "web-1"}, r.rotation.ids()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"order,web"}, r.workshop.batches()); diff != "" {
		t.Error(diff)
	}
	st := r.status("order")
	if st.State != runner.Ready || st.Ready != 2 || st.Desired != 2 || st.Fault != nil || len(st.Instances) != 2 {
		t.Errorf("status is %+v", st)
	}
	in := st.Instances[0]
	if in.ID != "order-1" || in.State != runner.Ready || in.PID == 0 || in.Version != "000000000000" || in.Restarts != 0 || !strings.HasPrefix(in.Addr, "127.0.0.1:2") && !strings.HasPrefix(in.Addr, "127.0.0.1:3") {
		t.Errorf("instance is %+v", in)
	}
	r.stop()
	if st := r.status("order"); st.State != runner.Stopped {
		t.Errorf("stopped it is %s", st.State)
	}
}

func TestCrashLeavesRotationAndComesBack(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), svc("order", 1))
	r.wait(t, "order")
	r.machine.crash(t, "order-1")
	if up := r.rotation.ids(); len(up) > 0 { // told before the exit's callback returned
		t.Errorf("still in rotation: %v", up)
	}
	r.eventually(t, "it is back", func() bool { return len(r.rotation.ids()) == 1 })
	in := r.status("order").Instances[0]
	if in.ID != "order-1" || in.Restarts != 1 || in.LastExit == nil || in.LastExit.Code != 2 || in.LastExit.Reaped.IsZero() {
		t.Errorf("instance is %+v", in)
	}
	if diff := cmp.Diff([]string{"up order-1", "down order-1", "up order-1"}, r.rotation.told()); diff != "" {
		t.Error(diff)
	}
}

func TestCrashLoop(t *testing.T) {
	t.Parallel()
	r := start(t, quick())
	b := r.machine.of("order")
	b.words = "panic: no store"
	b.exits.Store(1 << 20)
	r.Apply(system(svc("order", 1), svc("web", 1)))
	r.eventually(t, "it is a crash loop", func() bool { return r.status("order").State == runner.CrashLooping })
	st := r.status("order")
	if st.Fault == nil || st.Fault.Code != fault.RunCrashLoop || !strings.Contains(st.Fault.Expected, "exited 1, last words: panic: no store") {
		t.Errorf("fault is %v", st.Fault)
	}
	if diff := cmp.Diff([]string{"panic: no store"}, st.Lines); diff != "" {
		t.Error(diff)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Wait(ctx, "order"); !fault.Is(err, fault.RunCrashLoop) {
		t.Errorf("Wait gives %v", err)
	}
	r.wait(t, "web") // another service is not touched
	b.exits.Store(0)
	r.eventually(t, "it is started again all the same", func() bool { return r.status("order").State == runner.Ready })
	if st := r.status("order"); st.Fault != nil || len(st.Lines) > 0 {
		t.Errorf("ready, it still says %v, %v", st.Fault, st.Lines)
	}
}

func TestWhyItEndsIsSaidBeforeItIsACrashLoop(t *testing.T) {
	t.Parallel()
	pace := quick()
	pace.BackoffMin, pace.BackoffMax = 500*time.Millisecond, 500*time.Millisecond // time enough to look in between
	r := start(t, pace)
	b := r.machine.of("order")
	b.words = "python3: can't open file 'app2.py'"
	b.exits.Store(1 << 20)
	r.Apply(system(svc("order", 1)))
	var early runner.ServiceStatus
	r.eventually(t, "it says why", func() bool { early = r.status("order"); return early.Fault != nil })
	if f := early.Fault; f.Code != fault.RunCrashLoop || f.Severity != fault.Warning || !regexp.MustCompile(`^order-1 ended [234] times without a minute of health$`).MatchString(f.What) ||
		f.Expected != "exited 1, last words: python3: can't open file 'app2.py'" || f.Remedy != "plat logs order shows its output; after the correction, plat restart order" {
		t.Errorf("fault is %+v", f)
	}
	if early.State != runner.Starting || len(early.Lines) != 1 {
		t.Errorf("status is %+v", early)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var f *fault.Fault
	if err := r.Wait(ctx, "order"); !errors.As(err, &f) || f.Severity != fault.Error {
		t.Errorf("Wait gives %v", err)
	}
	r.eventually(t, "it is an error when it is a crash loop", func() bool {
		st := r.status("order")
		return st.State == runner.CrashLooping && st.Fault.Severity == fault.Error
	})
}

func TestReadinessPutsInAndOutOfRotation(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), svc("order", 1))
	r.wait(t, "order")
	b := r.machine.of("order")
	b.unready.Store(true)
	r.eventually(t, "it is out", func() bool { return len(r.rotation.ids()) == 0 })
	r.eventually(t, "it is unready", func() bool { return r.status("order").State == runner.Unready })
	var checks []runner.Check
	r.eventually(t, "both checks are known", func() bool { checks = r.status("order").Instances[0].Checks; return len(checks) == 2 })
	if len(checks) != 2 || checks[0].OK || checks[0].Answer != "503 Service Unavailable: not now" || !strings.HasSuffix(checks[0].Target, "/ready") {
		t.Errorf("checks are %+v", checks)
	}
	b.unready.Store(false)
	r.wait(t, "order")
	if in := r.status("order").Instances[0]; in.Restarts != 0 {
		t.Errorf("it was restarted: %+v", in)
	}
}

func TestLivenessRestarts(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), svc("order", 1))
	r.wait(t, "order")
	b := r.machine.of("order")
	b.dead.Store(true)
	r.eventually(t, "it is restarted", func() bool { st := r.status("order"); return len(st.Instances) > 0 && st.Instances[0].Restarts > 0 })
	b.dead.Store(false)
	r.wait(t, "order")
	r.machine.mu.Lock()
	defer r.machine.mu.Unlock()
	if notes := strings.Join(r.machine.notes, "\n"); !strings.Contains(notes, "order order-1: services/order/service.yaml: order-1 failed its liveness check 3 times in a row: GET http://127.0.0.1:") {
		t.Error(notes)
	}
}

func TestNeverReady(t *testing.T) {
	t.Parallel()
	slow := svc("order", 1)
	slow.Start = plan.Duration(time.Second)
	r := start(t, quick())
	b := r.machine.of("order")
	b.elsewhere = "127.0.0.1:3000"
	b.mute.Store(true)
	r.Apply(system(slow))
	r.eventually(t, "it says so before its time is over", func() bool {
		f := r.status("order").Fault
		return f != nil && f.Code == fault.RunNeverReady && f.Severity == fault.Warning
	})
	r.eventually(t, "it is killed", func() bool {
		f := r.status("order").Fault
		return f != nil && f.Code == fault.RunNeverReady && f.Severity == fault.Error
	})
	f := r.status("order").Fault
	if f.What != "order-1 is not ready after 1s" || !strings.HasSuffix(f.Expected, "/ready: connection refused") ||
		!strings.Contains(f.Remedy, "it listens on 127.0.0.1:3000, not on PORT=") || !strings.HasSuffix(f.Remedy, "set port: 3000 in services/order/service.yaml") {
		t.Errorf("fault is %+v", f)
	}
	r.eventually(t, "it is tried again", func() bool { return r.status("order").Instances[0].Restarts >= 2 })
}

func TestTCPIsEnoughWithoutHTTP(t *testing.T) {
	t.Parallel()
	plain := svc("order", 1)
	plain.HTTP = nil
	r := start(t, quick(), plain)
	r.wait(t, "order")
	r.eventually(t, "both checks are known", func() bool { return len(r.status("order").Instances[0].Checks) == 2 })
	if c := r.status("order").Instances[0].Checks[1]; c.Name != "live" || !strings.HasPrefix(c.Target, "TCP 127.0.0.1:") || !c.OK {
		t.Errorf("check is %+v", c)
	}
}

func TestPortTakenInBetweenIsTriedElsewhere(t *testing.T) {
	t.Parallel()
	r := start(t, quick())
	b := r.machine.of("order")
	b.words = "listen tcp 127.0.0.1:20001: bind: address already in use"
	r.Apply(system(svc("order", 1)))
	r.wait(t, "order")
	b.exits.Store(2)
	r.machine.crash(t, "order-1")
	r.eventually(t, "it is back", func() bool { return len(r.rotation.ids()) == 1 })
	if in := r.status("order").Instances[0]; in.Restarts != 1 {
		t.Errorf("a taken port counts as a restart: %+v", in)
	}
}

func TestFixedPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fixed := svc("order", 1)
	fixed.Port = l.Addr().(*net.TCPAddr).Port
	r := start(t, quick(), fixed)
	r.eventually(t, "it says who holds the port", func() bool { return r.status("order").Fault != nil })
	if f := r.status("order").Fault; f.Code != fault.RunPortTaken || !strings.HasPrefix(f.Expected, "held by nginx") || f.File != "services/order/service.yaml" {
		t.Errorf("fault is %+v", f)
	}
	_ = l.Close()
	r.wait(t, "order")
	if err := r.Scale(t.Context(), "order", 2); !fault.Is(err, fault.RunScaleRefused) {
		t.Errorf("Scale gives %v", err)
	}
	// It cannot have a successor beside it, and is restarted all the same.
	if err := r.Restart(t.Context(), "order", false); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"up order-1", "down order-1", "up order-1"}, r.rotation.told()); diff != "" {
		t.Error(diff)
	}
}

func TestBuildFailureStopsNobodyElse(t *testing.T) {
	t.Parallel()
	r := start(t, quick())
	r.workshop.faults["order"] = fault.New(fault.RunBuildFailed, "it does not build")
	r.Apply(system(svc("order", 1), svc("web", 1)))
	r.wait(t, "web")
	if err := r.Wait(t.Context(), "order"); !fault.Is(err, fault.RunBuildFailed) {
		t.Errorf("Wait gives %v", err)
	}
	st := r.status("order")
	if st.State != runner.BuildFailed || st.Fault == nil || len(st.Lines) != 1 {
		t.Errorf("status is %+v", st)
	}
	if err := r.Restart(t.Context(), "order", true); !fault.Is(err, fault.RunBuildFailed) {
		t.Errorf("Restart gives %v", err)
	}
	r.workshop.mu.Lock()
	delete(r.workshop.faults, "order")
	r.workshop.mu.Unlock()
	if err := r.Restart(t.Context(), "order", true); err != nil {
		t.Errorf("Restart gives %v", err)
	}
	r.wait(t, "order")
}

func TestMissingProgram(t *testing.T) {
	t.Parallel()
	r := start(t, quick())
	r.machine.missing = "order"
	r.Apply(system(svc("order", 1)))
	r.eventually(t, "it says so", func() bool { f := r.status("order").Fault; return f != nil && f.Code == fault.RunNoProgram })
	r.eventually(t, "it is a crash loop", func() bool { return r.status("order").State == runner.CrashLooping })
}

func TestUnenforcedLimitsAreSaid(t *testing.T) {
	t.Parallel()
	r := start(t, quick())
	r.machine.of("order").unenforced = "no control groups"
	r.Apply(system(svc("order", 1)))
	r.wait(t, "order")
	st := r.status("order")
	if len(st.Findings) != 1 || st.Findings[0].Code != fault.RunLimitsUnenforced || st.Findings[0].Severity != fault.Warning || st.Fault != nil {
		t.Errorf("status is %+v", st)
	}
}

func TestUnknownService(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), svc("order", 1))
	for name, err := range map[string]error{
		"Wait": r.Wait(t.Context(), "odrer"), "Restart": r.Restart(t.Context(), "odrer", true),
		"Scale": r.Scale(t.Context(), "odrer", 1), "Unscale": r.Unscale("odrer"),
	} {
		if !fault.Is(err, fault.RunUnknownService) {
			t.Errorf("%s gives %v", name, err)
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	r := start(t, quick(), svc("order", 1))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	changes := r.Watch(ctx)
	for range changes {
		if r.status("order").State == runner.Ready {
			cancel()
		}
	}
	if st := r.status("order").State; st != runner.Ready {
		t.Errorf("a minute later it is %s", st)
	}
}
