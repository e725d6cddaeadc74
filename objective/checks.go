package objective

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/plan"
)

// Names of the alerts that others depend on.
const (
	noInstanceReady   = "NoInstanceReady"
	serviceDown       = "ServiceDown"
	crashLoop         = "CrashLoop"
	telemetryLost     = "TelemetryLost"
	telemetryDamaged  = "TelemetryDamaged"
	telemetryDiskFull = "TelemetryDiskFull"
)

// openFor is how long a breaker stays open, tries included, and outFor an
// instance out, until that is told: the first of these ends soon by itself.
const (
	openFor = 2 * time.Minute
	outFor  = time.Minute
)

// lateAfter is how long an event may wait where the plan says nothing.
const lateAfter = 5 * time.Minute

// serviceRules tell what is wrong with a service whatever its objectives.
func serviceRules(sys *plan.System, svc *plan.Service, step time.Duration) []Rule {
	at := fmt.Sprintf("service=%q", svc.Name)
	var rules []Rule
	add := func(alert, severity, expr string, hold time.Duration, summary, description, query, traces string) {
		a := map[string]string{"summary": summary, "description": description, "query": query, "runbook": runbook(svc, alert)}
		if traces != "" {
			a["traces"] = traces
		}
		rules = append(rules, Rule{
			Alert: alert, Expr: expr, For: hold, Annotations: a,
			Labels: map[string]string{"severity": severity, "owner": svc.Owner, "service": svc.Name},
		})
	}
	errors := "/traces?service=" + svc.Name + "&error=true"
	if by := usedBy(sys, svc.Name); len(by) > 0 && svc.Instances > 0 {
		// By hand none shall run; or what ran has ended, and none was ready at two looks.
		stopped := fmt.Sprintf(`(sum(plat_instances_desired{%s}) == 0 and sum(plat_instances_override{%s}) == 1)`, at, at)
		away := fmt.Sprintf(`sum(max_over_time(plat_instances{%s,state=~"ready|unready"}[%s])) == 0`, at, plan.Duration(2*step))
		again := fmt.Sprintf(`sum(plat_instances{%s,state=~"waiting|crash-looping"}) > 0 or sum(plat_instance_restarts_total{%s}) > sum(min_over_time(plat_instance_restarts_total{%s}[1m]))`, at, at, at)
		ended := "(" + away + " and (" + again + "))"
		why := fmt.Sprintf("{{ with query `sum(plat_instances_desired{%s}) == 0` }}It was stopped by hand: plat scale %s=plan starts it again.{{ else }}Its instances ended: plat logs %s tells their last words.{{ end }}", at, svc.Name, svc.Name)
		add(serviceDown, Page, stopped+" or "+ended, 0, svc.Name+" does not run, and "+list(by)+" it.", why, fmt.Sprintf("sum by (state) (plat_instances{%s})", at), errors)
	}
	add(noInstanceReady, Page, fmt.Sprintf(`sum(plat_instances{%s}) > 0 unless sum(plat_instances{%s,state="ready"}) > 0`, at, at), svc.Start.Std(),
		svc.Name+" has no instance that is ready.", fmt.Sprintf("{{ $value }} instances run, none is ready, for longer than the %s that the plan allows.", svc.Start),
		fmt.Sprintf("sum by (state) (plat_instances{%s})", at), errors)
	add(crashLoop, Page, fmt.Sprintf("sum(increase(plat_instance_restarts_total{%s}[5m])) > 2.5", at), 0,
		svc.Name+" ends again and again.", `Its instances ended {{ $value | printf "%.0f" }} times in five minutes. plat logs `+svc.Name+" tells their last words.",
		fmt.Sprintf("increase(plat_instance_restarts_total{%s}[5m])", at), "")
	if by := callers(sys, svc.Name); len(by) > 0 {
		state := fmt.Sprintf("plat_call_breaker_state{%s}", at)
		add("BreakerOpen", Ticket, "max by (caller) ("+state+") > 0", openFor,
			"{{ $labels.caller }} makes hardly any calls of "+svc.Name+": most of them failed.",
			"The breaker did not close for longer than "+plan.Duration(openFor).String()+". What customers get instead, on-failure says. plat describe {{ $labels.caller }} tells why it opened.", state, errors)
	}
	if svc.Ejection != nil { // by hand it may have more instances than the plan says
		out := fmt.Sprintf("plat_call_ejected{%s}", at)
		add("InstanceEjected", Ticket, "max by (instance) ("+out+") == 1", outFor,
			"{{ $labels.instance }} gets no calls: it fails, and others do not.",
			"It is out for longer than "+plan.Duration(outFor).String()+", so it failed again each time that it was tried. plat restart {{ $labels.instance }} begins it anew.", out, errors)
	}
	if len(svc.Consumes) == 0 {
		return rules
	}
	add("DeadLetters", Ticket, fmt.Sprintf("sum by (event) (plat_dead_letters{%s}) > 0", at), 0,
		"{{ $value }} events {{ $labels.event }} are dead letters of "+svc.Name+".", "They were delivered as often as the plan says, and "+svc.Name+" did not take them. plat events --dead lists them with the reason of each.",
		fmt.Sprintf("plat_dead_letters{%s}", at), errors)
	for _, e := range svc.Consumes {
		if e.Fresh != nil {
			continue // its objective tells
		}
		oldest := fmt.Sprintf("plat_consumer_oldest_seconds{%s,event=%q}", at, e.Type)
		add("EventsWait", Ticket, fmt.Sprintf("max by (event) (%s) > %s", oldest, seconds(lateAfter)), 0,
			svc.Name+" leaves {{ $labels.event }} waiting.", "The oldest event waits for {{ $value | humanizeDuration }}.", oldest, errors)
	}
	return rules
}

