package plan_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// TestOldPlansLoad holds that the plans of every version load for ever, in
// each of their environments. Warnings may be new.
func TestOldPlansLoad(t *testing.T) {
	t.Parallel()
	for _, dir := range stories(t, "testdata/v*/*") {
		for _, environment := range []string{"local", "prod"} {
			t.Run(dir+"/"+environment, func(t *testing.T) {
				t.Parallel()
				r := plan.Check(os.DirFS(dir), plan.Options{Environment: environment})
				if err := r.Err(); err != nil || r.System == nil {
					t.Fatalf("findings: %v", err)
				}
			})
		}
	}
}

// TestCodes holds that each code of this room is explained, and that a golden
// plan shows it; what the files that a plan lists cannot tell, the room adopt
// finds.
func TestCodes(t *testing.T) {
	t.Parallel()
	used := codes(t)
	shown := map[string]bool{}
	for _, path := range stories(t, "testdata/findings/*.txtar") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range used {
			if strings.Contains(string(text), "["+code+"]") {
				shown[code] = true
			}
		}
	}
	for _, code := range used {
		if e, ok := fault.Lookup(fault.Code(code)); !ok || e.Title == "" || e.Why == "" || e.Remedy == "" {
			t.Errorf("%s is not explained in the catalogue", code)
		}
		if !shown[code] && code != string(fault.PlanUnlistedService) {
			t.Errorf("no plan in testdata/findings shows %s", code)
		}
	}
}

// codes lists the codes that are declared for this room.
func codes(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../fault/plan.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && strings.HasPrefix(lit.Value, `"plan-`) {
			code, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, code)
		}
		return true
	})
	if len(all) < 40 {
		t.Fatalf("only %d codes found", len(all))
	}
	return all
}

func shop(extra ...string) fstest.MapFS {
	files := fstest.MapFS{
		"plat.yaml":                {Data: []byte("system: shop\nowners: {us: {}}\nservices: [{path: services/*}]\n")},
		"services/a/service.yaml":  {Data: []byte("service: a\nowner: us\nrun: [./a]\n")},
		"services/b/service.yaml":  {Data: []byte("service: b\nowner: us\nrun: [./b]\nconfig: {n: {type: int, default: 1}}\n")},
		"services/.c/service.yaml": {Data: []byte("hidden: yes\n")},
		"services/readme.md":       {Data: []byte("not a folder\n")},
	}
	for i := 0; i < len(extra); i += 2 {
		files[extra[i]] = &fstest.MapFile{Data: []byte(extra[i+1])}
	}
	return files
}

func TestLoadJoinsAllErrorsAndLeavesWarnings(t *testing.T) {
	t.Parallel()
	files := shop("services/a/service.yaml", "service: a\nownr: us\nconsumes: {services: {b: {timeout: 5}}}\n",
		"services/b/service.yaml", "service: b\nowner: us\nrun: [./b]\nconsumes: {services: {a: {}}}\n")
	system, err := plan.Load(files, plan.Options{})
	if system != nil || err == nil {
		t.Fatalf("loaded %v, %v", system, err)
	}
	var got []string
	for _, f := range fault.All(err) {
		got = append(got, fmt.Sprintf("%s:%d:%d %s", f.File, f.Line, f.Column, f.Code))
	}
	want := []string{
		"services/a/service.yaml:1:1 plan-missing-program", // ownr is the owner, misspelt
		"services/a/service.yaml:2:1 plan-unknown-field", "services/a/service.yaml:3:36 plan-missing-unit",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("faults (-want +got):\n%s", d)
	}
	if !fault.Is(err, "plan-unknown-field") || fault.Is(err, "plan-call-cycle") {
		t.Errorf("fault.Is does not see the joined faults: %v", err)
	}
	if all := plan.Check(files, plan.Options{}).Findings; len(all) != len(want)+1 {
		t.Errorf("Check gave %d findings, want the warning about the circle too", len(all))
	}
}

