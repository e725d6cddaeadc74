package edit_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/plan/edit"
)

func TestRemoveCall(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ source, want string }{
		"one of several": {
			"service: a\nconsumes:\n  services: # why\n    b: {}\n    # of c\n    c: {timeout: 1s} # here\n\n    d: {}\nlimits: {}\n",
			"service: a\nconsumes:\n  services: # why\n    b: {}\n    # of c\n\n    d: {}\nlimits: {}\n",
		},
		"with what is below it": {
			"service: a\nconsumes:\n  services:\n    c:\n      # soon\n      timeout: 1s\n    d: {}\n",
			"service: a\nconsumes:\n  services:\n    d: {}\n",
		},
		"the last, and what it leaves empty": {
			"service: a\nconsumes:\n  services:\n    c: {}\n\n# the end\nlimits: {}\n",
			"service: a\n\n# the end\nlimits: {}\n",
		},
		"the last of its kind": {
			"service: a\nconsumes:\n  services:\n    c: {}\n  events:\n    x.y: {}\n",
			"service: a\nconsumes:\n  events:\n    x.y: {}\n",
		},
		"in brackets, the first": {"service: a\nconsumes: {services: {c: {}, d: {}}}\n", "service: a\nconsumes: {services: {d: {}}}\n"},
		"in brackets, the last":  {"service: a\nconsumes: { services: { d: {}, c: {x-a: b} } }\n", "service: a\nconsumes: { services: { d: {} } }\n"},
		"in brackets, alone":     {"service: a\nconsumes: {services: {c: {}}}\n", "service: a\n"},
		"in brackets with others": {
			"service: a\nconsumes: {services: {c: {}}, events: {x.y: {}}}\n", "service: a\nconsumes: {events: {x.y: {}}}\n",
		},
		"at the end without a line end": {"service: a\nconsumes:\n  services:\n    d: {}\n    c: {}", "service: a\nconsumes:\n  services:\n    d: {}\n"},
	} {
		e, err := edit.RemoveCall("service.yaml", []byte(tt.source), "c")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(tt.want, string(e.Source)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if e.Replaced == 0 {
			t.Errorf("%s: nothing is replaced: %+v", name, e)
		}
	}
	for source, code := range map[string]fault.Code{
		"service: a\n":                           fault.EditNotDeclared,
		"service: a\nconsumes: {services: {}}\n": fault.EditNotDeclared,
		"service: a\nconsumes: {services: ~}\n":  fault.EditNotDeclared,
		"":                                       fault.EditNotDeclared,
		"consumes: {services: {c: {}}}\n":        fault.EditByHand,
		"service: [\n":                           fault.PlanSyntax,
	} {
		if e, err := edit.RemoveCall("service.yaml", []byte(source), "c"); !fault.Is(err, code) {
			t.Errorf("%q: %+v, %v", source, e, err)
		}
	}
}

// TestRemoveInAnyStyle holds that however a declaration is written, a call is
// taken out, and nothing else that it says.
func TestRemoveInAnyStyle(t *testing.T) {
	t.Parallel()
	tried, byHand := 0, 0
	for seed := range uint64(400) {
		w := &writer{Rand: rand.New(rand.NewPCG(seed, 13))}
		text := w.declaration()
		before := plan.ParseService("service.yaml", []byte(text))
		if !sound(text) {
			continue // the writer wrote no YAML
		}
		for _, name := range []string{"customer", "web", "a1"} {
			if _, declared := before.File.Consumes.Services[name]; !declared {
				continue
			}
			tried++
			given := []byte(text)
			e, err := edit.RemoveCall("service.yaml", given, name)
			if string(given) != text {
				t.Fatal("the source was changed")
			}
			if fault.Is(err, fault.EditByHand) {
				byHand++
				continue
			}
			if err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, text)
			}
			after := plan.ParseService("service.yaml", e.Source)
			want := plan.ParseService("service.yaml", []byte(text)).File
			delete(want.Consumes.Services, name)
			if d := cmp.Diff(tidy(want), tidy(after.File)); d != "" {
				t.Errorf("seed %d, %s:\n%s\n%s\n---\n%s", seed, name, d, text, e.Source)
			}
		}
	}
	if tried < 150 || byHand > tried/50 {
		t.Errorf("%d were tried, of which %d are left to be done by hand", tried, byHand)
	}
}

// TestDiff has git apply what Diff says.
func TestDiff(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 1))
	text := func(n int) []byte {
		var b bytes.Buffer
		for range n {
			fmt.Fprintf(&b, "line %d\n", random.IntN(8))
		}
		return b.Bytes()
	}
	for i := range 60 {
		before := text(random.IntN(40))
		after := text(random.IntN(40))
		if i%2 == 0 { // little changes
			lines := bytes.SplitAfter(before, []byte("\n"))
			for range 1 + random.IntN(3) {
				at := random.IntN(len(lines))
				lines[at] = text(random.IntN(3))
			}
			after = bytes.Join(lines, nil)
		}
		if i%5 == 0 {
			after = bytes.TrimSuffix(after, []byte("\n"))
		}
		diff := edit.Diff("a file/service.yaml", before, after)
		if bytes.Equal(before, after) {
			if diff != "" {
				t.Errorf("nothing differs, and the diff is %s", diff)
			}
			continue
		}
		dir := t.TempDir()
		file := filepath.Join(dir, "a file", "service.yaml")
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, before, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "git", "apply", "--unidiff-zero", "-")
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(diff)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s\n%s", err, said, diff)
		}
		got, err := os.ReadFile(file)
		if err != nil && len(after) > 0 {
			t.Fatal(err)
		}
		if !bytes.Equal(got, after) {
			t.Errorf("%s made of %q %q, want %q", diff, before, got, after)
		}
	}
}
