package edit_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/plan/edit"
)

// TestAddService holds what becomes of lists in each of the ways in which
// people write them.
func TestAddService(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ source, want string }{
		"block":       {"services:\n  - path: a\n", "services:\n  - path: a\n  - path: services/x\n"},
		"unended":     {"services:\n- path: a", "services:\n- path: a\n- path: services/x"},
		"crlf":        {"services:\r\n  - path: a\r\n", "services:\r\n  - path: a\r\n  - path: services/x\r\n"},
		"in front":    {"services:\n  -   path: a # here\n\n# about gateways\ngateways: {}\n", "services:\n  -   path: a # here\n  -   path: services/x\n\n# about gateways\ngateways: {}\n"},
		"deep":        {"services:\n  - path: a\n    # about a\n\nsystem: s\n", "services:\n  - path: a\n    # about a\n  - path: services/x\n\nsystem: s\n"},
		"flow item":   {"services:\n  - {path: a}\n", "services:\n  - {path: a}\n  - {path: services/x}\n"},
		"artefact":    {"services:\n  - path: a\n  - artifact: b\n", "services:\n  - path: a\n  - artifact: b\n  - path: services/x\n"},
		"flow":        {"services: [{path: a}]\n", "services: [{path: a}, {path: services/x}]\n"},
		"flow dotted": {"services: [{path: \"a}\"}, ] # }\n", "services: [{path: \"a}\"}, {path: services/x}, ] # }\n"},
		"flow lines":  {"services: [\n  {path: a}, # }\n  {path: b} # ]\n]\n", "services: [\n  {path: a}, # }\n  {path: b},\n  {path: services/x} # ]\n]\n"},
	} {
		got, err := edit.AddService("plat.yaml", []byte(c.source), "services/x")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(c.want, string(got.Source)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// TestAddServiceRefuses says what is to be written by hand, or that nothing is.
func TestAddServiceRefuses(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"services:\n  - path: services/x\n": "plat.yaml:2:5: services/x is listed already: the plan says each thing once [edit-already-declared]",
		"services:\n  -\n    path: a\n":     "plat.yaml: cannot list services/x in plat.yaml: there is no place in it where the line would change nothing else [edit-by-hand]",
		"services: [path: a]\n":             "plat.yaml: cannot list services/x in plat.yaml: there is no place in it where the line would change nothing else [edit-by-hand]",
		"services:\n":                       "plat.yaml: cannot list services/x in plat.yaml: it has no list of services yet [edit-by-hand]",
		"system: s\n":                       "plat.yaml: cannot list services/x in plat.yaml: it has no list of services yet [edit-by-hand]",
		"":                                  "plat.yaml: cannot list services/x in plat.yaml: it is no declaration of a system yet [edit-by-hand]",
		"- a\n":                             "plat.yaml: cannot list services/x in plat.yaml: it is no declaration of a system yet [edit-by-hand]",
	} {
		_, err := edit.AddService("plat.yaml", []byte(source), "services/x")
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", source, err, want)
			continue
		}
		if f := fault.All(err)[0]; f.Code == fault.EditByHand && f.Remedy != "add - path: services/x under services in plat.yaml" {
			t.Errorf("%q: fix: %s", source, f.Remedy)
		}
	}
	if _, err := edit.AddService("plat.yaml", []byte("services: [\n"), "services/x"); !fault.Is(err, fault.PlanSyntax) {
		t.Errorf("no YAML: %v", err)
	}
}

// TestAddServiceKeepsTheRest writes lists at random, and reads the plan that
// comes of them: it has one service more, and every line is still there.
func TestAddServiceKeepsTheRest(t *testing.T) {
	t.Parallel()
	patched := 0
	const tries = 500
	for seed := range uint64(tries) {
		w := &writer{Rand: rand.New(rand.NewPCG(seed, 3)), step: 2}
		files := fstest.MapFS{"new/service.yaml": {Data: []byte("service: new\nowner: us\nrun: [./a]\n")}}
		w.b.WriteString("system: shop\nowners: {us: {}}\nservices:" + w.comment() + "\n")
		indent := strings.Repeat(" ", 2*w.IntN(3))
		services := 1 + w.IntN(3)
		for i := range services {
			w.noise(len(indent))
			name := fmt.Sprintf("s%d", i)
			fmt.Fprintf(&w.b, w.one(indent+"- path: %s", indent+"-   path: %s", indent+"- {path: %s}", indent+"- path: \"%s\"")+"%s\n", name, w.comment())
			files[name+"/service.yaml"] = &fstest.MapFile{Data: []byte("service: " + name + "\nowner: us\nrun: [./a]\n")}
		}
		w.noise(len(indent))
		if w.IntN(2) == 0 {
			w.b.WriteString("defaults: {timeout: 1s}\n")
		}
		source := w.b.String()
		got, err := edit.AddService("plat.yaml", []byte(source), "new")
		if fault.Is(err, fault.EditByHand) {
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, source)
		}
		patched++
		files["plat.yaml"] = &fstest.MapFile{Data: got.Source}
		system, err := plan.Load(files, plan.Options{})
		if err != nil || len(system.Services) != services+1 {
			t.Fatalf("seed %d: %v\n%s", seed, err, got.Source)
		}
		if len(got.Lines) != 1 || got.Replaced != 0 || strings.Replace(string(got.Source), got.Lines[0]+"\n", "", 1) != source {
			t.Fatalf("seed %d: more than a line was added: %+v\n%s", seed, got, got.Source)
		}
	}
	if patched < tries*95/100 {
		t.Errorf("only %d of %d lists were patched", patched, tries)
	}
}
