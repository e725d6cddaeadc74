package chaos

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/whole"
)

// RehearsalMark is the journey whose customers a rehearsal's faults meet. No
// journey of a plan can have the name.
const RehearsalMark = "plat:rehearsal"

// The states of a rehearsal.
const (
	Never    = "never"
	Running  = "running"
	Done     = "done"
	Stopped  = "stopped"   // by hand, or since plat ended
	NotBegun = "not-begun" // the system was not steady
)

// The verdicts about a promise.
const (
	Kept         = "kept"
	False        = "false"
	NotRehearsed = "not-rehearsed"
)

// Rehearsal is what is known of the promises of the plan.
type Rehearsal struct {
	State    string       `json:"state"`
	Started  time.Time    `json:"started,omitzero"` // the last run
	Ended    time.Time    `json:"ended,omitzero"`
	Now      string       `json:"now,omitempty"` // what is done at this moment
	Done     int          `json:"done"`          // of Total, while it runs
	Total    int          `json:"total"`
	Fault    *fault.Fault `json:"fault,omitempty"` // why the last run did not go to its end
	Promises []Promise    `json:"promises"`        // by caller, then dependency
}

// Promise is what the plan says of one failing dependency, and what customers
// saw.
type Promise struct {
	Caller     string            `json:"caller"`
	Dependency string            `json:"dependency"`
	OnFailure  string            `json:"onFailure"`
	Optional   bool              `json:"optional,omitempty"`
	Verdict    string            `json:"verdict"`
	Sees       string            `json:"sees,omitempty"` // what customers see, in words
	Why        string            `json:"why,omitempty"`  // of a verdict other than kept
	Remedy     string            `json:"remedy,omitempty"`
	Ways       []Way             `json:"ways"`
	At         time.Time         `json:"at"`
	Plan       string            `json:"plan"`            // hash of what it depends on in the plan
	Versions   map[string]string `json:"versions"`        // of the services that it depends on
	Stale      string            `json:"stale,omitempty"` // why it says nothing of today
}

// Way is one way in which a dependency failed.
type Way struct {
	Way     string `json:"way"`
	Verdict string `json:"verdict"`
	Why     string `json:"why,omitempty"`
	Played  uint64 `json:"played"`          // calls that failed
	Later   uint64 `json:"later,omitempty"` // of them, those that were accepted to be done later
	Runs    []Run  `json:"runs"`            // of the journeys that lead to the call
}

// Hidden tells whether customers are not to notice the failure.
func (p Promise) Hidden() bool { return p.Optional || p.OnFailure != "fail" }

// rehearsalFile is where the promises are kept.
func (r *Room) rehearsalFile() string { return filepath.Join(r.o.Folder, "rehearsal.json") }

func (r *Room) load() error {
	r.rehearsal = Rehearsal{State: Never}
	text, err := os.ReadFile(r.rehearsalFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		var was Rehearsal
		if err = json.Unmarshal(text, &was); err == nil {
			if was.State == Running { // plat ended in the middle
				was.State = Stopped
			}
			r.rehearsal = was
		}
	}
	return err
}

// Rehearsal tells what is known, held to today's plan: promises that it does
// not make any more are left out, those that were never rehearsed are in it.
func (r *Room) Rehearsal(sys *plan.System) Rehearsal {
	versions := r.o.System.Versions()
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.rehearsal
	out.Promises = []Promise{}
	for _, p := range promises(sys, versions) {
		i := slices.IndexFunc(r.rehearsal.Promises, p.same)
		if i < 0 {
			p.Why = "it was never rehearsed"
			out.Promises = append(out.Promises, p)
			continue
		}
		known := r.rehearsal.Promises[i]
		known.Stale = stale(known, p)
		out.Promises = append(out.Promises, known)
	}
	return out
}

func (p Promise) same(other Promise) bool {
	return p.Caller == other.Caller && p.Dependency == other.Dependency
}

// stale tells why what was rehearsed says nothing of today; empty when it does.
func stale(then, now Promise) string {
	if then.Plan != now.Plan {
		return "the plan has changed"
	}
	var changed []string
	for name, version := range now.Versions {
		if then.Versions[name] != version {
			changed = append(changed, name)
		}
	}
	if len(changed) == 0 {
		return ""
	}
	slices.Sort(changed)
	return strings.Join(changed, ", ") + " changed"
}

