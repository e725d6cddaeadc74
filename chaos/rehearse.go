package chaos

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// Bounds of a rehearsal.
const (
	steadyTries  = 3                     // of a journey that fails before anything was broken
	steadyPause  = time.Second           // between them
	laterPause   = 50 * time.Millisecond // between two looks at what is done later
	recoverySoon = 45 * time.Second      // for customers to be well again after a failure
)

// failure is a way in which a dependency fails.
type failure struct{ way, kind, says string }

// failures are the ways; the last is not for what is not ours.
func failures(external bool) []failure {
	all := []failure{
		{"error", "error", "answers 503"},
		{"no answer", "no-answer", "does not answer"},
		{"broken off", "abort", "breaks the connection off"}, // its own: what stands in on the way has its chance
		{"no instance", "no-instance", "has no instance"},
	}
	if external {
		return all[:3]
	}
	return all
}

// rehearsing is one run.
type rehearsing struct {
	room    *Room
	sys     *plan.System
	todo    []Promise
	touched map[string][]plan.Journey // by the ID of the call
	done    int
	total   int
}

func callID(p Promise) string { return "rehearsal/" + p.Caller + "/" + p.Dependency }

// do rehearses until all is done or ctx ends.
func (h *rehearsing) do(ctx context.Context) {
	r := h.room
	state, f := Done, h.steady(ctx)
	if f != nil {
		state = NotBegun
	}
	for _, p := range h.todo {
		if f != nil || ctx.Err() != nil {
			break
		}
		f = h.promise(ctx, &p)
		if ctx.Err() == nil {
			p.At = time.Now().UTC()
			r.put(p)
		}
	}
	if ctx.Err() != nil {
		state, f = Stopped, nil
	} else if f != nil && state == Done {
		state = Stopped
	}
	r.end(state, f)
}

// steady looks whether all journeys pass while nothing is broken, and which
// calls each of them leads to.
func (h *rehearsing) steady(ctx context.Context) *fault.Fault {
	system := h.room.o.System
	h.touched = map[string][]plan.Journey{}
	var watch []Fault
	for _, p := range h.todo {
		watch = append(watch, Fault{ID: callID(p), Kind: "watch", Caller: p.Caller, Service: p.Dependency, Journey: RehearsalMark})
	}
	for _, j := range h.sys.Journeys {
		h.play()
		h.play(watch...) // they count from zero
		if f := h.passes(ctx, j); f != nil {
			return f
		}
		for id, count := range system.FaultCounts() {
			if count.Played > 0 {
				h.touched[id] = append(h.touched[id], j)
			}
		}
	}
	for _, p := range h.todo {
		if len(h.touched[callID(p)]) > 0 {
			h.total += len(failures(h.external(p.Dependency)))
		}
	}
	return nil
}

// play lets these fail alone. Faults of requests can always be played.
func (h *rehearsing) play(faults ...Fault) { _ = h.room.o.System.SetFaults(faults) }

// passes lets a customer go a journey's way that should pass, a few times
// where it does not.
func (h *rehearsing) passes(ctx context.Context, j plan.Journey) *fault.Fault {
	var last Run
	for try := range steadyTries {
		if try > 0 && !pause(ctx, steadyPause) {
			break
		}
		if last = h.room.o.System.RunJourney(ctx, j, RehearsalMark); last.Passed {
			return nil
		}
	}
	return fault.Newf(fault.ChaosNotSteady, "the journey %s does not pass while nothing is broken", j.Name).Why(saw(last)).Fix("plat probe run " + j.Name + " shows why")
}

func (h *rehearsing) external(name string) bool {
	return slices.ContainsFunc(h.sys.External, func(e plan.External) bool { return e.Name == name && e.Registered == "" })
}

