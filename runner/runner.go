package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// MaxInstances is the most instances that one service may have.
const MaxInstances = 100

// Options are what a Runner works with. Builder, Launcher and Announcer must
// be set; Env and Log may be nil.
type Options struct {
	Builder   Builder
	Launcher  Launcher
	Announcer Announcer
	// Env gives the environment contract of one instance, PORT included. It
	// may be called from several goroutines.
	Env func(svc plan.Service, instance, version string, port int) ([]string, error)
	Log *slog.Logger
	// Ejected tells of an instance in rotation whether it gets no requests at
	// present, since it failed while others did not: where one is to go, it goes
	// first. It must return at once and call nothing of the runner. nil: none is.
	Ejected func(service, id string) bool
	// Watch follows the files of the services: what is saved is built, and
	// its instances are replaced. nil: nothing is followed.
	Watch Watcher
	// Pace is how often and how long; zero fields have their defaults.
	Pace Pace
}

// Runner holds what runs to what should run. All methods are safe for
// concurrent use.
type Runner struct {
	o     Options
	ports *ports
	asker *asker
	kick  chan struct{} // something for Run to reconcile
	build chan struct{} // something for the builder
	work  sync.WaitGroup

	mu       sync.Mutex // guards what follows, and every service and instance
	services map[string]*service
	watchers map[chan struct{}]struct{}
	stopping bool
}

// New makes a Runner that wants nothing yet: see Apply and Run.
func New(o Options) *Runner {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Env == nil {
		o.Env = func(svc plan.Service, instance, version string, port int) ([]string, error) {
			return []string{fmt.Sprintf("PORT=%d", port), "PLAT_SERVICE=" + svc.Name, "PLAT_INSTANCE=" + instance, "PLAT_VERSION=" + version}, nil
		}
	}
	if o.Ejected == nil {
		o.Ejected = func(string, string) bool { return false }
	}
	o.Pace = o.Pace.withDefaults()
	return &Runner{
		o: o, ports: newPorts(), asker: newAsker(o.Pace.Timeout),
		kick: make(chan struct{}, 1), build: make(chan struct{}, 1),
		services: map[string]*service{}, watchers: map[chan struct{}]struct{}{},
	}
}

// Run holds the system to its plan until ctx ends; then it takes every
// instance out of rotation, lets it drain, stops all of them at once, and
// returns when they are gone (bounded by the longest grace). It is called
// once.
func (r *Runner) Run(ctx context.Context) error {
	lasting := context.WithoutCancel(ctx) // instances end by being stopped, not with ctx
	r.work.Go(func() { r.buildLoop(ctx) })
	if r.o.Watch != nil {
		r.work.Go(func() { r.watching(ctx) })
	}
	done := ctx.Done()
	for !r.reconcileAll(lasting, done == nil) {
		select {
		case <-r.kick:
		case <-done:
			done = nil
		}
	}
	r.work.Wait()
	return nil
}

// reconcileAll moves every service one step; it reports whether all is
// stopped.
func (r *Runner) reconcileAll(ctx context.Context, stopping bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stopping && !r.stopping {
		r.stopping = true
		r.changed()
	}
	running := 0
	for name, s := range r.services {
		r.reconcile(ctx, s)
		running += len(s.instances)
		if s.removed && len(s.instances) == 0 && !s.building {
			delete(r.services, name)
			r.changed()
		}
	}
	return stopping && running == 0
}

// Apply sets a new plan. Services whose declaration changed are built and
// replaced (a new instance is ready before an old one is stopped, unless the
// service has a fixed port), new ones started, removed ones stopped; others
// are not touched. It returns at once.
//
// A part of a system is a system too: services that sys does not have are
// stopped, whoever calls them.
func (r *Runner) Apply(sys *plan.System) {
	lacking := map[string]*fault.Fault{}
	for _, spec := range sys.Services {
		lacking[spec.Name] = r.lacking(spec)
	}
	r.unfollow(r.take(sys, lacking))
}

// take is Apply with the mutex held; it tells which services are removed.
func (r *Runner) take(sys *plan.System, lacking map[string]*fault.Fault) (removed []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, s := range r.services {
		if _, ok := sys.Service(name); !ok {
			s.removed = true
			removed = append(removed, name)
		}
	}
	for _, spec := range sys.Services {
		s := r.services[spec.Name]
		if s == nil {
			s = &service{instances: map[string]*instance{}}
			r.services[spec.Name] = s
		}
		mark := fingerprint(spec)
		if s.removed || s.print != mark || s.skipped != nil {
			s.queued = true
		}
		s.removed, s.spec, s.print, s.skipped = false, spec, mark, lacking[spec.Name]
	}
	r.changed()
	poke(r.build)
	poke(r.kick)
	return removed
}

// lacking tells which program a service needs and does not find; nil when it
// may run.
func (r *Runner) lacking(spec plan.Service) *fault.Fault {
	for _, program := range spec.Needs {
		if f := r.o.Launcher.Lacking(program); f != nil {
			f.What = fmt.Sprintf("service %q is skipped: %s", spec.Name, f.What)
			if f.Remedy != "" {
				f.Remedy += ", then plat restart " + spec.Name
			}
			return f.At(fileOf(spec), 0, 0).Warn()
		}
	}
	return nil
}

