//go:build linux

package process_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/runner"
	"github.com/plat-dev/plat/runner/process"
)

func TestExitIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	g, state := open(t)
	exited := make(chan runner.Exit, 2)
	heard := make(chan time.Time, 2)
	l := program("exit", "order-1", "7")
	l.Exited = func(e runner.Exit) { heard <- time.Now(); exited <- e }
	p := launch(t, g, l)
	exit := gone(t, p)
	if exit.Code != 7 || exit.Signal != "" || exit.String() != "exited 7" {
		t.Errorf("exit is %+v", exit)
	}
	if diff := cmp.Diff([]string{"last words"}, exit.Lines); diff != "" {
		t.Error(diff)
	}
	first := <-exited
	if first.Code != 7 || !first.Reaped.Equal(exit.Reaped) {
		t.Errorf("exited with %+v, gone with %+v", first, exit)
	}
	if late := (<-heard).Sub(first.Reaped); late < 0 || late > 15*time.Second {
		t.Errorf("heard %s after the reaping", late)
	}
	if len(exited) != 0 {
		t.Error("exited was called twice")
	}
	if got := text(t, state, "order"); got != "order-1 out last words\n" {
		t.Errorf("log is %q", got)
	}
}

func TestMissingProgram(t *testing.T) {
	t.Parallel()
	g, _ := open(t)
	for name, l := range map[string]runner.Launch{
		"no such file": {Argv: []string{"./nothing"}, Dir: t.TempDir()},
		"not on PATH":  {Argv: []string{"nothing"}, Dir: t.TempDir(), Env: []string{"PATH=/nowhere"}},
		"a folder":     {Argv: []string{t.TempDir()}, Dir: t.TempDir()},
		"no folder":    {Argv: []string{"/bin/true"}, Dir: "/nowhere"},
		"no argv":      {Dir: t.TempDir()},
	} {
		l.Service, l.Instance = "order", "order-1"
		if _, err := g.Launch(t.Context(), l); !fault.Is(err, fault.RunNoProgram) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestStubbornProgramIsKilledAfterGrace(t *testing.T) {
	t.Parallel()
	g, state := open(t)
	p := launch(t, g, program("stubborn", "order-1"))
	eventually(t, "it ignores SIGTERM", func() bool { return strings.Contains(text(t, state, "order"), "up") })
	begun := time.Now()
	p.Stop(300 * time.Millisecond)
	exit := gone(t, p)
	if exit.Signal != "SIGKILL" || exit.Reason != "it did not end within its grace of 300ms" {
		t.Errorf("exit is %+v", exit)
	}
	if took := time.Since(begun); took < 300*time.Millisecond {
		t.Errorf("killed after %s", took)
	}
	p.Stop(time.Second) // harmless
}

func TestFamilyGoesWithItsProgram(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"exit", "stop"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			g, state := open(t)
			name := fmt.Sprintf("%s-%d", how, os.Getpid())
			l := of(name, program("family", "order-1", how))
			other := launch(t, g, program("sleep", "order-2"))
			p := launch(t, g, l)
			if how == "stop" {
				eventually(t, "the family is there", func() bool { return len(family(name)) >= 6 })
				p.Stop(200 * time.Millisecond)
			}
			gone(t, p)
			if left := family(name); len(left) > 0 {
				t.Errorf("left: %v\n%s", left, text(t, state, "order"))
			}
			if err := syscall.Kill(other.PID(), 0); err != nil {
				t.Errorf("another instance is gone too: %v", err)
			}
		})
	}
}

