package objective_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/objective"
	"github.com/plat-dev/plat/plan"
)

func TestHealthyTrafficAlertsNobody(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0.2, 500} { // requests in five seconds
		h := open(t, shop(t, "local"), 5*time.Second)
		left := 0.0
		h.gauge(20, "__name__", "plat_requests_in_flight", "service", "order")
		h.run(5*time.Minute, func() {
			left += rate
			good := float64(int(left))
			left -= good
			bad := good / 500 // 0.2 % of 0.5 % allowed
			h.requests(good-2*bad, bad, bad)
			h.quiet("healthy")
		})
		h.quiet("at the end")
	}
}

func TestATotalFailurePagesWithinHalfAMinute(t *testing.T) {
	t.Parallel()
	for _, perStep := range []float64{1, 1000} {
		h := open(t, shop(t, "local"), 5*time.Second)
		h.warm(3*time.Minute, func() { h.requests(perStep, 0, 0) })
		h.quiet("before")
		if took := h.until("page TooManyErrors", time.Minute, func() { h.requests(0, perStep, 0) }); took > 30*time.Second {
			t.Errorf("with %v requests a step it took %s", perStep, took)
		}
		a := h.firing()[0]
		if a.Labels.Get("owner") != "ordering" || a.Labels.Get("service") != "order" || a.Annotations.Get("runbook") != "https://wiki.example/order" {
			t.Errorf("labels %s, annotations %s", a.Labels, a.Annotations)
		}
		if d := a.Annotations.Get("description"); !strings.Contains(d, "requests failed") || strings.Contains(d, "<error") {
			t.Errorf("description %q", d)
		}
		t.Log(a.Annotations.Get("summary"), a.Annotations.Get("description"))

		h.run(time.Minute, func() { h.requests(perStep, 0, 0) })
		for _, a := range h.firing() {
			if a.Labels.Get("window") == "1m" {
				t.Error("a minute after it recovered it still pages")
			}
		}
		h.run(2*time.Minute, func() { h.requests(perStep, 0, 0) })
		if slices.Contains(h.names(), "page TooManyErrors") {
			t.Error("three minutes after it recovered it still pages")
		}
	}
}

func TestAllSlowPagesWithinHalfAMinute(t *testing.T) {
	t.Parallel()
	h := open(t, shop(t, "local"), 5*time.Second)
	h.gauge(20, "__name__", "plat_requests_in_flight", "service", "order")
	h.warm(3*time.Minute, func() { h.requests(10, 0, 0) })
	if took := h.until("page TooSlow", time.Minute, func() { h.requests(0, 0, 10) }); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	h.run(3*time.Minute, func() { h.requests(10, 0, 0) })
	if slices.Contains(h.names(), "page TooSlow") {
		t.Error("three minutes after it recovered it still pages")
	}
}

func TestSlownessBeyondTheDeclaredConcurrencyDoesNotCount(t *testing.T) {
	t.Parallel()
	h := open(t, shop(t, "local"), 5*time.Second)
	h.gauge(101, "__name__", "plat_requests_in_flight", "service", "order")
	h.run(2*time.Minute, func() { h.requests(10, 0, 100) })
	h.quiet("above 100 in flight")
	h.gauge(100, "__name__", "plat_requests_in_flight", "service", "order")
	h.until("page TooSlow", time.Minute, func() { h.requests(10, 0, 100) })
}

func TestFewFailuresPageNobody(t *testing.T) {
	t.Parallel()
	for _, environment := range []string{"local", "production"} {
		h := open(t, shop(t, environment), 5*time.Second) // a multiple of it is each step
		h.warm(2*time.Minute, func() {})
		h.quiet("without traffic")
		h.requests(2, 1, 0) // three requests, of which one fails
		h.run(3*time.Minute, func() { h.quiet("one of three") })
		h.quiet("one of three")
		h.requests(0, 3, 0) // and three, which all fail
		h.run(3*time.Minute, func() { h.quiet("three of three") })
		h.quiet("three of three")
	}
}

func TestASlowBurnIsATicket(t *testing.T) {
	t.Parallel()
	for environment, wait := range map[string]time.Duration{"local": 2 * time.Hour, "production": 30 * time.Hour} {
		step := 15 * time.Second
		if environment == "local" {
			step = 5 * time.Second
		}
		h := open(t, shop(t, environment), step)
		h.run(time.Minute, func() { h.requests(100, 0, 0) })
		if took := h.until("ticket TooManyErrors", wait, func() { h.requests(98, 2, 0) }); took < time.Minute { // 2 %: four times too fast
			t.Errorf("%s: a ticket after %s", environment, took)
		}
		if d := cmp.Diff([]string{"ticket TooManyErrors"}, h.names()); d != "" {
			t.Errorf("%s: (-want +got)\n%s", environment, d)
		}
	}
}

