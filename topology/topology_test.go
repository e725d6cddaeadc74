package topology_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when these tests happen.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// withoutFigures compares what is remembered across restarts.
var withoutFigures = cmpopts.IgnoreTypes(topology.Figures{}, topology.Actions{})

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

func open(t *testing.T, path string, o topology.Options) *topology.Topology {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	topo, damaged := topology.Open(path, o)
	if damaged != nil {
		t.Fatalf("%+v", damaged)
	}
	return topo
}

// run runs it until the test, or stop, ends it.
func run(t *testing.T, topo *topology.Topology) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- topo.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// call is an undeclared one.
func call(second int, caller, callee, id string) topology.Seen {
	return topology.Seen{Caller: caller, Callee: callee, ID: id, Time: at(second), Method: "GET", Path: "/" + id, Status: 200, CorrelationID: "k-" + id}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	topo := open(t, "", topology.Options{})
	declared := call(1, "order", "catalog", "")
	declared.Declared = true
	topo.Observe(declared)
	declared.Status, declared.Time = 503, at(3)
	topo.Observe(declared)
	declared.Status, declared.Time = 0, at(2)
	topo.Observe(declared)
	topo.Observe(call(4, "order", "rating", "c1"))
	refused := call(5, "order", "rating", "c2")
	refused.Status, refused.Refused = 403, true
	topo.Observe(refused)
	topo.Observe(topology.Seen{Gateway: "public", Route: "/api", Callee: "order", Time: at(6), Status: 500})
	topo.Observe(topology.Seen{Gateway: "public", Route: "/api", Callee: "order", Time: at(7), Status: 200})
	for _, nothing := range []topology.Seen{
		{Caller: "order", Time: at(1)}, {Caller: "order", Callee: "order", Time: at(1)}, {Callee: "order", Time: at(1)}, {Gateway: "public", Time: at(1)},
	} {
		topo.Observe(nothing)
	}
	want := topology.Observation{
		Since: noon,
		Edges: []topology.Edge{
			{Caller: "order", Callee: "catalog", Uses: topology.Uses{Count: 3, Errors: 2, First: at(1), Last: at(3)}},
			{
				Caller: "order", Callee: "rating", Uses: topology.Uses{Count: 2, First: at(4), Last: at(5)},
				Refused: 1, Undeclared: topology.Undeclared{Uses: topology.Uses{Count: 2, First: at(4), Last: at(5)}, Refused: 1},
				Evidence: []topology.Evidence{
					{ID: "c2", Time: at(5), Method: "GET", Path: "/c2", Status: 403, CorrelationID: "k-c2", Refused: true},
					{ID: "c1", Time: at(4), Method: "GET", Path: "/c1", Status: 200, CorrelationID: "k-c1"},
				},
			},
		},
		Routes: []topology.Route{{Gateway: "public", Path: "/api", Service: "order", Uses: topology.Uses{Count: 2, Errors: 1, First: at(6), Last: at(7)}}},
	}
	if diff := cmp.Diff(want, topo.Snapshot(), withoutFigures); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, id := range []string{"c2", "k-c2"} {
		if c, ok := topo.Call(id); !ok || c.Caller != "order" || c.Callee != "rating" || c.ID != "c2" || !c.Refused {
			t.Errorf("Call(%s): %+v %v", id, c, ok)
		}
	}
	for _, id := range []string{"", "c3", "c"} {
		if c, ok := topo.Call(id); ok {
			t.Errorf("Call(%q): %+v", id, c)
		}
	}
}