// callers are who calls a service by the plan.
func callers(sys *plan.System, name string) (by []string) {
	for _, other := range sys.Services {
		if slices.ContainsFunc(other.Calls, func(d plan.Dependency) bool { return d.Service == name }) {
			by = append(by, other.Name)
		}
	}
	return by
}

// usedBy is who calls a service by the plan, and which gateways lead to it.
func usedBy(sys *plan.System, name string) []string {
	by := callers(sys, name)
	for _, g := range sys.Gateways {
		if slices.ContainsFunc(g.Routes, func(r plan.DeclaredRoute) bool { return r.Service == name }) {
			by = append(by, "the gateway "+g.Name)
		}
	}
	return by
}

// list writes who needs something: "web needs", "web, order and search need".
func list(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0] + " needs"
	}
	return strings.Join(names[:last], ", ") + " and " + names[last] + " need"
}

// platRules tell what is wrong with what all services share.
func platRules(sys *plan.System) []Rule {
	owner := ""
	if sys.Alerts != nil {
		owner = sys.Alerts.Owner
	}
	rule := func(alert, severity, expr string, hold time.Duration, summary, description, query string) Rule {
		return Rule{
			Alert: alert, Expr: expr, For: hold, Labels: map[string]string{"severity": severity, "owner": owner},
			Annotations: map[string]string{"summary": summary, "description": description, "query": query, "runbook": runbook(nil, alert)},
		}
	}
	const damaged = "max by (kind, reason) (plat_telemetry_damaged)"
	const free = "plat_disk_free_bytes / plat_disk_size_bytes"
	rules := []Rule{
		rule("DiskNearlyFull", Ticket, free+" < 0.1 and "+free+" >= 0.03", minute,
			"The disk is nearly full.", "{{ $value | humanizePercentage }} of it is free. Without room plat takes no events, and keeps neither logs nor traces.", free),
		rule("DiskFull", Page, free+" < 0.03", 0,
			"The disk is full.", "{{ $value | humanizePercentage }} of it is free. Without room plat takes no events, and keeps neither logs nor traces.", free),
		rule(telemetryLost, Ticket, appeared("kind, reason", "plat_telemetry_dropped_total"), 0,
			"Some {{ $labels.kind }} were lost: {{ $labels.reason }}.", `{{ $value | printf "%.0f" }} were dropped in five minutes. What is shown of this time lacks them.`,
			"sum by (kind, reason) (plat_telemetry_dropped_total)"),
		rule(telemetryDamaged, Ticket, damaged+" > 0", 0,
			"Some of the {{ $labels.kind }} that were kept are gone: {{ $labels.reason }}.", "What is shown of their time lacks them. plat telemetry lists which. It ends an hour after it was found; a damaged file of spans or logs is told for as long as it would be kept.",
			damaged),
		rule(telemetryDiskFull, Page, "max(plat_telemetry_disk_full) == 1", 0,
			"Logs and traces are no longer kept: the disk has no room.", "Services and events go on. Objectives cannot be seen while it lasts.", "plat_telemetry_disk_full"),
	}
	rules = append(rules, seriesRules(sys, rule)...)
	for _, j := range sys.Journeys {
		success := fmt.Sprintf("plat_probe_success{journey=%q}", j.Name)
		fails := rule("ProbeFails", Page, fmt.Sprintf("max by (journey) (%s) == 0", success), 0,
			"The journey "+j.Name+" fails.", "A test customer cannot finish it. plat probe run "+j.Name+" shows at which step.", success)
		fails.Labels["owner"] = j.Owner
		fails.Annotations["traces"] = "/traces?error=true"
		rules = append(rules, fails)
	}
	return rules
}

// seriesRules tell whose metrics have too many series: its owner, and where the
// plan knows nobody of that name, who has plat's own alerts.
func seriesRules(sys *plan.System, rule func(alert, severity, expr string, hold time.Duration, summary, description, query string) Rule) []Rule {
	const dropped = "plat_telemetry_series_dropped_total"
	culprit := func(which, service string) Rule {
		r := rule("TooManySeries", Ticket, appeared("metric, job", dropped+which), 0,
			"The metric {{ $labels.metric }} of {{ $labels.job }} has too many series.", `{{ $value | printf "%.0f" }} new series of it were refused in five minutes: one of its labels has too many values.`,
			"sum by (metric, job) ("+dropped+which+")")
		r.Labels["service"] = service
		return r
	}
	names := make([]string, len(sys.Services)) // DNS labels: nothing in them has a meaning in a pattern
	rules := make([]Rule, len(sys.Services), len(sys.Services)+1)
	for i, svc := range sys.Services {
		names[i] = svc.Name
		rules[i] = culprit(fmt.Sprintf("{job=%q}", svc.Name), svc.Name)
		rules[i].Labels["owner"] = svc.Owner
	}
	return append(rules, culprit(fmt.Sprintf("{job!~%q}", strings.Join(names, "|")), "{{ $labels.job }}"))
}

// appeared is how much of a counter that is seldom above 0 came in five
// minutes; what came with a new series counts.
func appeared(by, counter string) string {
	now := fmt.Sprintf("sum by (%s) (%s)", by, counter)
	before := fmt.Sprintf("sum by (%s) (%s offset 5m)", by, counter)
	return fmt.Sprintf("%s - (%s or %s * 0) > 0", now, before, now)
}
