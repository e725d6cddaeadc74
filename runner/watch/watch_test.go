package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/runner"
)

var _ runner.Watcher = (*Watcher)(nil)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eye is a Watcher on a folder of its own, and what it told.
type eye struct {
	*Watcher
	t   *testing.T
	dir string

	mu   sync.Mutex
	told []string // "service: path path"
}

// open makes a folder with files and a Watcher that does not run yet.
func open(t *testing.T, files ...string) *eye {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	e := &eye{Watcher: New(nil), t: t, dir: dir}
	for _, f := range files {
		e.write(f, "one")
	}
	return e
}

// run runs it until the test ends.
func (e *eye) run() *eye {
	ctx, cancel := context.WithCancel(context.WithoutCancel(e.t.Context()))
	done := make(chan error, 1)
	go func() {
		done <- e.Run(ctx, func(changes map[string][]string) {
			e.mu.Lock()
			defer e.mu.Unlock()
			for service, paths := range changes {
				for i, p := range paths {
					paths[i], _ = filepath.Rel(e.dir, p)
				}
				e.told = append(e.told, service+": "+strings.Join(paths, " "))
			}
		})
	}()
	e.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			e.t.Error(err)
		}
	})
	return e
}

// tree follows a folder as a service made of all that is in it.
func (e *eye) tree(service, dir string) *eye {
	e.Set(runner.Sources{Service: service, Trees: []string{e.path(dir)}})
	return e
}

func (e *eye) path(name string) string { return filepath.Join(e.dir, name) }

func (e *eye) write(name, text string) {
	e.t.Helper()
	if err := os.MkdirAll(filepath.Dir(e.path(name)), 0o750); err != nil {
		e.t.Fatal(err)
	}
	if err := os.WriteFile(e.path(name), []byte(text), 0o600); err != nil {
		e.t.Fatal(err)
	}
}

func (e *eye) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

// all are the paths that were told of, each once.
func (e *eye) all() (all []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, told := range e.told {
		_, paths, _ := strings.Cut(told, ": ")
		all = append(all, strings.Fields(paths)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (e *eye) stories() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.told)
}

// tells waits until exactly these paths were told of, then forgets them.
func (e *eye) tells(want ...string) {
	e.t.Helper()
	slices.Sort(want)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if slices.Equal(e.all(), want) {
			e.mu.Lock()
			e.told = nil
			e.mu.Unlock()
			return
		}
	}
	e.t.Fatalf("not within a minute: %v; told of %v", want, e.stories())
}

// settle makes sure that everything that was done before has been looked at:
// it saves one more file, and waits for that to be told.
func (e *eye) settle(dir string) {
	e.t.Helper()
	name := filepath.Join(dir, fmt.Sprintf("settle%d.txt", time.Now().UnixNano()))
	e.write(name, "x")
	e.tells(name)
}

func TestSaves(t *testing.T) {
	t.Parallel()
	e := open(t, "order/main.py", "order/lib/prices.py", "web/main.js").tree("order", "order").tree("web", "web").run()
	e.settle("order")

	e.write("order/main.py", "two")
	e.tells("order/main.py")
	e.write("web/main.js", "two")
	e.tells("web/main.js")

	// A touch, and a save of the same, are no change.
	now := time.Now()
	e.must(os.Chtimes(e.path("order/main.py"), now, now))
	e.write("order/main.py", "two")
	e.settle("order")

	// As vim saves: a probe, the old one aside, the new one, the old one gone.
	e.write("order/4913", "")
	e.must(os.Remove(e.path("order/4913")))
	e.must(os.Rename(e.path("order/main.py"), e.path("order/main.py~")))
	e.write("order/main.py", "three")
	e.must(os.Remove(e.path("order/main.py~")))
	e.write("order/.main.py.swp", "x")
	e.write("order/.#main.py", "x")
	e.tells("order/main.py")

	// As other editors save: a new file renamed over the old one.
	e.write("order/main.py.tmp", "four")
	e.must(os.Rename(e.path("order/main.py.tmp"), e.path("order/main.py")))
	e.tells("order/main.py")

	// A new folder, what is in it, and its end.
	e.write("order/new/deep/x.py", "one")
	e.tells("order/new/deep/x.py")
	e.write("order/new/deep/x.py", "two")
	e.tells("order/new/deep/x.py")
	e.must(os.RemoveAll(e.path("order/new")))
	e.tells("order/new/deep/x.py")

	// A folder that goes and comes again is watched as before.
	e.must(os.RemoveAll(e.path("order/lib")))
	e.write("order/lib/prices.py", "two")
	e.tells("order/lib/prices.py")
	e.settle("order/lib")

	// So is the whole.
	e.must(os.RemoveAll(e.path("web")))
	e.tells("web/main.js")
	e.write("web/main.js", "three")
	e.tells("web/main.js")
	e.write("web/main.js", "four")
	e.tells("web/main.js")
}

