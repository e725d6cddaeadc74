package process_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/runner/process"
)

// standing tells whether a process is stopped.
func standing(t *testing.T, pid int) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false // it has ended
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "T")
}

func TestPause(t *testing.T) {
	t.Parallel()
	g, _ := open(t)
	p := launch(t, g, program("sleep", "s-1"))
	for _, tt := range []struct {
		name string
		goOn func()
		most time.Duration
	}{
		{"by itself", func() {}, 50 * time.Millisecond},
		{"when told", func() {
			if err := g.Pause(p.PID(), 0); err != nil {
				t.Fatal(err)
			}
		}, time.Minute},
	} {
		if err := g.Pause(p.PID(), tt.most); err != nil {
			t.Fatal(err)
		}
		if tt.most > time.Second {
			eventually(t, "it stands still", func() bool { return standing(t, p.PID()) })
		}
		tt.goOn()
		eventually(t, "it goes on "+tt.name, func() bool { return !standing(t, p.PID()) })
	}
	// One that stands still hears that it is to stop.
	if err := g.Pause(p.PID(), time.Minute); err != nil {
		t.Fatal(err)
	}
	p.Stop(time.Minute)
	if e := gone(t, p); e.Signal != "SIGTERM" {
		t.Errorf("it ended with %v", e)
	}
	if err := g.Pause(p.PID(), time.Minute); !fault.Is(err, fault.RunNoProgram) {
		t.Errorf("one that is gone: %v", err)
	}
}

// TestPausedProgramDiesWithPlat: nothing that stands still is left behind.
func TestPausedProgramDiesWithPlat(t *testing.T) {
	t.Parallel()
	g, err := process.Open(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := launch(t, g, program("sleep", "s-1"))
	if err := g.Pause(p.PID(), time.Minute); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it stands still", func() bool { return standing(t, p.PID()) })
	if err := g.Close(); err != nil { // the guard sees the end of the socket, as when plat is killed
		t.Fatal(err)
	}
	eventually(t, "it is gone", func() bool { _, err := os.Stat("/proc/" + strconv.Itoa(p.PID())); return err != nil })
}

func TestKill(t *testing.T) {
	t.Parallel()
	g, _ := open(t)
	p := launch(t, g, program("stubborn", "s-1"))
	if err := g.Kill(p.PID()); err != nil {
		t.Fatal(err)
	}
	if e := gone(t, p); e.Signal != "SIGKILL" {
		t.Errorf("it ended with %v", e)
	}
	if err := g.Kill(os.Getpid()); !fault.Is(err, fault.RunNoProgram) {
		t.Errorf("a program of others: %v", err)
	}
}
