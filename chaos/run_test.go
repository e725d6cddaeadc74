package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/chaos"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// crew are instances that can be harmed, and entrances that count.
type crew struct {
	mu      sync.Mutex // guards what follows
	answers chaos.Answers
	firing  map[string][]string
	deeds   []string
	paused  map[string]bool
	started time.Time // the instance
	ready   bool
}

func (c *crew) Instances(service string) []chaos.Instance {
	if service == "nobody" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return []chaos.Instance{{ID: service + "-1", Started: c.started, Ready: c.ready}}
}

func (c *crew) Kill(instance string) error {
	c.mu.Lock()
	c.started, c.ready = time.Now(), true
	c.mu.Unlock()
	return c.did("kill " + instance)
}

func (c *crew) Pause(instance string, most time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused == nil {
		c.paused = map[string]bool{}
	}
	c.paused[instance] = most > 0
	return nil
}

func (c *crew) did(what string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deeds = append(c.deeds, what)
	return nil
}

func (c *crew) Answers() chaos.Answers {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers
}

func (c *crew) Alerts() map[string][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.firing
}

// staged opens a room with both.
func staged(t *testing.T, s *stage, c *crew, more func(*chaos.Options)) *chaos.Room {
	t.Helper()
	o := chaos.Options{Folder: t.TempDir(), System: s, Machine: c}
	if more != nil {
		more(&o)
	}
	r, err := chaos.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for instance, still := range c.paused {
			if still {
				t.Errorf("%s still stands", instance)
			}
		}
		if len(s.faults) > 0 {
			t.Errorf("faults stay: %v", s.faults)
		}
	})
	return r
}

// ended waits for the end of an experiment, and gives its report.
func ended(t *testing.T, r *chaos.Room, id string) (report chaos.Report) {
	t.Helper()
	until(t, "the experiment's end", func() bool {
		var err error
		if report, err = r.Report(id); err != nil {
			t.Fatal(err)
		}
		return report.State != chaos.Running
	})
	return report
}

func stock() *plan.System { return shop(plan.Dependency{Service: "stock", OnFailure: "degrade"}) }

// experiment reads what is to be run, which must be right.
func experiment(t *testing.T, sys *plan.System, body string) chaos.Experiment {
	t.Helper()
	sys.Owners = map[string]plan.Owner{"team": {}}
	x, findings := chaos.Read("x.yaml", []byte("experiment: x\nowner: team\n"+body), sys)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	return x
}

const silent = "faults:\n  - {do: no-answer, from: web, service: stock}\n"

func TestExperiments(t *testing.T) {
	t.Parallel()
	fine := func(context.Context, string, []chaos.Fault) (chaos.Run, []string) {
		return chaos.Run{Seconds: 0.1}, []string{"web>stock"}
	}
	ill := func(_ context.Context, _ string, faults []chaos.Fault) (run chaos.Run, calls []string) {
		if len(faults) > 0 {
			run.Failed = &chaos.Failed{Step: "buy", Status: 503, What: "the status is 503"}
		}
		return run, []string{"web>stock"}
	}
	for _, tt := range []struct {
		name    string
		body    string
		plays   func(context.Context, string, []chaos.Fault) (chaos.Run, []string)
		firing  map[string][]string
		state   string
		verdict string
		why     string
		short   bool // it ends before its time
	}{
		{name: "steady", body: "steady: {journeys: [buy]}\nduration: 300ms\n" + silent, plays: fine, state: chaos.Done, verdict: chaos.Steady},
		{name: "customers are hurt", body: "steady: {journeys: [buy]}\nduration: 5m\n" + silent, plays: ill, state: chaos.Done, verdict: chaos.Hurt, why: `503 Service Unavailable at "buy"`, short: true},
		{name: "not beyond the limit", body: "steady: {journeys: [buy]}\nlimits: {failures: 3}\nduration: 300ms\n" + silent, plays: ill, state: chaos.Done, verdict: chaos.NotSteady, why: `503 Service Unavailable at "buy"`},
		{name: "nobody came", body: "steady: {answers: 99%}\nduration: 300ms\nfaults: [{do: kill, service: stock}]\n", plays: fine, state: chaos.Done, verdict: chaos.Unclear, why: "only 0 requests"},
		{name: "nothing was met", body: "steady: {journeys: [buy]}\nduration: 300ms\nfaults: [{do: abort, from: stock}]\n", plays: fine, state: chaos.Done, verdict: chaos.Unclear, why: "fault 1 (abort) met no request"},
		{name: "nobody to kill", body: "steady: {journeys: [buy]}\nduration: 300ms\nfaults: [{do: kill, service: nobody}]\n", plays: fine, state: chaos.Done, verdict: chaos.NotSteady, why: "no instance of nobody runs"},
		{name: "an alert before", body: "steady: {journeys: [buy], objectives: [web]}\n" + silent, plays: fine, firing: map[string][]string{"web": {"Burns: fast"}}, state: chaos.NotBegun},
		{name: "another's alert", body: "steady: {journeys: [buy], objectives: [web]}\nduration: 300ms\n" + silent, plays: fine, firing: map[string][]string{"stock": {"Burns: fast"}}, state: chaos.Done, verdict: chaos.Steady},
		{name: "ill before", body: "steady: {journeys: [buy]}\n" + silent, plays: func(context.Context, string, []chaos.Fault) (run chaos.Run, calls []string) {
			run.Failed = &chaos.Failed{Step: "buy", What: "no answer"}
			return run, nil
		}, state: chaos.NotBegun},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sys := stock()
			sys.Services = append(sys.Services, plan.Service{Name: "nobody"})
			r := staged(t, &stage{plays: tt.plays}, &crew{firing: tt.firing}, nil)
			id, err := r.Experiment(sys, experiment(t, sys, tt.body), false)
			if err != nil {
				t.Fatal(err)
			}
			report := ended(t, r, id)
			if report.State != tt.state || report.Verdict != tt.verdict || !strings.Contains(strings.Join(report.Why, "\n"), tt.why) || tt.why == "" && len(report.Why) > 0 {
				t.Errorf("%s %s %q %v; want %s %s %q", report.State, report.Verdict, report.Why, report.Fault, tt.state, tt.verdict, tt.why)
			}
			if (report.State == chaos.NotBegun) != (report.Fault != nil) {
				t.Errorf("fault %v", report.Fault)
			}
			if report.State == chaos.Done && (report.Undone.IsZero() || report.Recovered.IsZero() && tt.verdict != chaos.Hurt) {
				t.Errorf("times %+v", report)
			}
			if tt.short && report.Undone.Sub(report.Injected) > time.Minute {
				t.Errorf("it failed for %s", report.Undone.Sub(report.Injected))
			}
			if again, err := r.Report("x"); err != nil || again.ID != id {
				t.Errorf("the newest is %s, %v", again.ID, err)
			}
		})
	}
}

