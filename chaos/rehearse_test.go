package chaos_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/plat-dev/plat/chaos"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of these tests.
const patience = 4 * time.Minute

// stage is a system that does what a test says.
type stage struct {
	// plays tells how a journey goes, and which calls it makes before it ends.
	plays func(ctx context.Context, journey string, faults []chaos.Fault) (run chaos.Run, calls []string)

	mu       sync.Mutex // guards what follows
	faults   []chaos.Fault
	counts   map[string]uint64
	versions map[string]string
	history  []string // of the faults that were set
	refuses  error    // to set any

	later  func(faults []chaos.Fault) chaos.Later // nil: nothing is done later
	ill    bool                                   // calls fail while nothing is broken
	late   bool                                   // what one customer set going is called for while the next one comes
	before string                                 // the mark of the last customer
	by     map[string]string                      // correlation IDs of the requests that led to calls, by fault
}

func (s *stage) Later(string, string) chaos.Later {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.later == nil {
		return chaos.Later{}
	}
	return s.later(s.faults)
}

func (s *stage) SetFaults(faults []chaos.Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults
	s.counts = map[string]uint64{}
	for _, f := range faults {
		s.history = append(s.history, f.ID)
	}
	return s.refuses
}

func (s *stage) FaultCounts() map[string]chaos.Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]chaos.Count{}
	for id, n := range s.counts {
		count := chaos.Count{Played: n}
		if s.ill {
			count.Failed = n
		}
		if by := s.by[id]; by != "" && n > 0 {
			count.Examples = []chaos.Example{{CorrelationID: by}}
		}
		counts[id] = count
	}
	return counts
}

func (s *stage) RunJourney(ctx context.Context, j plan.Journey, mark string) chaos.Run {
	s.mu.Lock()
	faults := s.faults
	s.mu.Unlock()
	run, calls := s.plays(ctx, j.Name, faults)
	run.Journey, run.Passed = j.Name, run.Failed == nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by = map[string]string{}
	for _, f := range faults {
		for _, call := range calls {
			if f.Journey == mark && call == f.Caller+">"+f.Service {
				s.counts[f.ID]++
			}
		}
		if s.late && f.Journey == s.before {
			s.counts[f.ID]++
		}
		s.by[f.ID] = "c-1"
	}
	s.before = mark
	return run
}

func (s *stage) Versions() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.versions
}

// shop is a system in which web calls what a test declares, and one journey.
func shop(calls ...plan.Dependency) *plan.System {
	for i := range calls {
		calls[i].Timeout = plan.Duration(200 * time.Millisecond)
	}
	return &plan.System{
		Services: []plan.Service{{Name: "web", Calls: calls}, {Name: "stock"}},
		External: []plan.External{{Name: "bank", URL: "https://bank.example"}},
		Journeys: []plan.Journey{{Name: "buy"}},
	}
}

func opened(t *testing.T, s *stage, folder string) *chaos.Room {
	t.Helper()
	r, err := chaos.Open(chaos.Options{Folder: folder, System: s})
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
		if len(s.faults) > 0 {
			t.Errorf("faults stay: %v", s.faults)
		}
	})
	return r
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain: %s", what)
}

func rehearsed(t *testing.T, r *chaos.Room, sys *plan.System, callers ...string) chaos.Rehearsal {
	t.Helper()
	if err := r.Rehearse(sys, callers); err != nil {
		t.Fatal(err)
	}
	until(t, "the rehearsal's end", func() bool { return r.Rehearsal(sys).State != chaos.Running })
	return r.Rehearsal(sys)
}

