package runner_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/runner"
)

// lookout is a Watcher whose files change when a test says so.
type lookout struct {
	saves chan string // services, with commas
	told  chan struct{}

	mu    sync.Mutex
	story []string
	warns map[string]*fault.Fault
}

func (l *lookout) Run(ctx context.Context, changed func(map[string][]string)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case services := <-l.saves:
			changes := map[string][]string{}
			for _, service := range strings.Split(services, ",") {
				changes[service] = []string{"/src/" + service + "/main.go"}
			}
			changed(changes)
			l.told <- struct{}{}
		}
	}
}

func (l *lookout) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.story = append(l.story, fmt.Sprintf(format, args...))
}

func (l *lookout) Set(s runner.Sources) {
	l.say("set %s %v read %t", s.Service, s.Trees, !s.Read.IsZero())
}
func (l *lookout) Building(service string, on bool) { l.say("building %s %t", service, on) }
func (l *lookout) Warning(service string) *fault.Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.warns[service]
}

func (l *lookout) heard() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.story)
}

// save is a saved file, and returns when the runner knows of it.
func (l *lookout) save(t *testing.T, service string) {
	t.Helper()
	for _, step := range []func() bool{
		func() bool {
			select {
			case l.saves <- service:
				return true
			case <-time.After(time.Minute):
				return false
			}
		},
		func() bool {
			select {
			case <-l.told:
				return true
			case <-time.After(time.Minute):
				return false
			}
		},
	} {
		if !step() {
			t.Fatal("nobody listens to the watcher")
		}
	}
}

func watched(t *testing.T, services ...plan.Service) (*rig, *lookout) {
	t.Helper()
	l := &lookout{saves: make(chan string), told: make(chan struct{}), warns: map[string]*fault.Fault{}}
	return startWith(t, runner.Options{Pace: quick(), Watch: l}, services...), l
}

func TestSaveReplacesWithoutAGap(t *testing.T) {
	t.Parallel()
	script, golang := svc("script", 2), svc("golang", 1)
	golang.Build.Go = "."
	r, l := watched(t, script, golang)
	r.wait(t, "script")
	r.wait(t, "golang")
	for _, name := range []string{"script", "golang"} {
		before := r.status(name)
		r.rotation.watchLeast(name)
		r.workshop.set(1, "golang") // a new program of the Go service
		l.save(t, name)
		r.eventually(t, name+" is replaced", func() bool {
			now := r.status(name)
			if now.State != runner.Ready || len(now.Instances) != len(before.Instances) {
				return false
			}
			for _, i := range now.Instances {
				if slices.ContainsFunc(before.Instances, func(b runner.InstanceStatus) bool { return b.PID == i.PID }) {
					return false
				}
			}
			return true
		})
		if least := r.rotation.fewest(name); least < before.Desired {
			t.Errorf("%s: only %d of %d were in rotation", name, least, before.Desired)
		}
	}
}

func TestSaveThatMakesTheSameProgramRestartsNothing(t *testing.T) {
	t.Parallel()
	golang := svc("golang", 1)
	golang.Build.Go = "."
	r, l := watched(t, golang)
	r.wait(t, "golang")
	pid := r.status("golang").Instances[0].PID
	l.save(t, "golang")
	r.eventually(t, "it was built again", func() bool { return len(r.workshop.batches()) == 2 && !r.status("golang").Building })
	if st := r.status("golang"); len(st.Instances) != 1 || st.Instances[0].PID != pid {
		t.Errorf("it was replaced: %+v", st)
	}
}

func TestBrokenSaveLeavesTheOldOneServing(t *testing.T) {
	t.Parallel()
	r, l := watched(t, svc("order", 2))
	r.wait(t, "order")
	broken := fault.New(fault.RunBuildFailed, "undefined: x")
	r.workshop.fail("order", broken)
	l.save(t, "order")
	r.eventually(t, "the fault is shown", func() bool { st := r.status("order"); return st.Fault == broken && !st.Building })
	if st := r.status("order"); st.State != runner.Ready || st.Ready != 2 {
		t.Errorf("it is %+v", st)
	}
	r.workshop.fail("order", nil)
	l.save(t, "order")
	r.eventually(t, "the fault is gone", func() bool {
		st := r.status("order")
		return st.Fault == nil && st.State == runner.Ready && !st.Building
	})
	r.machine.noted(t, "order: builds again: 000000000000 is started anew")
}

