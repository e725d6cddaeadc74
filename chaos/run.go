package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// ExperimentMark is the journey under which an experiment's own customers come.
// No journey of a plan can have the name.
const ExperimentMark = "plat:experiment"

// Machine is what the room needs beside [System] to harm instances and to see
// what real customers get.
type Machine interface {
	// Instances are those of a service whose process runs.
	Instances(service string) []Instance
	// Kill ends an instance at once; Pause lets it stand still for this long,
	// whatever becomes of plat, and 0 lets it go on.
	Kill(instance string) error
	Pause(instance string, most time.Duration) error
	// Answers counts the requests at the entrances since plat started.
	Answers() Answers
	// Alerts says in words which alerts fire, by service.
	Alerts() map[string][]string
}

// Instance is a running instance.
type Instance struct {
	ID      string
	Started time.Time // its process
	Ready   bool      // it is in rotation
}

const (
	lookAgain    = 200 * time.Millisecond // at what customers get
	betweenRuns  = 300 * time.Millisecond // of one journey
	fewAnswers   = 20                     // below that, a share says nothing
	pauseReserve = 5 * time.Second        // a paused instance goes on by itself so long after the end
)

// Experiment starts an experiment; it fails when something else runs. The
// report's ID is told at once.
func (r *Room) Experiment(sys *plan.System, x Experiment, scheduled bool) (id string, err error) {
	now := time.Now().UTC()
	report := &Report{
		ID: now.Format("20060102-150405.000") + "-" + x.Name, Experiment: x, State: Running, Phase: "before", Scheduled: scheduled, Started: now,
		Journeys: []JourneyCount{}, Played: map[string]Count{},
	}
	report.ID = strings.Replace(report.ID, ".", "-", 1)
	e := &experimenting{room: r, x: x, report: *report, reasons: map[string]int{}}
	for _, name := range x.Journeys {
		if i := slices.IndexFunc(sys.Journeys, func(j plan.Journey) bool { return j.Name == name }); i >= 0 {
			e.journeys = append(e.journeys, sys.Journeys[i])
			e.report.Journeys = append(e.report.Journeys, JourneyCount{Journey: name})
		}
	}
	return report.ID, r.start("the experiment "+x.Name, func() { r.report = report }, e.do)
}

// experimenting is one run. What it knows belongs to the room's goroutine.
type experimenting struct {
	room     *Room
	x        Experiment
	journeys []plan.Journey
	report   Report
	base     Answers
	alerts   map[string][]string // that fired before
	failures int
	paused   []string
	harmed   []Instance     // by the place of the deed in the report
	reasons  map[string]int // of the report's Why, by kind
}

// tell lets others see how far it has come.
func (e *experimenting) tell() {
	copied := e.report
	copied.Journeys, copied.Played = slices.Clone(e.report.Journeys), maps.Clone(e.report.Played)
	copied.Why, copied.Done = slices.Clone(e.report.Why), slices.Clone(e.report.Done)
	e.room.mu.Lock()
	defer e.room.mu.Unlock()
	e.room.report = &copied
}

// do runs it to its end, and keeps the report.
func (e *experimenting) do(ctx context.Context) {
	e.run(ctx)
	e.report.Phase, e.report.Ended = "", time.Now().UTC()
	if err := e.room.keep(e.report); err != nil {
		e.report.Fault = fault.New(fault.PartEnded, "the report cannot be kept").Why(err.Error()).Because(err)
	}
	e.tell()
}

func (e *experimenting) run(ctx context.Context) {
	if f := e.before(ctx); f != nil {
		e.report.State, e.report.Fault = NotBegun, f
		return
	}
	if ctx.Err() != nil {
		e.report.State = Stopped
		return
	}
	hurt := e.during(ctx)
	if e.report.Fault != nil {
		e.report.State = NotBegun
		return
	}
	e.report.State = Done
	switch {
	case hurt:
		e.report.Verdict = Hurt
	case len(e.report.Why) > 0:
		e.report.Verdict = NotSteady
	case ctx.Err() != nil:
		e.report.State = Stopped
		return
	default:
		e.report.Verdict = Steady
		if e.report.Why = e.unclear(); len(e.report.Why) > 0 {
			e.report.Verdict = Unclear
		}
	}
	e.after(ctx)
}

