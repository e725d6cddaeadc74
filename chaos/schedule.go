package chaos

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/plat-dev/plat/fault"
)

// Schedule is which experiments run by themselves, and until when.
type Schedule struct {
	On        bool      `json:"on"`
	Until     time.Time `json:"until,omitzero"`
	Next      []Due     `json:"next"`      // the soonest first
	Started   int       `json:"started"`   // since it is on
	Postponed int       `json:"postponed"` // times that something was due, and the system was not well
	Waits     string    `json:"waits,omitempty"`
}

// Due is when an experiment runs next.
type Due struct {
	Experiment string    `json:"experiment"`
	At         time.Time `json:"at"`
}

// Bounds of a schedule.
const (
	longestSchedule = 7 * 24 * time.Hour
	lookDue         = time.Second
	postpone        = time.Minute
)

// SetSchedule lets the experiments beside the plan that say every run by
// themselves for this long, one at a time; 0 ends that. It outlives no plat.
func (r *Room) SetSchedule(d time.Duration) error {
	if d < 0 || d > longestSchedule {
		return fault.Newf(fault.BadArgument, "a schedule of %s is not possible", d).Why("expected at most " + longestSchedule.String()).Fix("switch it on anew when it ends")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due, r.schedule = map[string]time.Time{}, Schedule{}
	if d > 0 {
		r.schedule = Schedule{On: true, Until: time.Now().Add(d).UTC()}
	}
	return nil
}

// Schedule tells what runs next by itself.
func (r *Room) Schedule() Schedule {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.schedule
	out.Next = []Due{}
	for name, at := range r.due {
		out.Next = append(out.Next, Due{name, at.UTC()})
	}
	slices.SortFunc(out.Next, func(a, b Due) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Experiment, b.Experiment)) })
	return out
}

// jittered is about d: so that nobody gets used to the hour.
func jittered(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1) // #nosec G404 -- no secret
}

// runDue starts what is due, when all is well and nothing else runs.
func (r *Room) runDue(now time.Time) {
	r.mu.Lock()
	on, busy := r.schedule.On, r.busy != ""
	if on && now.After(r.schedule.Until) {
		r.schedule, r.due, on = Schedule{}, nil, false
	}
	r.mu.Unlock()
	if !on || busy || r.o.Experiments == nil {
		return
	}
	sys, all := r.o.Experiments()
	x, ok := r.take(all, now)
	if !ok {
		return
	}
	waits := ""
	for service, alerts := range r.o.Machine.Alerts() {
		if len(alerts) > 0 {
			waits = "an alert of " + cmp.Or(service, "plat") + " fires: " + alerts[0]
		}
	}
	if waits == "" {
		if _, err := r.Experiment(sys, x, true); err != nil {
			waits = err.Error()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.schedule.On { // meanwhile
		return
	}
	if r.schedule.Waits = waits; waits != "" {
		r.schedule.Postponed++
		r.due[x.Name] = now.Add(postpone)
		return
	}
	r.schedule.Started++
	r.due[x.Name] = now.Add(jittered(x.Every))
}

// take brings the schedule to the experiments that there are, and gives one
// that is due.
func (r *Room) take(all []Experiment, now time.Time) (Experiment, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.schedule.On {
		return Experiment{}, false
	}
	known := map[string]time.Time{}
	var first Experiment
	for _, x := range all {
		if x.Every <= 0 {
			continue
		}
		at, ok := r.due[x.Name]
		if !ok || at.Sub(now) > 2*x.Every { // new, or oftener than before
			at = now.Add(rand.N(x.Every)) // #nosec G404 -- no secret
		}
		known[x.Name] = at
		if !at.After(now) && (first.Name == "" || at.Before(known[first.Name])) {
			first = x
		}
	}
	r.due = known
	return first, first.Name != ""
}
