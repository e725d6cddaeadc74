package runner_test

import (
	"context"
	"testing"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/runner"
)

func TestSkipped(t *testing.T) {
	t.Parallel()
	needy := svc("recommendation", 2)
	needy.Needs = []string{"sh", "node"}
	r := start(t, quick(), needy, svc("order", 1))
	r.machine.install("sh")
	r.wait(t, "order")

	st := r.status("recommendation")
	if st.State != runner.Skipped || st.Desired != 0 || len(st.Instances) != 0 || st.Building {
		t.Errorf("it is %+v", st)
	}
	if f := st.Fault; f == nil || f.Code != fault.RunToolMissing || f.Severity != fault.Warning ||
		f.Error() != `services/recommendation/service.yaml: service "recommendation" is skipped: sh is not installed [run-tool-missing]` {
		t.Errorf("the fault is %v", f)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for name, err := range map[string]error{
		"Wait": r.Wait(ctx, "recommendation"), "Scale": r.Scale(ctx, "recommendation", 1), "Restart": r.Restart(ctx, "recommendation", true),
	} {
		if !fault.Is(err, fault.RunToolMissing) || fault.All(err)[0].Severity != fault.Error {
			t.Errorf("%s gives %v", name, err)
		}
	}
	if err := r.Unscale("recommendation"); err != nil {
		t.Error(err)
	}

	// A restart looks again, and so does a change of the plan.
	r.machine.install("node")
	if err := r.Restart(ctx, "recommendation", false); err != nil {
		t.Fatal(err)
	}
	if st := r.status("recommendation"); st.State != runner.Ready || st.Ready != 2 || st.Fault != nil {
		t.Errorf("it is %+v", st)
	}
	r.machine.remove("node")
	r.Apply(system(needy, svc("order", 1)))
	r.eventually(t, "it is skipped again", func() bool { return r.status("recommendation").State == runner.Skipped })
	r.machine.install("node")
	r.Apply(system(needy, svc("order", 1)))
	r.eventually(t, "it runs again", func() bool { return r.status("recommendation").State == runner.Ready })
}

func TestLastWordsSayWhy(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"listening\nError: no database\n    at main (app.js:1)\n\nNode.js v20":                   "Error: no database",
		"Traceback (most recent call last):\n  File \"app.py\", line 1\nValueError: bad port\n":  "ValueError: bad port",
		"panic: no store\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:3 +0x1d\nexit status 2": "panic: no store",
		"about to end\nfor a reason\n ": "for a reason",
		`{"level":"ERROR","msg":"no database"}` + "\n" + `{"level":"INFO","msg":"stopped"}`: `{"level":"ERROR","msg":"no database"}`,
	} {
		r := start(t, quick())
		b := r.machine.of("order")
		b.words = words
		b.exits.Store(1 << 20)
		r.Apply(system(svc("order", 1)))
		r.eventually(t, "it loops", func() bool { return r.status("order").State == runner.CrashLooping })
		if f := r.status("order").Fault; f.Expected != "exited 1, last words: "+want {
			t.Errorf("%q says %q, want %q", words, f.Expected, want)
		}
		r.stop()
	}
}

// TestListensNowhere runs a worker: it is ready as long as it runs, and nobody
// is told of it.
func TestListensNowhere(t *testing.T) {
	t.Parallel()
	worker := svc("worker", 2)
	worker.HTTP, worker.Listens = nil, false
	r := start(t, quick())
	r.machine.of("worker").mute.Store(true)
	r.Apply(system(worker))
	r.wait(t, "worker")
	st := r.status("worker")
	if st.State != runner.Ready || st.Ready != 2 || st.Instances[0].Addr != "" || len(st.Instances[0].Checks) != 0 || st.Instances[0].PID == 0 {
		t.Errorf("it is %+v", st)
	}
	if err := r.Restart(t.Context(), "worker", true); err != nil {
		t.Fatal(err)
	}
	r.machine.crash(t, r.status("worker").Instances[0].ID)
	r.eventually(t, "it is started again", func() bool {
		st := r.status("worker")
		return st.State == runner.Ready && len(st.Instances) == 2 && st.Instances[0].Restarts+st.Instances[1].Restarts == 1
	})
	r.machine.of("worker").exits.Store(1 << 20)
	for _, i := range r.status("worker").Instances {
		r.machine.crash(t, i.ID)
	}
	r.eventually(t, "one that cannot run is no ready one", func() bool { return r.status("worker").State == runner.CrashLooping })
	if told := r.rotation.told(); len(told) > 0 {
		t.Errorf("others were told %v", told)
	}
}