// unclear tells why what held says nothing: nothing failed for anybody, or
// nobody came who would have noticed.
func (e *experimenting) unclear() (why []string) {
	for i, f := range e.x.Faults {
		if e.report.Played[f.ID].Played == 0 {
			what := "request"
			if f.Event != "" {
				what = "event"
			}
			why = append(why, fmt.Sprintf("fault %d (%s) met no %s", i+1, f.Kind, what))
		}
	}
	for _, j := range e.report.Journeys {
		if j.Passed == 0 {
			why = append(why, "the journey "+j.Journey+" did not come to its end while things failed")
		}
	}
	if e.x.Answers > 0 && !e.enough() {
		why = append(why, fmt.Sprintf("only %d requests came to the entrances, which is too few to tell a share", e.report.Answers.All))
	}
	return why
}

// before looks whether all holds that must.
func (e *experimenting) before(ctx context.Context) *fault.Fault {
	for i, j := range e.journeys {
		var last Run
		for try := range steadyTries {
			if try > 0 && !pause(ctx, steadyPause) {
				return nil
			}
			if last = e.room.o.System.RunJourney(ctx, j, ExperimentMark); last.Passed {
				break
			}
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was stopped, which is no fault
		}
		if !last.Passed {
			return fault.Newf(fault.ChaosNotSteady, "the journey %s does not pass before anything fails", j.Name).Why(saw(last)).Fix("plat probe run " + j.Name + " shows why")
		}
		e.report.Journeys[i].Before = last.Seconds
		e.tell()
	}
	e.alerts = e.room.o.Machine.Alerts()
	for _, service := range e.x.Services {
		if firing := e.alerts[service]; len(firing) > 0 {
			return fault.Newf(fault.ChaosNotSteady, "an alert of %s fires before anything fails", service).Why(firing[0]).Fix("plat alerts shows it")
		}
	}
	return nil
}

// ran is a journey's run while things fail.
type ran struct {
	journey int
	run     Run
}

// during lets things fail, and looks on until the time is over, customers are
// hurt beyond the limit, or ctx ends. It tells whether they were.
func (e *experimenting) during(ctx context.Context) (hurt bool) {
	defer e.undo()
	e.base = e.room.o.Machine.Answers()
	e.report.Phase, e.report.Injected = "during", time.Now().UTC()
	if err := e.room.keep(e.report); err != nil { // so that it is known even when plat is killed now
		e.because("report", "the report cannot be kept: %s", err)
	}
	if err := e.room.o.System.SetFaults(e.x.Faults); err != nil {
		if f, ok := errors.AsType[*fault.Fault](err); ok {
			e.report.Fault = f
		} else {
			e.report.Fault = fault.New(fault.EventUnavailable, "not everything can be let fail").Why(err.Error()).Because(err)
		}
		return false
	}
	e.harm()
	e.tell()
	ctx, over := context.WithTimeout(ctx, e.x.Duration)
	defer over()
	runs := make(chan ran)
	walkers := make(chan struct{})
	go func() { defer close(walkers); e.walk(ctx, runs) }()
	defer func() {
		over()
		for { // what is under way ends before anything is undone, so that nobody is counted wrongly
			select {
			case <-runs:
			case <-walkers:
				return
			}
		}
	}()
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			e.look()
			return e.beyond()
		case r := <-runs:
			e.count(r)
		case <-tick.C:
		}
		e.look()
		e.tell()
		if e.beyond() {
			return true
		}
	}
}

// walk lets customers go the journeys' ways until ctx ends.
func (e *experimenting) walk(ctx context.Context, runs chan<- ran) {
	if len(e.journeys) == 0 {
		return
	}
	for i := 0; ctx.Err() == nil; i = (i + 1) % len(e.journeys) {
		run := e.room.o.System.RunJourney(ctx, e.journeys[i], ExperimentMark)
		if ctx.Err() != nil && !run.Passed {
			return // it was cut off, which says nothing
		}
		select {
		case runs <- ran{i, run}:
		case <-ctx.Done():
			return
		}
		pause(ctx, betweenRuns)
	}
}

func (e *experimenting) count(r ran) {
	j := &e.report.Journeys[r.journey]
	if r.run.Passed {
		j.Passed++
		j.Slowest = max(j.Slowest, r.run.Seconds)
		return
	}
	j.Failed++
	e.failures++
	if j.First == nil {
		j.First = &r.run
		e.report.Why = append(e.report.Why, "the journey "+j.Journey+" failed: "+saw(r.run))
	}
}

