package process

import (
	"fmt"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/plat-dev/plat/redact"
	"github.com/plat-dev/plat/runner"
)

const (
	tailLines   = 20        // last lines of output kept for the report
	tailBytes   = 1 << 10   // of each
	captureMax  = 256 << 10 // output of a build that is passed on
	pipeTimeout = 500 * time.Millisecond
	sweepMax    = 5 * time.Second
)

// child is one launched program, in the guard.
type child struct {
	k          *keeper
	m          message
	pid        int
	mark       []byte // its line in the environment of everything below it
	group      *group // nil without limits
	unenforced string
	pumps      []*pump
	secrets    *redact.Redactor
	stopping   chan time.Duration // the newest grace
	ended      chan struct{}      // closed when the program was reaped
	exit       message            // set before ended is closed

	mu       sync.Mutex  // guards what follows
	resume   *time.Timer // lets it go on when it is paused; nil: it is not
	tail     []string
	captured int
	dropped  int // bytes of output beyond captureMax
}

// redactorOf knows the rules that came with a launch.
func redactorOf(m message) *redact.Redactor {
	if m.Secrets == nil {
		return redact.New(nil, nil)
	}
	var patterns []*regexp.Regexp
	for _, p := range m.Secrets.Patterns {
		if re, err := regexp.Compile(p); err == nil { // the plan's check let none through that does not
			patterns = append(patterns, re)
		}
	}
	return redact.New(m.Secrets.Names, patterns)
}

// discard gives back what fork took, when it fails.
func (c *child) discard() {
	for _, p := range c.pumps {
		_ = p.in.Close()
	}
	c.group.remove()
}

// see follows the program to the end of everything below it.
func (c *child) see() {
	var output sync.WaitGroup
	for _, p := range c.pumps {
		output.Go(p.run)
	}
	late := c.await()
	left := time.Duration(0)
	if !late.deadline.IsZero() {
		left = time.Until(late.deadline)
	}
	orphans := c.sweep(left)
	for _, p := range c.pumps {
		p.hurry(pipeTimeout) // an escaped process may hold the pipe for ever
	}
	output.Wait()

	gone := c.exit
	gone.Event = "gone"
	if late.deadline.IsZero() { // nobody asked it to end: it went and left them
		gone.Left = orphans
	}
	c.mu.Lock()
	gone.Lines = c.tail
	dropped := c.dropped
	c.mu.Unlock()
	if dropped > 0 {
		c.k.out <- message{Event: "output", Run: c.m.Run, Text: fmt.Sprintf("[plat: %d bytes more are left out]", dropped)}
	}
	switch {
	case late.killed:
		gone.Reason = "it did not end within its grace of " + late.grace.String()
	case c.group.outOfMemory():
		gone.Reason = "over its memory limit"
	}
	c.group.remove()
	c.k.forget(c)
	c.k.out <- gone
}

// lateness is how a program was stopped.
type lateness struct {
	deadline time.Time // zero: it ended by itself
	grace    time.Duration
	killed   bool
}

// await returns when the program was reaped, having passed on what stop asks.
func (c *child) await() (l lateness) {
	var kill <-chan time.Time
	for {
		select {
		case <-c.ended:
			return l
		case grace := <-c.stopping:
			if l.deadline.IsZero() || time.Until(l.deadline) > grace {
				l.deadline, l.grace = time.Now().Add(grace), grace
				kill = time.After(grace)
			}
			c.signal(syscall.SIGTERM)
			c.pause(0) // who stands still does not hear it
		case <-kill:
			l.killed = true
			c.signal(syscall.SIGKILL)
		}
	}
}

// stop asks for the end; it never blocks.
func (c *child) stop(grace time.Duration) {
	select {
	case <-c.stopping: // an older grace that was not taken yet
	default:
	}
	c.stopping <- grace // INVARIANT: stop is called by one goroutine, so there is room
}

// signal goes to the program's process group: a shell's child hears it too.
func (c *child) signal(s syscall.Signal) {
	c.k.mu.Lock()
	defer c.k.mu.Unlock()
	if c.k.byPID[c.pid] == c { // not reaped: the number is still its own
		_ = syscall.Kill(-c.pid, s)
	}
}

// pause lets the program's process group stand still for this long, 0: go on
// now. The guard itself keeps the time: whoever asked may be gone by then.
func (c *child) pause(most time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resume != nil {
		c.resume.Stop()
		c.resume = nil
	}
	if most <= 0 {
		c.signal(syscall.SIGCONT)
		return
	}
	c.signal(syscall.SIGSTOP)
	c.resume = time.AfterFunc(most, func() { c.pause(0) })
}

// sweep ends what the program left behind, and tells how many there were at
// first. What is still in its process group, and was asked to end with it, has
// the rest of the grace.
func (c *child) sweep(grace time.Duration) (found int) {
	deadline := time.Now().Add(grace)
	for pause := time.Millisecond; grace > 0 && time.Now().Before(deadline) && groupAlive(c.pid); pause = min(2*pause, 50*time.Millisecond) {
		time.Sleep(pause)
	}
	end := time.Now().Add(sweepMax)
	for pause := time.Millisecond; time.Now().Before(end); pause = min(2*pause, 50*time.Millisecond) {
		left := leftovers(c.pid, c.mark)
		left = append(left, c.group.members()...)
		slices.Sort(left)
		left = slices.Compact(left)
		found = max(found, len(left))
		_ = syscall.Kill(-c.pid, syscall.SIGKILL)
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(left) == 0 && !groupAlive(c.pid) {
			break
		}
		time.Sleep(pause)
	}
	return found
}

// lines takes whole lines of output.
func (c *child) lines(stream string, lines [][]byte) {
	// INVARIANT: no secret reaches the log, the report or plat.
	for i, line := range lines {
		if text := string(line); c.secrets.Finds(text) {
			lines[i] = []byte(c.secrets.Text(text))
		}
	}
	c.mu.Lock()
	for _, line := range lines[max(0, len(lines)-tailLines):] {
		if len(c.tail) == tailLines {
			c.tail = append(c.tail[:0], c.tail[1:]...)
		}
		c.tail = append(c.tail, runner.Harmless(string(line[:min(len(line), tailBytes)])))
	}
	c.mu.Unlock()
	if !c.m.Capture {
		c.k.logs.of(c.m.Service).write(c.m.Instance, stream, lines)
		return
	}
	for _, line := range lines {
		c.pass(runner.Harmless(string(line)))
	}
}

// pass sends a line of a build's output to plat, as far as it is kept.
func (c *child) pass(line string) {
	c.mu.Lock()
	room := c.captured+len(line) <= captureMax
	if room {
		c.captured += len(line)
	} else {
		c.dropped += len(line)
	}
	c.mu.Unlock()
	if room {
		c.k.out <- message{Event: "output", Run: c.m.Run, Text: line}
	}
}

func groupAlive(pgid int) bool { return syscall.Kill(-pgid, 0) == nil }