// lookAgain asks anew whether a service has what it needs; it is an error
// when not.
func (r *Runner) lookAgain(name string) error {
	r.mu.Lock()
	s, err := r.find(name)
	if err != nil {
		r.mu.Unlock()
		return err
	}
	spec := s.spec
	r.mu.Unlock()
	lacks := r.lacking(spec)
	r.mu.Lock()
	defer r.mu.Unlock()
	s.skipped = lacks
	r.changed()
	poke(r.kick)
	return s.missing()
}

// Restart replaces every instance of a service, one by one and without a gap
// (unless it has a fixed port), building it first when rebuild is set. It
// returns when that is done, when ctx ends, or with the fault that stands in
// the way: a failed build, a crash loop.
//
// A service that was skipped is looked at again; the fault is run-tool-missing
// when it still lacks a program.
func (r *Runner) Restart(ctx context.Context, name string, rebuild bool) error {
	if err := r.lookAgain(name); err != nil {
		return err
	}
	r.mu.Lock()
	s, err := r.find(name)
	if err != nil {
		r.mu.Unlock()
		return err
	}
	builds := s.builds
	switch {
	case rebuild || s.live == nil:
		rebuild = true
		s.queued, s.renew = true, true
		if s.building {
			builds++ // the one under way may have read older sources
		}
		poke(r.build)
	default:
		s.live = s.live.again()
	}
	r.changed()
	poke(r.kick)
	r.mu.Unlock()

	if rebuild {
		err := r.await(ctx, name, func(s *service) (bool, error) {
			if s.builds > builds && s.buildFault != nil {
				return true, s.buildFault
			}
			return s.builds > builds, nil
		})
		if err != nil {
			return err
		}
	}
	return r.await(ctx, name, func(s *service) (bool, error) {
		return s.settled(), s.looping()
	})
}

// Scale sets by hand how many instances of a service run, against the plan,
// until Unscale or the end of the runner. It returns when so many are ready,
// when ctx ends, or with the fault that stands in the way.
func (r *Runner) Scale(ctx context.Context, name string, n int) error {
	r.mu.Lock()
	s, err := r.find(name)
	if err == nil && (n < 0 || n > MaxInstances) {
		err = fault.Newf(fault.RunScaleRefused, "service %q cannot have %d instances", name, n).
			Why(fmt.Sprintf("from 0 to %d are possible", MaxInstances)).Fix("choose a number in that range")
	}
	if err == nil && s.spec.Port != 0 && n > 1 {
		err = fault.Newf(fault.RunScaleRefused, "service %q cannot have %d instances", name, n).
			Why(fmt.Sprintf("it has the fixed port %d", s.spec.Port)).
			Fix("remove port: from its service.yaml and let the program listen on PORT")
	}
	if err == nil {
		s.scaled, s.since = &n, time.Now()
		r.changed()
		poke(r.kick)
	}
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.await(ctx, name, func(s *service) (bool, error) {
		return s.settled(), errors.Join(s.looping(), s.unbuilt())
	})
}

// Unscale takes back what Scale set: the plan's number holds again.
func (r *Runner) Unscale(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.find(name)
	if err == nil {
		s.scaled = nil
		r.changed()
		poke(r.kick)
	}
	return err
}

// Wait returns when as many instances of a service are ready as are wanted;
// with the build's fault when there is no program, with run-tool-missing when
// the service is skipped; and when ctx ends, with
// the fault that is known, or run-not-ready-yet.
func (r *Runner) Wait(ctx context.Context, name string) error {
	return r.await(ctx, name, func(s *service) (bool, error) {
		st := s.status(r.stopping)
		return st.State == Ready || st.State == Stopped, s.unbuilt()
	})
}

// await waits until check, called with the mutex held, is done or in error.
func (r *Runner) await(ctx context.Context, name string, check func(*service) (bool, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := r.Watch(ctx)
	for {
		r.mu.Lock()
		s, err := r.find(name)
		var done bool
		var st ServiceStatus
		if err == nil {
			if err = s.missing(); err == nil {
				done, err = check(s)
			}
			st = s.status(r.stopping)
		}
		r.mu.Unlock()
		if done || err != nil {
			return err
		}
		if st.State == Stopping {
			return fault.Newf(fault.RunNotReadyYet, "service %q is being stopped", name)
		}
		if _, open := <-watch; !open {
			if st.Fault != nil {
				f := *st.Fault
				f.Severity = fault.Error // of what was waited for
				return &f
			}
			return fault.Newf(fault.RunNotReadyYet, "service %q is %s: %d of %d instances are ready", name, st.State, st.Ready, st.Desired).
				Fix("look at plat logs " + name + ", or wait longer").Because(ctx.Err())
		}
	}
}

// find is called with the mutex held.
func (r *Runner) find(name string) (*service, error) {
	if s := r.services[name]; s != nil {
		return s, nil
	}
	return nil, fault.Newf(fault.RunUnknownService, "there is no service %q", name).Fix("plat ps lists the services")
}

// Watch gives a signal on the channel after every change of Status (several
// changes may be one signal), the first one at once, and closes it when ctx
// ends.
func (r *Runner) Watch(ctx context.Context) <-chan struct{} {
	w := make(chan struct{}, 1)
	w <- struct{}{}
	r.mu.Lock()
	r.watchers[w] = struct{}{}
	r.mu.Unlock()
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watchers, w)
		close(w)
	})
	return w
}

// changed tells the watchers; the mutex is held.
func (r *Runner) changed() {
	for w := range r.watchers {
		poke(w)
	}
}

// poke leaves one signal in a channel of capacity one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