// look reads what faults and entrances count, and what fires.
func (e *experimenting) look() {
	e.overcome()
	e.report.Played = e.room.o.System.FaultCounts()
	now := e.room.o.Machine.Answers()
	e.report.Answers = Answers{All: now.All - e.base.All, Bad: now.Bad - e.base.Bad}
	if e.x.Answers > 0 && e.enough() && e.share() < e.x.Answers {
		e.because("answers", "of the requests at the entrances %.1f%% were answered well, expected %.4g%%", 100*e.share(), 100*e.x.Answers)
	}
	firing := e.room.o.Machine.Alerts()
	for _, service := range e.x.Services {
		for _, alert := range firing[service] {
			e.because(service+alert, "an alert of %s fires: %s", service, alert)
		}
	}
}

func (e *experimenting) enough() bool { return e.report.Answers.All >= fewAnswers }

// share is of the answers at the entrances that are good.
func (e *experimenting) share() float64 {
	return 1 - float64(e.report.Answers.Bad)/float64(e.report.Answers.All)
}

// because notes what does not hold; of the same kind the newest.
func (e *experimenting) because(kind, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	if i, known := e.reasons[kind]; known {
		e.report.Why[i] = why
		return
	}
	e.reasons[kind] = len(e.report.Why)
	e.report.Why = append(e.report.Why, why)
}

// beyond tells whether customers are hurt beyond the limit.
func (e *experimenting) beyond() bool {
	switch {
	case e.failures >= e.x.Failures:
		return true
	case e.x.Least > 0 && e.enough() && e.share() < e.x.Least:
		return true
	}
	firing := e.room.o.Machine.Alerts()
	return slices.ContainsFunc(e.x.Services, func(s string) bool { return len(firing[s]) > 0 })
}

// harm kills and pauses instances.
func (e *experimenting) harm() {
	for _, h := range e.x.Harms {
		all := e.room.o.Machine.Instances(h.Service)
		if h.Instance != "" {
			all = slices.DeleteFunc(all, func(in Instance) bool { return in.ID != h.Instance })
		}
		var err error
		var in Instance
		if len(all) > 0 {
			in = all[rand.IntN(len(all))] // #nosec G404 -- no secret
		}
		switch {
		case in.ID == "":
			err = errors.New("no instance of " + h.Service + " runs")
			if h.Instance != "" {
				err = errors.New(h.Instance + " does not run")
			}
		case h.Do == "kill":
			err = e.room.o.Machine.Kill(in.ID)
		default:
			if err = e.room.o.Machine.Pause(in.ID, e.x.Duration+pauseReserve); err == nil {
				e.paused = append(e.paused, in.ID)
			}
		}
		if err != nil {
			e.because("harm "+h.Service, "nothing could be done to %s: %s", h.Service, err)
			continue
		}
		e.report.Done = append(e.report.Done, Deed{At: time.Now().UTC(), Do: h.Do, Service: h.Service, Instance: in.ID})
		e.harmed = append(e.harmed, in)
	}
}

// overcome notes which instances that were harmed plat has begun anew, and which
// of those are in rotation again: that it does is what an experiment shows, so a
// pause may be over before its time.
func (e *experimenting) overcome() {
	for i := range e.report.Done {
		d := &e.report.Done[i]
		if !d.Ready.IsZero() {
			continue
		}
		for _, in := range e.room.o.Machine.Instances(d.Service) {
			if in.ID != d.Instance || !in.Started.After(e.harmed[i].Started) {
				continue
			}
			if d.Replaced.IsZero() {
				d.Replaced = time.Now().UTC()
			}
			if in.Ready {
				d.Ready = time.Now().UTC()
			}
		}
	}
}

// undo takes back all that can be.
func (e *experimenting) undo() {
	e.report.Played = e.room.o.System.FaultCounts()
	_ = e.room.o.System.SetFaults(nil) // none can always be played
	for _, instance := range e.paused {
		_ = e.room.o.Machine.Pause(instance, 0) // it has ended, or goes on by itself
	}
	e.paused = nil
	e.report.Undone = time.Now().UTC()
	e.report.Phase = "after"
	e.tell()
}

// after waits until all holds again.
func (e *experimenting) after(ctx context.Context) {
	until := time.Now().Add(recoverySoon)
	for _, j := range e.journeys {
		for {
			run := e.room.o.System.RunJourney(ctx, j, ExperimentMark)
			if run.Passed {
				break
			}
			if ctx.Err() != nil {
				return
			}
			if time.Now().After(until) || !pause(ctx, steadyPause) {
				e.report.Why = append(e.report.Why, fmt.Sprintf("%s after all was undone, the journey %s does not pass: %s", recoverySoon, j.Name, saw(run)))
				if e.report.Verdict == Steady {
					e.report.Verdict = Unwell
				}
				return
			}
		}
	}
	e.overcome()
	e.report.Recovered = time.Now().UTC()
}