func TestProductionPagesByTheWorkbook(t *testing.T) {
	t.Parallel()
	h := open(t, shop(t, "production"), 15*time.Second)
	h.run(30*time.Minute, func() { h.requests(30, 0, 0) })
	// 6 × 0.5 % of the half an hour that is known are 54 s of a total failure.
	if took := h.until("page TooManyErrors", time.Hour, func() { h.requests(0, 30, 0) }); took < 54*time.Second || took > 2*time.Minute {
		t.Errorf("it took %s", took)
	}
}

// TestSleepAndRestart: a machine that slept, and a plat that began anew, make
// no events of what was counted long ago.
func TestSleepAndRestart(t *testing.T) {
	t.Parallel()
	h := open(t, shop(t, "local"), 5*time.Second)
	h.requests(100, 100, 0)
	h.run(10*time.Second, func() {})
	h.now = h.now.Add(time.Hour) // no sample, no evaluation
	h.run(2*time.Minute, func() { h.quiet("after the sleep") })
	for series := range h.counters {
		h.counters[series] = 0
	}
	h.run(2*time.Minute, func() {
		h.requests(1, 0, 0)
		h.quiet("after the restart")
	})
}

func TestEventsLate(t *testing.T) {
	t.Parallel()
	h := open(t, system(t, "local"), 5*time.Second)
	oldest := func(seconds float64) {
		h.gauge(seconds, "__name__", "plat_consumer_oldest_seconds", "service", "loyalty", "event", "order.placed")
	}
	h.warm(2*time.Minute, func() { oldest(29) })
	h.quiet("in time")
	h.until("page EventsLate", 30*time.Second, func() { oldest(31) })
	h.run(time.Minute, func() { oldest(0) })
	h.until("ticket DeadLetters", 10*time.Second, func() {
		h.gauge(1, "__name__", "plat_dead_letters", "service", "loyalty", "event", "order.placed")
	})
}

func TestWhatIsWrongWhateverTheObjectives(t *testing.T) {
	t.Parallel()
	for alert, traffic := range map[string]func(h *house){
		"page NoInstanceReady": func(h *house) { h.gauge(1, "__name__", "plat_instances", "service", "order", "state", "starting") },
		"page ServiceDown": func(h *house) {
			h.gauge(0, "__name__", "plat_instances", "service", "order", "state", "ready")
			h.gauge(0, "__name__", "plat_instances_desired", "service", "order")
			h.gauge(1, "__name__", "plat_instances_override", "service", "order")
		},
		"page CrashLoop": func(h *house) { h.count(1, "__name__", "plat_instance_restarts_total", "service", "order") },
		"ticket DiskNearlyFull": func(h *house) {
			h.gauge(9, "__name__", "plat_disk_free_bytes")
			h.gauge(100, "__name__", "plat_disk_size_bytes")
		},
		"page DiskFull": func(h *house) {
			h.gauge(1, "__name__", "plat_disk_free_bytes")
			h.gauge(100, "__name__", "plat_disk_size_bytes")
		},
		"ticket TelemetryLost": func(h *house) {
			h.count(1, "__name__", "plat_telemetry_dropped_total", "kind", "spans", "reason", "queue full")
		},
		"ticket TelemetryDamaged": func(h *house) {
			h.gauge(0, "__name__", "plat_telemetry_damaged", "kind", "metrics", "reason", "files are damaged")
			h.gauge(2, "__name__", "plat_telemetry_damaged", "kind", "spans and logs", "reason", "files are damaged")
		},
		"page TelemetryDiskFull": func(h *house) { h.gauge(1, "__name__", "plat_telemetry_disk_full") },
		"ticket TooManySeries": func(h *house) {
			h.count(1, "__name__", "plat_telemetry_series_dropped_total", "metric", "basket_size", "job", "order")
		},
		"ticket CallsWait": func(h *house) {
			h.gauge(61, "__name__", "plat_call_queue_oldest_seconds", "caller", "order", "service", "finance")
		},
		"ticket DeadCalls": func(h *house) {
			h.gauge(1, "__name__", "plat_call_queue_dead", "caller", "order", "service", "finance")
		},
		"ticket BreakerOpen": func(h *house) {
			h.gauge(2, "__name__", "plat_call_breaker_state", "caller", "web", "service", "order")
		},
		"ticket InstanceEjected": func(h *house) {
			h.gauge(1, "__name__", "plat_call_ejected", "caller", "order", "service", "order", "instance", "order-2")
		},
		"page ProbeFails": func(h *house) { h.gauge(0, "__name__", "plat_probe_success", "journey", "purchase") },
	} {
		sys := *shop(t, "local")
		sys.Gateways = []plan.Gateway{{Name: "public", Routes: []plan.DeclaredRoute{{Path: "/", Service: "order"}}}}
		sys.Journeys = []plan.Journey{{Name: "purchase", Owner: "us"}}
		sys.Services = append(slices.Clone(sys.Services), plan.Service{Name: "web", Owner: "us", Calls: []plan.Dependency{{Service: "order"}}})
		for i := range sys.Services {
			if sys.Services[i].Name == "order" {
				sys.Services[i].Instances, sys.Services[i].Ejection = 2, &plan.Ejection{}
				sys.Services[i].Calls = []plan.Dependency{{Service: "finance", OnFailure: plan.OnQueue, Queue: &plan.Queue{Fresh: plan.Duration(time.Minute), Keep: plan.Duration(time.Hour)}}}
			}
		}
		h := open(t, &sys, 5*time.Second)
		h.run(10*time.Second, func() {})
		h.until(alert, 3*time.Minute, func() { traffic(h) })
		for _, a := range h.firing() {
			if name(a) != alert {
				t.Errorf("beside %s fires %s", alert, name(a))
			}
			if a.Annotations.Get("summary") == "" || a.Annotations.Get("query") == "" || a.Annotations.Get("runbook") == "" || strings.Contains(a.Annotations.String(), "<error") || a.Labels.Get("owner") == "" {
				t.Errorf("%s says too little: %s %s", alert, a.Labels, a.Annotations)
			}
		}
	}
}

