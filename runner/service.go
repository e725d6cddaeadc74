package runner

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// service is one service of the plan. The runner's mutex guards it.
type service struct {
	spec    plan.Service // as the plan wants it
	print   string       // fingerprint of spec
	scaled  *int         // instances, set by hand
	since   time.Time    // when they were
	removed bool         // no longer in the plan: stop and forget
	skipped *fault.Fault // what it needs and does not find: it does not run

	queued     bool // wants a build
	renew      bool // replace the instances even if the build changes nothing
	building   bool
	builds     int          // finished
	buildFault *fault.Fault // of the last build
	buildLines []string

	live       *release // what instances are started from; nil before the first build
	unenforced *fault.Fault
	clamped    *fault.Fault
	exposed    *fault.Fault
	instances  map[string]*instance // by ID
}

// release is a declaration with the program built for it. It is never
// changed; a restart makes a new one.
type release struct {
	spec    plan.Service
	print   string
	argv    []string
	dir     string
	version string
}

// again is the same program as a new release, so that instances are replaced.
func (l *release) again() *release { c := *l; return &c }

// fingerprint changes with whatever an instance depends on, and not with what
// only people read.
func fingerprint(spec plan.Service) string {
	spec.Owner, spec.Context, spec.About, spec.Instances = "", "", "", 0
	spec.Objectives = plan.Objectives{}
	calls := make([]plan.Dependency, len(spec.Calls))
	for i, d := range spec.Calls { // how a call is guarded is plat's affair, and changes while it runs
		calls[i] = plan.Dependency{Service: d.Service, Fresh: d.Fresh}
	}
	spec.Calls = calls
	text, err := json.Marshal(spec)
	if err != nil { // cannot be: the type holds plain values
		return err.Error()
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// desired is how many instances should run.
func (s *service) desired() int {
	n := s.spec.Instances
	if s.scaled != nil {
		n = *s.scaled
	}
	limit := MaxInstances
	if s.skipped != nil {
		limit = 0
	}
	if s.spec.Port != 0 && limit > 0 {
		limit = 1
	}
	return max(0, min(n, limit))
}

// settled: exactly the wanted instances run, all of the newest release.
func (s *service) settled() bool {
	for _, i := range s.instances {
		if i.release != s.live || i.state != Ready {
			return false
		}
	}
	return len(s.instances) == s.desired() && (s.live != nil || s.desired() == 0)
}

// looping is the fault of an instance of the newest release that crash-loops.
func (s *service) looping() error {
	for _, i := range s.instances {
		if i.release == s.live && i.state == CrashLooping && i.fault != nil {
			return i.fault
		}
	}
	return nil
}

// unbuilt is the build's fault when nothing can run because of it.
func (s *service) unbuilt() error {
	if s.live == nil && s.buildFault != nil && !s.building && !s.queued {
		return s.buildFault
	}
	return nil
}

// missing is why a service is skipped, as an error; nil when it is not.
func (s *service) missing() error {
	if s.skipped == nil {
		return nil
	}
	f := *s.skipped
	f.Severity = fault.Error
	return &f
}

// reconcile starts and stops instances by one step towards what is wanted. It
// is level-triggered: it looks at what is and needs no memory of what was
// asked. The mutex is held; nothing here blocks.
//
// INVARIANT: a ready instance of an old release is stopped only while more
// are ready than wanted; the surge is one instance, none with a fixed port.
func (r *Runner) reconcile(ctx context.Context, s *service) {
	var fresh, stale []*instance
	running := 0
	for _, id := range slices.SortedFunc(maps.Keys(s.instances), byNumber) {
		i := s.instances[id]
		running++
		switch {
		case i.state == Stopping:
		case i.release == s.live:
			fresh = append(fresh, i)
		default:
			stale = append(stale, i)
		}
	}
	if r.stopping || s.removed {
		stopAll(append(fresh, stale...))
		return
	}
	want := s.desired()
	s.clamp(want)
	if len(fresh) > want {
		r.bestFirst(fresh)
		stopAll(fresh[want:])
		fresh = fresh[:want]
	}
	if s.live == nil {
		return
	}
	// What serves nobody is replaced without waiting for its successor; with
	// a fixed port there can be no successor before.
	stale = slices.DeleteFunc(stale, func(i *instance) bool {
		if i.state == Ready && s.live.spec.Port == 0 && i.release.spec.Port == 0 && want > 0 {
			return false
		}
		stopAll([]*instance{i})
		return true
	})
	ready, rising := len(stale), 0
	for _, i := range fresh {
		if i.state == Ready {
			ready++
		} else {
			rising++
		}
	}
	if ready > want {
		r.bestFirst(stale)
	}
	for surplus := ready - want; surplus > 0 && len(stale) > 0; surplus-- {
		stopAll(stale[len(stale)-1:])
		stale = stale[:len(stale)-1]
	}
	if s.queued || s.building {
		return // what is begun now would be replaced when the build is done
	}
	total := len(fresh) + len(stale)
	for len(fresh) < want && (total < want || len(stale) > 0 && rising == 0 && total == want) {
		if s.live.spec.Port != 0 && running > 0 {
			return // the port is free when the last one is gone
		}
		i := r.begin(ctx, s)
		fresh = append(fresh, i)
		total, running, rising = total+1, running+1, rising+1
	}
}

// bestFirst sorts instances of one service by how much they are worth to its
// callers: the ready ones that are asked, those that are ejected, those that
// are not ready; among equals the lower number first.
func (r *Runner) bestFirst(instances []*instance) {
	rank := make(map[*instance]int, len(instances))
	for _, i := range instances {
		switch {
		case i.state != Ready:
			rank[i] = 2
		case r.o.Ejected(i.release.spec.Name, i.id):
			rank[i] = 1
		}
	}
	slices.SortStableFunc(instances, func(a, b *instance) int { return rank[a] - rank[b] })
}

func (s *service) clamp(want int) {
	s.clamped = nil
	if s.scaled == nil && s.skipped == nil && s.spec.Instances > want {
		s.clamped = fault.Newf(fault.RunScaleRefused, "service %q asks for %d instances, %d run", s.spec.Name, s.spec.Instances, want).
			Why("of a service with a fixed port there is one, of others there are at most 100").Fix("change instances: or remove port:").Warn()
	}
}

func stopAll(instances []*instance) {
	for _, i := range instances {
		i.halt()
		i.enter(Stopping)
	}
}

// begin makes an instance with the lowest free number and starts its life.
func (r *Runner) begin(ctx context.Context, s *service) *instance {
	n := 1
	for s.instances[fmt.Sprintf("%s-%d", s.spec.Name, n)] != nil {
		n++
	}
	ctx, halt := context.WithCancel(ctx)
	i := &instance{id: fmt.Sprintf("%s-%d", s.spec.Name, n), release: s.live, halt: halt, checks: map[string]Check{}}
	i.enter(Starting)
	s.instances[i.id] = i
	r.changed()
	r.work.Go(func() {
		defer halt()
		r.supervise(ctx, s, i)
		r.mu.Lock()
		delete(s.instances, i.id)
		r.changed()
		r.mu.Unlock()
		poke(r.kick)
	})
	return i
}

// byNumber sorts order-2 before order-10.
func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// buildLoop builds all that is queued in one batch, then what was queued
// meanwhile, until ctx ends.
func (r *Runner) buildLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.build:
		}
		batch := r.takeQueue()
		if len(batch) == 0 {
			continue
		}
		specs := slices.SortedFunc(maps.Values(batch), func(a, b plan.Service) int { return strings.Compare(a.Name, b.Name) })
		begun := time.Now()
		r.beforeBuild(ctx, specs)
		err := r.o.Builder.Build(ctx, specs, func(b Built) {
			if spec, ok := batch[b.Service]; ok {
				delete(batch, b.Service)
				r.built(spec, b)
			}
		})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("the builder said nothing of it")
		}
		for name, spec := range batch {
			r.built(spec, Built{Service: name, Fault: fault.Newf(fault.RunBuildFailed, "service %q was not built", name).Why(err.Error()).Because(err)})
		}
		r.afterBuild(ctx, specs, begun)
	}
}

