package process

import (
	"sync"
	"syscall"
	"time"

	"github.com/plat-dev/plat/runner"
)

// process is a program that a guard was asked to start, seen from plat.
type process struct {
	link   *link
	run    uint64
	exited func(runner.Exit) // may be nil
	output func(string)      // lines of a build's output; may be nil

	// Set by take before started is sent and up closed, then never changed.
	pid        int
	unenforced string

	up      chan struct{} // closed when it was launched
	started chan message  // launched or failed, once
	gone    chan runner.Exit

	once sync.Once // exited is called once
	end  sync.Once // gone is sent once
}

// PID is the program's process.
func (p *process) PID() int { return p.pid }

// Unenforced says why limits are not held: see runner.Process.
func (p *process) Unenforced() string { return p.unenforced }

// Gone gives the end: see runner.Process.
func (p *process) Gone() <-chan runner.Exit { return p.gone }

// Stop asks for the end: see runner.Process.
func (p *process) Stop(grace time.Duration) {
	// If the guard cannot be told it is gone, and with it the program.
	_ = p.link.write(message{Do: "stop", Run: p.run, GraceMS: grace.Milliseconds()})
}

// take is called by the link's reader for each message about the program.
func (p *process) take(m message) {
	exit := runner.Exit{Code: m.Code, Signal: m.Signal, Reason: m.Reason, Reaped: time.Unix(0, m.Reaped), Left: m.Left, Lines: m.Lines}
	switch m.Event {
	case "launched", "failed":
		if m.Event == "launched" {
			p.pid, p.unenforced = m.PID, m.Reason
			close(p.up)
		}
		p.started <- m
	case "output":
		if p.output != nil {
			p.output(m.Text)
		}
	case "exit":
		select { // the guard died before it answered
		case p.started <- message{Event: "failed", Text: m.Reason}:
		default:
		}
		p.once.Do(func() {
			if p.exited != nil {
				p.exited(exit)
			}
		})
	case "gone":
		p.end.Do(func() {
			p.gone <- exit
			close(p.gone)
		})
	}
}

// killOrphan kills the program of a guard that died: its session as a whole.
func (p *process) killOrphan() {
	if p.pid > 0 {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	}
}
