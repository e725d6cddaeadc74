package objective

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/plan"
)

// Kind is what an objective is about.
type Kind string

// The kinds of objectives.
const (
	Availability Kind = "availability" // requests that are answered without a 5xx
	Latency      Kind = "latency"      // requests that are answered within Threshold
	Freshness    Kind = "freshness"    // time in which no event waits for longer than Threshold
)

// Objective is one promise of a service, as a share of good among all.
type Objective struct {
	Service    string
	Owner      string
	Name       string // availability, latency-p95, fresh-order.placed: unique in its service
	Kind       Kind
	Target     float64       // share that must be good, 0 to 1
	Threshold  time.Duration // of latency and freshness
	Concurrent int           // latency: counts only while at most so many are in flight; 0: always
	Event      string        // of freshness
}

// freshTarget is the share of time in which no event may wait for longer than
// it is declared. The plan says no share for it.
const freshTarget = 0.99

// Budget is the share that may be bad.
func (o Objective) Budget() float64 { return round(1 - o.Target) }

// round takes away what binary fractions add to shares written in decimals.
func round(share float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(share, 'g', 10, 64), 64)
	if err != nil {
		return share
	}
	return short
}

// List is every objective that the plan declares, by service and then as the
// service declares them.
func List(sys *plan.System) []Objective {
	var all []Objective
	for i := range sys.Services {
		all = append(all, ofService(&sys.Services[i])...)
	}
	return all
}

func ofService(svc *plan.Service) []Objective {
	var all []Objective
	add := func(o Objective) {
		o.Service, o.Owner, o.Target = svc.Name, svc.Owner, round(o.Target)
		all = append(all, o)
	}
	if svc.Listens {
		if a := svc.Objectives.Availability; a != nil {
			add(Objective{Name: string(Availability), Kind: Availability, Target: float64(*a) / 100})
		}
		if l := svc.Objectives.Latency; l != nil {
			for _, p := range slices.Sorted(maps.Keys(l.Percentiles)) {
				share, err := strconv.ParseFloat(strings.TrimPrefix(p, "p"), 64)
				if err != nil {
					continue // the plan takes none that is no number
				}
				add(Objective{Name: "latency-" + p, Kind: Latency, Target: share / 100, Threshold: l.Percentiles[p].Std(), Concurrent: l.Concurrent})
			}
		}
	}
	for _, e := range svc.Consumes {
		if e.Fresh != nil {
			add(Objective{Name: "fresh-" + e.Type, Kind: Freshness, Target: freshTarget, Threshold: e.Fresh.Std(), Event: e.Type})
		}
	}
	return all
}

// Buckets are the bounds, in seconds, that the histogram of requests must
// have: those of Prometheus's clients, and each threshold that the plan
// declares, so that what is slower than it can be counted exactly.
func Buckets(sys *plan.System) []float64 {
	bounds := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	for _, o := range List(sys) {
		if o.Kind == Latency {
			bounds = append(bounds, o.Threshold.Seconds())
		}
	}
	slices.Sort(bounds)
	return slices.Compact(bounds)
}