// TestVerdicts holds what customers saw to what was promised.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	sees := func(f *chaos.Failed) *chaos.Failed { f.Step = "buy"; return f }
	whole := sees(&chaos.Failed{Status: 503, ContentType: "text/html; charset=utf-8", What: "the status is 503", Seconds: 0.01})
	for _, tt := range []struct {
		name   string
		call   plan.Dependency
		sees   *chaos.Failed // while it fails
		kept   string
		why    string
		unseen bool // the call is not made

		stopped bool // nobody is there
	}{
		{name: "fail, and a clean error", call: plan.Dependency{OnFailure: "fail"}, sees: whole, kept: chaos.Kept},
		{name: "fail, and nothing is noticed", call: plan.Dependency{OnFailure: "fail"}, kept: chaos.Kept},
		{name: "fail, and no answer", call: plan.Dependency{OnFailure: "fail"}, sees: sees(&chaos.Failed{What: "no answer: unexpected EOF"}), kept: chaos.False, why: "an error was promised, with an answer"},
		{name: "fail, and all seems well", call: plan.Dependency{OnFailure: "fail"}, sees: sees(&chaos.Failed{Status: 200, What: "/total is not there"}), kept: chaos.False, why: "says that all is well"},
		{name: "fail, and late", call: plan.Dependency{OnFailure: "fail"}, sees: sees(&chaos.Failed{Status: 504, ContentType: "text/html", Seconds: 2.1}), kept: chaos.False, why: "expected within 2s"},
		{name: "fail, and bytes", call: plan.Dependency{OnFailure: "fail"}, sees: sees(&chaos.Failed{Status: 500, ContentType: "application/octet-stream"}), kept: chaos.False, why: "application/octet-stream"},
		{name: "degrade, and nothing is noticed", call: plan.Dependency{OnFailure: "degrade"}, kept: chaos.Kept},
		{name: "degrade, and an error", call: plan.Dependency{OnFailure: "degrade"}, sees: whole, kept: chaos.False, why: "customers were to notice nothing"},
		{name: "queue, and an error", call: plan.Dependency{OnFailure: "queue"}, sees: whole, kept: chaos.False, why: "customers were to notice nothing"},
		{name: "optional, and an error", call: plan.Dependency{OnFailure: "fail", Optional: true}, sees: whole, kept: chaos.False, why: "customers were to notice nothing"},
		{name: "it does not run", call: plan.Dependency{OnFailure: "degrade"}, unseen: true, stopped: true, kept: chaos.NotRehearsed, why: "stock does not run"},
		{name: "nobody calls", call: plan.Dependency{OnFailure: "degrade"}, unseen: true, kept: chaos.NotRehearsed, why: "no journey leads to this call"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &stage{versions: map[string]string{"web": "1", "stock": "1"}, plays: func(_ context.Context, _ string, faults []chaos.Fault) (run chaos.Run, calls []string) {
				if !tt.unseen {
					calls = []string{"web>stock"}
				}
				if len(faults) > 0 && faults[0].Kind != "watch" {
					run.Failed = tt.sees
				}
				return run, calls
			}}
			if tt.stopped {
				delete(s.versions, "stock")
			}
			tt.call.Service = "stock"
			found := rehearsed(t, opened(t, s, t.TempDir()), shop(tt.call))
			if found.State != chaos.Done || len(found.Promises) != 1 {
				t.Fatalf("found %+v", found)
			}
			p := found.Promises[0]
			if p.Verdict != tt.kept || !strings.Contains(p.Why, tt.why) || (tt.why == "") != (p.Why == "") {
				t.Errorf("the verdict is %s: %s; want %s: %s", p.Verdict, p.Why, tt.kept, tt.why)
			}
			if (p.Verdict == chaos.False) != (p.Remedy != "") && p.Verdict != chaos.NotRehearsed {
				t.Errorf("remedy %q", p.Remedy)
			}
			if ways := len(p.Ways); ways != 4 && !tt.unseen || tt.unseen && ways != 0 {
				t.Errorf("%d ways", ways)
			}
		})
	}
}

