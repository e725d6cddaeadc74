package callers

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/kit/direct"
	"github.com/plat-dev/plat/plan"
)

// Bounds of what is kept.
const (
	maxWatchers = 1 << 12 // programs that wait at a time
	maxPrograms = 256     // of one service, that are remembered
	maxID       = 128     // bytes of an instance's ID
	maxEjected  = 256     // instances of a service that are told of
	maxRetries  = 100     // of a call
)

// silence is how long a program may say nothing before nobody waits for it: it
// asks for its view every few seconds.
const silence = 5 * time.Second

// Callers knows the programs that call by themselves. All methods are safe for
// concurrent use.
type Callers struct {
	guard Guard

	mu        sync.Mutex    // guards what follows
	changed   chan struct{} // closed when there are other views
	heard     chan struct{} // closed when a program said something, or has gone
	services  map[string]plan.Service
	edges     []plan.Edge
	instances map[string][]direct.Instance // by the registry's name
	broken    bool
	current   map[string]direct.View // by service
	programs  map[string]map[string]*program
	watchers  int
	dropped   map[string]uint64 // calls that programs could not tell of, by service
	refused   uint64            // calls that were told and not believed
}

// program is one that has asked for its view.
type program struct {
	revision string // in force
	heard    time.Time
	with     map[string]int // calls under way, by instance
	counted  string         // the revision of with
	dropped  uint64
	states   []direct.State
}

// New makes one that knows no plan yet.
func New(guard Guard) *Callers {
	return &Callers{
		guard: guard, changed: make(chan struct{}), heard: make(chan struct{}), services: map[string]plan.Service{}, instances: map[string][]direct.Instance{},
		current: map[string]direct.View{}, programs: map[string]map[string]*program{}, dropped: map[string]uint64{},
	}
}

// listen wakes who waits for programs; c.mu is held.
func (c *Callers) listen() {
	close(c.heard)
	c.heard = make(chan struct{})
}

