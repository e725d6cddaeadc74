package roomstest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/internal/roomstest"
)

// TestHouse holds this repository to its map.
func TestHouse(t *testing.T) {
	t.Parallel()
	findings, err := roomstest.Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

// tree is a small house that keeps its map.
func tree() map[string]string {
	return map[string]string{
		"rooms.txt": `# a map
(every test)
  uses: github.com/google/go-cmp

plan
  What a team declares.
  never: os time.Now

registry
  What runs.
  imports: plan
  uses: example.org/dns
  tests: internal/house pgregory.net/rapid

control
  Wires.
  imports: registry

cmd/plat
  main.
  imports: control

internal/house
  The whole plane in one process.
  imports: control

kit/...
  What services import.
  imports: own

musiccorp/services/*/...
  The example.
  imports: kit own
`,
		"plan/plan.go":                          "package plan\n\nimport \"time\"\n\nconst Day = 24 * time.Hour\n",
		"registry/registry.go":                  "package registry\n\nimport (\n\t_ \"example.org/dns/v2\"\n\t_ \"github.com/plat-dev/plat/plan\"\n)\n",
		"registry/registry_test.go":             "package registry_test\n\nimport (\n\t_ \"github.com/google/go-cmp/cmp\"\n\t_ \"github.com/plat-dev/plat/internal/house\"\n\t_ \"github.com/plat-dev/plat/registry\"\n\t_ \"pgregory.net/rapid\"\n)\n",
		"control/control.go":                    "package control\n\nimport _ \"github.com/plat-dev/plat/registry\"\n",
		"cmd/plat/main.go":                      "package main\n\nimport _ \"github.com/plat-dev/plat/control\"\n",
		"internal/house/house.go":               "package house\n\nimport _ \"github.com/plat-dev/plat/control\"\n",
		"kit/kit.go":                            "package kit\n",
		"kit/message/message.go":                "package message\n\nimport _ \"github.com/plat-dev/plat/kit\"\n",
		"musiccorp/services/order/main.go":      "package main\n\nimport (\n\t_ \"github.com/plat-dev/plat/kit\"\n\t_ \"github.com/plat-dev/plat/musiccorp/services/order/page\"\n)\n",
		"musiccorp/services/order/page/page.go": "package page\n",
		"musiccorp/services/web/main.go":        "package main\n",
	}
}

func asFS(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func file(pkg string, imports ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\n", pkg)
	for _, i := range imports {
		fmt.Fprintf(&b, "import _ %q\n", i)
	}
	return b.String()
}

// TestViolations plants one violation after the other into the small house.
func TestViolations(t *testing.T) {
	t.Parallel()
	const module = roomstest.Module + "/"
	unique := func(format string, n int) string {
		var lines []string
		for i := range n {
			lines = append(lines, fmt.Sprintf(format, i))
		}
		return strings.Join(lines, "\n")
	}
	for name, tc := range map[string]struct {
		files map[string]string
		grant string // appended to the map
		want  []string
	}{
		"the small house as it is": {},
		"a package without a line": {
			files: map[string]string{"gateway/gateway.go": file("gateway")},
			want:  []string{"gateway: this package has no line in rooms.txt"},
		},
		"a line without a package": {
			grant: "\nprobe\n  Journeys.\n",
			want:  []string{"probe has a line but no package"},
		},
		"a room that imports another": {
			files: map[string]string{"plan/more.go": file("plan", module+"registry")},
			want:  []string{"plan/more.go:3: imports registry, which rooms.txt does not allow plan"},
		},
		"a file of another platform is read too": {
			files: map[string]string{"plan/more_darwin.go": "//go:build darwin\n\n" + file("plan", module+"registry")},
			want:  []string{"plan/more_darwin.go:5: imports registry"},
		},
		"an engine outside its home": {
			files: map[string]string{"plan/more.go": file("plan", "example.org/dns")},
			want:  []string{"its home is registry"},
		},
		"an engine without a home": {
			files: map[string]string{"registry/more.go": file("registry", "example.org/dnssec")},
			want:  []string{"it has no home yet"},
		},
		"what tests may use, outside a test": {
			files: map[string]string{"registry/more.go": file("registry", "pgregory.net/rapid", "github.com/google/go-cmp/cmp", module+"internal/house")},
			want:  []string{"imports pgregory.net/rapid", "imports github.com/google/go-cmp/cmp", "imports internal/house"},
		},
		"control from a room, even where the map allows it": {
			files: map[string]string{"probe/probe.go": file("probe", module+"control"), "probe/probe_test.go": file("probe_test", module+"control")},
			grant: "\nprobe\n  Journeys.\n  imports: control\n",
			want:  []string{"probe/probe.go:3: imports control: control is imported by", "probe/probe_test.go:3: imports control: control is imported by"},
		},
		"the kit on the root, even where the map allows it": {
			files: map[string]string{"kit/wire/wire.go": file("wire", module+"plan")},
			grant: "\nkit/wire\n  Wire.\n  imports: plan\n",
			want:  []string{"imports plan: the kit imports nothing of plat"},
		},
		"a service on its sibling and on the root": {
			files: map[string]string{"musiccorp/services/web/more.go": file("main", module+"musiccorp/services/order/page", module+"plan")},
			want:  []string{"imports musiccorp/services/order/page: a service of MusicCorp", "imports plan: a service of MusicCorp"},
		},
		"the root on the example": {
			files: map[string]string{"registry/more.go": file("registry", module+"musiccorp/services/order/page")},
			want:  []string{"MusicCorp is an example, and nobody depends on it"},
		},
		"a package that is never imported": {
			files: map[string]string{"plan/more.go": file("plan", "os")},
			want:  []string{"plan/more.go:3: imports os, which rooms.txt says plan never does"},
		},
		"a name that is never used, under another name": {
			files: map[string]string{"plan/more.go": "package plan\n\nimport clock \"time\"\n\nvar now = clock.Now\n"},
			want:  []string{"plan/more.go:5: uses time.Now"},
		},
		"never does not bind tests": {
			files: map[string]string{"plan/plan_test.go": file("plan_test", "os")},
		},
		"a dot import": {
			files: map[string]string{"plan/more.go": "package plan\n\nimport . \"strings\"\n"},
			want:  []string{"imports strings by a dot"},
		},
		"a name that says nothing": {
			files: map[string]string{"kit/util/util.go": file("util")},
			want:  []string{`not "util"`},
		},
		"a long file": {
			files: map[string]string{"plan/more.go": file("plan") + strings.Repeat("\n", 500)},
			want:  []string{"plan/more.go: file more.go is 502, over the budget of 500"},
		},
		"a generated file may be long": {
			files: map[string]string{"plan/more.go": "// Code generated by plan; DO NOT EDIT.\n\n" + file("plan") + strings.Repeat("\n", 4000)},
		},
		"a room over its budget": {
			files: map[string]string{
				"plan/a.go": file("plan") + strings.Repeat("\n", 498), "plan/b.go": file("plan") + strings.Repeat("\n", 498),
				"plan/c.go": file("plan") + strings.Repeat("\n", 498), "plan/d.go": file("plan") + strings.Repeat("\n", 498),
				"plan/e.go": file("plan") + strings.Repeat("\n", 498), "plan/f.go": file("plan") + strings.Repeat("\n", 498),
			},
			want: []string{"plan: room is 3005, over the budget of 3000"},
		},
		"a long method": {
			files: map[string]string{"plan/more.go": "package plan\n\ntype T struct{}\n\nfunc (*T) Long() {" + strings.Repeat("\n", 80) + "}\n"},
			want:  []string{"plan/more.go:5: func T.Long is 81, over the budget of 80"},
		},
		"a long method of a generic type, under a pattern that names nothing": {
			files: map[string]string{"registry/more.go": "package registry\n\ntype T[P any] struct{}\n\nfunc (T[P]) Long() {" + strings.Repeat("\n", 80) + "}\n"},
			grant: "\nregistry/...\n  Below.\n",
			want:  []string{"func T.Long is 81", "registry/... has a line but no package"},
		},
		"a wide struct": {
			files: map[string]string{"plan/more.go": "package plan\n\ntype Wide struct {\n" + unique("F%d int", 21) + "\n}\n"},
			want:  []string{"struct Wide is 21, over the budget of 20"},
		},
		"a wide interface": {
			files: map[string]string{"plan/more.go": "package plan\n\ntype Wide interface {\n" + unique("M%d()", 6) + "\n}\n"},
			want:  []string{"interface Wide is 6, over the budget of 5"},
		},
		"a granted budget holds, and not beyond": {
			files: map[string]string{"probe/a.go": "package probe\n\ntype Wide interface {\n" + unique("M%d()", 6) + "\n}\n", "probe/b.go": file("probe") + strings.Repeat("\n", 700)},
			grant: "\nprobe\n  Journeys.\n  budget: interface Wide 6 because it is io/fs's own\n  budget: file b.go 600 because it is one table\n",
			want:  []string{"file b.go is 702, over the budget of 600"},
		},
		"what is allowed and not needed": {
			files: map[string]string{"probe/a.go": file("probe", module+"plan")},
			grant: "\nprobe\n  Journeys.\n  imports: plan registry\n  uses: example.org/load\n",
			want:  []string{"probe may import registry and does not any more", "probe may import example.org/load and does not"},
		},
		"a granted budget that nobody needs": {
			files: map[string]string{"probe/a.go": file("probe")},
			grant: "\nprobe\n  Journeys.\n  budget: room 3500 because it was once large\n",
			want:  []string{"the budget of probe for room is not needed any more"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := tree()
			maps.Copy(files, tc.files)
			files["rooms.txt"] += tc.grant
			findings, err := roomstest.Check(asFS(files))
			if err != nil {
				t.Fatal(err)
			}
			if len(findings) != len(tc.want) {
				t.Fatalf("got %v, want %q", findings, tc.want)
			}
			for i, f := range findings {
				if !strings.Contains(f.String(), tc.want[i]) {
					t.Errorf("got %q, want it to say %q", f, tc.want[i])
				}
			}
		})
	}
}

// TestSkipped plants violations where nothing of ours lives.
func TestSkipped(t *testing.T) {
	t.Parallel()
	files := tree()
	for _, dir := range []string{"plan/testdata/broken", "node_modules/x", ".git", "_old"} {
		files[dir+"/x.go"] = "this is no Go"
	}
	if findings, err := roomstest.Check(asFS(files)); err != nil || len(findings) != 0 {
		t.Errorf("got %v, %v", findings, err)
	}
}

func TestBrokenSource(t *testing.T) {
	t.Parallel()
	files := tree()
	files["plan/broken.go"] = "this is no Go"
	if _, err := roomstest.Check(asFS(files)); err == nil || !strings.Contains(err.Error(), "plan/broken.go") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	house, err := roomstest.Parse("(every test)\n  uses: a.org/a\nplan\n  What a team\n  declares: with positions.\n  imports: fault\n  imports: own\n  budget: func Load 90 because it is a list\n")
	if err == nil || !strings.Contains(err.Error(), `rooms.txt:5: unknown key "declares"`) {
		t.Errorf("got %v, %v, want an unknown key", house, err)
	}
	house, err = roomstest.Parse("(every test)\n  uses: a.org/a\nplan\n  What a team\n  declares.\n  imports: fault\n  imports: own\n  budget: func Load 90 because it is a list\n")
	if err != nil {
		t.Fatal(err)
	}
	got := house.Rooms[0]
	if diff := cmp.Diff([]any{"plan", "What a team declares.", []string{"fault", "own"}, 3, "it is a list"},
		[]any{got.Pattern, got.Charter, got.Imports, got.Line, got.Budgets[0].Reason}); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		"  What.\n":                                         "before the first room",
		"plan\n  a\nplan\n  b\n":                            "twice",
		"plan\n":                                            "no charter",
		"plan\n  a\n  budget: room 3000\n":                  "because REASON",
		"plan\n  a\n  budget: room because\n":               "because REASON",
		"plan\n  a\n  budget: func 90 because it is\n":      "KIND is",
		"plan\n  a\n  budget: house X 90 because it is\n":   "KIND is",
		"plan\n  a\n  budget: func X ninety because long\n": "ninety",
	} {
		if _, err := roomstest.Parse(text); !errors.Is(err, roomstest.ErrMap) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}
