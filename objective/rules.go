package objective

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/plat-dev/plat/plan"
)

// Group is rules that are evaluated one after the other, at one interval.
type Group struct {
	Name     string
	Interval time.Duration
	Rules    []Rule
}

// Rule is a recording rule (Record is set) or an alerting rule (Alert is), in
// Prometheus's terms.
type Rule struct {
	Record        string
	Alert         string
	Expr          string
	For           time.Duration
	KeepFiringFor time.Duration
	Labels        map[string]string
	Annotations   map[string]string
}

// Names of the recorded series. Each has the labels service and objective; a
// value is how many there were since the one before.
const (
	eventsStep   = "plat:objective_events:step"
	badStep      = "plat:objective_bad:step"
	eventsMinute = "plat:objective_events:1m"
	badMinute    = "plat:objective_bad:1m"
)

// Rules derives from the plan what is to be evaluated: for each service the
// events that its objectives count and how fast their budgets burn, and what
// is wrong whatever the objectives.
func Rules(sys *plan.System) []Group {
	p := paceOf(sys.Environment)
	var groups []Group
	for i := range sys.Services {
		svc := &sys.Services[i]
		fast := Group{Name: "objective/" + svc.Name + "/fast", Interval: p.step}
		slow := Group{Name: "objective/" + svc.Name + "/slow", Interval: minute}
		for _, o := range ofService(svc) {
			fast.Rules = append(fast.Rules, o.record(p.step)...)
			slow.Rules = append(slow.Rules, o.recordMinutes()...)
			for _, t := range p.tiers {
				into := &slow
				if t.fast() {
					into = &fast
				}
				into.Rules = append(into.Rules, o.alert(svc, t, p))
			}
		}
		for _, g := range []Group{fast, slow, {Name: "service/" + svc.Name, Interval: p.step, Rules: append(serviceRules(sys, svc, p.step), queueRules(svc)...)}} {
			if len(g.Rules) > 0 {
				groups = append(groups, g)
			}
		}
	}
	return append(groups, Group{Name: "plat", Interval: p.step, Rules: platRules(sys)})
}

// record counts, step by step. A difference of what counters say now and said
// a step ago is exact, where rate() over so short a time guesses: with few
// requests the guess would decide.
func (o Objective) record(step time.Duration) []Rule {
	events, bad := o.counts(step)
	return []Rule{
		{Record: eventsStep, Expr: events, Labels: o.labels()},
		{Record: badStep, Expr: bad, Labels: o.labels()},
	}
}

// recordMinutes sums the steps, so that windows of days need few samples.
func (o Objective) recordMinutes() []Rule {
	return []Rule{
		{Record: eventsMinute, Expr: o.over(eventsStep, minute), Labels: o.labels()},
		{Record: badMinute, Expr: o.over(badStep, minute), Labels: o.labels()},
	}
}

func (o Objective) labels() map[string]string {
	return map[string]string{"service": o.Service, "objective": o.Name}
}

// over sums a recorded series of the objective over a window.
func (o Objective) over(series string, window time.Duration) string {
	return fmt.Sprintf("sum_over_time(%s{service=%q,objective=%q}[%s])", series, o.Service, o.Name, plan.Duration(window))
}

// counts are the expressions of all events and of the bad ones in a step.
func (o Objective) counts(step time.Duration) (events, bad string) {
	service := fmt.Sprintf("service=%q", o.Service)
	switch o.Kind {
	case Freshness:
		oldest := fmt.Sprintf("max(plat_consumer_oldest_seconds{%s,event=%q})", service, o.Event)
		return oldest + " >= bool 0 or vector(0)", fmt.Sprintf("%s > bool %s or vector(0)", oldest, seconds(o.Threshold))
	case Latency:
		const name = "plat_request_duration_seconds"
		all := func(at string) string { return fmt.Sprintf("sum(%s_count{%s}%s)", name, service, at) }
		slow := func(at string) string {
			return fmt.Sprintf("(%s - sum(%s_bucket{%s,le=~%q}%s))", all(at), name, service, le(o.Threshold), at)
		}
		events, bad = grown(all, step), grownPart(all, slow, step)
		if o.Concurrent > 0 {
			within := fmt.Sprintf("(sum(max_over_time(plat_requests_in_flight{%s}[%s])) <= bool %d or vector(1))", service, plan.Duration(step), o.Concurrent)
			events, bad = "("+events+") * "+within, "("+bad+") * "+within
		}
		return events, bad
	}
	all := func(at string) string { return fmt.Sprintf("sum(plat_requests_total{%s}%s)", service, at) }
	failed := func(at string) string {
		return fmt.Sprintf("sum(plat_requests_total{%s,code_class=\"5xx\"}%s)", service, at)
	}
	return grown(all, step), grownPart(all, failed, step)
}

// grown is by how much a sum of counters grew in a step; 0 when they began
// anew, or when nobody knows what they said (the machine slept).
func grown(all func(at string) string, step time.Duration) string {
	before := all(ago(step))
	return fmt.Sprintf("clamp_min(%s - (%s or %s), 0) or vector(0)", all(""), before, all(""))
}