// TestWhoseMetricHasTooManySeries: its owner is told, not who looks after plat;
// of a program that is not in the plan, they are.
func TestWhoseMetricHasTooManySeries(t *testing.T) {
	t.Parallel()
	sys := *shop(t, "local")
	sys.Alerts = &plan.Alerts{Owner: "operators"}
	owner := ""
	for i := range sys.Services {
		if sys.Services[i].Name == "order" {
			owner = sys.Services[i].Owner
		}
	}
	for job, want := range map[string]string{"order": owner, "postgres": "operators"} {
		h := open(t, &sys, 5*time.Second)
		h.run(10*time.Second, func() {})
		h.until("ticket TooManySeries", 3*time.Minute, func() {
			h.count(1, "__name__", "plat_telemetry_series_dropped_total", "metric", "size", "job", job)
		})
		firing := h.firing()
		if len(firing) != 1 || firing[0].Labels.Get("owner") != want || firing[0].Labels.Get("service") != job {
			t.Errorf("%s: %v, want the owner %s", job, firing, want)
		}
	}
}

// TestAServiceThatEndedIsDown: one that another calls is told of within two
// looks at it; one that starts again is not.
func TestAServiceThatEndedIsDown(t *testing.T) {
	t.Parallel()
	sys := *shop(t, "local")
	sys.Services = append(slices.Clone(sys.Services), plan.Service{Name: "web", Owner: "us", Instances: 1, Calls: []plan.Dependency{{Service: "order"}}})
	h := open(t, &sys, 5*time.Second)
	state := func(ready, starting, waiting float64) {
		for s, n := range map[string]float64{"ready": ready, "starting": starting, "waiting": waiting} {
			h.gauge(n, "__name__", "plat_instances", "service", "order", "state", s)
		}
		h.gauge(1, "__name__", "plat_instances_desired", "service", "order")
		h.gauge(0, "__name__", "plat_instances_override", "service", "order")
	}
	h.warm(time.Minute, func() { state(1, 0, 0) })
	restarts := 0.0
	ends := func() {
		restarts++
		h.gauge(restarts, "__name__", "plat_instance_restarts_total", "service", "order", "instance", "order-1")
	}
	h.gauge(0, "__name__", "plat_instance_restarts_total", "service", "order", "instance", "order-1")
	h.run(time.Minute, func() { state(1, 0, 0) })
	ends()
	h.run(5*time.Second, func() { state(0, 1, 0) })
	h.run(2*time.Minute, func() {
		state(1, 0, 0)
		h.quiet("it starts again")
	})
	h.run(10*time.Second, func() { state(0, 1, 0) })
	h.quiet("it is replaced")
	h.run(time.Minute, func() { state(1, 0, 0) })
	if took := h.until("page ServiceDown", 30*time.Second, func() {
		ends()
		state(0, 1, 0)
	}); took > 15*time.Second {
		t.Errorf("as it ends at each start it took %s", took)
	}
	h.run(20*time.Second, func() { state(1, 0, 0) })
	if slices.Contains(h.names(), "page ServiceDown") {
		t.Error("it is back, and still it is told of")
	}
	if took := h.until("page ServiceDown", 30*time.Second, func() { state(0, 0, 1) }); took > 15*time.Second {
		t.Errorf("it took %s", took)
	}
	for _, a := range h.firing() {
		if name(a) == "page ServiceDown" && (a.Annotations.Get("summary") != "order does not run, and web needs it." || !strings.Contains(a.Annotations.Get("description"), "plat logs order")) {
			t.Errorf("it says %s", a.Annotations)
		}
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	want := []float64{.005, .01, .025, .05, .1, .25, .3, .5, 1, 2.5, 5, 10}
	if d := cmp.Diff(want, objective.Buckets(system(t, "local"))); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
