package objective

import (
	"encoding/hex"
	"hash/fnv"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/plan"
)

// Alert is one alert as the rules tell it. Its labels are what it is; they
// have alertname and severity, and owner and service where there is one.
type Alert struct {
	Labels      map[string]string
	Annotations map[string]string
	Value       float64
	StartsAt    time.Time
	EndsAt      time.Time // zero: it fires
}

// ID tells alerts apart by their labels.
func (a Alert) ID() string {
	h := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		_, _ = h.Write([]byte(name + "\xff" + a.Labels[name] + "\xff")) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Name is the name of its rule.
func (a Alert) Name() string { return a.Labels["alertname"] }

// Firing tells whether it goes on.
func (a Alert) Firing() bool { return a.EndsAt.IsZero() }

func (a Alert) clone() Alert {
	a.Labels, a.Annotations = maps.Clone(a.Labels), maps.Clone(a.Annotations)
	return a
}

// Entry is an alert with what was made of it.
type Entry struct {
	Alert
	ID        string
	Silences  []string // IDs of the silences that it matches
	Inhibitor []string // IDs of the firing alerts that explain it
}

// Muted tells whether nobody is told of it.
func (e Entry) Muted() bool { return len(e.Silences)+len(e.Inhibitor) > 0 }

// withTime completes the path to example traces by the time to look at:
// from shortly before the alert began.
func withTime(a Alert) Alert {
	path, ok := a.Annotations["traces"]
	if !ok || a.StartsAt.IsZero() || strings.Contains(path, "from=") {
		return a
	}
	a = a.clone()
	a.Annotations["traces"] = path + "&from=" + url.QueryEscape(a.StartsAt.Add(-2*time.Minute).UTC().Format(time.RFC3339))
	return a
}

// inhibition: while an alert that is a source fires, those that are its
// targets tell nothing new.
type inhibition struct {
	source, target func(a Alert) bool
	equal          []string // labels that both must have, with one value
}

func inhibitions() []inhibition {
	named := func(names ...string) func(Alert) bool {
		return func(a Alert) bool { return slices.Contains(names, a.Name()) }
	}
	severe := func(s string) func(Alert) bool { return func(a Alert) bool { return a.Labels["severity"] == s } }
	return []inhibition{
		{named(noInstanceReady, crashLoop), named("TooManyErrors", "TooSlow", "EventsLate", "EventsWait"), []string{"service"}},
		{severe(Page), severe(Ticket), []string{"alertname", "service", "objective"}}, // the same trouble, seen by a longer window
		{quickest, func(a Alert) bool { return a.Labels["severity"] == Page && !quickest(a) }, []string{"alertname", "service", "objective"}},
		{named(telemetryDiskFull, "DiskFull"), named(telemetryLost, "DiskNearlyFull"), nil},
	}
}

// quickest tells whether an alert is of the shortest window of pages.
func quickest(a Alert) bool {
	for _, environment := range []string{"local", ""} {
		if a.Labels["window"] == plan.Duration(paceOf(environment).tiers[0].long).String() {
			return a.Labels["severity"] == Page
		}
	}
	return false
}

func (i inhibition) mutes(source, target Alert) bool {
	if !source.Firing() || !i.source(source) || !i.target(target) {
		return false
	}
	for _, label := range i.equal {
		if source.Labels[label] == "" || source.Labels[label] != target.Labels[label] {
			return false
		}
	}
	return true
}
