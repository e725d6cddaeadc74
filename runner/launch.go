package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// Builder makes the programs of services.
type Builder interface {
	// Build makes each service's program and calls done once for each, one
	// call at a time, as soon as that one is known. A service that cannot be
	// built has its Fault there and does not stop the others. The error is
	// for what concerns no single service: ctx ended.
	Build(ctx context.Context, services []plan.Service, done func(Built)) error
	// Sources tells of which files the services are made, as far as they may
	// change; it is asked after a build, and only when files are watched. A
	// service of which it knows nothing is left out.
	Sources(ctx context.Context, services []plan.Service) []Sources
}

// Built is what became of one service's build.
type Built struct {
	Service string
	Argv    []string     // what to run; absolute where the builder made it
	Dir     string       // where to run it
	Version string       // 12 hex digits that change with the program
	Fault   *fault.Fault // why there is no program
	Lines   []string     // the build's last lines of output when it failed
}

// Launcher starts programs and answers for everything below them.
type Launcher interface {
	// Launch starts a program. Its errors are faults (run-no-program,
	// run-guard-failed).
	Launch(ctx context.Context, l Launch) (Process, error)
	// Note adds a line of plat's own (stream "plat") to a service's log.
	Note(service, instance, text string)
	// Listening tells the addresses on which a process and its descendants
	// listen, as far as the system lets one see: TCP as 127.0.0.1:80, Unix
	// sockets as unix:/path.
	Listening(pid int) []string
	// Holder names who listens on a TCP port of this machine, as "nginx
	// (pid 12)"; empty when it cannot be told.
	Holder(port int) string
	// Lacking tells why a program that a service needs cannot be run: a
	// warning (run-tool-missing) with where it was looked for; nil when it
	// is there.
	Lacking(program string) *fault.Fault
}

// Launch is one program to start.
type Launch struct {
	Instance string
	Service  string
	Argv     []string
	Dir      string
	Env      []string
	Limits   plan.Limits
	// Exited is called once, at once, when the program was reaped, whether
	// anything below it still runs or not. It must return within milliseconds.
	Exited func(Exit)
}

// Process is a program that was started.
type Process interface {
	PID() int
	// Unenforced says why the limits asked for are not held; empty: they are.
	Unenforced() string
	// Stop asks the program and what it started to end (SIGTERM) and kills
	// what is left after grace. It returns at once and may be called again
	// with a shorter grace.
	Stop(grace time.Duration)
	// Gone gives one Exit, with its Lines, when the program and everything
	// below it has ended and its output is written; then it is closed.
	Gone() <-chan Exit
}

// Exit is how a program ended.
type Exit struct {
	Code   int       `json:"code"`             // -1 when a signal ended it
	Signal string    `json:"signal,omitempty"` // SIGKILL, SIGSEGV, …
	Reason string    `json:"reason,omitempty"` // what plat knows beyond that
	Reaped time.Time `json:"reaped"`
	Left   int       `json:"left,omitempty"` // processes that it left running when it ended by itself; they were ended
	Lines  []string  `json:"-"`              // its last lines of output, at most 20; only from Gone
}

// String says it in words: "exited 1", "killed by SIGKILL (over its memory limit)".
func (e Exit) String() string {
	s := fmt.Sprintf("exited %d", e.Code)
	if e.Signal != "" {
		s = "killed by " + e.Signal
	}
	if e.Reason != "" {
		s += " (" + e.Reason + ")"
	}
	return s
}

// Announcer is told who is in rotation. Its methods are called from several
// goroutines, but for one instance in order and never at the same time; Up
// and Down must return within milliseconds.
type Announcer interface {
	// Up puts an instance in rotation; it may come again after Down.
	Up(Instance)
	// Down takes it out; it is called only after Up.
	Down(id string)
	// Gone says that its process has ended; it is called once after Up,
	// behind the Down.
	Gone(id string)
	// Drained returns when no request to the instance is in flight but streams
	// without an end, or when ctx ends.
	Drained(ctx context.Context, id string)
}

// Instance is what others are told of a running instance.
type Instance struct {
	ID      string
	Service string
	Version string
	Addr    string // 127.0.0.1:port
	PID     int
	Started time.Time
}
