package process

import (
	"time"

	"github.com/plat-dev/plat/fault"
)

// LongestPause bounds how long a program may be paused.
const LongestPause = 10 * time.Minute

// Kill ends a program of this process ID and its process group at once, as if
// it had died by itself. It fails with fault.RunNoProgram when the guard
// started none.
func (g *Guard) Kill(pid int) error { return g.harm(pid, message{Do: "kill"}) }

// Pause lets a program's process group stand still (SIGSTOP) for this long and
// then go on; 0 lets it go on now. The guard keeps the time, so that it goes on
// whatever becomes of plat; when plat or the guard dies, it is ended as all
// others are.
func (g *Guard) Pause(pid int, most time.Duration) error {
	return g.harm(pid, message{Do: "pause", GraceMS: min(most, LongestPause).Milliseconds()})
}

func (g *Guard) harm(pid int, m message) error {
	g.mu.Lock()
	l := g.link
	g.mu.Unlock()
	gone := fault.Newf(fault.RunNoProgram, "there is no program %d that plat started", pid).Why("it has ended").Fix("plat ps tells what runs")
	if l == nil {
		return gone
	}
	if m.Run = l.runOf(pid); m.Run == 0 {
		return gone
	}
	if err := l.write(m); err != nil {
		return fault.New(fault.RunGuardFailed, "the guard cannot be told").Why(err.Error()).Because(err)
	}
	return nil
}

// runOf names the running program of a process ID; 0 is none.
func (l *link) runOf(pid int) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for run, p := range l.running {
		select {
		case <-p.up:
			if p.pid == pid {
				return run
			}
		default: // not started yet
		}
	}
	return 0
}