// TestAnswersHurt: what real customers get ends an experiment, too.
func TestAnswersHurt(t *testing.T) {
	t.Parallel()
	c := &crew{}
	s := &stage{plays: func(context.Context, string, []chaos.Fault) (chaos.Run, []string) { return chaos.Run{}, nil }}
	r := staged(t, s, c, nil)
	sys := stock()
	id, err := r.Experiment(sys, experiment(t, sys, "steady: {answers: 99%}\nlimits: {answers: 90%}\nduration: 5m\nfaults: [{do: pause, service: stock}]\n"), false)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it stands still", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.paused["stock-1"] })
	c.mu.Lock()
	c.answers = chaos.Answers{All: 100, Bad: 11}
	c.mu.Unlock()
	report := ended(t, r, id)
	if report.Verdict != chaos.Hurt || report.Answers != c.answers || len(report.Why) != 1 || !strings.HasPrefix(report.Why[0], "of the requests at the entrances 89.0%") {
		t.Errorf("report %+v", report)
	}
}

// TestStopUndoes: whoever stops it, nothing stays.
func TestStopUndoes(t *testing.T) {
	t.Parallel()
	c := &crew{}
	s := &stage{plays: func(ctx context.Context, _ string, faults []chaos.Fault) (run chaos.Run, calls []string) {
		if len(faults) > 0 {
			<-ctx.Done()
			run.Failed = &chaos.Failed{What: "broken off"}
		}
		return run, nil
	}}
	r := staged(t, s, c, nil)
	sys := stock()
	x := experiment(t, sys, "steady: {journeys: [buy]}\nduration: 5m\nfaults: [{do: pause, service: stock}, {do: error, service: stock}]\n")
	id, err := r.Experiment(sys, x, false)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "things fail", func() bool { report, _ := r.Report(id); return report.Phase == "during" })
	if _, err := r.Experiment(sys, x, false); !fault.Is(err, fault.ChaosRunning) {
		t.Errorf("a second one: %v", err)
	}
	if err := r.Rehearse(sys, nil); !fault.Is(err, fault.ChaosRunning) {
		t.Errorf("a rehearsal: %v", err)
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if report := ended(t, r, id); report.State != chaos.Stopped || len(report.Why) > 0 || len(report.Done) != 1 {
		t.Errorf("report %+v", report)
	}
}

