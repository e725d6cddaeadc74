package gateway

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/gateway/later"
	"github.com/plat-dev/plat/kit/policy"
	"github.com/plat-dev/plat/plan"
)

// CallState is how the policies of one service's calls to another stand.
type CallState struct {
	Caller, Callee string
	By             string // the instance of the caller that makes the calls by itself; empty: an edge
	Declared       bool
	OnFailure      string
	Lines          []policy.Line // the policies in words, ejection and fallback among them
	Figures        []CallFigure
}

// CallFigure is a number about the calls of one service to another.
type CallFigure struct {
	Counter bool // else a gauge
	Name    string
	Help    string
	Value   float64
	Labels  []string // name, value, …, beside those of the call
}

// Standing is what a caller's own policies are at, where it calls by itself.
type Standing struct {
	Caller, Callee, By string
	Guard              policy.Snapshot
	Ejection           policy.Line // without what the members say
	Ejected            map[string]policy.MemberState
	Degraded           uint64
	Last               *policy.Act // of the degraded ones
}

// Calls tells how the guarded calls of a caller stand (empty: of all), in the
// order in which they were declared or first made; with each those that told
// how they stand. An edge that nobody used beside them is left out.
func (g *Gateway) Calls(caller string, told ...Standing) []CallState {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []CallState
	for _, key := range g.edges {
		d := g.dependencies[key]
		t := d.terms.Load()
		if t == nil || caller != "" && key.caller != caller {
			continue
		}
		edge := len(all)
		all = append(all, CallState{})
		for _, s := range told {
			if s.Caller == key.caller && s.Callee == key.callee {
				f := fallbacks{}
				f.degraded.Store(s.Degraded)
				f.last.Store(s.Last)
				all = append(all, t.state(key, s.By, s.Guard, []policy.Line{ejection(s.Ejection, s.Ejected)}, s.Ejected, &f))
			}
		}
		if len(all) > edge+1 && !d.used.Load() {
			all = slices.Delete(all, edge, edge+1)
			continue
		}
		ejected, lines := map[string]policy.MemberState{}, []policy.Line(nil)
		if p := d.pool.Load(); p != nil {
			ejected = p.outliers.Snapshot()
			lines = append(lines, ejection(p.outliers.Line(), ejected))
		}
		all[edge] = t.state(key, "", d.guard.Snapshot(), lines, ejected, &d.fallbacks)
		g.addQueue(&all[edge], t)
	}
	return all
}

// state puts together how calls stand.
func (t *terms) state(key edgeKey, by string, s policy.Snapshot, more []policy.Line, ejected map[string]policy.MemberState, f *fallbacks) CallState {
	lines := append(append(s.Lines(), more...), f.line(t))
	if t.timeout > 0 {
		lines[0].Setting = "answer " + t.timeout.String() + ", " + lines[0].Setting
	}
	return CallState{
		Caller: key.caller, Callee: key.callee, By: by, Declared: t.declared, OnFailure: t.onFailure, Lines: lines, Figures: f.figures(s, ejected),
	}
}

// Tell takes note of a declared call that passed no edge, since the caller made
// it by itself.
func (g *Gateway) Tell(told Exchange) {
	told.Declared = true
	g.mu.Lock()
	d := g.dependency(edgeKey{told.Caller, told.Service})
	g.mu.Unlock()
	x := &exchange{Exchange: told, gateway: g, count: &d.count}
	x.tell()
}

// ejection puts into words which instances get no calls.
func ejection(line policy.Line, members map[string]policy.MemberState) policy.Line {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(members)) {
		m := members[id]
		line.Count += uint64(m.Times) // #nosec G115 -- a count
		if m.Ejected {
			out = append(out, id)
		}
		if m.Last != nil && (line.Last == nil || m.Last.Time.After(line.Last.Time)) {
			line.Last = &policy.Act{Time: m.Last.Time, Why: id + " " + m.Last.Why}
		}
	}
	if len(out) > 0 {
		line.State, line.Holds = "out: "+strings.Join(out, ", "), true
	}
	return line
}

// line puts into words what stood in for answers.
func (f *fallbacks) line(t *terms) policy.Line {
	l := policy.Line{Policy: "fallback", Setting: t.onFailure, Last: f.last.Load()}
	if t.onFailure == plan.OnLastGood && t.lastGood != nil {
		l.Setting += ", at most " + t.lastGood.Keep.String() + " old"
	}
	if t.onFailure == plan.OnQueue && t.queue != nil {
		l.Setting += ", at most " + t.queue.Keep.String()
	}
	l.Count = f.degraded.Load() + f.standard.Load() + f.lastGood.Load() + f.queued.Load()
	l.State = fmt.Sprintf("used %d times", l.Count)
	return l
}