func TestDeclare(t *testing.T) {
	t.Parallel()
	topo := open(t, "", topology.Options{})
	edge := plan.Edge{Caller: "order", Callee: "catalog"}
	age := func() time.Time {
		t.Helper()
		s := topo.Snapshot().Edges
		if len(s) != 1 {
			t.Fatalf("%+v", s)
		}
		return s[0].DeclaredAt
	}
	refused := call(1, "order", "catalog", "c1")
	refused.Refused = true
	topo.Observe(refused)
	topo.Declare([]plan.Edge{edge}, at(10))
	topo.Declare([]plan.Edge{edge}, at(20)) // the age stays
	if got := age(); !got.Equal(at(10)) {
		t.Errorf("declared at %v", got)
	}
	if e := topo.Snapshot().Edges[0]; e.Count != 1 || e.Refused != 1 || e.Undeclared != (topology.Undeclared{}) || len(e.Evidence) != 0 {
		t.Errorf("what is declared now is not settled: %+v", e)
	}
	topo.Declare(nil, at(30))
	if got := age(); !got.IsZero() {
		t.Errorf("declared at %v", got)
	}
	topo.Observe(call(40, "order", "catalog", "c2"))
	if e := topo.Snapshot().Edges[0]; e.Count != 2 || e.Refused != 1 || e.Undeclared.Refused != 0 || e.Undeclared.Count != 1 || !e.Undeclared.First.Equal(at(40)) {
		t.Errorf("%+v", e)
	}
	topo.Declare([]plan.Edge{edge}, at(50)) // begins anew
	if got := age(); !got.Equal(at(50)) {
		t.Errorf("declared at %v", got)
	}
	// What was declared and never used leaves nothing behind.
	never := open(t, "", topology.Options{})
	never.Declare([]plan.Edge{edge}, at(1))
	never.Declare(nil, at(2))
	if s := never.Snapshot(); len(s.Edges) != 0 {
		t.Errorf("%+v", s)
	}
}

// TestNothingIsLost: whatever runs at once, every call is counted.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	const workers, each, pairs = 8, 4000, 37
	topo := open(t, filepath.Join(t.TempDir(), "calls.json"), topology.Options{Every: time.Millisecond, Edges: 2 * pairs})
	stop := run(t, topo)
	var edges []plan.Edge
	for i := range pairs / 2 {
		edges = append(edges, plan.Edge{Caller: "a", Callee: fmt.Sprint("b", i)})
	}
	var work, noise sync.WaitGroup
	end := make(chan struct{})
	noise.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-end:
				return
			default:
				topo.Declare(edges[:rand.IntN(len(edges))], at(n))
				for _, e := range topo.Snapshot().Edges {
					if e.Errors > e.Count || e.Refused > e.Count || e.Undeclared.Count > e.Count || e.Undeclared.Refused > e.Undeclared.Count || e.Undeclared.Errors > e.Undeclared.Count {
						t.Errorf("a part is larger than its whole: %+v", e)
					}
				}
				topo.Call("c5")
			}
		}
	})
	for w := range workers {
		work.Go(func() {
			for i := range each {
				s := call(i, "a", fmt.Sprint("b", (i+w)%pairs), fmt.Sprint("c", i))
				s.Declared, s.Refused = i%3 == 0, i%5 == 0
				if i%7 == 0 {
					s.Status = 500
				}
				if i%11 == 0 {
					s.Gateway, s.Route = "public", "/"
				}
				topo.Observe(s)
			}
		})
	}
	work.Wait()
	close(end)
	noise.Wait()
	var count, errs uint64
	s := topo.Snapshot()
	for _, e := range s.Edges {
		count, errs = count+e.Count, errs+e.Errors
		if len(e.Evidence) > topology.MaxEvidence || !e.Last.Equal(at(each-1)) && e.Last.Before(e.First) {
			t.Errorf("%+v", e)
		}
	}
	for _, r := range s.Routes {
		count, errs = count+r.Count, errs+r.Errors
	}
	wantErrs := uint64(workers * ((each + 6) / 7))
	if count != workers*each || errs != wantErrs || s.Dropped != 0 {
		t.Errorf("%d calls, %d errors, %d dropped; want %d, %d, 0", count, errs, s.Dropped, workers*each, wantErrs)
	}
	stop()
}

func TestBounds(t *testing.T) {
	t.Parallel()
	topo := open(t, "", topology.Options{Edges: 100})
	for i := range 150 {
		topo.Observe(call(i, fmt.Sprint("s", i), "b", fmt.Sprint("c", i)))
	}
	topo.Declare([]plan.Edge{{Caller: "order", Callee: "catalog"}}, noon) // finds a place all the same
	if s := topo.Snapshot(); len(s.Edges) != 101 || s.Dropped != 50 {
		t.Errorf("%d edges, %d dropped", len(s.Edges), s.Dropped)
	}
	topo = open(t, "", topology.Options{})
	for i := range 3 * topology.MaxRefused {
		s := call(i, "a", "b", fmt.Sprint("c", i))
		s.Refused, s.Status, s.Path, s.Method, s.CorrelationID = true, 403, "/"+strings.Repeat("é", 5000), strings.Repeat("M", 5000), strings.Repeat("k", 5000)
		topo.Observe(s)
	}
	e := topo.Snapshot().Edges[0]
	if len(e.Evidence) != topology.MaxEvidence || e.Evidence[0].ID != fmt.Sprint("c", 3*topology.MaxRefused-1) || e.Refused != 3*topology.MaxRefused {
		t.Errorf("%d evidence, the first %s, %d refused", len(e.Evidence), e.Evidence[0].ID, e.Refused)
	}
	if v := e.Evidence[0]; len(v.Path) > 256 || len(v.Method) > 256 || len(v.CorrelationID) > 256 {
		t.Errorf("long texts are kept: %d %d %d", len(v.Path), len(v.Method), len(v.CorrelationID))
	}
	for i, want := range map[int]bool{0: false, 2*topology.MaxRefused - 1: false, 2 * topology.MaxRefused: true, 3*topology.MaxRefused - 1: true} {
		if _, ok := topo.Call(fmt.Sprint("c", i)); ok != want {
			t.Errorf("Call(c%d): %v", i, ok)
		}
	}
}