func TestMendedBuildIsSaid(t *testing.T) {
	t.Parallel()
	golang := svc("golang", 1)
	golang.Build.Go = "."
	broken := func() *fault.Fault {
		return fault.New(fault.RunBuildFailed, "undefined: x").Fix("correct it, then plat restart golang")
	}
	r, l := watched(t)
	r.workshop.fail("golang", broken())
	r.Apply(system(golang))
	r.eventually(t, "it does not build", func() bool { return r.status("golang").State == runner.BuildFailed })
	if f := r.status("golang").Fault; f.Remedy != "correct it and save it" {
		t.Errorf("the remedy is %q", f.Remedy)
	}
	for stamp, want := range []string{"000000000000 is started", "000000000001 takes the place of 000000000000", "000000000001 goes on"} {
		r.workshop.fail("golang", nil)
		r.workshop.set(min(stamp, 1), "golang")
		l.save(t, "golang")
		r.machine.noted(t, "golang: builds again: "+want)
		r.wait(t, "golang")
		r.workshop.fail("golang", broken())
		l.save(t, "golang")
		r.eventually(t, "it does not build", func() bool { return r.status("golang").Fault != nil })
	}
}

func TestRemedyOfACrashLoopThatIsWatched(t *testing.T) {
	t.Parallel()
	r, _ := watched(t)
	r.machine.of("order").exits.Store(1 << 20)
	r.Apply(system(svc("order", 1)))
	r.eventually(t, "it says why", func() bool { return r.status("order").Fault != nil })
	if f := r.status("order").Fault; f.Remedy != "plat logs order shows its output; correct it and save it" {
		t.Errorf("the remedy is %q", f.Remedy)
	}
}

func TestSaveDuringABuildIsBuiltAfterwards(t *testing.T) {
	t.Parallel()
	r, l := watched(t, svc("order", 1), svc("web", 1))
	r.wait(t, "order")
	r.wait(t, "web")
	hold := make(chan struct{})
	r.workshop.wait(hold)
	l.save(t, "order")
	r.eventually(t, "the build is on", func() bool { return r.status("order").Building })
	l.save(t, "order")
	l.save(t, "order")
	l.save(t, "web")
	close(hold)
	r.eventually(t, "both are built after it, in one", func() bool {
		return cmp.Equal(r.workshop.batches(), []string{"order,web", "order", "order,web"}) && r.status("order").State == runner.Ready && !r.status("web").Building
	})
	l.save(t, "web,order")
	r.eventually(t, "what is saved together is built together", func() bool {
		return cmp.Equal(r.workshop.batches(), []string{"order,web", "order", "order,web", "order,web"})
	})
}

func TestWhatTheWatcherIsTold(t *testing.T) {
	t.Parallel()
	script, golang, made := svc("script", 1), svc("golang", 1), svc("made", 1)
	golang.Build.Go = "."
	made.Build.Command = []string{"make"}
	r, l := watched(t, script, golang, made)
	for _, name := range []string{"script", "golang", "made"} {
		r.wait(t, name)
	}
	want := []string{
		"set made [/src/made] read false", "set script [/src/script] read false", "building made true", "building made false",
		"set golang [/src/golang] read true",
	}
	r.eventually(t, "it was told all", func() bool { return len(l.heard()) == len(want) })
	if diff := cmp.Diff(want, l.heard()); diff != "" {
		t.Error(diff)
	}
	l.mu.Lock()
	l.warns["script"] = fault.New(fault.RunWatchPolling, "slow").Warn()
	l.mu.Unlock()
	if f := r.status("script").Findings; len(f) != 1 || f[0].Code != fault.RunWatchPolling {
		t.Errorf("findings are %v", f)
	}
	r.Apply(system(script, golang))
	if heard := l.heard(); heard[len(heard)-1] != "set made [] read false" {
		t.Errorf("last it heard %q", heard[len(heard)-1])
	}
	l.save(t, "made")   // it may be gone already
	l.save(t, "nobody") // never was
	r.eventually(t, "made is gone", func() bool { return r.status("made").Service == "" })
}
