package objective

import (
	"context"
	"fmt"
	"time"

	"github.com/plat-dev/plat/plan"
)

// Sample is one value that a query gave.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Querier asks the metrics.
type Querier interface {
	Query(ctx context.Context, expr string, at time.Time) ([]Sample, error)
}

// BudgetWindow is what an error budget is for.
const BudgetWindow = 28 * day

// Budget is how an objective stands.
type Budget struct {
	Objective
	Known    time.Duration // of BudgetWindow; less where the system is younger, 0: nothing was counted
	Events   float64       // requests, or looks at the oldest event
	Bad      float64
	Met      float64       // share that was good; 1 without events
	Left     float64       // of the error budget: 1 is all, 0 none, below 0 it is overspent
	Burn     float64       // how many times too fast the budget goes now; 1 lasts exactly
	BurnOver time.Duration // what now is
}

// Budgets tells how each objective of the plan stands.
func Budgets(ctx context.Context, q Querier, sys *plan.System, at time.Time) ([]Budget, error) {
	over := paceOf(sys.Environment).tiers[0].long
	window := plan.Duration(BudgetWindow)
	values := map[string]map[[2]string]float64{}
	for name, expr := range map[string]string{
		"events":  fmt.Sprintf("sum_over_time(%s[%s])", eventsMinute, window),
		"bad":     fmt.Sprintf("sum_over_time(%s[%s])", badMinute, window),
		"minutes": fmt.Sprintf("count_over_time(%s[%s])", eventsMinute, window),
		"share":   fmt.Sprintf("sum_over_time(%s[%s]) / sum_over_time(%s[%s])", badStep, plan.Duration(over), eventsStep, plan.Duration(over)),
	} {
		samples, err := q.Query(ctx, expr, at)
		if err != nil {
			return nil, err
		}
		found := make(map[[2]string]float64, len(samples))
		for _, s := range samples {
			found[[2]string{s.Labels["service"], s.Labels["objective"]}] = s.Value
		}
		values[name] = found
	}
	list := List(sys)
	budgets := make([]Budget, len(list))
	for i, o := range list {
		key := [2]string{o.Service, o.Name}
		b := Budget{
			Objective: o, Known: time.Duration(values["minutes"][key]) * time.Minute, Events: values["events"][key], Bad: values["bad"][key],
			Met: 1, Left: 1, BurnOver: over,
		}
		if b.Events > 0 {
			b.Met = 1 - b.Bad/b.Events
			b.Left = left(b.Bad/b.Events, o.Budget())
		}
		if share := values["share"][key]; share > 0 { // NaN without events
			b.Burn = share / max(o.Budget(), smallest)
		}
		budgets[i] = b
	}
	return budgets, nil
}

// smallest stands for the budget of an objective of 100 %, which has none.
const smallest = 1e-6

// left is what is left of a budget after a share of bad.
func left(bad, budget float64) float64 {
	if bad == 0 {
		return 1
	}
	return 1 - bad/max(budget, smallest)
}

// State is the budget in a word: burning while it goes too fast and an alert
// of it fires, alerting while that alert still stands and nothing burns any
// more, spent, kept, or unknown where nothing was counted.
func (b Budget) State(alerts bool) string {
	switch {
	case alerts && b.Burn > 1:
		return "burning"
	case alerts:
		return "alerting"
	case b.Known == 0 || b.Events == 0:
		return "unknown"
	case b.Left <= 0:
		return "spent"
	}
	return "kept"
}