func (r *Runner) takeQueue() map[string]plan.Service {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := map[string]plan.Service{}
	for name, s := range r.services {
		if s.queued && !s.removed && s.skipped == nil {
			s.queued, s.building = false, true
			batch[name] = s.spec
		}
	}
	r.changed()
	return batch
}

// built takes the outcome of one build.
func (r *Runner) built(spec plan.Service, b Built) {
	if r.o.Watch != nil && len(spec.Build.Command) > 0 {
		r.o.Watch.Building(spec.Name, false)
	}
	if b.Fault != nil {
		if r.watched(spec) {
			b.Fault.Remedy = strings.Replace(b.Fault.Remedy, ", then plat restart "+spec.Name, " and save it", 1)
		}
		r.o.Log.Warn("build failed", "service", spec.Name, "error", b.Fault)
		r.o.Launcher.Note(spec.Name, "", "build failed: "+b.Fault.Error())
		for _, line := range b.Lines {
			r.o.Launcher.Note(spec.Name, "", "build: "+line)
		}
	}
	if news := r.takeBuilt(spec, b); news != "" {
		r.o.Launcher.Note(spec.Name, "", news)
	}
}

// takeBuilt makes of a build what instances are started from; news is for the
// log, when builds failed before this one.
func (r *Runner) takeBuilt(spec plan.Service, b Built) (news string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.services[spec.Name]
	if s == nil {
		return ""
	}
	mended := s.buildFault != nil && b.Fault == nil
	s.building = false
	s.builds++
	s.buildFault, s.buildLines = b.Fault, b.Lines
	if b.Fault == nil {
		old, next := s.live, &release{spec: spec, print: fingerprint(spec), argv: b.Argv, dir: b.Dir, version: b.Version}
		if old == nil || s.renew && !s.queued || old.print != next.print || old.version != next.version || !slices.Equal(old.argv, next.argv) {
			s.live = next
		}
		if mended {
			news = "builds again: " + becomes(old, s.live)
		}
	}
	if !s.queued {
		s.renew = false
	}
	r.changed()
	poke(r.kick)
	return news
}

// becomes says what a build makes of what ran before.
func becomes(old, live *release) string {
	switch {
	case old == live:
		return live.version + " goes on"
	case old == nil:
		return live.version + " is started"
	case old.version == live.version:
		return live.version + " is started anew"
	}
	return live.version + " takes the place of " + old.version
}

// enter changes the state; the mutex is held.
func (i *instance) enter(state State) {
	if i.state != state {
		i.state, i.since = state, time.Now()
	}
}