func TestRevisionTellsPlansApart(t *testing.T) {
	t.Parallel()
	first, err := plan.Load(shop(), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Revision) != 12 {
		t.Errorf("revision %q", first.Revision)
	}
	again, err := plan.Load(shop("services/a/service.yaml", "# a comment\nrun: [./a]\nowner: us\nservice: a\n"), plan.Options{})
	if err != nil || again.Revision != first.Revision {
		t.Errorf("the same plan written otherwise has another revision (%v)", err)
	}
	other, err := plan.Load(shop("services/a/service.yaml", "service: a\nowner: us\nrun: [./a, -v]\n"), plan.Options{})
	if err != nil || other.Revision == first.Revision {
		t.Errorf("another plan has the same revision (%v)", err)
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	older, err := plan.Load(shop(), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files := shop("services/b/service.yaml", "service: b\nowner: us\nrun: [./b]\nconfig: {n: {type: int, default: 2}}\n", "services/c/service.yaml", "service: c\nowner: us\nrun: [./c]\n")
	delete(files, "services/a/service.yaml")
	newer, err := plan.Load(files, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	added, removed, changed := plan.Changed(older, newer)
	if d := cmp.Diff([][]string{{"c"}, {"a"}, {"b"}}, [][]string{added, removed, changed}); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
	if a, r, c := plan.Changed(older, older); len(a)+len(r)+len(c) > 0 {
		t.Errorf("a plan differs from itself: %v %v %v", a, r, c)
	}
}

// TestResolveTakesDeclarationsFromAnywhere resolves texts without any files,
// twice, and with a changed neighbour.
func TestResolveTakesDeclarationsFromAnywhere(t *testing.T) {
	t.Parallel()
	system := plan.ParseSystem("plat.yaml", []byte("system: shop\nowners: {us: {}}\nservices: [{artifact: x/a}, {artifact: x/b}]\n"))
	a := plan.ParseService("x/a", []byte("service: a\nowner: us\nbuild: {go: .}\nconsumes: {events: {b.done: {}}}\n"))
	a.Artifact = "x/a"
	b := plan.ParseService("x/b", []byte("service: b\nowner: us\nrun: [b]\nprovides: {events: {b.done: {schema: s.json}}}\n"))
	b.Artifact = "x/b"
	for range 2 {
		r := plan.Resolve(system, []*plan.Declaration{b, a}, plan.Options{})
		if len(r.Findings) > 0 {
			t.Fatal(r.Findings[0])
		}
		if svc, _ := r.System.Service("a"); svc.Consumes[0].Provider != "b" || svc.Artifact != "x/a" {
			t.Errorf("a resolved to %+v", svc)
		}
		if alone := plan.Resolve(system, []*plan.Declaration{a}, plan.Options{}); !fault.Is(alone.Err(), "plan-unknown-event") {
			t.Errorf("without b: %v", alone.Err())
		}
	}
}

// TestFileSystemFaults holds that what the operating system refuses is a
// coded fault with its place.
func TestFileSystemFaults(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string]string{"system": "plat.yaml", "service": "services/a/service.yaml", "folder": "services"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := plan.Check(refusing{shop(), refused}, plan.Options{}).Err()
			all := fault.All(err)
			if len(all) == 0 || all[0].Code != "plan-unreadable" || !strings.Contains(all[0].Expected, "permission denied") || all[0].File == "" {
				t.Errorf("got %v", err)
			}
			if !errors.Is(err, fs.ErrPermission) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}

// refusing is a file system that gives one name to nobody.
type refusing struct {
	fs.FS
	name string
}

func (r refusing) Open(name string) (fs.File, error) {
	if name == r.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return r.FS.Open(name)
}

func TestSystemIsStableJSON(t *testing.T) {
	t.Parallel()
	system, err := plan.Load(os.DirFS("testdata/v1/musiccorp"), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := json.Marshal(system)
	if err != nil {
		t.Fatal(err)
	}
	var back plan.System
	if err := json.Unmarshal(first, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(*system, back); d != "" {
		t.Errorf("JSON does not carry the system (-want +got):\n%s", d)
	}
}

// TestRoutesAndShadowRuleAgree holds the invariant between the check of
// routes and their order: in an accepted plan every route is the first to
// match some request; in a refused one the later of two alike is not.
func TestRoutesAndShadowRuleAgree(t *testing.T) {
	t.Parallel()
	hosts, paths, methods := []string{"", "a.b"}, []string{"/", "/x", "/x/", "/xy"}, []string{"", "GET", "POST", "GET, POST"}
	routes := []string{}
	for _, h := range hosts {
		for _, p := range paths {
			for _, m := range methods {
				routes = append(routes, fmt.Sprintf("{host: %q, path: %s, methods: [%s], service: a}", h, p, m))
			}
		}
	}
	clean := strings.NewReplacer(`host: "", `, "", "methods: [], ", "")
	for i := range routes {
		for j := range routes {
			text := "system: s\nowners: {us: {}}\nservices: [{path: a}]\ngateways: {g: {routes: [" + clean.Replace(routes[i]+", "+routes[j]) + "]}}"
			system, err := plan.Load(fstest.MapFS{"plat.yaml": {Data: []byte(text)}, "a/service.yaml": {Data: []byte("service: a\nowner: us\nrun: [x]\n")}}, plan.Options{})
			if err != nil && !fault.Is(err, "plan-duplicate-route") {
				t.Fatal(err)
			}
			if err == nil {
				everyRouteIsReached(t, plan.Routes(system))
			} else if i != j && !overlap(routes[i], routes[j]) {
				t.Errorf("refused without reason: %s and %s", routes[i], routes[j])
			}
		}
	}
}

func everyRouteIsReached(t *testing.T, routes []plan.Route) {
	t.Helper()
	for i, r := range routes {
		host, reached := r.Host, false
		if host == "" {
			host = "elsewhere.example"
		}
		for _, method := range []string{"GET", "POST", "DELETE"} {
			first := slices.IndexFunc(routes, func(o plan.Route) bool { return matches(o, host, r.Path, method) })
			reached = reached || first == i
		}
		if !reached {
			t.Errorf("no request reaches route %d of %+v", i, routes)
		}
	}
}

func matches(r plan.Route, host, path, method string) bool {
	prefix := strings.TrimSuffix(r.Path, "/")
	return (r.Host == "" || r.Host == host) && (path == prefix || strings.HasPrefix(path, prefix+"/")) &&
		(len(r.Methods) == 0 || slices.Contains(r.Methods, method))
}

func overlap(a, b string) bool {
	parts := func(s string) []string {
		return strings.Split(strings.ReplaceAll(s, "/,", ","), "methods:")
	}
	ma, mb := parts(a)[1], parts(b)[1]
	return strings.ReplaceAll(parts(a)[0], "/,", ",") == strings.ReplaceAll(parts(b)[0], "/,", ",") &&
		(ma == mb || strings.Contains(ma, "GET") && strings.Contains(mb, "GET") || strings.Contains(ma, "POST") && strings.Contains(mb, "POST"))
}

func TestFindsFilesOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, f := range shop() {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "services", "b"), filepath.Join(dir, "services", "link")); err != nil {
		t.Fatal(err)
	}
	err := plan.Check(os.DirFS(dir), plan.Options{}).Err()
	if all := fault.All(err); len(all) != 1 || all[0].Code != "plan-duplicate-service" || all[0].File != "services/link/service.yaml" {
		t.Errorf("a folder and a link to it: %v", err)
	}
}

func TestTypeOfASettingFollowsItsDefault(t *testing.T) {
	t.Parallel()
	system, err := plan.Load(fstest.MapFS{
		"plat.yaml":      {Data: []byte("system: s\nowners: {us: {}}\nservices: [{path: a}]\n")},
		"a/service.yaml": {Data: []byte("service: a\nowner: us\nrun: [a]\nconfig:\n  b: {default: true}\n  f: {default: 0.5}\n  i: {default: 5}\n  s: {}\n  t: {default: x}\n")},
	}, plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range system.Services[0].Config {
		got[c.Name] = c.Type
	}
	if diff := cmp.Diff(map[string]string{"b": "bool", "f": "float", "i": "int", "s": "string", "t": "string"}, got); diff != "" {
		t.Error(diff)
	}
}
