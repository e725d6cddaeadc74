package objective

import (
	"cmp"
	"slices"
	"time"

	"github.com/plat-dev/plat/plan"
)

// Window is one window of an objective's alert: what shows the trouble.
type Window struct {
	Over        string // the long one of the pair, such as 1h
	Severity    string
	Value       float64 // the share that was bad in it
	Description string
	StartsAt    time.Time
	EndsAt      time.Time // zero: it fires
	Memory      bool      // it fires for trouble that is over, and counts no more
}

// known is an alert with all that the rules tell of it. Its own words and
// severity are those of the severest window that counts; its times are those
// of the incident.
type known struct {
	Alert
	windows map[string]*sight // by the label window; one of "" where the rule has none
	blamed  string            // the experiment that it began in; empty: none
}

// sight is what the rules told of one window.
type sight struct {
	Alert
	seen time.Time // when they told it last
}

// see takes what the rules tell of one window.
func (k *known) see(alert Alert, now time.Time) {
	window := alert.Labels["window"]
	delete(alert.Labels, "window")
	old := k.windows[window]
	if !alert.Firing() && (old == nil || !old.Firing()) {
		return // nobody heard of it, or all did
	}
	if alert.StartsAt.IsZero() {
		alert.StartsAt = now
	}
	k.windows[window] = &sight{alert, now}
}

// forget ends what was not told again for so long.
func (k *known) forget(now time.Time, after time.Duration) {
	for _, w := range k.windows {
		if w.Firing() && now.Sub(w.seen) > after {
			w.EndsAt = w.seen.Add(after)
		}
	}
}

// settle derives the alert from its windows, and tells whether it fires.
//
// INVARIANT: an incident ends when the quickest window that showed it is
// clean. A longer one goes on for a while, since its short window still holds
// what is over; it counts again only when it fires for longer than it can
// remember, which is trouble that goes on more slowly.
func (k *known) settle(now time.Time, p pace) bool {
	var lead *sight
	first := 0 // rank of the lead
	for window, w := range k.windows {
		rank := p.tier(window)
		if w.Labels["severity"] != Page {
			rank += len(p.tiers)
		}
		if w.Firing() && !k.remembers(window, now, p) && (lead == nil || rank < first) {
			lead, first = w, rank
		}
	}
	if lead == nil {
		if k.Firing() {
			for _, w := range k.windows {
				if w.EndsAt.After(k.EndsAt) {
					k.EndsAt = w.EndsAt
				}
			}
		}
		return false
	}
	since := k.StartsAt
	if since.IsZero() || !k.Firing() {
		if since = lead.StartsAt; since.Before(k.EndsAt) {
			since = now
		}
	}
	own := lead.clone()
	own.StartsAt = since
	k.Alert = withTime(own)
	return true
}

// remembers tells whether a window may fire for what is over: a quicker one
// ended less than its memory ago.
func (k *known) remembers(window string, now time.Time, p pace) bool {
	at := p.tier(window)
	if at < 0 {
		return false
	}
	for other, w := range k.windows {
		if quicker := p.tier(other); quicker >= 0 && quicker < at && !w.Firing() && now.Sub(w.EndsAt) < p.memory(p.tiers[at]) {
			return true
		}
	}
	return false
}

// tier is which tier has the window, -1 for none.
func (p pace) tier(window string) int {
	return slices.IndexFunc(p.tiers, func(t tier) bool { return plan.Duration(t.long).String() == window })
}

// over tells whether the alert can be let go: it ended long ago, and none of
// its windows can still fire for that.
func (k *known) over(now time.Time, p pace) bool {
	if k.Firing() {
		return false
	}
	keep := rememberAlerts
	for window, w := range k.windows {
		if w.Firing() {
			return false
		}
		if p.tier(window) >= 0 {
			keep = max(keep, p.memory(p.tiers[len(p.tiers)-1]))
		}
	}
	return now.Sub(k.EndsAt) > keep
}

// evidence lists the windows of the incident, the shortest first.
func (k *known) evidence(now time.Time, p pace) []Window {
	var all []Window
	for name, w := range k.windows {
		if name == "" || !w.Firing() && w.EndsAt.Before(k.StartsAt) {
			continue
		}
		all = append(all, Window{
			Over: name, Severity: w.Labels["severity"], Value: w.Value, Description: w.Annotations["description"], StartsAt: w.StartsAt, EndsAt: w.EndsAt,
			Memory: w.Firing() && k.remembers(name, now, p),
		})
	}
	slices.SortFunc(all, func(x, y Window) int { return cmp.Or(p.tier(x.Over)-p.tier(y.Over), cmp.Compare(x.Over, y.Over)) })
	return all
}