// figures are the numbers of a dependency.
func (f *fallbacks) figures(s policy.Snapshot, ejected map[string]policy.MemberState) []CallFigure {
	all := []CallFigure{
		{false, "plat_call_breaker_state", "The breaker of a call: 0 closed, 1 half open, 2 open.", float64(s.Breaker.State), nil},
		{true, "plat_call_breaker_opened_total", "Times that it opened.", float64(s.Breaker.Opened), nil},
		{false, "plat_call_concurrent", "Calls under way.", float64(s.Bulkhead.InUse), nil},
		{false, "plat_call_concurrent_limit", "Calls that may be under way now.", float64(s.Bulkhead.Limit), nil},
		{true, "plat_call_retries_total", "Tries that were paid from the budget.", float64(s.Retry.Retries), nil},
		{true, "plat_call_retries_refused_total", "Tries that were not made since the budget was spent.", float64(s.Retry.Refused), nil},
		{true, "plat_call_slow_total", "Calls that were not answered in time.", float64(s.Timeout.Slow), nil},
	}
	for _, r := range []struct {
		reason policy.Reason
		n      uint64
	}{{policy.BreakerOpen, s.Breaker.Rejected}, {policy.BulkheadFull, s.Bulkhead.Rejected}, {policy.LimitLowered, s.Adaptive.Rejected}} {
		all = append(all, CallFigure{true, "plat_call_rejected_total", "Calls that were not made, by reason.", float64(r.n), []string{"reason", string(r.reason)}})
	}
	for _, k := range []struct {
		kind string
		n    uint64
	}{{plan.OnDegrade, f.degraded.Load()}, {plan.OnDefault, f.standard.Load()}, {plan.OnLastGood, f.lastGood.Load()}, {plan.OnQueue, f.queued.Load()}} {
		all = append(all, CallFigure{true, "plat_call_fallback_total", "Answers that something stood in for, or that were marked as degraded, by kind.", float64(k.n), []string{"kind", k.kind}})
	}
	for _, id := range slices.Sorted(maps.Keys(ejected)) {
		out := 0.0
		if ejected[id].Ejected {
			out = 1
		}
		all = append(all, CallFigure{false, "plat_call_ejected", "1 while an instance gets no calls since it failed.", out, []string{"instance", id}})
	}
	return all
}

// addQueue tells of the calls that are done later; g.mu is held.
func (g *Gateway) addQueue(c *CallState, t *terms) {
	q := g.later.Load()
	if q == nil {
		return
	}
	queued := q.State(later.Key{Caller: c.Caller, Callee: c.Callee})
	if t.queue == nil && queued.Waiting+queued.Dead == 0 {
		return
	}
	fallback := &c.Lines[len(c.Lines)-1]
	fallback.State += queueWords(queued)
	fallback.Holds = queued.Waiting > 0
	c.Figures = append(c.Figures, queueFigures(queued)...)
}

// queueWords tell what waits to be done later.
func queueWords(s later.State) string {
	words := fmt.Sprintf(", %d wait", s.Waiting)
	if s.Oldest != nil {
		words += ", the oldest " + time.Since(*s.Oldest).Round(time.Second).String()
	}
	if s.Dead > 0 {
		words += fmt.Sprintf(", dead letters: %d", s.Dead)
	}
	return words
}

// queueFigures are the numbers of the calls that are done later.
func queueFigures(s later.State) []CallFigure {
	oldest := 0.0
	if s.Oldest != nil {
		oldest = max(0, time.Since(*s.Oldest).Seconds())
	}
	all := []CallFigure{
		{false, "plat_call_queue_depth", "Calls that wait to be done later.", float64(s.Waiting), nil},
		{false, "plat_call_queue_oldest_seconds", "For how long the oldest of them waits; 0: none does.", oldest, nil},
		{false, "plat_call_queue_dead", "Dead letters among the kept calls.", float64(s.Dead), nil},
		{false, "plat_call_queue_bytes", "Bytes of the kept calls on the disk.", float64(s.Bytes), nil},
		{true, "plat_call_queue_kept_total", "Calls that were kept.", float64(s.Kept), nil},
		{true, "plat_call_queue_delivered_total", "Kept calls that were done.", float64(s.Delivered), nil},
		{true, "plat_call_queue_dropped_total", "Kept calls that somebody dropped.", float64(s.Dropped), nil},
	}
	for _, reason := range []string{later.Full, later.TooLarge, later.Credentials, later.Unstored} {
		all = append(all, CallFigure{true, "plat_call_queue_refused_total", "Calls that failed and were not kept, by reason.", float64(s.Refused[reason]), []string{"reason", reason}})
	}
	return all
}
