package fault

// Alert is what `plat explain NAME` says of one of the alerts that plat raises.
type Alert struct {
	Name     string   `json:"name"`
	Severity string   `json:"severity"` // page, ticket, or both
	Title    string   `json:"title"`    // what it means, one line
	Why      string   `json:"why"`      // when it fires, and when it ends
	Remedy   string   `json:"remedy"`
	Next     []string `json:"next"` // commands to go on with; SERVICE, EVENT, JOURNEY and ID stand for what the alert names
}

// Alerts lists every alert that plat raises, what customers feel first.
func Alerts() []Alert {
	return []Alert{
		{"TooManyErrors", "page or ticket", "Requests are answered with errors faster than the objective allows",
			"More requests than the error budget allows were answered with a 5xx, by the service or, where it does not answer, by the gateway in its place. The share is too high over a long window and a short one; fewer than five failed requests never alert. It is one alert over whatever windows show it, a page when one of them is a page's, and it ends when the quickest of them is clean.",
			"Look at a trace that failed: the lowest span with an error is where it began, which is often another service. Then at what that service says. When a release came shortly before, go back.",
			[]string{"plat traces SERVICE --errors", "plat logs SERVICE --severity error", "plat map", "plat objectives SERVICE"}},
		{"TooSlow", "page or ticket", "More requests are slow than the objective allows",
			"More requests than the percentile leaves took longer than the threshold, over a long window and a short one. With a declared concurrency only times with at most so many requests in flight count. It ends when the quickest window that showed it is clean.",
			"Look at slow traces: the span that takes the time names the service, the store or the call. Look whether the machine or the limits of the service are at their end.",
			[]string{"plat traces SERVICE --min 300ms", "plat top", "plat describe SERVICE", "plat objectives SERVICE"}},
		{"EventsLate", "page or ticket", "Events wait for longer than the plan allows",
			"The oldest event that the service did not handle has waited for longer than `fresh` says, for too large a part of the time.",
			"Find out whether the consumer is there, fails, or is too slow. One that fails says so in its log; one that is too slow wants more instances or less work for each event.",
			[]string{"plat events", "plat logs SERVICE --severity error", "plat ps", "plat traces SERVICE --errors"}},
		{"ServiceDown", "page", "A service that others consume does not run",
			"None of its instances is ready, and it does not start: somebody stopped it by hand, or its instances end. Others call it by the plan, or a gateway leads to it. It fires within seconds, and explains the errors of that service.",
			"Start it again when it was stopped by hand; else read its last words.",
			[]string{"plat ps", "plat scale SERVICE=plan", "plat logs SERVICE --severity error", "plat describe SERVICE"}},
		{"NoInstanceReady", "page", "Instances of a service run, and none is ready",
			"None became ready within `start`, or all stopped to be ready for so long. A service without a ready instance answers nobody; the gateway answers 503 in its place.",
			"See why the check fails: the program may listen elsewhere, wait for something that is not there, or be overloaded.",
			[]string{"plat describe SERVICE", "plat logs SERVICE --severity error", "plat restart SERVICE"}},
		{"CrashLoop", "page", "A service's instances end again and again",
			"They ended three times within five minutes. Each start waits longer than the one before. It ends five minutes after the last restarts.",
			"Read the last words of the program. Where it was a release that brought it, go back.",
			[]string{"plat logs SERVICE --tail 50", "plat describe SERVICE", "plat ps"}},
		{"BreakerOpen", "ticket", "A service hardly calls another any more, since most calls failed",
			"A circuit breaker did not close for two minutes: what it let through to try failed as well. Customers get what `on-failure` of that call says. It is one alert for each caller, of the service that is called.",
			"See why the service that is called fails or is slow; its own alerts may say so. The breaker closes by itself as soon as a few calls succeed.",
			[]string{"plat describe CALLER", "plat logs SERVICE --severity error", "plat traces SERVICE --errors"}},
		{"InstanceEjected", "ticket", "One instance fails while others do not, and gets no calls",
			"It failed again each time that it was tried, so that it is out for more than a minute. Customers are served by the others, which have more to do.",
			"Compare it with the others, and begin it anew. When `ejection` is too strict for the service, its file says otherwise.",
			[]string{"plat describe SERVICE", "plat logs SERVICE --severity error", "plat restart SERVICE"}},
		{"ProbeFails", "page", "A journey of a test customer fails",
			"A customer who does what the journey declares cannot finish it. It ends with the next run that succeeds.",
			"Look at which step fails, and at the trace of that run.",
			[]string{"plat probe show JOURNEY", "plat probe run JOURNEY", "plat traces --errors"}},
		{"EventsWait", "ticket", "An event waits for more than five minutes",
			"The plan declares no `fresh` for it, and the service has left it for so long.",
			"Find out whether the consumer is there, fails, or is too slow. Declare `fresh` where that is too late, or early enough.",
			[]string{"plat events", "plat logs SERVICE --severity error", "plat ps"}},
		{"DeadLetters", "ticket", "Events were given up",
			"They were delivered as often as `retries` says, and the service did not take them. They are kept, and the alert stands as long as they are there.",
			"Read the reason that each has, and mend the service. Nothing is lost.",
			[]string{"plat events --dead", "plat logs SERVICE --severity error", "plat traces SERVICE --errors"}},
		{"CallsWait", "ticket", "Calls that are done later wait for too long",
			"The plan says `on-failure: queue` for a call, and the oldest that was kept waits for longer than its `fresh`, five minutes unless it says otherwise. Those behind it wait with it. It ends when none waits so long.",
			"See why the first one is not done: most often the service that is called does not run. A call that holds up all others can be dropped.",
			[]string{"plat queue", "plat queue list", "plat describe SERVICE", "plat ps"}},
		{"DeadCalls", "ticket", "Calls that were accepted to be done later were given up",
			"The service that is called refused them for good (most 4xx), or they became older than `keep`. They are kept, they take room in their queue, and the alert stands as long as they are there.",
			"Read the reason that each has, mend it, and make them again; or drop what is of no use any more.",
			[]string{"plat queue list --dead", "plat queue show ID", "plat queue retry ID", "plat queue drop ID"}},
		{"DiskFull", "page", "The disk is full",
			"Less than 3 % of the disk with the state of the system is free. Without room plat takes no events, and keeps neither logs nor traces.",
			"Free space. Less telemetry is kept with `telemetry: {keep: …, size: …}` in plat.yaml.",
			[]string{"plat doctor", "plat telemetry"}},
		{"DiskNearlyFull", "ticket", "The disk is nearly full",
			"Less than a tenth of the disk with the state of the system is free. Below 3 % it becomes DiskFull.",
			"Free space in time. Less telemetry is kept with `telemetry: {keep: …, size: …}` in plat.yaml.",
			[]string{"plat doctor", "plat telemetry"}},
		{"TelemetryDiskFull", "page", "Logs and traces are no longer kept",
			"The disk has no room for them. Services and events go on; objectives cannot be seen while it lasts.",
			"Free space. plat goes on by itself.",
			[]string{"plat doctor", "plat telemetry"}},
		{"TelemetryDamaged", "ticket", "Some of what was kept of spans, log records or metrics is gone",
			"A file of it is damaged: altered, cut or missing, or not whole since plat was killed. Nothing of it is shown. Or the last run ended by a crash, and rows of up to a second before are missing. It ends an hour after it was found; a damaged file of spans or logs is told until it would be deleted by `telemetry: {keep: …}`.",
			"See what is missing. If more than one file is damaged, look at the disk. Silence the alert when it is known.",
			[]string{"plat telemetry", "plat silence TelemetryDamaged --for 1d --reason TEXT"}},
		{"TelemetryLost", "ticket", "Some spans, log records or metrics were lost",
			"They were dropped within the last five minutes, and the alert says why: too many at once, or no room. What is shown of that time lacks them.",
			"Where more comes than can be kept, let the service tell less: sample its spans, lower its log level.",
			[]string{"plat telemetry", "plat top"}},
		{"TooManySeries", "ticket", "A metric of a service has too many series",
			"One of its labels has too many values, such as an ID or a path with one in it. New series are refused, so that all others go on to be kept.",
			"Take the label out of the metric that the alert names, or give it few values.",
			[]string{"plat telemetry", "plat logs SERVICE"}},
	}
}

// LookupAlert finds what there is to say of an alert.
func LookupAlert(name string) (Alert, bool) {
	for _, a := range Alerts() {
		if a.Name == name {
			return a, true
		}
	}
	return Alert{}, false
}
