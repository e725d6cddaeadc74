package plan_test

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// chain is a plan of which a calls b, b calls c and perhaps d, c and e call each
// other, and an external service is called by all.
func chain(t *testing.T) plan.Result {
	t.Helper()
	files := fstest.MapFS{"plat.yaml": {Data: []byte("system: s\nowners: {us: {}}\nservices: [{path: '*'}]\nexternal: {far: {url: http://far.internal, owner: us}}\n")}}
	for name, consumes := range map[string]string{
		"a": "{services: {b: {}, far: {}}}", "b": "\n  services:\n    c: {}\n    d: {optional: true}\n", "c": "{services: {e: {}}}", "d": "{services: {f: {}}}",
		"e": "{services: {c: {}}, events: {x.y: {push: /x}}}", "f": "{}",
	} {
		files[name+"/service.yaml"] = &fstest.MapFile{Data: []byte("service: " + name + "\nowner: us\nrun: [x]\nprovides: {events: {" + name + ".y: {}}}\nconsumes: " + consumes + "\n")}
	}
	files["x/service.yaml"] = &fstest.MapFile{Data: []byte("service: x\nowner: us\nrun: [x]\nprovides: {events: {x.y: {}}}\n")}
	r := plan.Check(files, plan.Options{})
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNeeded(t *testing.T) {
	t.Parallel()
	system := chain(t).System
	for _, c := range []struct{ names, want []string }{
		{nil, nil},
		{[]string{"a"}, []string{"a", "b", "c", "e"}},
		{[]string{"e"}, []string{"c", "e"}},
		{[]string{"d", "d"}, []string{"d", "f"}},
		{[]string{"f", "b"}, []string{"b", "c", "e", "f"}},
		{[]string{"x"}, []string{"x"}},
	} {
		got, err := plan.Needed(system, c.names)
		if err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%v (-want +got):\n%s", c.names, d)
		}
	}
	_, err := plan.Needed(system, []string{"a", "ff", "far", "nothing-like-it"})
	all := fault.All(err)
	if len(all) != 3 {
		t.Fatalf("%v", err)
	}
	for i, want := range []string{"did you mean f?", "known here: a, b, c, d, e, f, x", "known here: a, b, c, d, e, f, x"} {
		if all[i].Code != fault.PlanUnknownService || i > 0 && all[i].Remedy != want {
			t.Errorf("%v: %s", all[i], all[i].Remedy)
		}
	}
}

func TestWhere(t *testing.T) {
	t.Parallel()
	r := chain(t)
	for _, c := range []struct {
		service   string
		path      []string
		file      string
		line, col int
	}{
		{"b", nil, "b/service.yaml", 1, 1},
		{"b", []string{"consumes", "services", "d"}, "b/service.yaml", 8, 5},
		{"e", []string{"consumes", "events", "x.y"}, "e/service.yaml", 5, 40},
		{"e", []string{"consumes", "events", "x.z"}, "", 0, 0},
		{"nobody", nil, "", 0, 0},
	} {
		file, line, col, declared := r.Where(c.service, c.path...)
		if file != c.file || line != c.line || col != c.col || declared != (c.file != "") {
			t.Errorf("%s %v: %s:%d:%d %v", c.service, c.path, file, line, col, declared)
		}
	}
}

// TestPool holds that what leads to an external service names who answers.
func TestPool(t *testing.T) {
	t.Parallel()
	s := readStory(t, "testdata/derive/registered.txtar")
	system, err := plan.Load(s.files, s.opts)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range plan.Routes(system) {
		got = append(got, r.Path+" "+r.Pool())
	}
	for _, e := range plan.Edges(system) {
		got = append(got, e.Callee+" "+e.Pool())
	}
	if want := []string{"/old legacy", "/ order", "mail mail", "old legacy", "stripe "}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
