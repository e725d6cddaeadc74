package objective

import (
	"encoding/hex"
	"hash/fnv"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
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

// ID tells alerts apart by their labels. How severe it is and over which
// window it was seen do not count: the trouble of an objective is one alert,
// however many windows show it.
func (a Alert) ID() string {
	h := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		if name == "severity" || name == "window" {
			continue
		}
		_, _ = h.Write([]byte(name + "\xff" + a.Labels[name] + "\xff")) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Name is the name of its rule.
func (a Alert) Name() string { return a.Labels["alertname"] }

// Firing tells whether it goes on.
func (a Alert) Firing() bool { return a.EndsAt.IsZero() }

// blame marks an alert that began while an experiment let something fail; an
// empty one marks nothing.
func (a *Alert) blame(experiment string) {
	if experiment == "" {
		return
	}
	if a.Annotations == nil {
		a.Annotations = map[string]string{}
	}
	a.Annotations["experiment"] = experiment
	a.Annotations["description"] = strings.TrimSpace(a.Annotations["description"] + " It began while something failed on purpose: " + experiment + ".")
}

func (a Alert) clone() Alert {
	a.Labels, a.Annotations = maps.Clone(a.Labels), maps.Clone(a.Annotations)
	return a
}

// Entry is an alert with what was made of it.
type Entry struct {
	Alert
	ID        string
	Windows   []Window // what shows it, the shortest first; none where the rule has no windows
	Silences  []string // IDs of the silences that it matches
	Inhibitor []string // IDs of the firing alerts that explain it
}

// Over lists the windows that show it, as "1m, 15m"; empty where there are
// none.
func (e Entry) Over() string {
	var all []string
	for _, w := range e.Windows {
		all = append(all, w.Over)
	}
	return strings.Join(all, ", ")
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
	memory         bool     // what the target remembers of the source's time is explained too
}

func inhibitions() []inhibition {
	named := func(names ...string) func(Alert) bool {
		return func(a Alert) bool { return slices.Contains(names, a.Name()) }
	}
	return []inhibition{
		{named(serviceDown), named(noInstanceReady, crashLoop), []string{"service"}, false},
		{named(serviceDown, noInstanceReady, crashLoop), named("TooManyErrors", "TooSlow", "EventsLate", "EventsWait"), []string{"service"}, true},
		{named(telemetryDiskFull, "DiskFull"), named(telemetryLost, "DiskNearlyFull"), nil, false},
	}
}

// mutes tells whether the source explains the target. memory is for how long
// the shortest window of an objective remembers.
func (i inhibition) mutes(source, target Alert, now time.Time, memory time.Duration) bool {
	if !source.Firing() && (!i.memory || now.Sub(source.EndsAt) > memory || target.StartsAt.After(source.EndsAt)) {
		return false
	}
	if !i.source(source) || !i.target(target) {
		return false
	}
	for _, label := range i.equal {
		if source.Labels[label] == "" || source.Labels[label] != target.Labels[label] {
			return false
		}
	}
	return true
}