// TestForget: edges that nobody declares or uses make room; age and declared
// edges do not.
func TestForget(t *testing.T) {
	t.Parallel()
	topo := open(t, "", topology.Options{Edges: 3})
	topo.Observe(call(0, "a", "old", "c1"))
	topo.Observe(call(0, "a", "kept", "c2"))
	topo.Observe(topology.Seen{Gateway: "public", Route: "/old", Callee: "a", Time: at(0), Status: 200})
	later := noon.Add(topology.Forget + time.Hour)
	topo.Declare([]plan.Edge{{Caller: "a", Callee: "kept"}}, later)
	s := topo.Snapshot()
	if len(s.Edges) != 1 || s.Edges[0].Callee != "kept" || s.Edges[0].Count != 1 || len(s.Routes) != 0 {
		t.Errorf("%+v", s)
	}
	topo.Observe(call(1, "a", "new", "c3"))
	if s := topo.Snapshot(); len(s.Edges) != 2 || s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
}

// TestRestart: all of it is there again.
func TestRestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "calls.json")
	topo := open(t, path, topology.Options{})
	stop := run(t, topo)
	topo.Declare([]plan.Edge{{Caller: "order", Callee: "catalog"}, {Caller: "order", Callee: "never"}}, at(1))
	topo.Observe(topology.Seen{Caller: "order", Callee: "catalog", Declared: true, Time: at(2), Status: 200})
	topo.Observe(topology.Seen{Gateway: "public", Route: "/", Callee: "order", Time: at(3), Status: 502})
	for i := range topology.MaxRefused + 20 {
		s := call(i, "order", "rating", fmt.Sprint("c", i))
		s.Refused, s.Status = true, 403
		topo.Observe(s)
	}
	want := topo.Snapshot()
	if never := want.Edges[1]; never.Callee != "never" || never.Idle < time.Minute {
		t.Errorf("%+v was not idle", never)
	}
	stop()
	again := open(t, path, topology.Options{Now: func() time.Time { return at(1000) }})
	again.Declare([]plan.Edge{{Caller: "order", Callee: "catalog"}, {Caller: "order", Callee: "never"}}, at(1000))
	if diff := cmp.Diff(want, again.Snapshot(), withoutFigures); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	for id, want := range map[string]bool{"c0": false, "c19": false, "c20": true, fmt.Sprint("c", topology.MaxRefused+19): true} {
		if _, ok := again.Call(id); ok != want {
			t.Errorf("Call(%s): %v", id, ok)
		}
	}
	// The ring goes on where it was.
	stop = run(t, again)
	s := call(2000, "order", "rating", "one-more")
	s.Refused = true
	again.Observe(s)
	stop()
	third := open(t, path, topology.Options{})
	for id, want := range map[string]bool{"c20": false, "c21": true, "one-more": true} {
		if _, ok := third.Call(id); ok != want {
			t.Errorf("after the third start, Call(%s): %v", id, ok)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

// TestDamaged: whatever the file holds, plat starts; what cannot be read is set
// aside, also when every byte of a write may have been the last.
func TestDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "calls.json")
	topo := open(t, path, topology.Options{})
	topo.Observe(call(1, "order", "rating", "c1"))
	run(t, topo)()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for i := range len(whole) - 2 { // the last byte is a line end
		texts = append(texts, string(whole[:i]))
	}
	texts = append(texts, "null", "{}", "[]", `{"version":2}`, `{"version":1,"edges":5}`, string(whole)+"x", "\x00\x00", strings.Repeat("[", 100000), `{"version":1,"since":"yesterday"}`)
	for _, text := range texts {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		topo, damaged := topology.Open(path, topology.Options{})
		if damaged == nil || damaged.Code != fault.TopologyDamaged || damaged.Severity != fault.Warning || damaged.Remedy == "" {
			t.Fatalf("%.60q: %+v", text, damaged)
		}
		if len(topo.Snapshot().Edges) != 0 {
			t.Errorf("%.60q gave edges", text)
		}
		aside, err := os.ReadFile(path + ".damaged")
		if err != nil || string(aside) != text {
			t.Fatalf("%.60q was not set aside: %v", text, err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Fatalf("%.60q is still there", text)
		}
	}
	// A crash between two files leaves the old one whole, and a new write goes on.
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".tmp", whole[:10], 0o600); err != nil {
		t.Fatal(err)
	}
	topo = open(t, path, topology.Options{})
	if s := topo.Snapshot(); len(s.Edges) != 1 || s.Edges[0].Count != 1 {
		t.Errorf("%+v", s)
	}
	topo.Observe(call(2, "order", "rating", "c2"))
	run(t, topo)()
	if s := open(t, path, topology.Options{}).Snapshot(); s.Edges[0].Count != 2 {
		t.Errorf("%+v", s)
	}
	if _, err := os.Stat(path + ".tmp"); !os.IsNotExist(err) {
		t.Error("the unfinished file is still there")
	}
}