func TestBurstIsOneChange(t *testing.T) {
	t.Parallel()
	var files []string
	for n := range 300 {
		files = append(files, fmt.Sprintf("order/f%d.py", n))
	}
	e := open(t, files...).tree("order", "order").run()
	e.settle("order")
	for _, f := range files {
		e.write(f, "two")
	}
	for end := time.Now().Add(time.Minute); len(e.stories()) == 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	e.write("order/last.py", "x")
	for end := time.Now().Add(time.Minute); !slices.Contains(e.all(), "order/last.py"); {
		if time.Now().After(end) {
			t.Fatalf("told of %v", e.stories())
		}
		time.Sleep(5 * time.Millisecond)
	}
	for _, told := range e.stories() {
		if n := len(strings.Fields(told)) - 1; n > reported {
			t.Errorf("%d paths are told at once", n)
		}
	}
	// 300 files were written within moments; were each told by itself, there
	// would be hundreds.
	if n := len(e.stories()); n > 20 {
		t.Errorf("told %d times of one burst", n)
	}
}

func TestWhatDoesNotCount(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	e := open(t, "order/main.py", "order/out/old.py", "order/tracked.gen")
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = e.dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("init", "-q")
	git("add", "order/tracked.gen")
	e.write(".gitignore", "out/\n*.gen\n")
	e.tree("order", "order").run()
	e.settle("order")
	for _, name := range []string{
		"order/out/new.py", "order/out/old.py", "order/x.gen", "order/sub/out/deep/y.py", "order/node_modules/m/index.js", "order/.git/index",
		"order/__pycache__/m.pyc", "order/service.yaml", "order/shop.db", "order/shop.db-wal", "order/run.log", "order/main.py~", "order/.main.py.swx",
		"order/nested/service.yaml",
	} {
		e.write(name, "two")
	}
	e.write("order/nested/main.py", "belongs to another service")
	e.settle("order")
	e.write("order/tracked.gen", "git has it: it counts")
	e.tells("order/tracked.gen")

	// What git ignores from now on, and no longer.
	e.write("order/.gitignore", "*.tmpl\n")
	e.write("order/a.tmpl", "one")
	e.settle("order")
	e.write("order/a.tmpl", "two")
	e.settle("order")
	e.write("order/.gitignore", "# nothing\n")
	e.settle("order")
	e.write("order/a.tmpl", "three")
	e.tells("order/a.tmpl")
}

func TestWhatABuildWrites(t *testing.T) {
	t.Parallel()
	e := open(t, "web/src/app.ts", "web/src/old.ts", "web/dist/app.js").tree("web", "web").run()
	e.settle("web")
	e.write("web/src/old.ts", "edited once")
	e.tells("web/src/old.ts")

	build := func(n int, also func()) {
		e.Building("web", true)
		e.write("web/dist/app.js", fmt.Sprintf("build %d", n))
		e.write(fmt.Sprintf("web/dist/chunk-%d.js", n), "x")
		also()
		e.Building("web", false)
	}
	nothing := func() {}
	// dist/app.js was there before, so it may be a source: one more build
	// tells.
	build(1, nothing)
	e.tells("web/dist/app.js")
	build(2, nothing)
	build(3, nothing)
	e.settle("web")

	// What is saved during a build is built afterwards, as often as it is.
	for n := range 4 {
		build(4+n, func() { e.write("web/src/old.ts", fmt.Sprintf("edit %d", n)) })
		e.tells("web/src/old.ts")
	}
	build(9, func() { e.must(os.Remove(e.path("web/src/app.ts"))) })
	e.tells("web/src/app.ts")

	// Outside of a build the outputs count as all else.
	e.write("web/dist/app.js", "by hand")
	e.tells("web/dist/app.js")
}

// TestProgramThatWritesItsOwnFiles plays a program that writes a file at each
// start, and is started for it.
func TestProgramThatWritesItsOwnFiles(t *testing.T) {
	t.Parallel()
	e := open(t, "order/main.py", "order/state.json").tree("order", "order").run()
	e.settle("order")
	restarts := 0
	for e.Warning("order") == nil {
		restarts++
		if restarts > echoMost {
			t.Fatalf("restarted %d times", restarts)
		}
		e.write("order/state.json", fmt.Sprint("started ", restarts))
		for end := time.Now().Add(time.Minute); len(e.stories()) == 0 && e.Warning("order") == nil; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("nothing is told")
			}
		}
		e.mu.Lock()
		e.told = nil
		e.mu.Unlock()
	}
	if f := e.Warning("order"); f.Code != fault.RunWatchOwn || f.What != `service "order" writes state.json itself` {
		t.Errorf("the warning is %v", f)
	}
	e.write("order/state.json", "once more")
	e.settle("order")
	// Source code is saved by people, however often.
	for n := range 2 * echoMost {
		e.write("order/main.py", fmt.Sprint("saved ", n))
		e.tells("order/main.py")
	}
}