// TestDoneLater: what was accepted to be done later must be done when the
// dependency is well again.
func TestDoneLater(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ how, kept, sees, why string }{
		{"done", chaos.Kept, "nothing: every journey passes; 4 calls were done later", ""},
		{"waits", chaos.False, "", "are not, 45s after stock was well again: 503"},
		{"refused", chaos.False, "", "was given up: 422"},
		{"none", chaos.NotRehearsed, "", "no call that can be done later"},
	} {
		t.Run(tt.how, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &stage{versions: map[string]string{"web": "1", "stock": "1"}}
				var queue chaos.Later
				looks := 0
				failing := func(faults []chaos.Fault) bool { return len(faults) > 0 && faults[0].Kind != "watch" }
				s.plays = func(_ context.Context, _ string, faults []chaos.Fault) (chaos.Run, []string) {
					if failing(faults) && tt.how != "none" {
						queue.Kept, queue.Waiting = queue.Kept+1, queue.Waiting+1
					}
					return chaos.Run{}, []string{"web>stock"}
				}
				s.later = func(faults []chaos.Fault) chaos.Later {
					if queue.Waiting > 0 && !failing(faults) {
						switch looks++; {
						case tt.how == "waits":
							queue.Why = "503"
						case tt.how == "refused":
							queue.Waiting, queue.Dead, queue.GivenUp = 0, queue.Dead+1, "422"
						case looks%3 == 0:
							queue.Waiting = 0
						}
					}
					return queue
				}
				p := rehearsed(t, opened(t, s, t.TempDir()), shop(plan.Dependency{Service: "stock", OnFailure: plan.OnQueue})).Promises[0]
				if p.Verdict != tt.kept || !strings.Contains(p.Why, tt.why) || tt.sees != "" && p.Sees != tt.sees {
					t.Errorf("the verdict is %s: %q, customers see %q", p.Verdict, p.Why, p.Sees)
				}
			})
		})
	}
}

// TestWayThatIsNotPlayed: a journey that ends before the call proves nothing.
func TestWayThatIsNotPlayed(t *testing.T) {
	t.Parallel()
	s := &stage{plays: func(_ context.Context, _ string, faults []chaos.Fault) (run chaos.Run, calls []string) {
		if len(faults) > 0 && faults[0].Kind == "abort" {
			return run, nil
		}
		return run, []string{"web>bank"}
	}}
	found := rehearsed(t, opened(t, s, t.TempDir()), shop(plan.Dependency{Service: "bank", OnFailure: "degrade", External: true}))
	p := found.Promises[0]
	if p.Verdict != chaos.NotRehearsed || p.Why != "broken off: the journey buy did not come to this call" || len(p.Ways) != 3 {
		t.Errorf("found %+v", p)
	}
	want := []string{"rehearsal/web/bank", "rehearsal/web/bank/error", "rehearsal/web/bank/no-answer", "rehearsal/web/bank/abort"}
	if diff := cmp.Diff(want, s.history); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

// TestPlanted are rehearsals that a credulous one would find kept.
func TestPlanted(t *testing.T) {
	t.Parallel()
	breaks := func(faults []chaos.Fault) bool { return len(faults) > 0 && faults[0].Kind != "watch" }
	there := []string{"web>stock"}
	always := func(context.Context, string, []chaos.Fault) (chaos.Run, []string) {
		return chaos.Run{Requests: []string{"c-0", "c-1", "c-2"}}, there
	}
	page := plan.Step{Name: "page"}
	for _, tt := range []struct {
		name  string
		stage *stage
		steps []plan.Step
		call  string // on-failure
		want  string
		why   string
	}{
		{"the call is answered from what the caller keeps", &stage{plays: func(_ context.Context, _ string, faults []chaos.Fault) (run chaos.Run, calls []string) {
			if !breaks(faults) {
				calls = there
			}
			return run, calls
		}}, nil, "degrade", chaos.NotRehearsed, "did not come to this call"},
		{"an earlier customer's call comes while this one makes none", &stage{late: true, plays: func(_ context.Context, _ string, faults []chaos.Fault) (run chaos.Run, calls []string) {
			if !breaks(faults) {
				calls = there
			}
			return run, calls
		}}, nil, "degrade", chaos.NotRehearsed, "did not come to this call"},
		{"what stands in is all that there is", &stage{ill: true, plays: always}, nil, "degrade", chaos.NotRehearsed, "stock fails already while nothing is broken"},
		{"the page may be empty", &stage{plays: always}, []plan.Step{{Name: "home", Contains: []string{"Shop"}}, page, {Name: "end", Contains: []string{"Bye"}}}, "degrade", chaos.NotRehearsed, `"page" of buy passes, whatever`},
		{"the page may be empty, where an error was promised", &stage{plays: always}, []plan.Step{page, page}, "fail", chaos.NotRehearsed, `"page" of buy passes, whatever`},
		{"the page is looked at", &stage{plays: always}, []plan.Step{page, {Name: "shown", Contains: []string{"Shop"}}}, "degrade", chaos.Kept, ""},
		{"something is taken out of the page", &stage{plays: always}, []plan.Step{page, {Name: "shown", Capture: []plan.Capture{{Name: "x"}}}}, "degrade", chaos.Kept, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sys := shop(plan.Dependency{Service: "stock", OnFailure: tt.call})
			sys.Journeys[0].Steps = tt.steps
			tt.stage.versions = map[string]string{"web": "1", "stock": "1"}
			p := rehearsed(t, opened(t, tt.stage, t.TempDir()), sys).Promises[0]
			if p.Verdict != tt.want || !strings.Contains(p.Why, tt.why) || tt.want != chaos.Kept && p.Why == "" {
				t.Errorf("the verdict is %s: %s; want %s: %s", p.Verdict, p.Why, tt.want, tt.why)
			}
		})
	}
}