// promises are those that a plan makes, none of them rehearsed, with what they
// depend on.
func promises(sys *plan.System, versions map[string]string) []Promise {
	var all []Promise
	for _, svc := range sys.Services {
		for _, d := range svc.Calls {
			p := Promise{
				Caller: svc.Name, Dependency: d.Service, OnFailure: d.OnFailure, Optional: d.Optional,
				Verdict: NotRehearsed, Ways: []Way{}, Versions: map[string]string{}, Plan: digest(sys, svc.Name, d),
			}
			for _, name := range append(above(sys, svc.Name), d.Service) {
				if v, ok := versions[name]; ok {
					p.Versions[name] = v
				}
			}
			all = append(all, p)
		}
	}
	return all
}

// above are a service and all by whom customers reach it.
func above(sys *plan.System, service string) []string {
	names := []string{service}
	for i := 0; i < len(names); i++ {
		for _, svc := range sys.Services {
			if !slices.Contains(names, svc.Name) && slices.ContainsFunc(svc.Calls, func(d plan.Dependency) bool { return d.Service == names[i] }) {
				names = append(names, svc.Name)
			}
		}
	}
	return names
}

// digest is of what the outcome depends on in the plan: the declared call and
// those above it, the routes and the journeys.
func digest(sys *plan.System, caller string, d plan.Dependency) string {
	calls := map[string][]plan.Dependency{}
	for _, name := range above(sys, caller) {
		if svc, ok := sys.Service(name); ok && name != caller {
			calls[name] = svc.Calls
		}
	}
	config := map[string][]plan.Setting{} // what programs are told changes what they do
	for _, name := range append(above(sys, caller), d.Service) {
		if svc, ok := sys.Service(name); ok {
			config[name] = svc.Config
		}
	}
	text, err := json.Marshal([]any{d, calls, config, sys.Gateways, sys.Journeys})
	if err != nil {
		panic("chaos: a plan is always JSON: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// Rehearse starts a rehearsal of the promises of some callers; none is all. It
// fails when something else runs.
func (r *Room) Rehearse(sys *plan.System, callers []string) error {
	for _, name := range callers {
		svc, ok := sys.Service(name)
		if !ok {
			f := fault.Newf(fault.NoSuchService, "the plan has no service %s", name).Fix("plat ps lists them")
			var names []string
			for _, svc := range sys.Services {
				names = append(names, svc.Name)
			}
			if near := plan.Nearest(name, names); near != "" {
				f.Fix("did you mean " + near + "?")
			}
			return f
		}
		if len(svc.Calls) == 0 {
			return fault.Newf(fault.BadArgument, "%s declares no call of another service", name).Why("there is nothing that could fail").Fix("plat rehearse rehearses the whole system")
		}
	}
	if len(sys.Journeys) == 0 {
		return fault.New(fault.ChaosNotSteady, "the plan declares no journeys").Why("what customers see is seen by test customers").Fix("plat explain journeys tells how one is declared")
	}
	var todo []Promise
	for _, p := range promises(sys, r.o.System.Versions()) {
		if len(callers) == 0 || slices.Contains(callers, p.Caller) {
			todo = append(todo, p)
		}
	}
	if len(todo) == 0 {
		return fault.New(fault.BadArgument, "no service declares a call of another").Why("there is nothing that could fail").Fix("plat drift shows calls that are made and not declared")
	}
	run := &rehearsing{room: r, sys: sys, todo: todo}
	return r.start("a rehearsal", func() {
		kept := r.rehearsal.Promises
		r.rehearsal = Rehearsal{State: Running, Started: time.Now().UTC(), Total: 1, Promises: kept, Now: "looks whether all journeys pass"}
	}, run.do)
}

// put keeps what was found of a promise.
func (r *Room) put(p Promise) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.rehearsal.Promises, p.same); i >= 0 {
		r.rehearsal.Promises = slices.Clone(r.rehearsal.Promises)
		r.rehearsal.Promises[i] = p
		return
	}
	r.rehearsal.Promises = append(slices.Clip(r.rehearsal.Promises), p)
}

// now tells what is done at this moment.
func (r *Room) now(done, total int, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rehearsal.Done, r.rehearsal.Total, r.rehearsal.Now = done, total, fmt.Sprintf(format, args...)
}

// end keeps what was found, and tells how the run ended.
func (r *Room) end(state string, f *fault.Fault) {
	r.mu.Lock()
	final := r.rehearsal
	r.mu.Unlock()
	final.State, final.Fault, final.Now, final.Ended = state, f, "", time.Now().UTC()
	text, err := json.MarshalIndent(final, "", "  ")
	if err == nil {
		err = whole.Write(r.rehearsalFile(), text)
	}
	if err != nil {
		final.Fault = fault.New(fault.PartEnded, "what was rehearsed cannot be kept").Why(err.Error()).Because(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rehearsal = final
}
