package cli

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

// TestWhatPsDoesWithout leaves out what says least first.
func TestWhatPsDoesWithout(t *testing.T) {
	t.Parallel()
	all := running{Services: []api.Service{
		{Name: "recommendation", State: "crash-looping", Desired: 1, Version: "2df5b5be2206", Owner: "catalogue", URL: "http://127.0.0.1:8000/api/albums"},
		{Name: "legacy", State: "ready", Ready: 1, Desired: 1, Outside: true},
	}}.table().first(8)
	for _, c := range []struct {
		width int
		want  string
	}{
		{0, "SERVICE STATE READY RESTARTS AGE VERSION OWNER URL"},
		{200, "SERVICE STATE READY RESTARTS AGE VERSION OWNER URL"},
		{100, "SERVICE STATE READY RESTARTS AGE OWNER URL"},
		{92, "SERVICE STATE READY RESTARTS AGE URL"},
		{80, "SERVICE STATE READY AGE URL"},
		{74, "SERVICE STATE READY URL"},
		{68, "SERVICE STATE URL"},
		{60, "SERVICE STATE"},
		{10, "SERVICE"},
	} {
		fitted, left := all.fit(c.width)
		if got := strings.Join(fitted.header, " "); got != c.want || len(left)+len(fitted.header) != len(all.header) {
			t.Errorf("width %d: %s without %v, want %s", c.width, got, left, c.want)
		}
		if len(fitted.header) > 1 && c.width > 0 {
			for _, line := range fitted.lines() {
				if len(line) > c.width {
					t.Errorf("width %d: %q", c.width, line)
				}
			}
		}
	}
	if owner := all.rows[1][6]; owner != "outside" {
		t.Errorf("who registered itself is owned by %q", owner)
	}
}

// TestLastColumnIsCut cuts a value that has no words in it.
func TestLastColumnIsCut(t *testing.T) {
	t.Parallel()
	env := table{header: []string{"VARIABLE", "FROM", "VALUE"}, rows: [][]string{{"PLAT_EVENTS", "plat", strings.Repeat("x", 99)}}, cuts: true}
	fitted, left := env.fit(40)
	if len(left) > 0 || fitted.rows[0][2] != strings.Repeat("x", 20)+"…" {
		t.Errorf("%v without %v", fitted.rows, left)
	}
}

// TestWarningsTogether says several of one kind in one line, and of one
// service all.
func TestWarningsTogether(t *testing.T) {
	t.Parallel()
	open := func(name string) *fault.Fault {
		return fault.Newf(fault.RunAllInterfaces, "service %q listens on *:80", name).Why("others").At("services/"+name+"/service.yaml", 0, 0).Warn()
	}
	services := []api.Service{{Name: "web"}, {Name: "catalog"}, {Name: "till"}}
	limits := fault.New(fault.RunLimitsUnenforced, `limits of service "web" are not enforced`).Warn()
	warnings := []*fault.Fault{open("web"), limits, open("catalog"), open("till")}
	say := func(list []*fault.Fault, full bool) string {
		var said bytes.Buffer
		a := app{IO: IO{Err: &said}, dir: "."}
		a.sayWarnings(list, services, full)
		return said.String()
	}
	got := say(warnings, false)
	if want := "warning: 3 services listen on all interfaces (catalog, till, web): plat explain run-all-interfaces\n"; !strings.HasPrefix(got, want) || strings.Count(got, "run-all-interfaces") != 1 || !strings.Contains(got, "not enforced [run-limits-unenforced]") {
		t.Errorf("it said:\n%s", got)
	}
	of := warningsOf(warnings, services[1:2])
	if len(of) != 1 || of[0].What != `service "catalog" listens on *:80` {
		t.Errorf("of catalog: %v", of)
	}
	if got := say(of, true); !strings.Contains(got, "why: others") {
		t.Errorf("of one service it said:\n%s", got)
	}
}

// TestProgressIsPaintedOnChange writes nothing while nothing changes, the
// seconds of what takes some, and one empty line when all is settled.
func TestProgressIsPaintedOnChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		a := app{IO: IO{Err: &said}, paint: painter{on: true}}
		look := a.progress()
		services := []api.Service{{Name: "web", State: "building"}, {Name: "till", State: "ready", Settled: true}}
		for range 22 { // 2.1 seconds
			look(services)
			time.Sleep(poll)
		}
		want := "\r\x1b[K[1/2] web building" + "\r\x1b[K[1/2] web building 1s" + "\r\x1b[K[1/2] web building 2s"
		services[0].State = "starting"
		look(services)
		want += "\r\x1b[K[1/2] web starting"
		services[0].State, services[0].Settled = "ready", true
		look(services)
		look(services)
		want += "\r\x1b[K"
		if got := said.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func TestStalePromises(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	a := app{IO: IO{Err: &said}}
	promises := []api.Promise{
		{Caller: "order", Dependency: "catalog", Verdict: "kept"},
		{Caller: "web", Dependency: "catalog", Stale: "web changed"},
	}
	if a.sayStale("order", promises); said.Len() > 0 {
		t.Errorf("nothing of order's is out of date, and said was %q", &said)
	}
	a.sayStale("web", promises)
	if want := "what customers see when catalog fails was rehearsed, and is out of date: web changed\nplat rehearse web finds out anew\n"; said.String() != want {
		t.Errorf("said %q, want %q", &said, want)
	}
}
