//go:build linux

package process_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/runner"
	"github.com/plat-dev/plat/runner/process"
)

// status is the status of the only service.
func status(r *runner.Runner) runner.ServiceStatus { return r.Status()[0] }

func TestWrappedProgramIsServedAndStopped(t *testing.T) {
	t.Parallel()
	r, b, g, _ := run(t, acting("order", "wrapped"))
	eventually(t, "it is in rotation", func() bool { return b.pid("order-1") != 0 })
	first := b.pid("order-1")
	tree := childrenOf(t, first) // the shell
	if len(tree) != 1 || len(childrenOf(t, tree[0])) != 1 {
		t.Fatalf("below it are %v", tree)
	}
	server := childrenOf(t, tree[0])[0]
	if at := g.Listening(first); len(at) != 1 || !strings.HasPrefix(at[0], "127.0.0.1:") {
		t.Errorf("it listens on %v", at)
	}
	if u, ok := process.TreeUsage(first); !ok || u.Memory < 3<<20 || u.Started.IsZero() {
		t.Errorf("it uses %+v, %t", u, ok)
	}
	if err := r.Restart(t.Context(), "order", false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old server is gone", func() bool { return !alive(server) && !alive(first) })
}

func TestFixedPortIsFreedBeforeTheNext(t *testing.T) {
	t.Parallel()
	svc := acting("order", "serve")
	svc.Port = freePort(t)
	r, b, _, state := run(t, svc)
	eventually(t, "it is in rotation", func() bool { return b.pid("order-1") != 0 })
	for range 3 {
		old := b.pid("order-1")
		if err := r.Restart(t.Context(), "order", false); err != nil {
			t.Fatal(err)
		}
		if now := b.pid("order-1"); now == old || now == 0 {
			t.Errorf("its process is %d, was %d", now, old)
		}
	}
	if log := text(t, state, "order"); strings.Contains(log, string(fault.RunPortTaken)) {
		t.Errorf("it met itself:\n%s", log)
	}
}

func TestWhereItListensInstead(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s.sock")
	for name, c := range map[string]struct {
		act  string
		args func(port string) []string
		want string
	}{
		"a Unix socket":  {"unix", func(string) []string { return []string{socket} }, "it listens on the Unix socket " + socket + " alone: let it listen on 127.0.0.1:PORT (port: PORT)"},
		"IPv6 alone":     {"serve", func(port string) []string { return []string{"[::1]:" + port} }, "it listens on [::1]:PORT only, which is what localhost means to some programs: let it listen on 127.0.0.1:PORT"},
		"nowhere":        {"sleep", func(string) []string { return nil }, "it listens on no port: it should listen on 127.0.0.1:PORT (port: PORT); see plat logs order. If it is slow raise start:, if it serves nobody set listens: false"},
		"another number": {"serve", func(string) []string { return []string{"127.0.0.1:0"} }, "it listens on OTHER, not on port: PORT: set port: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			number := freePort(t)
			port := itoa(number)
			svc := acting("order", c.act, c.args(port)...)
			svc.Port = number
			r, b, g, _ := run(t, svc)
			eventually(t, "it is said", func() bool {
				f := status(r).Fault
				if f == nil || f.Code != fault.RunNeverReady {
					return false
				}
				want := strings.ReplaceAll(c.want, "PORT", port)
				if in := status(r).Instances; strings.Contains(want, "OTHER") && len(in) == 1 {
					want = strings.ReplaceAll(want, "OTHER", strings.Join(g.Listening(in[0].PID), ", "))
				}
				return strings.HasPrefix(f.Remedy, want)
			})
			if b.pid("order-1") != 0 {
				t.Error("it is in rotation")
			}
		})
	}
}

func TestAllInterfacesIsAWarning(t *testing.T) {
	t.Parallel()
	number := freePort(t)
	port := itoa(number)
	svc := acting("order", "serve", ":"+port)
	svc.Port = number
	r, b, _, _ := run(t, svc)
	eventually(t, "the warning stands", func() bool { return len(status(r).Findings) == 1 })
	f := status(r).Findings[0]
	if f.Code != fault.RunAllInterfaces || f.Severity != fault.Warning || !strings.Contains(f.What, ":"+port) || f.Expected != "others on the network reach it past plat" {
		t.Errorf("the warning is %+v", f)
	}
	eventually(t, "it serves all the same", func() bool { return status(r).State == runner.Ready && b.pid("order-1") != 0 })
}

func TestProgramThatGoesIntoTheBackground(t *testing.T) {
	t.Parallel()
	r, _, _, _ := run(t, acting("order", "daemonise"))
	eventually(t, "it is said", func() bool { f := status(r).Fault; return f != nil && f.Code == fault.RunBackground })
	f := status(r).Fault
	if f.What != "the program of order-1 ended and left 1 running" || f.Remedy != "let it run in the foreground, without -d, --daemon or a final &" {
		t.Errorf("the fault is %+v", f)
	}
	if in := status(r).Instances; len(in) != 1 || in[0].LastExit == nil || in[0].LastExit.Left != 1 {
		t.Errorf("the instance is %+v", in)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	own, ok := process.ProcessUsage(os.Getpid())
	if !ok || own.Memory < 1<<20 || own.Started.IsZero() {
		t.Errorf("this process uses %+v, %t", own, ok)
	}
	tree, ok := process.TreeUsage(os.Getpid())
	if !ok || tree.Memory < own.Memory/2 {
		t.Errorf("with all below it %+v, %t", tree, ok)
	}
	if u, ok := process.ProcessUsage(1 << 30); ok {
		t.Errorf("nobody uses %+v", u)
	}
	if u, ok := process.TreeUsage(1 << 30); ok {
		t.Errorf("nobody uses %+v", u)
	}
}