// promise lets one dependency fail in every way. A fault ends the rehearsal:
// the system did not become well again.
func (h *rehearsing) promise(ctx context.Context, p *Promise) *fault.Fault {
	journeys := h.touched[callID(*p)]
	if len(journeys) == 0 {
		p.Why, p.Remedy = "no journey leads to this call", "let a journey in plat.yaml go where "+p.Caller+" needs "+p.Dependency
		if _, ours := h.sys.Service(p.Dependency); ours && p.Versions[p.Dependency] == "" {
			p.Why, p.Remedy = p.Dependency+" does not run", "plat ps tells why"
		}
		return nil
	}
	limit := promptly(h.sys, *p)
	for _, how := range failures(h.external(p.Dependency)) {
		h.room.now(h.done, h.total, "%s %s, %s asks it", p.Dependency, how.says, p.Caller)
		h.done++
		way := h.way(ctx, *p, how, journeys, limit)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was stopped, which is no fault
		}
		p.Ways = append(p.Ways, way)
		if f := h.recovered(ctx, *p, way, journeys); f != nil {
			p.conclude()
			return f
		}
	}
	p.conclude()
	return nil
}

// way plays one failure and judges what came of it.
func (h *rehearsing) way(ctx context.Context, p Promise, how failure, journeys []plan.Journey, limit time.Duration) Way {
	system := h.room.o.System
	id := callID(p) + "/" + how.kind
	way := Way{Way: how.way, Verdict: Kept, Runs: []Run{}}
	then := system.Later(p.Caller, p.Dependency)
	h.play(Fault{ID: id, Kind: how.kind, Status: http.StatusServiceUnavailable, Caller: p.Caller, Service: p.Dependency, Journey: RehearsalMark})
	defer h.play()
	for _, j := range journeys {
		before := system.FaultCounts()[id].Played
		run := system.RunJourney(ctx, j, RehearsalMark)
		way.Runs = append(way.Runs, run)
		way.Played = system.FaultCounts()[id].Played
		switch why := broken(p, run, limit); {
		case way.Verdict == False:
		case way.Played == before:
			way.Verdict, way.Why = NotRehearsed, "the journey "+j.Name+" did not come to this call"
		case why != "":
			way.Verdict, way.Why = False, why
		}
	}
	if p.OnFailure == plan.OnQueue && way.Verdict == Kept {
		h.play()
		h.doneLater(ctx, p, &way, then)
	}
	return way
}

// doneLater looks whether the calls that were accepted while the dependency
// failed are done once it is well again.
func (h *rehearsing) doneLater(ctx context.Context, p Promise, way *Way, then Later) {
	until := time.Now().Add(recoverySoon)
	for {
		now := h.room.o.System.Later(p.Caller, p.Dependency)
		way.Later = now.Kept - then.Kept
		switch {
		case way.Later == 0:
			way.Verdict, way.Why = NotRehearsed, "the journeys make no call that can be done later: POST, PUT, PATCH or DELETE"
			return
		case now.Dead > then.Dead:
			way.Verdict, way.Why = False, "a call that was to be done later was given up: "+now.Why
			return
		case now.Waiting == 0:
			return
		case time.Now().After(until):
			way.Verdict, way.Why = False, fmt.Sprintf("%d of the calls that were to be done later are not, %s after %s was well again: %s", now.Waiting, recoverySoon, p.Dependency, now.Why)
			return
		}
		if !pause(ctx, laterPause) {
			return
		}
	}
}

// broken tells why what a customer saw is not what was promised; empty when it
// is.
func broken(p Promise, run Run, limit time.Duration) string {
	switch f := run.Failed; {
	case run.Passed:
		return "" // better than promised is not worse
	case p.Hidden():
		return fmt.Sprintf("%s: customers were to notice nothing", saw(run))
	case f.Status == 0:
		return fmt.Sprintf("%s: an error was promised, with an answer that says so", saw(run))
	case f.Status < 400:
		return fmt.Sprintf("%s: an error was promised, and the answer says that all is well", saw(run))
	case time.Duration(f.Seconds*float64(time.Second)) > limit:
		return fmt.Sprintf("%s: the error came after %s, expected within %s (five times the call's time-out, and a second)", saw(run), seconds(f.Seconds), limit)
	case !clean(f.ContentType):
		return fmt.Sprintf("%s: the error is %q, expected a page or application/problem+json", saw(run), f.ContentType)
	}
	return ""
}

