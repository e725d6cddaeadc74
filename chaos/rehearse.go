package chaos

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
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
	ill     map[string]bool           // calls that fail while nothing is broken
	done    int
	total   int
}

// run lets a customer go a journey's way while these fail for this customer
// alone, and tells how often they were played. The customer has a mark of its
// own: what an earlier one set going and is done later, is met by nothing and
// counted nowhere.
func (h *rehearsing) run(ctx context.Context, j plan.Journey, faults ...Fault) (Run, map[string]Count) {
	mark := RehearsalMark + "-" + strings.ToLower(rand.Text()[:10])
	for i := range faults {
		faults[i].Journey = mark
	}
	system := h.room.o.System
	_ = system.SetFaults(faults)                 // of requests, which can always be played
	defer func() { _ = system.SetFaults(nil) }() // as above
	run := system.RunJourney(ctx, j, mark)
	return run, system.FaultCounts()
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
	h.touched, h.ill = map[string][]plan.Journey{}, map[string]bool{}
	var watch []Fault
	for _, p := range h.todo {
		watch = append(watch, Fault{ID: callID(p), Kind: "watch", Caller: p.Caller, Service: p.Dependency})
	}
	for _, j := range h.sys.Journeys {
		counts, f := h.passes(ctx, j, watch)
		if f != nil {
			return f
		}
		for id, count := range counts {
			if count.Played > 0 {
				h.touched[id] = append(h.touched[id], j)
			}
		}
		ill := failing(counts)
		for try := 1; try < steadyTries && len(ill) > 0 && pause(ctx, steadyPause); try++ { // one slow answer is none that fails
			_, again := h.run(ctx, j, watch...)
			now := failing(again)
			maps.DeleteFunc(ill, func(id string, _ bool) bool { return !now[id] })
		}
		maps.Copy(h.ill, ill)
	}
	for _, p := range h.todo {
		if len(h.touched[callID(p)]) > 0 {
			h.total += len(failures(h.external(p.Dependency)))
		}
	}
	return nil
}

// failing are the calls that were watched of which most failed.
func failing(counts map[string]Count) map[string]bool {
	ill := map[string]bool{}
	for id, count := range counts {
		if 2*count.Failed > count.Played {
			ill[id] = true
		}
	}
	return ill
}

// passes lets a customer go a journey's way that should pass, a few times
// where it does not, and tells what was watched.
func (h *rehearsing) passes(ctx context.Context, j plan.Journey, watch []Fault) (map[string]Count, *fault.Fault) {
	var last Run
	for try := range steadyTries {
		if try > 0 && !pause(ctx, steadyPause) {
			break
		}
		var counts map[string]Count
		if last, counts = h.run(ctx, j, watch...); last.Passed {
			return counts, nil
		}
	}
	return nil, fault.Newf(fault.ChaosNotSteady, "the journey %s does not pass while nothing is broken", j.Name).Why(saw(last)).Fix("plat probe run " + j.Name + " shows why")
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
	if h.ill[callID(*p)] {
		p.Why, p.Remedy = p.Dependency+" fails already while nothing is broken", "plat describe "+p.Caller+" tells how; what customers see now is what stands in"
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
			if p.Verdict == Kept { // the ways that are left were not tried
				p.Verdict, p.Why, p.Remedy = NotRehearsed, how.way+": "+f.What, f.Remedy
			}
			return f
		}
	}
	p.conclude()
	return nil
}

// way plays one failure and judges what came of it.
func (h *rehearsing) way(ctx context.Context, p Promise, how failure, journeys []plan.Journey, limit time.Duration) Way {
	id := callID(p) + "/" + how.kind
	way := Way{Way: how.way, Verdict: Kept, Runs: []Run{}}
	then := h.room.o.System.Later(p.Caller, p.Dependency)
	for _, j := range journeys {
		run, counts := h.fails(ctx, j, Fault{ID: id, Kind: how.kind, Status: http.StatusServiceUnavailable, Caller: p.Caller, Service: p.Dependency})
		way.Runs = append(way.Runs, run)
		way.Played += counts[id].Played
		blind := unasserted(j, run, counts[id])
		switch why := broken(p, run, limit); {
		case way.Verdict == False:
		case counts[id].Played == 0:
			way.Verdict, way.Why = NotRehearsed, "the journey "+j.Name+" did not come to this call"
		case why != "":
			way.Verdict, way.Why = False, why
		case blind != "":
			way.Verdict, way.Why = NotRehearsed, fmt.Sprintf("%q of %s passes, whatever the customer is shown: %s", blind, j.Name, nothingExpected)
		}
	}
	if p.OnFailure == plan.OnQueue && way.Verdict == Kept {
		h.doneLater(ctx, p, &way, then)
	}
	return way
}

// fails lets a customer go a journey's way while a call fails, a few times where
// the journey breaks off before it comes to that call: it led there while nothing was
// broken, so what ended it is an accident elsewhere, and says nothing of this
// promise.
func (h *rehearsing) fails(ctx context.Context, j plan.Journey, f Fault) (run Run, counts map[string]Count) {
	for try := range steadyTries {
		if try > 0 && !pause(ctx, steadyPause) {
			break
		}
		if run, counts = h.run(ctx, j, f); run.Passed || counts[f.ID].Played > 0 {
			break
		}
	}
	return run, counts
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
			way.Verdict, way.Why = False, "a call that was to be done later was given up: "+now.GivenUp
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

const nothingExpected = "it expects nothing but a status"

// unasserted is the step of a journey that passed which led to the call, when
// none that did would notice another answer: each expects no more than that all
// is well. Where it is not known which led there, it is none.
func unasserted(j plan.Journey, run Run, played Count) string {
	blind := ""
	for i, s := range j.Steps {
		if !run.Passed || i >= len(run.Requests) || !slices.ContainsFunc(played.Examples, func(e Example) bool { return e.CorrelationID != "" && e.CorrelationID == run.Requests[i] }) {
			continue
		}
		if len(s.Header)+len(s.Body)+len(s.Contains)+len(s.Capture) > 0 || s.Status >= http.StatusMultipleChoices {
			return ""
		}
		blind = s.Name
	}
	return blind
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
			run, _ := h.run(ctx, j)
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
	case p.Verdict == NotRehearsed && strings.HasSuffix(p.Why, nothingExpected):
		p.Remedy = "let that step expect what customers must be shown without " + p.Dependency + ", as expect: {contains: [TEXT]}"
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