// TestAccidentElsewhere: a journey that breaks off before the call, for a reason
// of its own, goes once more.
func TestAccidentElsewhere(t *testing.T) {
	t.Parallel()
	for accidents, want := range map[int]string{2: chaos.Kept, 3: chaos.NotRehearsed} {
		t.Run(strconv.Itoa(accidents), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				left := accidents
				s := &stage{plays: func(_ context.Context, _ string, faults []chaos.Fault) (run chaos.Run, calls []string) {
					if len(faults) > 0 && faults[0].Kind == "abort" && left > 0 {
						left--
						run.Failed = &chaos.Failed{Step: "home", What: "no answer", Seconds: 30}
						return run, nil
					}
					return run, []string{"web>bank"}
				}}
				p := rehearsed(t, opened(t, s, t.TempDir()), shop(plan.Dependency{Service: "bank", OnFailure: "degrade", External: true})).Promises[0]
				if p.Verdict != want {
					t.Errorf("the verdict is %s: %s", p.Verdict, p.Why)
				}
			})
		})
	}
}

// TestUnwell: a system that does not become well again ends a rehearsal, and what
// was not tried for that is not kept.
func TestUnwell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := false
		s := &stage{versions: map[string]string{"web": "1", "stock": "1"}, plays: func(_ context.Context, _ string, faults []chaos.Fault) (run chaos.Run, calls []string) {
			if broken = broken || len(faults) > 0 && faults[0].Kind != "watch"; broken {
				run.Failed = &chaos.Failed{Step: "buy", Status: 503, ContentType: "text/html", What: "the status is 503"}
			}
			return run, []string{"web>stock"}
		}}
		sys := shop(plan.Dependency{Service: "stock", OnFailure: "fail"})
		r := opened(t, s, t.TempDir())
		if err := r.Rehearse(sys, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute) // of the bubble's clock
		found := r.Rehearsal(sys)
		p := found.Promises[0]
		if found.State != chaos.Stopped || found.Fault == nil || p.Verdict != chaos.NotRehearsed || !strings.Contains(p.Why, "after stock was well again, the journey buy does not pass") || len(p.Ways) != 1 {
			t.Errorf("found %+v\n%+v", found, p)
		}
	})
}

