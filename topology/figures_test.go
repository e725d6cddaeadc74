package topology_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/topology"
)

// TestFigures holds the figures to all exchanges of three hours, counted one
// by one.
func TestFigures(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 2))
	now := noon
	topo := open(t, "", topology.Options{Now: func() time.Time { return now }})
	type exchange struct {
		end    time.Time
		took   time.Duration
		failed bool
	}
	var all []exchange
	for now.Before(noon.Add(3 * time.Hour)) {
		now = now.Add(time.Duration(random.Int64N(int64(4 * time.Second))))
		x := exchange{now, time.Duration(math.Exp(random.Float64()*9) * float64(time.Millisecond)), random.IntN(10) == 0} // 1 ms to 8 s
		s := topology.Seen{Caller: "order", Callee: "catalog", Declared: true, Time: x.end.Add(-x.took), Duration: x.took, Status: 200}
		if x.failed {
			s.Status = 503
		}
		topo.Observe(s)
		s.Caller, s.Gateway, s.Route = "", "public", "/"
		topo.Observe(s)
		s.Gateway, s.Caller, s.Declared, s.Refused = "", "order", false, true
		topo.Observe(s) // has no part in the figures
		all = append(all, x)
	}
	seen := topo.Snapshot()
	f := seen.Edges[0].Figures
	if seen.Routes[0].Figures != f {
		t.Errorf("a route has %+v, an edge %+v", seen.Routes[0].Figures, f)
	}
	for _, w := range []struct {
		name  string
		got   topology.Window
		rate  float64
		least time.Duration // and a slot more at most
		slot  time.Duration
	}{{"5 min", f.Last5, f.Rate5, 5 * time.Minute, time.Minute}, {"1 h", f.LastHour, f.Rate60, time.Hour, 5 * time.Minute}} {
		covered := w.least + now.Sub(now.Truncate(w.slot))
		var took []time.Duration
		errors := uint64(0)
		for _, x := range all {
			if !x.end.Before(now.Add(-covered)) {
				took = append(took, x.took)
				if x.failed {
					errors++
				}
			}
		}
		if w.got.Count != uint64(len(took)) || w.got.Errors != errors {
			t.Errorf("%s: %d exchanges and %d errors, counted %d and %d", w.name, w.got.Count, w.got.Errors, len(took), errors)
		}
		if want := float64(len(took)) / covered.Seconds(); math.Abs(w.rate-want) > 1e-9 {
			t.Errorf("%s: %v a second, want %v", w.name, w.rate, want)
		}
		slices.Sort(took)
		for q, got := range map[float64]time.Duration{0.5: w.got.P50, 0.95: w.got.P95, 0.99: w.got.P99} {
			want := took[int(math.Ceil(q*float64(len(took))))-1]
			if off := math.Abs(float64(got)/float64(want) - 1); off > 0.125 {
				t.Errorf("%s: p%v is %v, want %v", w.name, 100*q, got, want)
			}
		}
	}
	if f.Rate1 < 0.3 || f.Rate1 > 0.8 { // one in two seconds
		t.Errorf("the last minute: %v a second", f.Rate1)
	}
	now = now.Add(10 * time.Minute)
	f = topo.Snapshot().Edges[0].Figures
	if f.Rate1 != 0 || f.Rate5 != 0 || f.Last5 != (topology.Window{}) || f.LastHour.Count == 0 {
		t.Errorf("ten minutes later: %+v", f)
	}
	now = now.Add(2 * time.Hour)
	if f = topo.Snapshot().Edges[0].Figures; f != (topology.Figures{}) {
		t.Errorf("hours later: %+v", f)
	}
	topo.Observe(topology.Seen{Caller: "order", Callee: "catalog", Declared: true, Time: noon, Status: 200}) // an hour-long one
	if f = topo.Snapshot().Edges[0].Figures; f.LastHour.Count > 1 {
		t.Errorf("what is long over counts: %+v", f)
	}
}