// Watch gives a program of a service its view as soon as it is another than
// the one that is in force there, or after a while. Asking is acknowledging:
// what it has is in force.
func (c *Callers) Watch(ctx context.Context, service, instance, has string, most time.Duration) (direct.View, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watchers >= maxWatchers {
		return direct.View{}, fault.Newf(fault.APIBusy, "%d programs wait already, the limit", maxWatchers)
	}
	c.watchers++
	defer func() { c.watchers-- }()
	p, err := c.program(service, instance)
	if err != nil {
		return direct.View{}, err
	}
	p.heard = time.Now()
	if p.revision != has {
		p.revision = has
		c.listen()
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	for over := false; ; {
		view, ok := c.current[service]
		if !ok {
			return direct.View{}, fault.New(fault.NoSuchService, "the plan has no service "+service)
		}
		if view.Revision != has || over {
			p.heard = time.Now()
			return view, nil
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			over = true
		case <-ctx.Done():
			over = true // nobody is there to have it
		}
		c.mu.Lock()
	}
}

// program finds or makes what is known of one; c.mu is held.
func (c *Callers) program(service, instance string) (*program, error) {
	if _, ok := c.services[service]; !ok {
		return nil, fault.New(fault.NoSuchService, "the plan has no service "+service)
	}
	if instance == "" || len(instance) > maxID {
		return nil, fault.New(fault.BadArgument, "the instance is not named").Fix("send the value of PLAT_INSTANCE")
	}
	all := c.programs[service]
	if all == nil {
		all = map[string]*program{}
		c.programs[service] = all
	}
	p := all[instance]
	if p == nil {
		for id, old := range all {
			if time.Since(old.heard) > silence {
				delete(all, id)
			}
		}
		if len(all) >= maxPrograms {
			return nil, fault.Newf(fault.APIBusy, "%d programs of %s are known, the limit", maxPrograms, service)
		}
		p = &program{}
		all[instance] = p
	}
	return p, nil
}

// Tell takes what a program of a service tells, and gives those of its calls
// that can be believed: of services that its plan declares, in sound bounds.
func (c *Callers) Tell(service string, t direct.Telling) ([]direct.Told, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.program(service, t.Instance)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	p.heard, p.revision, p.with, p.counted = now, t.Revision, t.InFlight, t.Revision
	if t.Dropped > p.dropped {
		c.dropped[service] += t.Dropped - p.dropped
		p.dropped = t.Dropped
	}
	mine := map[string]bool{}
	for _, e := range c.edges {
		mine[e.Callee] = mine[e.Callee] || e.Caller == service
	}
	if len(t.States) > 0 {
		known := map[string]bool{}
		p.states = slices.DeleteFunc(t.States, func(s direct.State) bool {
			again := known[s.Service]
			known[s.Service] = true
			return again || !mine[s.Service] || len(s.Ejected) > maxEjected
		})
	}
	var sound []direct.Told
	for i, call := range t.Calls {
		if i >= direct.MaxTold || !mine[call.Service] || !believable(&call, now) {
			c.refused++
			continue
		}
		sound = append(sound, call)
	}
	if t.Ends {
		delete(c.programs[service], t.Instance)
	}
	c.listen()
	return sound, nil
}

// believable brings a call into bounds; false where it cannot be meant.
func believable(t *direct.Told, now time.Time) bool {
	const oldest = time.Hour
	end := t.Start.Add(t.Duration)
	if t.Status != 0 && (t.Status < 100 || t.Status > 599) || t.Duration < 0 || t.Retries > maxRetries || end.After(now.Add(time.Second)) || now.Sub(end) > oldest ||
		len(t.Method) > 32 || len(t.Instance) > maxID || len(t.CorrelationID) > maxID || len(t.Trace) > 32 || len(t.Span) > 16 || len(t.Parent) > 16 || len(t.Code) > 64 {
		return false
	}
	t.Path, t.Error = t.Path[:min(len(t.Path), direct.MaxText)], t.Error[:min(len(t.Error), direct.MaxText)]
	t.Retries, t.BytesIn, t.BytesOut = max(0, t.Retries), max(0, t.BytesIn), max(0, t.BytesOut)
	return true
}

// Settle waits until every program has its present view in force. It gives the
// instances of those that did not before ctx ended; one that says nothing at
// all is not waited for.
func (c *Callers) Settle(ctx context.Context) (late []string) {
	c.wait(ctx, func() bool {
		late = nil
		c.each(func(service, id string, p *program) {
			if p.revision != c.current[service].Revision {
				late = append(late, id)
			}
		})
		return len(late) == 0
	})
	slices.Sort(late)
	return late
}

// Drained waits until no program calls an instance that has left the rotation,
// or ctx ends.
func (c *Callers) Drained(ctx context.Context, instance string) {
	c.wait(ctx, func() bool {
		free := true
		c.each(func(service, _ string, p *program) {
			free = free && p.counted == c.current[service].Revision && p.with[instance] == 0
		})
		return free
	})
}

// Ejected tells whether a program gives an instance no calls at present, since
// it failed while others did not.
func (c *Callers) Ejected(instance string) (out bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.each(func(_, _ string, p *program) {
		for _, s := range p.states {
			out = out || s.Ejected[instance].Until.After(time.Now())
		}
	})
	return out
}

// each goes through the programs that are heard; c.mu is held.
func (c *Callers) each(f func(service, id string, p *program)) {
	for service, all := range c.programs {
		for id, p := range all {
			if time.Since(p.heard) < silence {
				f(service, id, p)
			}
		}
	}
}

// wait waits for a condition, which is asked with c.mu held, or for ctx's end.
func (c *Callers) wait(ctx context.Context, condition func() bool) {
	tick := time.NewTicker(silence / 10) // silence comes without a change
	defer tick.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !condition() && ctx.Err() == nil {
		changed, heard := c.changed, c.heard
		c.mu.Unlock()
		select {
		case <-changed:
		case <-heard:
		case <-tick.C:
		case <-ctx.Done():
		}
		c.mu.Lock()
	}
}

// Gone forgets a program that has ended.
func (c *Callers) Gone(instance string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, all := range c.programs {
		delete(all, instance)
	}
	c.listen()
}

// InFlight counts the calls under way past plat's listeners, by instance.
func (c *Callers) InFlight() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	with := map[string]int{}
	c.each(func(_, _ string, p *program) {
		for id, n := range p.with {
			with[id] += max(0, n)
		}
	})
	return with
}

// State is what a program told last of its calls of one service.
type State struct {
	Caller, Instance string
	direct.State
}

// States tells how the calls stand that the programs of a service (empty: of
// all) make by themselves, sorted.
func (c *Callers) States(service string) []State {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []State
	for _, name := range slices.Sorted(maps.Keys(c.programs)) {
		if service != "" && service != name {
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(c.programs[name])) {
			if time.Since(c.programs[name][id].heard) >= silence {
				continue
			}
			for _, s := range c.programs[name][id].states {
				all = append(all, State{name, id, s})
			}
		}
	}
	return all
}

// Lost counts the calls that are in no figure: those that programs dropped, and
// those that were told and not believed.
func (c *Callers) Lost() (dropped map[string]uint64, refused uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.dropped), c.refused
}
