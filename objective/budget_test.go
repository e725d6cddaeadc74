package objective_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/plat-dev/plat/objective"
)

// Query asks the engine, as a room's Querier.
func (h *house) Query(ctx context.Context, expr string, at time.Time) ([]objective.Sample, error) {
	q, err := h.engine.NewInstantQuery(ctx, h.db, nil, expr, at)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	result := q.Exec(ctx)
	vector, err := result.Vector()
	if err != nil {
		return nil, err
	}
	return samples(vector), nil
}

func samples(vector promql.Vector) []objective.Sample {
	var all []objective.Sample
	for _, s := range vector {
		all = append(all, objective.Sample{Labels: s.Metric.Map(), Value: s.F})
	}
	return all
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6 }

func TestBudgets(t *testing.T) {
	t.Parallel()
	sys := shop(t, "local")
	h := open(t, sys, 5*time.Second)
	budgets, err := objective.Budgets(t.Context(), h, sys, h.now)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range budgets {
		if b.Known != 0 || b.Met != 1 || b.Left != 1 || b.Burn != 0 {
			t.Errorf("before anything happened: %+v", b)
		}
	}
	h.run(5*time.Second, func() { h.requests(1, 0, 0) }) // the first is where counting begins
	h.run(5*time.Minute, func() { h.requests(999, 1, 0) })
	h.run(time.Minute, func() { h.requests(98, 2, 0) })
	h.run(5*time.Second, func() {}) // the last minute is summed
	budgets, err = objective.Budgets(t.Context(), h, sys, h.now.Add(-h.step))
	if err != nil {
		t.Fatal(err)
	}
	if len(budgets) != 2 || budgets[0].Name != "availability" || budgets[1].Name != "latency-p95" {
		t.Fatalf("%+v", budgets)
	}
	b := budgets[0]
	bad, events := 60.0+24, 60_000.0+1200
	if b.Events != events || b.Bad != bad || !near(b.Met, 1-bad/events) || !near(b.Left, 1-bad/events/0.005) {
		t.Errorf("%+v", b)
	}
	if b.Burn < 3.5 || b.Burn > 4 { // 2 % of 0.5 %, but for the step in which nothing came
		t.Errorf("burn %v", b.Burn)
	}
	if b.Known < 6*time.Minute || b.Known > 7*time.Minute {
		t.Errorf("known for %s", b.Known)
	}
	if l := budgets[1]; l.Bad != 0 || l.Left != 1 || l.Burn != 0 {
		t.Errorf("latency: %+v", l)
	}
}