// TestExtremes: no duration is lost.
func TestExtremes(t *testing.T) {
	t.Parallel()
	topo := open(t, "", topology.Options{})
	for _, took := range []time.Duration{-time.Second, 0, 1, 100 * time.Microsecond, 24 * time.Hour} {
		topo.Observe(topology.Seen{Caller: "a", Callee: "b", Declared: true, Time: noon.Add(-took), Duration: took, Status: 200})
	}
	w := topo.Snapshot().Edges[0].Figures.LastHour
	if w.Count != 5 || w.P50 != 100*time.Microsecond || w.P99 < 30*time.Second || w.P99 > time.Minute {
		t.Errorf("%+v", w)
	}
}

// nested is a call that lies within others: by level.
func nested(id, caller, callee string, level int) topology.Seen {
	return topology.Seen{Caller: caller, Callee: callee, Declared: true, Status: 200, CorrelationID: id, Time: at(level), Duration: time.Duration(20-2*level) * time.Second}
}

func entered(id, service string) topology.Seen {
	return topology.Seen{Gateway: "public", Route: "/", Callee: service, Status: 200, CorrelationID: id, Time: at(0), Duration: 20 * time.Second}
}

// TestActions counts the calls of customers' actions, and nobody else's.
func TestActions(t *testing.T) {
	t.Parallel()
	topo := open(t, "", topology.Options{})
	for i, calls := range []int{1, 3, 6, 7} {
		id := fmt.Sprint("k", i)
		for range calls {
			topo.Observe(nested(id, "web", "catalog", 1))
		}
		topo.Observe(entered(id, "web"))
		topo.Observe(nested(id, "web", "catalog", 1)) // what follows belongs to it
	}
	for range 9 {
		topo.Observe(nested("no customer's", "web", "catalog", 1))
		topo.Observe(nested("", "web", "catalog", 1))
		refused := nested("k0", "web", "catalog", 1)
		refused.Refused = true
		topo.Observe(refused)
	}
	got := topo.Snapshot().Edges[0].Actions
	if got.Count != 4 || got.Calls != 1+3+6+7+4 || got.Most != 8 || got.Chatty != 2 {
		t.Errorf("%+v", got)
	}
	if len(got.Last) != 2 || got.Last[0].CorrelationID != "k3" || got.Last[0].Calls != 8 || got.Last[1].CorrelationID != "k2" || got.Last[1].Calls != 7 {
		t.Errorf("%+v", got.Last)
	}
	if d := topo.Snapshot().DroppedActions; d != 0 {
		t.Errorf("%d were dropped", d)
	}
}

// TestActionsOfAJourney: each request is an action of its own, whatever has its
// correlation ID.
func TestActionsOfAJourney(t *testing.T) {
	t.Parallel()
	now := noon
	topo := open(t, "", topology.Options{Now: func() time.Time { return now }})
	call := func(caller, callee string, start, seconds int) {
		topo.Observe(topology.Seen{Caller: caller, Callee: callee, Declared: true, Status: 200, CorrelationID: "run", Time: at(start), Duration: time.Duration(seconds) * time.Second})
	}
	page := func(start int, calls int) {
		for range calls {
			call("web", "catalog", start+2, 1)
		}
		topo.Observe(topology.Seen{Gateway: "public", Route: "/", Callee: "web", Status: 200, CorrelationID: "run", Time: at(start), Duration: 5 * time.Second})
	}
	actions := func(callee string) topology.Actions {
		t.Helper()
		for _, e := range topo.Snapshot().Edges {
			if e.Callee == callee {
				return e.Actions
			}
		}
		t.Fatalf("nobody calls %s", callee)
		return topology.Actions{}
	}
	for i := range 8 {
		page(10*i, 2)
	}
	if a := actions("catalog"); a.Count != 8 || a.Calls != 16 || a.Most != 2 || a.Chatty != 0 || len(a.Last) != 0 {
		t.Errorf("a journey of eight pages: %+v", a)
	}
	page(80, 7) // one page of it is chatty, and again
	page(90, 1)
	page(100, 40) // more than are kept open: the rest counts for the page before
	if a := actions("catalog"); a.Count != 11 || a.Calls != 64 || a.Most < 32 || a.Chatty < 2 || a.Last[len(a.Last)-1].Calls != 7 || a.Last[0].CorrelationID != "run" {
		t.Errorf("with chatty pages: %+v", a)
	}
	// What follows a page, by an event, belongs to it, and not to the next.
	for i := range 4 {
		call("warehouse", "bank", 107+i, 1)
	}
	page(120, 1)
	for i := range 4 {
		call("warehouse", "bank", 127+i, 1)
	}
	now = at(127 + 3 + 61) // when no other page is looked for any more
	if a := actions("bank"); a.Count != 2 || a.Calls != 8 || a.Most != 4 || a.Chatty != 0 {
		t.Errorf("what followed two pages: %+v", a)
	}
}

