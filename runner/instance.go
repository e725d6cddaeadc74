package runner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// instance is one place in which a program runs, and runs again when it ends.
type instance struct {
	id      string
	release *release
	halt    context.CancelFunc // asks the instance to end

	// The runner's mutex guards these.
	state    State
	since    time.Time
	pid      int
	addr     string
	started  time.Time
	restarts int
	lastExit *Exit
	checks   map[string]Check
	fault    *fault.Fault
	lines    []string

	// announce guards these three, and is held while the announcer is told, so
	// that it hears of one instance in order. It is taken before the runner's
	// mutex, never after it.
	announce sync.Mutex
	up       bool // announced
	told     bool // announced since its process started
	dead     bool // INVARIANT: a dead process is not announced again
}

// outcome is how one process of an instance fared.
type outcome struct {
	exit    *Exit
	fault   *fault.Fault  // what plat found wrong, beyond the exit
	lines   []string      // last output
	healthy time.Duration // from ready to the end
	another bool          // its port was taken: try at once on another
}

// portTries bounds how often a start is repeated at once on another port.
const portTries = 5

// supervise runs processes of an instance one after the other until ctx ends.
func (r *Runner) supervise(ctx context.Context, s *service, i *instance) {
	ends, tries := 0, 0
	for {
		o := r.runOnce(ctx, s, i)
		if ctx.Err() != nil {
			return
		}
		if o.another && tries < portTries {
			tries++
			continue
		}
		if o.healthy >= r.o.Pace.Healthy {
			ends = 0
		}
		ends++
		tries = 0
		pause := r.o.Pace.backoff(ends)
		r.record(i, o, ends)
		r.note(i, fmt.Sprintf("restarting in %s", pause.Round(10*time.Millisecond)))
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// record keeps how a process ended for Status.
func (r *Runner) record(i *instance, o outcome, ends int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i.restarts++
	i.lastExit, i.lines, i.fault = o.exit, o.lines, o.fault
	state := Waiting
	if ends >= loopAfter {
		state = CrashLooping
	}
	if ends >= tellAfter && i.fault == nil && o.exit != nil {
		i.fault = r.endsFault(i, o, ends)
	}
	if i.state != Stopping {
		i.enter(state)
	}
	r.changed()
}

// tellAfter is after how many ends in a row it is said why; one may be chance.
const tellAfter = 2

// endsFault says what an instance that ends again and again said last: a
// warning until it is a crash loop.
func (r *Runner) endsFault(i *instance, o outcome, ends int) *fault.Fault {
	last := o.exit.String()
	if words := lastWords(o.lines); words != "" {
		last += ", last words: " + words
	}
	spec := i.release.spec
	remedy := "plat logs " + spec.Name + " shows its output; after the correction, plat restart " + spec.Name
	if r.watched(spec) {
		remedy = "plat logs " + spec.Name + " shows its output; correct it and save it"
	}
	f := fault.Newf(fault.RunCrashLoop, "%s ended %d times without a minute of health", i.id, ends).
		Why(last).Fix(remedy).At(i.release.file(), 0, 0)
	if ends < loopAfter {
		return f.Warn()
	}
	return f
}

// file is where the service is declared, as people know it.
func (l *release) file() string { return fileOf(l.spec) }

func fileOf(spec plan.Service) string {
	if spec.Dir == "" {
		return ""
	}
	return strings.TrimPrefix(spec.Dir+"/service.yaml", "./")
}

// runOnce runs one process from start to end.
func (r *Runner) runOnce(ctx context.Context, s *service, i *instance) outcome {
	spec := i.release.spec
	port, f := r.port(i)
	if f != nil {
		r.note(i, f.Error())
		return outcome{fault: f}
	}
	if spec.Port == 0 {
		defer r.ports.release(port)
	}
	env, err := r.o.Env(spec, i.id, i.release.version, port)
	if err != nil {
		return outcome{fault: fault.All(err)[0]}
	}
	// alive ends with the process and with ctx: nobody asks the dead.
	alive, died := context.WithCancel(ctx)
	defer died()
	i.announce.Lock()
	i.dead = false
	i.announce.Unlock()
	started := time.Now()
	proc, err := r.o.Launcher.Launch(context.WithoutCancel(ctx), Launch{
		Instance: i.id, Service: spec.Name, Argv: i.release.argv, Dir: i.release.dir,
		Env: withInherited(env), Limits: spec.Limits,
		Exited: func(Exit) { r.leave(i, true); died() },
	})
	if err != nil {
		f := fault.All(err)[0]
		if f.Code == fault.RunNoProgram && f.File == "" {
			f = f.At(i.release.file(), 0, 0)
		}
		r.note(i, f.Error())
		return outcome{fault: f}
	}
	addr, where := "", ""
	if spec.Listens {
		addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		where = ", on " + addr
	}
	r.launched(s, i, proc, addr, started)
	r.note(i, fmt.Sprintf("started, pid %d%s", proc.PID(), where))

	healthy, f := r.attend(alive, i, addr, proc.PID())
	return r.finish(ctx, i, proc, outcome{healthy: healthy, fault: f})
}

// port finds where the instance is to listen.
func (r *Runner) port(i *instance) (int, *fault.Fault) {
	if fixed := i.release.spec.Port; fixed != 0 {
		if free(fixed) {
			return fixed, nil
		}
		holder := r.o.Launcher.Holder(fixed)
		if holder == "" {
			holder = "a process that plat may not see"
		}
		return 0, fault.Newf(fault.RunPortTaken, "port %d of service %q is taken", fixed, i.release.spec.Name).
			Why("held by "+holder).Fix("stop it, or change port: in "+i.release.file()).At(i.release.file(), 0, 0)
	}
	port, err := r.ports.take()
	if err != nil {
		return 0, fault.New(fault.RunPortTaken, "no port is free for "+i.id).Why(err.Error()).Because(err)
	}
	return port, nil
}

func (r *Runner) launched(s *service, i *instance, proc Process, addr string, started time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i.pid, i.addr, i.started = proc.PID(), addr, started
	clear(i.checks)
	if i.state != Stopping {
		i.enter(Starting)
	}
	s.unenforced = nil
	if why := proc.Unenforced(); why != "" {
		s.unenforced = fault.Newf(fault.RunLimitsUnenforced, "limits of service %q are not enforced", s.spec.Name).
			Why(why).Fix("plat explain " + string(fault.RunLimitsUnenforced)).Warn()
	}
	r.changed()
}

// attend sees a process become ready and holds it so. It returns when alive
// ends or the process must: then with the fault.
func (r *Runner) attend(alive context.Context, i *instance, addr string, pid int) (healthy time.Duration, f *fault.Fault) {
	if !i.release.spec.Listens {
		return r.endure(alive, i, pid), nil
	}
	ready, live := r.asker.questions(i.release.spec, addr)
	since, f := r.rise(alive, i, ready, pid)
	if since.IsZero() {
		return 0, f
	}
	f = r.hold(alive, i, ready, live)
	return time.Since(since), f
}

// endure holds an instance that serves nobody: it is ready once it has run for
// a moment, and as long as it runs. Nobody is told of it, since nothing leads
// to it.
func (r *Runner) endure(alive context.Context, i *instance, pid int) (healthy time.Duration) {
	select {
	case <-alive.Done():
		return 0
	case <-time.After(r.o.Pace.Steady):
	}
	since := time.Now()
	r.mu.Lock()
	if i.state != Stopping {
		i.enter(Ready)
	}
	i.fault, i.lines = nil, nil
	r.changed()
	r.mu.Unlock()
	poke(r.kick)
	r.note(i, "runs")
	r.lookAround(i, pid)
	<-alive.Done()
	return time.Since(since)
}

// rise asks until the instance is ready, and puts it in rotation: since when,
// or never, is what it tells. One that ends right after was ready all the same.
func (r *Runner) rise(alive context.Context, i *instance, ready question, pid int) (since time.Time, f *fault.Fault) {
	allowed := i.release.spec.Start.Std()
	if allowed <= 0 {
		allowed = 30 * time.Second
	}
	begun, hinted := time.Now(), time.Now()
	for poll := pollFirst; ; poll = min(poll*3/2, pollLast) {
		c := r.asker.ask(alive, ready)
		if errors.Is(alive.Err(), context.Canceled) {
			return time.Time{}, nil // it ended, or is to end: its exit says more
		}
		r.answered(i, c)
		if c.OK {
			if r.enter(alive, i) {
				since = time.Now()
			}
			r.note(i, fmt.Sprintf("ready after %s", time.Since(begun).Round(time.Millisecond)))
			r.lookAround(i, pid)
			return since, nil
		}
		left := allowed - time.Since(begun)
		if left <= 0 {
			f := r.neverReady(i, ready, c, allowed, r.o.Launcher.Listening(pid))
			r.note(i, f.Error())
			return time.Time{}, f
		}
		if time.Since(hinted) >= r.o.Pace.Hint {
			hinted = time.Now()
			r.hint(i, ready, c, time.Since(begun), pid)
		}
		select {
		case <-alive.Done():
			return time.Time{}, nil
		case <-time.After(min(poll, left)):
		}
	}
}

// hold keeps asking whether the instance is ready and alive; readiness puts it
// in and out of rotation, three failures of liveness end it.
func (r *Runner) hold(alive context.Context, i *instance, ready, live question) *fault.Fault {
	ctx, cancel := context.WithCancel(alive)
	var readiness sync.WaitGroup
	defer readiness.Wait() // INVARIANT: no Up after hold returned
	defer cancel()
	rotate := func(c Check) {
		if c.OK {
			r.enter(ctx, i)
		} else {
			r.leave(i, false)
		}
	}
	same := ready.String() == live.String()
	if !same {
		readiness.Go(func() {
			r.askOn(ctx, i, ready, func(c Check) bool { rotate(c); return true })
		})
	}
	failed := 0
	var last Check
	r.askOn(ctx, i, live, func(c Check) bool {
		last = c
		if same {
			ready := c
			ready.Name = "ready"
			r.answered(i, ready)
			rotate(c)
		}
		failed++
		if c.OK {
			failed = 0
		}
		return failed < liveFailures
	})
	if ctx.Err() != nil {
		return nil
	}
	f := fault.Newf(fault.RunNotAlive, "%s failed its liveness check %d times in a row", i.id, liveFailures).
		Why(last.Target+": "+last.Answer).Fix("see plat logs "+i.release.spec.Name).At(i.release.file(), 0, 0)
	r.note(i, f.Error())
	return f
}

// askOn puts a question at the pace's interval, reckoned from one asking to
// the next, until ctx ends or more says no.
func (r *Runner) askOn(ctx context.Context, i *instance, q question, more func(Check) bool) {
	timer := time.NewTimer(r.o.Pace.Check)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		begun := time.Now()
		c := r.asker.ask(ctx, q)
		if ctx.Err() != nil {
			return
		}
		r.answered(i, c)
		if !more(c) {
			return
		}
		interval := r.o.Pace.Check
		if !c.OK {
			interval = r.o.Pace.Failing
		}
		timer.Reset(max(0, interval-time.Since(begun)))
	}
}

// answered keeps the last answer; only a change of verdict is news.
func (r *Runner) answered(i *instance, c Check) {
	r.mu.Lock()
	old, known := i.checks[c.Name]
	i.checks[c.Name] = c
	news := !known || old.OK != c.OK
	if news {
		r.changed()
	}
	r.mu.Unlock()
	if news && known && !c.OK {
		r.note(i, fmt.Sprintf("check %s fails: %s: %s", c.Name, c.Target, c.Answer))
	}
}

// enter puts an instance in rotation, unless its process is dead or alive has
// ended. It reports whether it did.
func (r *Runner) enter(alive context.Context, i *instance) bool {
	i.announce.Lock()
	defer i.announce.Unlock()
	if i.up || i.dead || alive.Err() != nil {
		return false
	}
	i.up, i.told = true, true
	r.mu.Lock()
	told := Instance{ID: i.id, Service: i.release.spec.Name, Version: i.release.version, Addr: i.addr, PID: i.pid, Started: i.started}
	r.mu.Unlock()
	r.o.Announcer.Up(told)
	r.mu.Lock()
	if i.state != Stopping {
		i.enter(Ready)
	}
	i.fault, i.lines = nil, nil
	r.changed()
	r.mu.Unlock()
	poke(r.kick)
	return true
}

// leave takes an instance out of rotation; dead is for ever (for this
// process). It reports whether the process was ever in rotation, and so may be
// with requests.
func (r *Runner) leave(i *instance, dead bool) (served bool) {
	i.announce.Lock()
	defer i.announce.Unlock()
	if dead {
		i.dead = true
	}
	served = i.told
	if i.up {
		i.up = false
		r.o.Announcer.Down(i.id)
	}
	if dead && i.told {
		i.told = false
		r.o.Announcer.Gone(i.id)
	}
	r.mu.Lock()
	if i.state == Ready {
		i.enter(Unready)
		r.changed()
	}
	r.mu.Unlock()
	poke(r.kick)
	return served
}

// finish brings a process to its end, whatever the reason, and waits for it.
func (r *Runner) finish(ctx context.Context, i *instance, proc Process, o outcome) outcome {
	spec := i.release.spec
	served := r.leave(i, false)
	grace := spec.Grace.Std()
	switch {
	case ctx.Err() != nil && served:
		r.note(i, "stopping")
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(grace, r.o.Pace.Drain))
		r.o.Announcer.Drained(drain, i.id)
		cancel()
	case o.fault != nil && o.healthy == 0: // never ready: nothing to bring to an end
		grace = min(grace, time.Second)
	}
	proc.Stop(grace)
	select {
	case exit := <-proc.Gone():
		o.exit, o.lines = &exit, exit.Lines
	case <-time.After(grace + 10*time.Second):
		exit := Exit{Code: -1, Reason: "no word of its end", Reaped: time.Now()}
		o.exit = &exit
		r.o.Log.Error("a process did not end", "instance", i.id, "pid", proc.PID())
	}
	r.leave(i, true)
	r.note(i, o.exit.String())
	r.mu.Lock()
	i.pid, i.addr = 0, ""
	r.changed()
	r.mu.Unlock()
	if ctx.Err() == nil && o.fault == nil && o.exit.Left > 0 && o.exit.Code == 0 {
		o.fault = i.backgroundFault(o.exit.Left)
		r.note(i, o.fault.Error())
	}
	if ctx.Err() == nil && o.fault == nil && o.healthy == 0 && saysTaken(o.lines) {
		o.another, o.fault = r.portTaken(i)
	}
	return o
}

// portTaken is for a program that ended since its port was taken in the
// moment between plat's look and its own.
func (r *Runner) portTaken(i *instance) (another bool, f *fault.Fault) {
	if i.release.spec.Port == 0 {
		return true, nil
	}
	_, f = r.port(i)
	return false, f
}

// note writes an event of plat into the service's log and plat's own.
func (r *Runner) note(i *instance, text string) {
	r.o.Log.Debug(text, "service", i.release.spec.Name, "instance", i.id)
	r.o.Launcher.Note(i.release.spec.Name, i.id, text)
}