// grownPart is likewise for a part of all. A part whose series is new was 0
// when the whole was known already, so that the first failure counts.
func grownPart(all, part func(at string) string, step time.Duration) string {
	now, before := part(""), part(ago(step))
	return fmt.Sprintf("clamp_min((%s or %s * 0) - (%s or %s * 0 or %s), 0) or vector(0)", now, all(""), before, all(ago(step)), now)
}

func ago(step time.Duration) string { return " offset " + plan.Duration(step).String() }

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// le is a pattern for a bound of a histogram, which some write as 1 and some
// as 1.0.
func le(d time.Duration) string {
	text := seconds(d)
	if strings.Contains(text, ".") {
		return strings.ReplaceAll(text, ".", `\.`)
	}
	return text + `(\.0)?`
}

// alert is the rule of one tier.
func (o Objective) alert(svc *plan.Service, t tier, p pace) Rule {
	events, bad, least := eventsMinute, badMinute, minBad
	if t.fast() {
		events, bad = eventsStep, badStep
	}
	if o.Kind == Freshness {
		least = minBadSteps
	}
	limit := strconv.FormatFloat(t.limit(o.Budget(), p.large), 'f', -1, 64)
	share := func(window time.Duration) string {
		return fmt.Sprintf("%s / %s > %s", o.over(bad, window), o.over(events, window), limit)
	}
	r := Rule{
		Alert: o.alertName(), Expr: fmt.Sprintf("%s and %s and %s >= %d", share(t.long), share(t.short), o.over(bad, t.long), least),
		Labels: map[string]string{
			"severity": t.severity, "owner": o.Owner, "service": o.Service, "objective": o.Name, "window": plan.Duration(t.long).String(),
		},
		Annotations: map[string]string{
			"summary":     o.summary(),
			"description": o.description(o.over(bad, t.long), o.over(events, t.long), t, p),
			"query":       o.query(),
			"runbook":     runbook(svc, o.alertName()),
			"traces":      o.traces(),
		},
	}
	if t.severity == Page {
		r.KeepFiringFor = p.keep
	}
	return r
}

func (o Objective) alertName() string {
	switch o.Kind {
	case Latency:
		return "TooSlow"
	case Freshness:
		return "EventsLate"
	}
	return "TooManyErrors"
}

func (o Objective) summary() string {
	switch o.Kind {
	case Latency:
		return fmt.Sprintf("%s answers {{ $value | humanizePercentage }} of requests slower than %s.", o.Service, plan.Duration(o.Threshold))
	case Freshness:
		return fmt.Sprintf("%s left %s waiting for longer than %s.", o.Service, o.Event, plan.Duration(o.Threshold))
	}
	return fmt.Sprintf("%s answers {{ $value | humanizePercentage }} of requests with errors.", o.Service)
}

// description has the figures: how many of how many, what was promised, how
// fast the budget goes.
func (o Objective) description(bad, events string, t tier, p pace) string {
	count := func(query string) string {
		return fmt.Sprintf(`{{ with query %s }}{{ . | first | value | printf "%%.0f" }}{{ else }}0{{ end }}`, "`"+query+"`")
	}
	what := "requests failed"
	switch o.Kind {
	case Latency:
		what = "requests took longer than " + plan.Duration(o.Threshold).String()
	case Freshness:
		what = "looks found an event that had waited for longer than " + plan.Duration(o.Threshold).String()
	}
	return fmt.Sprintf("In the last %s %s of %s %s. The objective %s allows %s; at this rate its error budget of four weeks goes at least %s times too fast.",
		plan.Duration(t.long), count(bad), count(events), what, o.Name, plan.Percent(round(o.Budget()*100)), strconv.FormatFloat(round(t.limit(o.Budget(), p.large)/max(o.Budget(), 1e-9)), 'f', 1, 64))
}

// query shows a person what the alert is about.
func (o Objective) query() string {
	switch o.Kind {
	case Latency:
		return fmt.Sprintf("histogram_quantile(%s, sum by (le) (rate(plat_request_duration_seconds_bucket{service=%q}[1m])))", strconv.FormatFloat(o.Target, 'f', -1, 64), o.Service)
	case Freshness:
		return fmt.Sprintf("plat_consumer_oldest_seconds{service=%q,event=%q}", o.Service, o.Event)
	}
	return fmt.Sprintf("sum by (code_class) (rate(plat_requests_total{service=%q}[1m]))", o.Service)
}

// traces leads to examples; the time is added when the alert is known.
func (o Objective) traces() string {
	switch o.Kind {
	case Latency:
		return "/traces?service=" + o.Service + "&min=" + plan.Duration(o.Threshold).String()
	case Freshness: // what takes half of the time lets the next one wait for all of it
		return "/traces?service=" + o.Service + "&min=" + plan.Duration(o.Threshold/2).String()
	}
	return "/traces?service=" + o.Service + "&error=true"
}

// runbook is what helps: the service's own, else what plat says of the alert.
func runbook(svc *plan.Service, alert string) string {
	switch {
	case svc == nil || svc.Runbook == "":
		return "plat explain " + alert
	case strings.Contains(svc.Runbook, "://"):
		return svc.Runbook
	}
	return path.Join(svc.Dir, svc.Runbook)
}