func TestNothingSurvivesPlat(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	name := fmt.Sprintf("plat-%d", os.Getpid())
	cmd := exec.Command("/proc/self/exe", state)
	cmd.Env = append(os.Environ(), "ACT=plat", "FAMILY="+name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var guard int
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("plat said nothing")
	}
	if _, err := fmt.Sscanf(lines.Text(), "guard %d", &guard); err != nil {
		t.Fatal(err)
	}
	// plat, its guard, and three families of six (one ends by itself).
	eventually(t, "the families are there", func() bool { return len(family(name)) == 2+3*6 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	begun := time.Now()
	eventually(t, "nothing is left", func() bool { return len(family(name)) == 0 })
	t.Logf("nothing left after %s", time.Since(begun))
	if got := text(t, state, "f"); strings.Count(got, "killed, since plat ended") != 3 {
		t.Errorf("log is %q", got)
	}
}

func TestPlatAndGuardKilledAtOnce(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	name := fmt.Sprintf("both-%d", os.Getpid())
	cmd := exec.Command("/proc/self/exe", state)
	cmd.Env = append(os.Environ(), "ACT=plat", "FAMILY="+name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var guard int
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("plat said nothing")
	}
	if _, err := fmt.Sscanf(lines.Text(), "guard %d", &guard); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the families are there", func() bool { return len(family(name)) == 2+3*6 })
	for _, pid := range []int{guard, cmd.Process.Pid} { // the guard first, so that it cannot act
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = cmd.Wait()
	g, err := process.Open(t.Context(), state, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if left := family(name); len(left) > 0 {
		t.Errorf("the next plat left %v running", left)
	}
}

func TestGuardKilled(t *testing.T) {
	t.Parallel()
	g, _ := open(t)
	name := fmt.Sprintf("guard-%d", os.Getpid())
	l := of(name, program("family", "order-1", "stay"))
	exited := make(chan runner.Exit, 1)
	l.Exited = func(e runner.Exit) { exited <- e }
	p := launch(t, g, l)
	eventually(t, "the family is there", func() bool { return len(family(name)) >= 6 })
	first := g.PID()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if exit := gone(t, p); exit.Reason != "plat's guard ended" {
		t.Errorf("exit is %+v", exit)
	}
	if len(exited) != 1 {
		t.Error("exited was not called before the end")
	}
	if left := family(name); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	// The next launch has a new guard.
	if exit := gone(t, launch(t, g, program("exit", "order-1", "0"))); exit.Code != 0 || exit.Signal != "" {
		t.Errorf("exit is %+v", exit)
	}
	if g.PID() == first || g.PID() == 0 {
		t.Errorf("guard is %d, was %d", g.PID(), first)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	g, err := process.Open(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := launch(t, g, program("stubborn", "order-1"))
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	gone(t, p)
	if err := syscall.Kill(p.PID(), 0); err == nil {
		t.Error("a program survived the guard")
	}
	if _, err := g.Launch(t.Context(), program("exit", "order-1", "0")); !fault.Is(err, fault.RunGuardFailed) {
		t.Errorf("a launch after Close gives %v", err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	g, _ := open(t)
	l := program("hog", "order-1")
	l.Limits = plan.Limits{Memory: 64 << 20, CPU: 0.5}
	p := launch(t, g, l)
	if why := p.Unenforced(); why != "" {
		p.Stop(0)
		gone(t, p)
		t.Skip("no limits here: " + why)
	}
	if exit := gone(t, p); exit.Signal != "SIGKILL" || exit.Reason != "over its memory limit" {
		t.Errorf("exit is %+v", exit)
	}
}

func TestListeningAndHolder(t *testing.T) {
	t.Parallel()
	g, _ := open(t)
	p := launch(t, g, program("serve", "order-1", "127.0.0.1:0"))
	var addrs []string
	eventually(t, "it listens", func() bool { addrs = g.Listening(p.PID()); return len(addrs) > 0 })
	if len(addrs) != 1 || !strings.HasPrefix(addrs[0], "127.0.0.1:") {
		t.Fatalf("listens on %v", addrs)
	}
	want := fmt.Sprintf("process.test (pid %d)", p.PID())
	if got := process.PortHolder(addrs[0]); got != want {
		t.Errorf("holder is %q, want %q", got, want)
	}
	p.Stop(time.Second)
	gone(t, p)
	if got := process.PortHolder(addrs[0]); got != "" {
		t.Errorf("holder is %q, want none", got)
	}
}
