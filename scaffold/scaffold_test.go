package scaffold_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/scaffold"
)

// made writes a new system to disk, with a second service, and returns its
// folder.
func made(t *testing.T, language string) string {
	t.Helper()
	files, err := scaffold.System(scaffold.Names{System: "shop", Service: "hello"}, language)
	if err != nil {
		t.Fatal(err)
	}
	second, err := scaffold.Service(scaffold.Names{Service: "order-2"}, language)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range append(files, second...) {
		save(t, dir, f)
	}
	return dir
}

func save(t *testing.T, dir string, f scaffold.File) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(f.Path))
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, f.Text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// here runs a program in a folder, without the internet.
func here(t *testing.T, dir string, argv ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "npm_config_offline=true")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

func repository(t *testing.T, name ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{".."}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPlansAreSound finds nothing in what any template makes, no warning either.
func TestPlansAreSound(t *testing.T) {
	t.Parallel()
	for _, language := range scaffold.Languages() {
		result := plan.Check(os.DirFS(made(t, language)), plan.Options{})
		for _, f := range result.Findings {
			t.Errorf("%s: %v", language, f)
		}
		if result.System == nil || len(result.System.Services) != 2 {
			t.Errorf("%s: no system of two services", language)
		}
	}
}

// TestGo vets the Go template and runs its tests with the kit of this repository.
func TestGo(t *testing.T) {
	t.Parallel()
	dir := made(t, "go")
	save(t, dir, scaffold.GoModule("shop", "v0.0.0", repository(t, "kit")))
	here(t, dir, "go", "vet", "./...")
	here(t, dir, "go", "test", "./...")
	for _, service := range []string{"hello", "order-2"} {
		out, err := exec.CommandContext(t.Context(), "gofmt", "-l", filepath.Join(dir, "services", service)).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("gofmt would change %s (%v)", out, err)
		}
	}
}

// TestNode builds the Node template and runs its tests, with the compiler that
// MusicCorp's own Node service has installed.
func TestNode(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	modules := repository(t, "musiccorp", "services", "recommendation", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "typescript")); err != nil {
		t.Skip("the TypeScript compiler is not installed: npm ci in musiccorp/services/recommendation")
	}
	dir := filepath.Join(made(t, "node"), "services", "order-2")
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	here(t, dir, "npm", "run", "build")
	here(t, dir, "node", "--test")
}

// TestNodeVersions holds the template to the versions that MusicCorp's own Node
// service is tested with.
func TestNodeVersions(t *testing.T) {
	t.Parallel()
	type manifest struct {
		Engines         map[string]string `json:"engines"`
		Dependencies    map[string]string `json:"dependencies"`
		DevDependencies map[string]string `json:"devDependencies"`
	}
	read := func(file string) (m manifest) {
		t.Helper()
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &m)
		}
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	got := read(filepath.Join(made(t, "node"), "services", "hello", "package.json"))
	want := read(repository(t, "musiccorp", "services", "recommendation", "package.json"))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-recommendation +template:\n%s", d)
	}
}

func TestNamesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Shop", "a b", "../x", "a.b", strings.Repeat("n", 64), "-", "{{.}}"} {
		if _, err := scaffold.System(scaffold.Names{System: name, Service: "hello"}, "go"); !fault.Is(err, fault.PlanBadName) {
			t.Errorf("system %q: %v", name, err)
		}
		if _, err := scaffold.Service(scaffold.Names{Service: name}, "go"); !fault.Is(err, fault.PlanBadName) {
			t.Errorf("service %q: %v", name, err)
		}
	}
	for language, near := range map[string]string{"nod": "did you mean node?", "cobol": ""} {
		_, err := scaffold.Service(scaffold.Names{Service: "x"}, language)
		if !fault.Is(err, fault.UnknownTemplate) || fault.All(err)[0].Remedy != near {
			t.Errorf("language %s: %v", language, err)
		}
	}
}

// TestOwner takes over the owner of the system, so that the plan stays sound.
func TestOwner(t *testing.T) {
	t.Parallel()
	for _, language := range scaffold.Languages() {
		files, err := scaffold.Service(scaffold.Names{Service: "order", Owner: "sales"}, language)
		if err != nil {
			t.Fatal(err)
		}
		fsys := fstest.MapFS{"plat.yaml": {Data: []byte("system: s\nowners: {sales: {}}\nservices: [{path: services/*}]\n")}}
		for _, f := range files {
			fsys[f.Path] = &fstest.MapFile{Data: f.Text}
		}
		if err := plan.Check(fsys, plan.Options{}).Err(); err != nil {
			t.Errorf("%s: %v", language, err)
		}
	}
}
