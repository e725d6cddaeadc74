package adopt_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/plat-dev/plat/adopt"
	"github.com/plat-dev/plat/plan"
)

// mustBeSound writes what is proposed into a repository in memory, and checks
// the plan that comes out.
func mustBeSound(t *testing.T, fsys fstest.MapFS) adopt.Survey {
	t.Helper()
	s := look(t, fsys)
	if len(s.Services) == 0 {
		return s
	}
	for _, p := range append(s.Services, s.System) {
		if !p.Exists {
			fsys[p.File] = &fstest.MapFile{Data: []byte(p.Text)}
		}
	}
	if err := plan.Check(fsys, plan.Options{}).Err(); err != nil {
		for _, p := range append(s.Services, s.System) {
			t.Logf("--- %s\n%s", p.File, p.Text)
		}
		t.Fatalf("what is proposed is not sound: %v", err)
	}
	return s
}

// FuzzLook writes anything into the files that plat init reads, in a folder of
// any name: it never fails, and what it proposes is a sound plan.
func FuzzLook(f *testing.F) {
	f.Add("jobs", "web: ./serve\nworker: FOO=1 ./work && ./more\n../up: ./x\n", `{"name":"@a/b","scripts":{"start":"node ."}}`, "FROM x\nEXPOSE 80\nCMD [\"sh\", \"run\"]", "services: {a: {build: jobs, environment: {PORT: 1, PLAT_API: x, A_: y, A__B: z, NATS_URL: n}}}", "package main\nimport _ \"net/http\"\nfunc main() {}")
	f.Add("plat", "plat: x", `{"name":"internal","scripts":{"start":"a"}}`, "CMD x", "services: {plat: {build: plat}}", "")
	f.Add("a\nb", "w: x", "{}", "", "", "")
	f.Add("a*", "a: b\nA: b\na: c", `{"name":"a","scripts":{"start":"x"}}`, "EXPOSE 99999\nCMD run", "- x", "package main")
	f.Add("ü [x]", "web: \"", `{"scripts":{"start":"\u0000"}}`, "CMD [", "services: {w: {build: {context: ../..}, ports: [{target: 1}], depends_on: [w]}}", "package")
	f.Fuzz(func(t *testing.T, dir, procfile, pkg, dockerfile, compose, program string) {
		if !fs.ValidPath(dir) || dir == "." || len(dir) > 200 {
			t.Skip()
		}
		mustBeSound(t, fstest.MapFS{
			"go.mod":                        {Data: []byte("module example.com/m\n")},
			"docker-compose.yml":            {Data: []byte(compose)},
			path.Join(dir, "Procfile"):      {Data: []byte(procfile)},
			path.Join(dir, "package.json"):  {Data: []byte(pkg)},
			path.Join(dir, "Dockerfile"):    {Data: []byte(dockerfile)},
			path.Join(dir, "run"):           {Data: []byte("port = 8080")},
			path.Join(dir, "cmd", "x.go"):   {Data: []byte(program)},
			path.Join(dir, "x", "Procfile"): {Data: []byte(procfile)},
		})
	})
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	s := mustBeSound(t, repository(t, "-- Procfile --\nweb: NODE_ENV=production node server.js\napi: ./api -p $PORT\nmail: bin/mail --queue mail\nboth: ./one && ./two\n../../etc: ./evil\n"))
	for file, want := range map[string]string{
		"service.yaml":            "run: [sh, -c, exec env NODE_ENV=production node server.js]\n",
		"procs/api/service.yaml":  "owner: team\nrun: [sh, -c, cd ../../ && exec ./api -p $PORT]\n",
		"procs/mail/service.yaml": "run: [sh, -c, cd ../../ && exec bin/mail --queue mail]\nlistens: false # nothing in its command names a PORT\n",
		"procs/both/service.yaml": "run: [sh, -c, cd ../../ && ./one && ./two]\n",
		"plat.yaml":               "      - {host: api.localhost, path: /, service: api}\n",
	} {
		if got := text(t, s, file); !strings.Contains(got, want) {
			t.Errorf("%s: no %q in\n%s", file, want, got)
		}
	}
	if got := text(t, s, "plat.yaml"); strings.Contains(got, "service: mail") {
		t.Errorf("a route leads to what listens nowhere:\n%s", got)
	}
	if len(s.Services) != 4 || !strings.Contains(strings.Join(s.Notes, "\n"), `"../../etc" is no name`) {
		t.Errorf("%d services; notes %q", len(s.Services), s.Notes)
	}
}

// TestWhatIsDeclaredHolds keeps the names and owners that the user gave, and
// fits the rest to them.
func TestWhatIsDeclaredHolds(t *testing.T) {
	t.Parallel()
	s := mustBeSound(t, repository(t, `
-- api/package.json --
{"name": "backend", "scripts": {"start": "node ."}}
-- api/service.yaml --
service: orders
owner: sales
run: [node, .]
-- byhand/service.yaml --
service: backend
owner: sales
run: [./x]
-- worker/package.json --
{"name": "orders", "scripts": {"start": "node ."}}
-- plat.yaml --
system: shop
owners: {sales: {}, support: {}}
services: [{path: api}]
`))
	got := text(t, s, "plat.yaml")
	for _, want := range []string{"sales: {}", "path: api\n", "path: byhand\n", "path: worker\n", "service: orders}", "service: backend}"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if !s.System.Exists {
		t.Error("plat.yaml is there")
	}
	if got := text(t, s, "worker/service.yaml"); !strings.Contains(got, "service: worker-orders\nowner: sales\n") && !strings.Contains(got, "service: orders-2\nowner: sales\n") {
		t.Errorf("the new one takes a name or an owner that is not its own:\n%s", got)
	}
}

// TestATree looks at folders on disk: links that lead round, one that cannot be
// read, and very many.
func TestATree(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("app/package.json", `{"scripts": {"start": "node ."}}`)
	write("closed/package.json", `{"scripts": {"start": "node ."}}`)
	for i := range 10_000 {
		if err := os.MkdirAll(filepath.Join(root, "many", fmt.Sprint(i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(root, filepath.Join(root, "app", "round")), os.Symlink("nowhere", filepath.Join(root, "app", "Procfile"))); err != nil {
		t.Fatal(err)
	}
	fsys := os.DirFS(root)
	if os.Getuid() == 0 { // root may read everything: the file system says no instead
		fsys = denying{fsys, "closed"}
	} else if err := os.Chmod(filepath.Join(root, "closed"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(root, "closed"), 0o700) }) // #nosec G302 -- a folder of the test
	s := look(t, fsys)
	if len(s.Services) != 1 || s.Services[0].File != "app/service.yaml" {
		t.Errorf("services %+v", s.Services)
	}
	if !strings.Contains(strings.Join(s.Notes, "\n"), "closed cannot be read") {
		t.Errorf("notes %q", s.Notes)
	}
	if _, err := adopt.Look(os.DirFS(filepath.Join(root, "none")), "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// denying refuses one folder.
type denying struct {
	fs.FS
	name string
}

// Open refuses the folder and what is in it.
func (d denying) Open(name string) (fs.File, error) {
	if name == d.name || strings.HasPrefix(name, d.name+"/") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.FS.Open(name)
}