// TestHostileFile: values that no plat wrote do no harm.
func TestHostileFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "calls.json")
	var evidence []topology.Evidence
	for i := range 100 {
		evidence = append(evidence, topology.Evidence{ID: fmt.Sprint("c", i), Time: at(i)})
	}
	var refused []topology.Call
	for i := range 2 * topology.MaxRefused {
		refused = append(refused, topology.Call{Caller: "a", Callee: "b", Evidence: topology.Evidence{ID: fmt.Sprint("r", i), Time: at(i)}})
	}
	var edges []topology.Edge
	for i := range 200 {
		edges = append(edges, topology.Edge{Caller: "a", Callee: fmt.Sprint("b", i), Uses: topology.Uses{Count: 1, Last: noon}, Evidence: evidence})
	}
	edges = append(edges, edges[0], topology.Edge{Caller: "", Callee: "x"}, topology.Edge{Caller: "a", Callee: ""})
	data, err := json.Marshal(map[string]any{
		"version": 1, "since": noon.Add(1000 * time.Hour), "edges": edges, "refused": refused, "unknown": true,
		"routes": []topology.Route{{Gateway: "", Path: "/", Service: "a", Uses: topology.Uses{Last: noon}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	topo := open(t, path, topology.Options{Edges: 50})
	s := topo.Snapshot()
	if len(s.Edges) != 50 || len(s.Routes) != 0 || len(s.Edges[0].Evidence) != topology.MaxEvidence || s.Edges[0].Evidence[0].ID != "c0" || s.Since.After(noon) {
		t.Errorf("%d edges, %d routes, since %v", len(s.Edges), len(s.Routes), s.Since)
	}
	if _, ok := topo.Call(fmt.Sprint("r", 2*topology.MaxRefused-1)); !ok {
		t.Error("the last refused call is lost")
	}
}

// TestCannotWrite: a folder that is gone is logged once, and nothing stops.
func TestCannotWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "calls.json")
	topo := open(t, path, topology.Options{Every: time.Millisecond})
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	topo.Observe(call(1, "order", "rating", "c1"))
	stop := run(t, topo)
	topo.Observe(call(2, "order", "rating", "c2"))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it is not written again")
		}
	}
	stop()
	if s := open(t, path, topology.Options{}).Snapshot(); len(s.Edges) != 1 || s.Edges[0].Count != 2 {
		t.Errorf("%+v", s)
	}
	// A path that can never be read is a warning too.
	if _, damaged := topology.Open(dir, topology.Options{}); damaged == nil || damaged.Code != fault.TopologyDamaged {
		t.Errorf("a folder: %+v", damaged)
	}
}

func BenchmarkObserveDeclared(b *testing.B) {
	topo, _ := topology.Open("", topology.Options{})
	s := call(1, "order", "catalog", "")
	s.Declared = true
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			topo.Observe(s)
		}
	})
}

func BenchmarkObserveUndeclared(b *testing.B) {
	topo, _ := topology.Open("", topology.Options{})
	s := call(1, "order", "rating", "c1")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			topo.Observe(s)
		}
	})
}
