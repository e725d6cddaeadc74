package objective

import "time"

// Severities of alerts.
const (
	Page   = "page"   // somebody must look now
	Ticket = "ticket" // somebody must look in working hours
)

// tier is one pair of windows in which the budget must not burn faster than
// factor times what it lasts for. The short window ends the alert soon after
// the trouble.
type tier struct {
	long, short time.Duration
	factor      float64
	severity    string
}

// pace is how closely an environment is watched.
type pace struct {
	step  time.Duration // between two looks at the counters
	keep  time.Duration // for which a page stays when the trouble ends, so that it does not flap
	large float64       // a part of all that is not good any more is large, whatever the budget
	tiers []tier
}

// paceOf chooses the windows of an environment. On a developer's machine
// somebody sits before it, and nothing runs for days: there the windows are
// short, so that a large failure is told within half a minute. Everywhere else
// they are those of the SRE workbook, chapter 5.
func paceOf(environment string) pace {
	if environment == "local" {
		return pace{step: 5 * time.Second, keep: 15 * time.Second, large: 0.1, tiers: []tier{
			{time.Minute, 15 * time.Second, 14.4, Page},
			{15 * time.Minute, 2 * time.Minute, 6, Page},
			{time.Hour, 10 * time.Minute, 3, Ticket},
			{6 * time.Hour, time.Hour, 1, Ticket},
		}}
	}
	return pace{step: 15 * time.Second, keep: 2 * time.Minute, large: 0.2, tiers: []tier{
		{time.Hour, 5 * time.Minute, 14.4, Page},
		{6 * time.Hour, 30 * time.Minute, 6, Page},
		{day, 2 * time.Hour, 3, Ticket},
		{3 * day, 6 * time.Hour, 1, Ticket},
	}}
}

const day = 24 * time.Hour

// fast tells whether the tier is looked at with every step, by the series of
// steps; the others are looked at every minute, by the series of minutes.
func (t tier) fast() bool { return t.severity == Page && t.long <= time.Hour }

// memory is for how long after the end of some trouble a tier may fire for
// that trouble alone: until its short window lies behind it, seen by rules
// that look now and then and hold what they saw.
func (p pace) memory(t tier) time.Duration {
	look := minute
	if t.fast() {
		look = p.step
	}
	return t.short + p.keep + 2*look
}

// limit is the share of bad above which the tier alerts. A multiple of a large
// budget would exceed everything there is (14.4 times the 10 % of a p90), so
// it never lies further from the budget than that part of the way to all
// which is large.
func (t tier) limit(budget, large float64) float64 {
	return round(min(t.factor*budget, budget+(1-budget)*large))
}

// Fewer bad ones than these never alert, whatever their share: one failed
// request of three is no trend. For freshness what counts are steps of time.
const (
	minBad      = 5
	minBadSteps = 2
)

// The slow rules look every minute.
const minute = time.Minute
