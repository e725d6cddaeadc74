//go:build linux

package process_test

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/runner"
	"github.com/plat-dev/plat/runner/process"
)

// board is an Announcer that knows when it was told what.
type board struct {
	mu   sync.Mutex
	up   map[string]runner.Instance
	down map[string]time.Time
}

func (b *board) Up(i runner.Instance) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.up[i.ID] = i
}

func (b *board) Down(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.up, id)
	b.down[id] = time.Now()
}

func (b *board) Gone(string) {}

func (b *board) Drained(context.Context, string) {}

func (b *board) pid(id string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.up[id].PID
}

// run runs a system of this binary's programs with the real guard, until the
// test ends.
func run(t *testing.T, list ...plan.Service) (*runner.Runner, *board, *process.Guard, string) {
	t.Helper()
	g, state := open(t)
	builder, err := process.NewBuilder(g, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &board{up: map[string]runner.Instance{}, down: map[string]time.Time{}}
	r := runner.New(runner.Options{
		Builder: builder, Launcher: g, Announcer: b,
		Env: func(svc plan.Service, instance, _ string, port int) ([]string, error) {
			act, _, _ := strings.Cut(svc.About, " ")
			return append([]string{"ACT=" + act, "PORT=" + itoa(port), "PLAT_INSTANCE=" + instance}, quiet()...), nil
		},
		Pace: runner.Pace{Timeout: patience, BackoffMin: 10 * time.Millisecond, Hint: 200 * time.Millisecond},
	})
	r.Apply(&plan.System{Name: "s", Services: list})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("the runner did not end")
		}
		if left := childrenOf(t, g.PID()); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
	return r, b, g, state
}

// acting is a service that plays one of this binary's programs.
func acting(name, act string, args ...string) plan.Service {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return plan.Service{
		Name: name, Dir: ".", About: act, Run: append([]string{self}, args...), Instances: 1, Listens: true,
		Start: plan.Duration(patience), Grace: plan.Duration(500 * time.Millisecond),
	}
}

func TestWholeLife(t *testing.T) {
	t.Parallel()
	r, b, g, state := run(t, acting("order", "serve"), acting("loop", "exit", "9"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Wait(ctx, "order"); err != nil {
		t.Fatal(err)
	}

	// A killed instance leaves rotation within 50 ms of its reaping.
	first := b.pid("order-1")
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is back", func() bool { pid := b.pid("order-1"); return pid != 0 && pid != first })
	var in runner.InstanceStatus
	for _, st := range r.Status() {
		if st.Service == "order" {
			in = st.Instances[0]
		}
	}
	if in.LastExit == nil || in.LastExit.Signal != "SIGKILL" || in.Restarts != 1 {
		t.Fatalf("instance is %+v", in)
	}
	b.mu.Lock()
	late := b.down["order-1"].Sub(in.LastExit.Reaped)
	b.mu.Unlock()
	t.Logf("out of rotation %s after the reaping", late)
	if late < 0 || late > 15*time.Second { // 50 ms on an idle machine: bench/ has the target
		t.Errorf("out of rotation %s after the reaping", late)
	}

	// A killed guard takes its programs with it, and all come back.
	first = b.pid("order-1")
	if err := syscall.Kill(g.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is back under a new guard", func() bool { pid := b.pid("order-1"); return pid != 0 && pid != first })
	if alive(first) {
		t.Error("the old program still runs")
	}

	eventually(t, "the other is a crash loop with its last words", func() bool {
		for _, st := range r.Status() {
			if st.Service == "loop" {
				return st.State == runner.CrashLooping && cmp.Equal(st.Lines, []string{"last words"}) && fault.Is(st.Fault, fault.RunCrashLoop)
			}
		}
		return false
	})
	for _, want := range []string{"order-1 plat started, pid ", "order-1 plat ready after ", "order-1 plat killed by SIGKILL\n", "order-1 plat restarting in ", "order-1 plat killed by SIGKILL (plat's guard ended)"} {
		eventually(t, want+" in the log", func() bool { return strings.Contains(text(t, state, "order"), want) })
	}
}

func TestWrongPortIsNamed(t *testing.T) {
	t.Parallel()
	r, _, g, _ := run(t, acting("order", "serve", "127.0.0.1:0"))
	eventually(t, "the fault says where it listens", func() bool {
		st := r.Status()[0]
		if st.Fault == nil || st.Fault.Code != fault.RunNeverReady || len(st.Instances) != 1 {
			return false
		}
		elsewhere := g.Listening(st.Instances[0].PID)
		if len(elsewhere) != 1 {
			return false
		}
		_, port, _ := net.SplitHostPort(elsewhere[0])
		return strings.Contains(st.Fault.Remedy, "it listens on "+elsewhere[0]+", not on PORT=") && strings.Contains(st.Fault.Remedy, "set port: "+port)
	})
}

func TestFixedPortNamesItsHolder(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	svc := acting("order", "serve")
	svc.Port = l.Addr().(*net.TCPAddr).Port
	r, b, _, _ := run(t, svc)
	eventually(t, "the holder is named", func() bool {
		f := r.Status()[0].Fault
		return f != nil && f.Code == fault.RunPortTaken && f.Expected == "held by process.test (pid "+itoa(os.Getpid())+")"
	})
	_ = l.Close()
	eventually(t, "it starts when the port is free", func() bool { return b.pid("order-1") != 0 })
}

func TestFamilyAndFloodStopWithTheRunner(t *testing.T) {
	t.Parallel()
	family, flood, stubborn := acting("family", "family", "stay"), acting("flood", "flood"), acting("stubborn", "stubborn")
	r, _, g, _ := run(t, family, flood, stubborn)
	eventually(t, "all run", func() bool {
		for _, st := range r.Status() {
			if len(st.Instances) != 1 || st.Instances[0].PID == 0 {
				return false
			}
		}
		return len(childrenOf(t, g.PID())) >= 4 // three, and the grandchild that was left to the guard
	})
}