// TestNotSteady: nothing is broken in a system that is not well.
func TestNotSteady(t *testing.T) {
	t.Parallel()
	s := &stage{plays: func(context.Context, string, []chaos.Fault) (run chaos.Run, calls []string) {
		run.Failed = &chaos.Failed{Step: "home", Status: 500, What: "the status is 500"}
		return run, nil
	}}
	found := rehearsed(t, opened(t, s, t.TempDir()), shop(plan.Dependency{Service: "stock", OnFailure: "fail"}))
	if found.State != chaos.NotBegun || found.Fault == nil || found.Fault.Code != fault.ChaosNotSteady || len(slices.Compact(slices.Clone(s.history))) != 1 {
		t.Errorf("found %+v, faults %v", found, s.history)
	}
}

// TestRemembered: what was found outlives plat, and grows old with the plan
// and the versions of the services on the way.
func TestRemembered(t *testing.T) {
	t.Parallel()
	s := &stage{versions: map[string]string{"web": "1", "stock": "1"}, plays: func(context.Context, string, []chaos.Fault) (chaos.Run, []string) {
		return chaos.Run{}, []string{"web>stock"}
	}}
	folder := t.TempDir()
	sys := shop(plan.Dependency{Service: "stock", OnFailure: "degrade"})
	rehearsed(t, opened(t, s, folder), sys)
	again, err := chaos.Open(chaos.Options{Folder: folder, System: s})
	if err != nil {
		t.Fatal(err)
	}
	if p := again.Rehearsal(sys).Promises[0]; p.Verdict != chaos.Kept || p.Stale != "" || p.At.IsZero() {
		t.Errorf("remembered %+v", p)
	}
	s.versions = map[string]string{"web": "1", "stock": "2"}
	if p := again.Rehearsal(sys).Promises[0]; p.Verdict != chaos.Kept || p.Stale != "stock changed" {
		t.Errorf("with another version %+v", p)
	}
	sys = shop(plan.Dependency{Service: "stock", OnFailure: "fail"})
	if p := again.Rehearsal(sys).Promises[0]; p.Stale != "the plan has changed" {
		t.Errorf("with another plan %+v", p)
	}
	sys = shop(plan.Dependency{Service: "bank", OnFailure: "fail"})
	if all := again.Rehearsal(sys).Promises; len(all) != 1 || all[0].Verdict != chaos.NotRehearsed {
		t.Errorf("of other calls %+v", all)
	}
	if err := os.WriteFile(filepath.Join(folder, "rehearsal.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := chaos.Open(chaos.Options{Folder: folder, System: s}); err == nil || r.Rehearsal(sys).State != chaos.Never {
		t.Errorf("a torn file: %v", err)
	}
}

// TestOneAtATime: two at once are refused, and what is stopped is undone.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	s := &stage{plays: func(ctx context.Context, _ string, faults []chaos.Fault) (run chaos.Run, calls []string) {
		if faults[0].Kind != "watch" {
			<-ctx.Done()
		}
		return run, []string{"web>stock"}
	}}
	r := opened(t, s, t.TempDir())
	sys := shop(plan.Dependency{Service: "stock", OnFailure: "degrade"})
	if err := r.Stop(); !fault.Is(err, fault.ChaosNotRunning) {
		t.Errorf("nothing runs: %v", err)
	}
	for _, callers := range [][]string{{"wbe"}, {"stock"}} {
		if err := r.Rehearse(sys, callers); err == nil {
			t.Errorf("of %v: no error", callers)
		}
	}
	if err := r.Rehearse(sys, nil); err != nil {
		t.Fatal(err)
	}
	until(t, "a fault is played", func() bool { return r.Rehearsal(sys).Now == "stock answers 503, web asks it" })
	if err := r.Rehearse(sys, nil); !fault.Is(err, fault.ChaosRunning) {
		t.Errorf("a second one: %v", err)
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	until(t, "the end", func() bool { return r.Stop() != nil && r.Rehearsal(sys).State == chaos.Stopped })
	if p := r.Rehearsal(sys).Promises[0]; p.Verdict != chaos.NotRehearsed {
		t.Errorf("stopped half-way: %+v", p)
	}
}
