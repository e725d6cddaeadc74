package gateway

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plat-dev/plat/kit/policy"
	"github.com/plat-dev/plat/plan"
)

// CallState is how the policies of one service's calls to another stand.
type CallState struct {
	Caller, Callee string
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

// Calls tells how the guarded calls of a caller stand (empty: of all), in the
// order in which they were declared or first made.
func (g *Gateway) Calls(caller string) []CallState {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []CallState
	for _, key := range g.edges {
		d := g.dependencies[key]
		t := d.terms.Load()
		if t == nil || caller != "" && key.caller != caller {
			continue
		}
		s, ejected := d.guard.Snapshot(), map[string]policy.MemberState{}
		lines := s.Lines()
		if p := d.pool.Load(); p != nil {
			ejected = p.outliers.Snapshot()
			lines = append(lines, ejection(p.outliers.Line(), ejected))
		}
		lines = append(lines, d.fallbacks.line(t))
		if t.timeout > 0 {
			lines[0].Setting = "answer " + t.timeout.String() + ", " + lines[0].Setting
		}
		all = append(all, CallState{
			Caller: key.caller, Callee: key.callee, Declared: t.declared, OnFailure: t.onFailure, Lines: lines,
			Figures: d.figures(s, ejected),
		})
	}
	return all
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
	degraded, standard, lastGood := f.degraded.Load(), f.standard.Load(), f.lastGood.Load()
	l.Count = degraded + standard + lastGood
	l.State = fmt.Sprintf("used %d times", l.Count)
	return l
}

// figures are the numbers of a dependency.
func (d *dependency) figures(s policy.Snapshot, ejected map[string]policy.MemberState) []CallFigure {
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
	for _, f := range []struct {
		kind string
		n    uint64
	}{{plan.OnDegrade, d.fallbacks.degraded.Load()}, {plan.OnDefault, d.fallbacks.standard.Load()}, {plan.OnLastGood, d.fallbacks.lastGood.Load()}} {
		all = append(all, CallFigure{true, "plat_call_fallback_total", "Answers that something stood in for, or that were marked as degraded, by kind.", float64(f.n), []string{"kind", f.kind}})
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
