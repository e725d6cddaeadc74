package chaos

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// Fault is a failure that is played on purpose, for those requests for which
// everything of its aim holds that is set. Kinds are those of the gateway.
type Fault struct {
	ID     string        `json:"id"`
	Kind   string        `json:"kind"`
	Delay  time.Duration `json:"delay,omitempty"`
	Jitter time.Duration `json:"jitter,omitempty"`
	Status int           `json:"status,omitempty"`
	Rate   int64         `json:"rate,omitempty"`

	Service   string  `json:"service,omitempty"`
	Caller    string  `json:"caller,omitempty"`
	Instance  string  `json:"instance,omitempty"`
	Gateway   string  `json:"gateway,omitempty"`
	Route     string  `json:"route,omitempty"`
	Header    string  `json:"header,omitempty"`
	Value     string  `json:"value,omitempty"`
	Journey   string  `json:"journey,omitempty"`
	Synthetic bool    `json:"testCustomers"` // only they
	Share     float64 `json:"share,omitempty"`

	// Of events that a service receives: their type and, where it pulls them by
	// itself, from where. Those that plat pushes to it are requests, whose header
	// tells the type.
	Event    string `json:"event,omitempty"`
	Stream   string `json:"stream,omitempty"`
	Consumer string `json:"consumer,omitempty"`
}

// Pulled tells whether it is of events that a service pulls by itself.
func (f Fault) Pulled() bool { return f.Consumer != "" }

// Count is how often a fault was played.
type Count struct {
	Played   uint64    `json:"played"`
	Failed   uint64    `json:"failed,omitempty"`   // of what was only watched
	Examples []Example `json:"examples,omitempty"` // the first few
}

// Example is one exchange in which a fault was played.
type Example struct {
	Time          time.Time `json:"time"`
	TraceID       string    `json:"traceId,omitempty"`
	CorrelationID string    `json:"correlationId"`
	Request       string    `json:"request"`
}

// Run is how a journey went for one test customer.
type Run struct {
	Journey string    `json:"journey"`
	Passed  bool      `json:"passed"`
	Start   time.Time `json:"start"`
	Seconds float64   `json:"seconds"`
	TraceID string    `json:"traceId,omitempty"`
	Failed  *Failed   `json:"failed,omitempty"` // nil when it passed

	Requests []string `json:"-"` // the correlation ID of each step's last answer, by step
}

// Failed is the step at which a journey ended, as the customer saw it.
type Failed struct {
	Step          string  `json:"step"`
	Request       string  `json:"request,omitempty"`
	Status        int     `json:"status,omitempty"` // 0: there was no whole answer
	ContentType   string  `json:"contentType,omitempty"`
	What          string  `json:"what"`
	Seconds       float64 `json:"seconds"` // until the last answer, or until none came
	CorrelationID string  `json:"correlationId,omitempty"`
}

// Own tells the journeys under which the room's own customers come; no journey of
// a plan has such a name.
func Own(journey string) bool { return strings.HasPrefix(journey, "plat:") }

// System is what the room needs of the running system.
type System interface {
	// SetFaults replaces the faults that are played, and fails when not all of
	// them can be; FaultCounts counts those.
	SetFaults([]Fault) error
	FaultCounts() map[string]Count
	// RunJourney lets one test customer, whom faults aim at by the mark, go a
	// journey's way.
	RunJourney(ctx context.Context, j plan.Journey, mark string) Run
	// Versions tells the version of each service that runs.
	Versions() map[string]string
	// Later tells of the calls of test customers, of one service to another,
	// that are done later.
	Later(caller, dependency string) Later
}

// Later is how it stands with calls that are done later.
type Later struct {
	Kept    uint64 // ever
	Waiting int
	Dead    int
	Why     string // the next one was not done yet
	GivenUp string // why the last dead one was
}

// Options are what a Room is made with.
type Options struct {
	Folder  string // for what is remembered
	System  System
	Machine Machine
	// Experiments gives those that lie beside the live plan, for the schedule;
	// nil: none do.
	Experiments func() (*plan.System, []Experiment)
}

// Room runs one experiment or rehearsal at a time. It is safe for concurrent
// use.
type Room struct {
	o    Options
	work chan job

	mu        sync.Mutex // guards what follows
	stop      context.CancelCauseFunc
	busy      string // what runs; empty: nothing
	rehearsal Rehearsal
	report    *Report // of the experiment that runs; nil: none does
	schedule  Schedule
	due       map[string]time.Time // by experiment
}

// job is what Run does next.
type job struct {
	ctx context.Context //nolint:containedctx // ends the one job
	do  func(context.Context)
}

// errStopped is why a job ended that somebody stopped.
var errStopped = errors.New("it was stopped by hand")

// Open makes a room, and reads what is remembered; what cannot be read is
// forgotten, and the damage told.
func Open(o Options) (*Room, error) {
	r := &Room{o: o, work: make(chan job, 1)}
	return r, r.load()
}

// Run does what is asked for until ctx ends; it returns when all is undone.
func (r *Room) Run(ctx context.Context) error {
	tick := time.NewTicker(lookDue)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			r.runDue(now)
		case j := <-r.work:
			end := context.AfterFunc(ctx, func() { r.cancel(ctx.Err()) })
			j.do(j.ctx)
			end()
			_ = r.o.System.SetFaults(nil) // none can always be played
			r.mu.Lock()
			r.busy, r.stop, r.report = "", nil, nil
			r.mu.Unlock()
		}
	}
}

// start gives Run something to do; begin is called before it is done, when
// nothing else runs.
func (r *Room) start(what string, begin func(), do func(context.Context)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy != "" {
		return fault.Newf(fault.ChaosRunning, "%s runs already", r.busy)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	r.busy, r.stop = what, cancel
	begin()
	r.work <- job{ctx, do} // INVARIANT: there is room, since nothing else runs
	return nil
}

// Stop ends what runs, and undoes it. It returns at once.
func (r *Room) Stop() error {
	if !r.cancel(errStopped) {
		return fault.New(fault.ChaosNotRunning, "no experiment and no rehearsal runs")
	}
	return nil
}

func (r *Room) cancel(why error) (was bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop == nil {
		return false
	}
	r.stop(why)
	return true
}

// pause waits; false when ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