// TestReportsAreBounded: the oldest are forgotten.
func TestReportsAreBounded(t *testing.T) {
	t.Parallel()
	s := &stage{plays: func(context.Context, string, []chaos.Fault) (run chaos.Run, calls []string) {
		run.Failed = &chaos.Failed{What: "ill"}
		return run, nil
	}}
	r := staged(t, s, &crew{firing: map[string][]string{"web": {"Burns"}}}, nil)
	sys := stock()
	x := experiment(t, sys, "steady: {objectives: [web]}\nfaults: [{do: kill, service: stock}]\n") // never begins
	for i := range 103 {
		x.Name = fmt.Sprintf("x%d", i)
		var id string
		var err error
		until(t, "the one before is over", func() bool {
			id, err = r.Experiment(sys, x, false)
			return !fault.Is(err, fault.ChaosRunning)
		})
		if err != nil {
			t.Fatal(err)
		}
		ended(t, r, id)
	}
	until(t, "the last is kept", func() bool { return len(r.Reports()) == 100 })
	if _, err := r.Report("x0"); !fault.Is(err, fault.ChaosUnknown) {
		t.Errorf("the first: %v", err)
	}
}

// TestSchedule: what says every runs by itself, but not while an alert fires.
func TestSchedule(t *testing.T) {
	t.Parallel()
	c := &crew{firing: map[string][]string{"other": {"Burns: fast"}}}
	s := &stage{plays: func(context.Context, string, []chaos.Fault) (chaos.Run, []string) {
		return chaos.Run{}, []string{"web>stock"}
	}}
	sys := stock()
	x := experiment(t, sys, "steady: {journeys: [buy]}\nduration: 100ms\n"+silent)
	x.Every = 10 * time.Millisecond
	byHand := x
	byHand.Name, byHand.Every = "by-hand", 0
	r := staged(t, s, c, func(o *chaos.Options) {
		o.Experiments = func() (*plan.System, []chaos.Experiment) { return sys, []chaos.Experiment{byHand, x} }
	})
	if err := r.SetSchedule(365 * 24 * time.Hour); !fault.Is(err, fault.BadArgument) {
		t.Errorf("a year: %v", err)
	}
	if err := r.SetSchedule(time.Hour); err != nil {
		t.Fatal(err)
	}
	until(t, "it is postponed", func() bool { return r.Schedule().Postponed > 0 })
	if got := r.Schedule(); got.Started > 0 || got.Waits != "an alert of other fires: Burns: fast" || len(got.Next) != 1 || got.Next[0].Experiment != "x" {
		t.Errorf("while an alert fires: %+v", got)
	}
	c.mu.Lock()
	c.firing = nil
	c.mu.Unlock()
	if err := errors.Join(r.SetSchedule(0), r.SetSchedule(time.Hour)); err != nil { // due anew
		t.Fatal(err)
	}
	until(t, "it runs", func() bool { return r.Schedule().Started > 0 })
	until(t, "its report", func() bool { report, err := r.Report("x"); return err == nil && report.State == chaos.Done })
	if report, err := r.Report("x"); err != nil || !report.Scheduled || report.Verdict != chaos.Steady {
		t.Errorf("report %+v, %v", report, err)
	}
	if err := r.SetSchedule(0); err != nil || r.Schedule().On {
		t.Errorf("switched off: %v", err)
	}
	if diff := cmp.Diff([]chaos.Due{}, r.Schedule().Next); diff != "" {
		t.Error(diff)
	}
}

// TestReplaced: that plat begins an instance anew which was harmed is part of the
// report, also when it ends a pause before its time.
func TestReplaced(t *testing.T) {
	t.Parallel()
	s := &stage{plays: func(context.Context, string, []chaos.Fault) (chaos.Run, []string) { return chaos.Run{}, nil }}
	c := &crew{started: time.Now()}
	sys := stock()
	r := staged(t, s, c, nil)
	id, err := r.Experiment(sys, experiment(t, sys, "steady: {journeys: [buy]}\nduration: 10m\nfaults:\n  - {do: pause, service: stock}\n"), false)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it stands still", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.paused["stock-1"]
	})
	c.mu.Lock()
	c.started = time.Now().Add(time.Second) // a new process
	c.mu.Unlock()
	until(t, "the report says so", func() bool {
		now, _ := r.Report(id)
		return len(now.Done) == 1 && !now.Done[0].Replaced.IsZero() && now.Done[0].Ready.IsZero()
	})
	c.mu.Lock()
	c.ready = true
	c.mu.Unlock()
	until(t, "the report says that, too", func() bool {
		now, _ := r.Report(id)
		return len(now.Done) == 1 && !now.Done[0].Ready.IsZero() && now.Done[0].Service == "stock"
	})
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if report := ended(t, r, id); report.State != chaos.Stopped || report.Done[0].Ready.IsZero() {
		t.Errorf("%+v", report)
	}
	id, err = r.Experiment(sys, experiment(t, sys, "steady: {journeys: [buy]}\nduration: 1s\nfaults:\n  - {do: kill, service: web, instance: web-7}\n"), false)
	if err != nil {
		t.Fatal(err)
	}
	if report := ended(t, r, id); report.Verdict != chaos.NotSteady || !strings.Contains(fmt.Sprint(report.Why), "web-7 does not run") {
		t.Errorf("of an instance that is not there: %+v", report)
	}
}
