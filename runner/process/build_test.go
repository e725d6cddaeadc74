package process_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/runner"
	"github.com/plat-dev/plat/runner/process"
)

// unpack writes the files of a txtar text into a folder.
func unpack(t *testing.T, dir, text string) {
	t.Helper()
	for _, f := range txtar.Parse([]byte(text)).Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

const system = `
-- go.mod --
module example.org/shop

go 1.26
-- services/order/main.go --
package main

import "example.org/shop/common"

func main() { println("order", common.Word) }
-- services/web/cmd/server/main.go --
package main

func main() { println("web") }
-- services/admin/cmd/server/main.go --
package main

func main() { println("admin") }
-- services/broken/main.go --
package main

func main() {
	x := 1
}
-- services/library/library.go --
package library
-- common/common.go --
package common

const Word = "one"
-- other/go.mod --
module example.org/other/v2

go 1.26
-- other/main.go --
package main

func main() { println("other") }
-- scripts/good/build.sh --
#!/bin/sh
echo built > made.txt
-- scripts/bad/build.sh --
#!/bin/sh
echo cannot build
exit 4
-- scripts/typed/build.sh --
#!/bin/sh
echo "app.ts(17,59): error TS2552: Cannot find name 'greting'. Did you mean 'greeting'?"
exit 2
-- scripts/typed/app.ts --
-- scripts/plain/run.sh --
#!/bin/sh
`

// services of the system above.
func services(names ...string) (list []plan.Service) {
	golang := func(dir, pkg string) plan.Service { return plan.Service{Dir: dir, Build: plan.Build{Go: pkg}} }
	all := map[string]plan.Service{
		"order":    golang("services/order", "."),
		"web":      golang("services/web", "./cmd/server"),
		"admin":    golang("services/admin", "./cmd/server"),
		"broken":   golang("services/broken", "."),
		"library":  golang("services/library", "."),
		"missing":  golang("services/order", "./cmd/nothing"),
		"elsewere": golang("other", "."),
		"good":     {Dir: "scripts/good", Build: plan.Build{Command: []string{"./build.sh"}}, Run: []string{"cat", "made.txt"}},
		"bad":      {Dir: "scripts/bad", Build: plan.Build{Command: []string{"./build.sh"}}, Run: []string{"true"}},
		"typed":    {Dir: "scripts/typed", Build: plan.Build{Command: []string{"./build.sh"}}, Run: []string{"true"}},
		"plain":    {Dir: "scripts/plain", Run: []string{"./run.sh"}},
		"image":    {Dir: "scripts/plain", Build: plan.Build{Image: "example.org/image"}},
		"nothing":  {Dir: "scripts/plain"},
	}
	for name, svc := range all {
		if len(names) == 0 || slices.Contains(names, name) {
			svc.Name = name
			list = append(list, svc)
		}
	}
	slices.SortFunc(list, func(a, b plan.Service) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func build(t *testing.T, b *process.Builder, list []plan.Service) map[string]runner.Built {
	t.Helper()
	got := map[string]runner.Built{}
	if err := b.Build(t.Context(), list, func(built runner.Built) {
		if _, twice := got[built.Service]; twice {
			t.Errorf("%s is told twice", built.Service)
		}
		got[built.Service] = built
	}); err != nil {
		t.Fatal(err)
	}
	for _, svc := range list {
		if _, ok := got[svc.Name]; !ok {
			t.Errorf("%s is not told", svc.Name)
		}
	}
	return got
}

func TestBuild(t *testing.T) {
	t.Parallel()
	g, state := open(t)
	root := t.TempDir()
	unpack(t, root, system)
	b, err := process.NewBuilder(g, root)
	if err != nil {
		t.Fatal(err)
	}
	got := build(t, b, services())

	for name, want := range map[string]string{
		"broken":  "services/broken/main.go:4:2: service \"broken\" does not build: declared and not used: x [run-build-failed]",
		"library": "services/library/service.yaml: service \"library\" has no program: its package ./services/library is not package main [run-build-failed]",
		"missing": "services/order/service.yaml: the package of service \"missing\" is missing: there is no folder services/order/cmd/nothing [run-build-failed]",
		"bad":     "scripts/bad/service.yaml: the build of service \"bad\" failed: ./build.sh: exited 4 [run-build-failed]",
		"typed":   "scripts/typed/app.ts:17:59: the build of service \"typed\" failed: error TS2552: Cannot find name 'greting'. Did you mean 'greeting'? (./build.sh: exited 2) [run-build-failed]",
		"image":   "scripts/plain/service.yaml: service \"image\" cannot be run here: the process runtime has no engine for its image example.org/image [run-image-unavailable]",
		"nothing": "scripts/plain/service.yaml: service \"nothing\" declares no program [run-no-program]",
	} {
		if f := got[name].Fault; f == nil || f.Error() != want {
			t.Errorf("%s: got %v, want %s", name, f, want)
		}
	}
	if diff := cmp.Diff([]string{"cannot build"}, got["bad"].Lines); diff != "" {
		t.Error(diff)
	}
	if f := got["typed"].Fault; f != nil && f.Remedy != "correct it, then plat restart typed (plat logs typed has the whole output)" {
		t.Errorf("the remedy is %q", f.Remedy)
	}
	if lines := strings.Join(got["broken"].Lines, "\n"); !strings.Contains(lines, "declared and not used") {
		t.Errorf("lines are %q", lines)
	}
	for name, word := range map[string]string{"order": "order one", "web": "web", "admin": "admin", "elsewere": "other", "good": "built"} {
		built := got[name]
		if built.Fault != nil || len(built.Version) != 12 {
			t.Errorf("%s: %+v", name, built)
			continue
		}
		p := launch(t, g, runner.Launch{Service: name, Instance: name + "-1", Argv: built.Argv, Dir: built.Dir, Env: []string{"PATH=" + os.Getenv("PATH")}})
		if exit := gone(t, p); len(exit.Lines) != 1 || exit.Lines[0] != word {
			t.Errorf("%s printed %q, want %q", name, exit.Lines, word)
		}
		if path := filepath.Join(state, "bin", name); name != "good" && built.Argv[0] != path {
			t.Errorf("%s is run from %s", name, built.Argv[0])
		}
	}
	if plain := got["plain"]; plain.Fault != nil || plain.Version == "" || plain.Dir != filepath.Join(root, "scripts/plain") {
		t.Errorf("plain is %+v", plain)
	}
}

func TestVersionChangesWithTheProgram(t *testing.T) {
	t.Parallel()
	g, _ := open(t)
	root := t.TempDir()
	unpack(t, root, system)
	b, err := process.NewBuilder(g, root)
	if err != nil {
		t.Fatal(err)
	}
	list := services("order", "web", "plain")
	first, second := build(t, b, list), build(t, b, list)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("nothing changed, and yet: %s", diff)
	}
	unpack(t, root, "-- common/common.go --\npackage common\n\nconst Word = \"two\"\n-- scripts/plain/run.sh --\n#!/bin/sh\ntrue\n")
	third := build(t, b, list)
	for name, changed := range map[string]bool{"order": true, "web": false, "plain": true} {
		if got := first[name].Version != third[name].Version; got != changed {
			t.Errorf("%s changed: %t, want %t", name, got, changed)
		}
	}
}

func TestLongBuildOutputIsCutAndCounted(t *testing.T) {
	t.Parallel()
	g, _ := open(t)
	root := t.TempDir()
	unpack(t, root, "-- build.sh --\n#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' 'x' | fold -w 99\nexit 1\n")
	b, err := process.NewBuilder(g, root)
	if err != nil {
		t.Fatal(err)
	}
	got := build(t, b, []plan.Service{{Name: "order", Dir: ".", Build: plan.Build{Command: []string{"./build.sh"}}}})["order"]
	if last := got.Lines[len(got.Lines)-1]; last != "[plat: 37917 bytes more are left out]" {
		t.Errorf("the last line is %q", last)
	}
}

func TestGoCommandMissing(t *testing.T) {
	g, _ := open(t)
	root := t.TempDir()
	unpack(t, root, system)
	b, err := process.NewBuilder(g, root)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "/nowhere")
	got := build(t, b, services("order"))
	if f := got["order"].Fault; f == nil || f.Code != fault.RunBuildFailed || f.Expected != "the go command cannot be started" {
		t.Errorf("got %v", f)
	}
}

func TestBuildIsCancelled(t *testing.T) {
	t.Parallel()
	g, _ := open(t)
	b, err := process.NewBuilder(g, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		svc := plan.Service{Name: "slow", Dir: ".", Build: plan.Build{Command: []string{"sleep", "100"}}}
		done <- b.Build(ctx, []plan.Service{svc}, func(built runner.Built) { t.Errorf("told of %+v", built) })
	}()
	eventually(t, "the build is on", func() bool { return len(childrenOf(t, g.PID())) > 0 })
	cancel()
	if err := <-done; err == nil {
		t.Error("no error")
	}
	if left := childrenOf(t, g.PID()); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