// TestChainsOfAJourney: a page is not hidden by one before it that waited
// longer.
func TestChainsOfAJourney(t *testing.T) {
	t.Parallel()
	topo := open(t, "", topology.Options{})
	seen := func(caller, callee string, start, end int) {
		s := topology.Seen{Caller: caller, Callee: callee, Declared: true, Status: 200, CorrelationID: "run", Time: at(start), Duration: time.Duration(end-start) * time.Second}
		if caller == "" {
			s.Gateway, s.Route = "public", "/"
		}
		topo.Observe(s)
	}
	seen("c", "d", 3, 4)
	seen("b", "c", 2, 5)
	seen("a", "b", 1, 6)
	seen("", "a", 0, 7)
	for start := 10; start < 30; start += 10 {
		seen("b", "c", start+2, start+5)
		seen("a", "b", start+1, start+6)
		seen("", "a", start, start+7)
	}
	var got []string
	for _, c := range topo.Snapshot().Chains {
		got = append(got, fmt.Sprint(c.Count, " ", c.Services))
	}
	if want := []string{"1 [a b c d]", "2 [a b c]"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestChains finds who waited for whom, by the time that lies within another.
func TestChains(t *testing.T) {
	t.Parallel()
	topo := open(t, "", topology.Options{})
	for _, id := range []string{"k1", "k2"} {
		topo.Observe(nested(id, "c", "d", 3)) // what is asked last is over first
		topo.Observe(nested(id, "b", "c", 2))
		topo.Observe(nested(id, "b", "x", 2))
		topo.Observe(nested(id, "a", "b", 1))
		topo.Observe(entered(id, "a"))
	}
	// One behind the other is no chain, nor is what nobody waited for.
	apart := nested("k3", "a", "b", 1)
	apart.Duration = time.Second
	topo.Observe(apart)
	topo.Observe(nested("k3", "b", "c", 3))
	topo.Observe(entered("k3", "a"))
	// A circle ends.
	for level := 8; level > 0; level-- {
		topo.Observe(nested("k4", []string{"a", "b"}[(level+1)%2], []string{"a", "b"}[level%2], level))
	}
	topo.Observe(entered("k4", "a"))
	chains := topo.Snapshot().Chains
	if len(chains) != 2 {
		t.Fatalf("%+v", chains)
	}
	var abcd topology.Chain
	for _, c := range chains {
		if slices.Equal(c.Services, []string{"a", "b", "c", "d"}) {
			abcd = c
		}
	}
	if abcd.Count != 2 || len(abcd.Samples) != 2 || abcd.Samples[0].CorrelationID != "k2" || abcd.Samples[0].Calls != 3 {
		t.Errorf("%+v", chains)
	}
}

// TestChainsOfWhatIsToldLate: who calls past plat's listeners tells of it
// after the customer has the answer.
func TestChainsOfWhatIsToldLate(t *testing.T) {
	t.Parallel()
	last := entered("k1", "a")
	now := last.Time.Add(last.Duration)
	topo := open(t, "", topology.Options{Settle: 10 * time.Second, Now: func() time.Time { return now }})
	topo.Observe(last)
	topo.Observe(nested("k1", "a", "b", 1))
	topo.Observe(nested("k1", "c", "d", 3))
	if chains := topo.Snapshot().Chains; len(chains) != 0 {
		t.Errorf("before all can have been told: %+v", chains)
	}
	topo.Observe(nested("k1", "b", "c", 2))
	now = now.Add(10 * time.Second)
	if chains := topo.Snapshot().Chains; len(chains) != 1 || !slices.Equal(chains[0].Services, []string{"a", "b", "c", "d"}) || chains[0].Count != 1 {
		t.Errorf("%+v", chains)
	}
}

// TestActionsAreBounded: however many there are, what finds no place is
// counted.
func TestActionsAreBounded(t *testing.T) {
	t.Parallel()
	const kept, more = 160, 1000
	topo := open(t, "", topology.Options{Actions: kept, Edges: 100_000})
	for i := range kept + more {
		topo.Observe(entered(fmt.Sprint("k", i), "a"))
	}
	if d := topo.Snapshot().DroppedActions; d < more || d > more+kept {
		t.Errorf("%d of %d were dropped, where %d have a place", d, kept+more, kept)
	}
	before := topo.Snapshot().DroppedActions
	for i := range 40 { // 32 pairs of one action
		topo.Observe(nested("many", "a", fmt.Sprint("b", i), 1))
	}
	if d := topo.Snapshot().DroppedActions - before; d < 8 || d > 9 {
		t.Errorf("%d were dropped", d)
	}
	for i := range 300 { // 256 chains
		id := fmt.Sprint("chain", i)
		topo.Observe(nested(id, "b", fmt.Sprint("c", i), 2))
		topo.Observe(nested(id, "a", "b", 1))
		topo.Observe(entered(id, "a"))
	}
	if n := len(topo.Snapshot().Chains); n != 256 {
		t.Errorf("%d chains", n)
	}
}

// TestIdle: a declared edge is idle for as long as its caller is in use, and
// no longer than the caller is.
func TestIdle(t *testing.T) {
	t.Parallel()
	topo := open(t, "", topology.Options{})
	topo.Declare([]plan.Edge{{Caller: "web", Callee: "catalog"}, {Caller: "web", Callee: "order"}, {Caller: "order", Callee: "bank"}}, noon)
	idle := func(callee string) time.Duration {
		t.Helper()
		for _, e := range topo.Snapshot().Edges {
			if e.Callee == callee {
				return e.Idle
			}
		}
		t.Fatalf("no edge to %s", callee)
		return 0
	}
	for i := range 31 { // a request each ten seconds
		topo.Observe(topology.Seen{Gateway: "public", Route: "/", Callee: "web", Time: at(10 * i), Status: 200})
	}
	topo.Observe(topology.Seen{Caller: "web", Callee: "order", Declared: true, Time: at(310), Status: 200})
	if web, order, bank := idle("catalog"), idle("order"), idle("bank"); web != 310*time.Second || order != 0 || bank != 0 {
		t.Errorf("idle for %v, %v and %v", web, order, bank)
	}
	topo.Observe(topology.Seen{Gateway: "public", Route: "/", Callee: "web", Time: at(36000), Status: 200}) // after a night
	if web := idle("catalog"); web != 370*time.Second {
		t.Errorf("idle for %v", web)
	}
	topo.Declare([]plan.Edge{{Caller: "web", Callee: "bank"}, {Caller: "web", Callee: "catalog"}}, at(36000))
	if bank, catalog := idle("bank"), idle("catalog"); bank != 0 || catalog != 370*time.Second {
		t.Errorf("what is declared since now is idle for %v, the other for %v", bank, catalog)
	}
}