// clean tells whether an error is said in a form that customers can read:
// people a page, programs a problem (RFC 9457) or other JSON.
func clean(contentType string) bool {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch strings.TrimSpace(kind) {
	case "application/problem+json", "application/json", "text/html", "application/xhtml+xml", "text/plain", "application/grpc", "application/problem+xml":
		return true
	}
	return false
}

// promptly is how long a customer may wait for the error: a page may make a few
// such calls, one after the other.
func promptly(sys *plan.System, p Promise) time.Duration {
	const calls = 5
	svc, _ := sys.Service(p.Caller)
	for _, d := range svc.Calls {
		if d.Service == p.Dependency {
			return calls*d.Timeout.Std() + time.Second
		}
	}
	return time.Second
}

// recovered waits until the journeys pass again after a failure that customers
// noticed, so that the next one begins with a system that is well.
func (h *rehearsing) recovered(ctx context.Context, p Promise, way Way, journeys []plan.Journey) *fault.Fault {
	if !slices.ContainsFunc(way.Runs, func(r Run) bool { return !r.Passed }) {
		return nil
	}
	until := time.Now().Add(recoverySoon)
	for _, j := range journeys {
		for {
			run := h.room.o.System.RunJourney(ctx, j, RehearsalMark)
			if run.Passed || ctx.Err() != nil {
				break
			}
			if time.Now().After(until) || !pause(ctx, steadyPause) {
				return fault.Newf(fault.ChaosNotSteady, "%s after %s was well again, the journey %s does not pass", recoverySoon, p.Dependency, j.Name).
					Why(saw(run)).Fix("plat describe " + p.Caller + " tells what its calls are at")
			}
		}
	}
	return nil
}

// conclude makes the verdict about a promise out of its ways.
func (p *Promise) conclude() {
	p.Verdict, p.Sees = Kept, "nothing: every journey passes"
	longest, later := -1.0, uint64(0)
	for _, w := range p.Ways {
		later += w.Later
		for _, run := range w.Runs {
			if !run.Passed && w.Played > 0 && run.Failed.Seconds > longest {
				longest, p.Sees = run.Failed.Seconds, saw(run)
			}
		}
	}
	if longest < 0 && later > 0 {
		p.Sees += fmt.Sprintf("; %d calls were done later", later)
	}
	for _, verdict := range []string{NotRehearsed, False} { // the worst is said
		if i := slices.IndexFunc(p.Ways, func(w Way) bool { return w.Verdict == verdict }); i >= 0 {
			p.Verdict, p.Why = verdict, p.Ways[i].Way+": "+p.Ways[i].Why
		}
	}
	switch {
	case p.Verdict == False && p.OnFailure == plan.OnQueue:
		p.Remedy = "plat queue list tells why; let " + p.Caller + " take 202 for an answer, and " + p.Dependency + " heed Idempotency-Key"
	case p.Verdict == False && p.Hidden():
		p.Remedy = "let " + p.Caller + " go on without " + p.Dependency + ", or declare on-failure: fail"
	case p.Verdict == False:
		p.Remedy = "let " + p.Caller + " answer with an error as soon as " + p.Dependency + " fails"
	}
}

// saw is what a customer saw, in words.
func saw(run Run) string {
	f := run.Failed
	switch {
	case run.Passed || f == nil:
		return "nothing: " + run.Journey + " passes"
	case f.Status == 0:
		return fmt.Sprintf("%s, at %q of %s, after %s", f.What, f.Step, run.Journey, seconds(f.Seconds))
	case f.Status < 400:
		return fmt.Sprintf("%d, but %s, at %q of %s", f.Status, f.What, f.Step, run.Journey)
	}
	return fmt.Sprintf("%d %s at %q of %s, after %s", f.Status, http.StatusText(f.Status), f.Step, run.Journey, seconds(f.Seconds))
}

// seconds is a duration for a person.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