func TestGoPackages(t *testing.T) {
	t.Parallel()
	e := open(t, "go.mod", "order/main.go", "order/main_test.go", "order/README.md", "order/sql/1.sql", "common/c.go", "other/o.go")
	src := runner.Sources{
		Service: "order", Packages: []string{e.path("common"), e.path("order")}, Folders: []string{e.path("order/sql")},
		Files: []string{e.path("go.mod"), e.path("order/sql/1.sql"), e.path("order/page.html")},
	}
	e.Set(src)
	e.run()
	settle := func() {
		t.Helper()
		name := fmt.Sprintf("order/s%d.go", time.Now().UnixNano())
		e.write(name, "package main")
		e.tells(name)
	}
	settle()
	e.write("order/main_test.go", "two")
	e.write("order/README.md", "two")
	e.write("other/o.go", "two")
	settle()
	for _, name := range []string{"common/c.go", "go.mod", "order/sql/1.sql", "order/sql/2.sql", "order/page.html", "order/new.go"} {
		e.write(name, "two")
		e.tells(name)
	}
	// A build that began before a file was saved did not read it.
	began := time.Now().Add(-time.Minute)
	src.Packages = append(src.Packages, e.path("other"))
	src.Read = began
	e.Set(src)
	e.tells("other/o.go")
	src.Packages = src.Packages[:2]
	src.Read = time.Now().Add(time.Minute)
	e.Set(src)
	e.write("other/o.go", "three")
	settle()
	// A service that is gone is not followed.
	e.Set(runner.Sources{Service: "order"})
	e.tree("all", ".")
	e.write("order/main.go", "three")
	e.tells("order/main.go")
	if f := e.Warning("order"); f != nil {
		t.Error(f)
	}
}

func TestWhereTheSystemDoesNotTell(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*eye){
		"no watcher": func(e *eye) {
			e.sight = func() (*fsnotify.Watcher, error) { return nil, errors.New("too many open files") }
		},
		"too many folders": func(e *eye) { e.limits.folders = 2 },
		"a silent disk":    func(e *eye) { e.Watcher.tells = func(string) error { return errors.New("on a 9P file system") } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open(t, "order/main.py", "web/main.js", "mail/main.rb")
			if err := tells(e.dir); err != nil {
				t.Log(err)
			}
			prepare(e)
			e.tree("order", "order").tree("web", "web").tree("mail", "mail").run()
			e.write("mail/main.rb", "two")
			e.tells("mail/main.rb")
			e.write("order/main.py", "two")
			e.tells("order/main.py")
			if f := e.Warning("web"); f == nil || f.Code != fault.RunWatchPolling || f.Severity != fault.Warning {
				t.Errorf("the warning is %v", f)
			}
			if f := e.Warning("nobody"); f != nil {
				t.Errorf("nobody is warned: %v", f)
			}
		})
	}
}

func TestSystemThatTellsNoMore(t *testing.T) {
	t.Parallel()
	e := open(t, "order/main.py").tree("order", "order").run()
	e.settle("order")
	e.Watcher.mu.Lock()
	e.must(e.fs.Close())
	e.Watcher.mu.Unlock()
	e.write("order/main.py", "two")
	e.tells("order/main.py")
	if f := e.Warning("order"); f == nil || f.Code != fault.RunWatchPolling {
		t.Errorf("the warning is %v", f)
	}
}

func TestTooManyFiles(t *testing.T) {
	t.Parallel()
	e := open(t, "order/a.py", "order/b.py", "order/c.py", "order/d.py")
	e.limits.files = 2
	e.tree("order", "order").run()
	e.write("order/a.py", "two")
	e.tells("order/a.py")
	if f := e.Warning("order"); f == nil || f.Code != fault.RunWatchTooMany {
		t.Errorf("the warning is %v", f)
	}
}

func TestLargeFilesCountByTime(t *testing.T) {
	t.Parallel()
	e := open(t, "order/model.bin", "order/main.py")
	e.limits.sum = 2
	e.tree("order", "order").run()
	e.settle("order") // three bytes and more are large here
	at := time.Now().Add(time.Hour)
	e.must(os.Chtimes(e.path("order/model.bin"), at, at))
	e.tells("order/model.bin")
}

func TestTwoServicesInOneFolder(t *testing.T) {
	t.Parallel()
	e := open(t, "shared/c.go", "a/main.go", "b/main.go")
	for _, name := range []string{"a", "b"} {
		e.Set(runner.Sources{Service: name, Packages: []string{e.path(name), e.path("shared")}})
	}
	e.run()
	e.write("shared/c.go", "two")
	for end := time.Now().Add(time.Minute); len(e.stories()) < 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(e.stories())
		}
	}
	got := e.stories()
	slices.Sort(got)
	if diff := cmp.Diff([]string{"a: shared/c.go", "b: shared/c.go"}, got); diff != "" {
		t.Error(diff)
	}
	e.tells("shared/c.go")
	// One of the two leaves: the folder is still watched for the other.
	e.Set(runner.Sources{Service: "a"})
	e.write("shared/c.go", "three")
	e.tells("shared/c.go")
}
