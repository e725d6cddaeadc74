package probe

import (
	"context"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// SchedulerOptions are what a Scheduler is made with.
type SchedulerOptions struct {
	// Run runs a journey once.
	Run func(ctx context.Context, j plan.Journey, scheduled bool) Result
	// Ready tells whether the system has started; nothing runs on schedule
	// before it was true once. Nil: at once.
	Ready func() bool
	// Observe is told every result, and must be quick; nil: nobody.
	Observe func(Result)
}

// Bounds of a Scheduler.
const (
	maxHistory = 50                     // results kept of each journey
	maxAtOnce  = 4                      // runs on schedule
	askReady   = 500 * time.Millisecond // until the system has started
)

// Scheduler runs journeys on their schedules and by hand, never two runs of
// one at once, and remembers the last results of each. It is safe for
// concurrent use.
type Scheduler struct {
	o    SchedulerOptions
	poke chan struct{} // something changed that Run waits for

	mu      sync.Mutex // guards what follows
	entries map[string]*entry
	active  int // runs on schedule
}

type entry struct {
	journey plan.Journey
	due     time.Time // zero: no schedule
	running bool
	State
}

// spread sets the first run to a random moment within the interval, so that
// journeys do not run in step.
func (e *entry) spread(now time.Time) {
	e.due = time.Time{}
	if every := e.journey.Every.Std(); every > 0 {
		e.due = now.Add(rand.N(every)) // #nosec G404 -- no secret
	}
}

// State is what is known of one journey.
type State struct {
	Journey plan.Journey
	Running bool
	Next    time.Time // zero: by hand alone
	Runs    []Result  // the newest first, at most 50
	Passed  uint64    // since plat started
	Failed  uint64
	Skipped uint64 // runs that were due while one was still going on
}

// Share is how many of the remembered runs passed, from 0 to 1; false without
// any.
func (s State) Share() (float64, bool) {
	if len(s.Runs) == 0 {
		return 0, false
	}
	passed := 0
	for _, r := range s.Runs {
		if r.Passed {
			passed++
		}
	}
	return float64(passed) / float64(len(s.Runs)), true
}

// P95 is the duration that 95% of the remembered runs which passed did not
// exceed; 0 without any.
func (s State) P95() time.Duration {
	var all []time.Duration
	for _, r := range s.Runs {
		if r.Passed {
			all = append(all, r.Duration)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)*95+99)/100-1]
}

// NewScheduler makes a scheduler without journeys.
func NewScheduler(o SchedulerOptions) *Scheduler {
	return &Scheduler{o: o, poke: make(chan struct{}, 1), entries: map[string]*entry{}}
}

// SetJourneys replaces the journeys. What is remembered of one that stays by
// name is kept, and so is its schedule where that did not change; runs under
// way go on.
func (s *Scheduler) SetJourneys(all []plan.Journey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.entries
	s.entries = make(map[string]*entry, len(all))
	for _, j := range all {
		e := old[j.Name]
		if e == nil {
			e = &entry{}
		}
		changed := !reflect.DeepEqual(j, e.journey)
		if e.journey = j; changed {
			e.spread(time.Now())
		}
		s.entries[j.Name] = e
	}
	s.wake()
}

func (s *Scheduler) wake() {
	select {
	case s.poke <- struct{}{}:
	default: // it is awake
	}
}

// Run runs journeys when they are due, until ctx ends; it returns when none of
// those that it started runs any more.
func (s *Scheduler) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	if !s.started(ctx) {
		return nil
	}
	for {
		wait := time.Hour
		for _, e := range s.takeDue(time.Now(), &wait) {
			work.Go(func() { s.once(ctx, e, true) })
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-s.poke:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// started waits until the system has started; false when ctx ended.
func (s *Scheduler) started(ctx context.Context) bool {
	if s.o.Ready == nil {
		return true
	}
	tick := time.NewTicker(askReady)
	defer tick.Stop()
	for !s.o.Ready() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries { // from now on, not all at once
		e.spread(time.Now())
	}
	return true
}

// takeDue marks the journeys that are due as running and gives them; wait
// becomes the time until the next one.
func (s *Scheduler) takeDue(now time.Time, wait *time.Duration) (due []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.due.IsZero() {
			continue
		}
		if !e.due.After(now) {
			if s.active >= maxAtOnce && !e.running {
				continue // the end of a run wakes the loop
			}
			if e.running {
				e.Skipped++
			} else {
				e.running = true
				s.active++
				due = append(due, e)
			}
			every := e.journey.Every.Std()
			e.due = now.Add(every - now.Sub(e.due)%every) // what a suspended machine slept through is not made up for
		}
		*wait = min(*wait, max(e.due.Sub(now), time.Millisecond))
	}
	return due
}

// once runs a journey that is marked as running.
func (s *Scheduler) once(ctx context.Context, e *entry, scheduled bool) Result {
	s.mu.Lock()
	j := e.journey
	s.mu.Unlock()
	r := s.o.Run(ctx, j, scheduled)
	cut := scheduled && ctx.Err() != nil // plat stops: that says nothing of the system
	s.mu.Lock()
	e.running = false
	if scheduled {
		s.active--
	}
	if !cut {
		if r.Passed {
			e.Passed++
		} else {
			e.Failed++
		}
		e.Runs = slices.Insert(e.Runs, 0, r)
		e.Runs = e.Runs[:min(len(e.Runs), maxHistory)]
	}
	s.mu.Unlock()
	s.wake()
	if !cut && s.o.Observe != nil {
		s.o.Observe(r)
	}
	return r
}

// RunNow runs a journey at once and gives its result. It fails with
// fault.ProbeUnknown, or fault.ProbeRunning while a run of it goes on.
func (s *Scheduler) RunNow(ctx context.Context, name string) (Result, error) {
	s.mu.Lock()
	e := s.entries[name]
	if e == nil {
		names := make([]string, 0, len(s.entries))
		for known := range s.entries {
			names = append(names, known)
		}
		s.mu.Unlock()
		f := fault.New(fault.ProbeUnknown, "there is no journey "+name).Fix("plat probe lists them")
		if near := plan.Nearest(name, names); near != "" {
			f.Fix("did you mean " + near + "?")
		}
		return Result{}, f
	}
	if e.running {
		s.mu.Unlock()
		return Result{}, fault.Newf(fault.ProbeRunning, "the journey %s is running already", name)
	}
	e.running = true
	s.mu.Unlock()
	return s.once(ctx, e, false), nil
}

// Journeys tells how each journey stands, sorted by name.
func (s *Scheduler) Journeys() []State {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]State, 0, len(s.entries))
	for _, e := range s.entries {
		st := e.State
		st.Journey, st.Running, st.Next, st.Runs = e.journey, e.running, e.due, slices.Clone(e.Runs)
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b State) int { return strings.Compare(a.Journey.Name, b.Journey.Name) })
	return all
}
