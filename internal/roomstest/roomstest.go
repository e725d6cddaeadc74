// Package roomstest holds the house to its map: it reads rooms.txt at the root
// of the repository and reports every package, import and size that the map
// does not allow. Its own test runs it over the whole repository.
//
// It reads source text only, whatever the build tags, and runs no tool. It
// must never import another room.
package roomstest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the path of the root module; a nested module's path is this and
// its folder.
const Module = "github.com/plat-dev/plat"

// The budgets that hold where rooms.txt grants nothing else.
const (
	roomLines        = 3000 // of one package, without its tests
	fileLines        = 500
	funcLines        = 80 // outside tests
	structFields     = 20
	interfaceMethods = 5
)

// Finding is one thing that rooms.txt does not allow, with its place.
type Finding struct {
	Place string // file:line, or a folder
	What  string
}

// String is the finding in one line.
func (f Finding) String() string { return f.Place + ": " + f.What }

// Check reads rooms.txt and every Go file below the root of fsys and lists
// what the map does not allow, in the order of the folders. The error is for
// what cannot be read or parsed.
func Check(fsys fs.FS) ([]Finding, error) {
	text, err := fs.ReadFile(fsys, "rooms.txt")
	if err != nil {
		return nil, err
	}
	house, err := Parse(string(text))
	if err != nil {
		return nil, err
	}
	packages, err := load(fsys)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	lived := map[*Room]bool{}
	for _, p := range packages {
		room := house.find(p.dir)
		if room == nil {
			findings = append(findings, Finding{p.dir, "this package has no line in rooms.txt: say there what it is for and what it may import"})
			continue
		}
		lived[room] = true
		c := checker{house: house, room: room, pkg: p}
		findings = append(findings, c.check()...)
	}
	for _, r := range house.Rooms {
		if !lived[r] {
			findings = append(findings, Finding{fmt.Sprintf("rooms.txt:%d", r.Line), r.Pattern + " has a line but no package: take the line out"})
			continue
		}
		findings = append(findings, r.stale()...)
	}
	if house.Tests != nil {
		findings = append(findings, house.Tests.stale()...)
	}
	return findings, nil
}

// source is one Go file.
type source struct {
	name      string // path from the root
	lines     int
	test      bool
	generated bool
	tree      *ast.File
	positions *token.FileSet
}

// pkg is the Go files of one folder, external tests included.
type pkg struct {
	dir   string
	files []source
}

// load parses every Go file, folder by folder.
func load(fsys fs.FS) ([]pkg, error) {
	var packages []pkg
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && skipped(d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		file, err := read(fsys, name)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		i := slices.IndexFunc(packages, func(p pkg) bool { return p.dir == dir })
		if i < 0 {
			i = len(packages)
			packages = append(packages, pkg{dir: dir})
		}
		packages[i].files = append(packages[i].files, file)
		return nil
	})
	return packages, err
}

// skipped names the folders that the go tool does not enter either, and those
// that hold what others wrote.
func skipped(folder string) bool {
	return folder == "testdata" || folder == "node_modules" || folder == "vendor" ||
		strings.HasPrefix(folder, ".") || strings.HasPrefix(folder, "_")
}

func read(fsys fs.FS, name string) (source, error) {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return source{}, err
	}
	positions := token.NewFileSet()
	tree, err := parser.ParseFile(positions, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, fmt.Errorf("parse %s: %w", name, err)
	}
	return source{
		name:      name,
		lines:     strings.Count(string(text), "\n"),
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(tree),
		tree:      tree,
		positions: positions,
	}, nil
}

// checker holds one package against its room.
type checker struct {
	house    *House
	room     *Room
	pkg      pkg
	findings []Finding
}

func (c *checker) check() []Finding {
	if slices.Contains([]string{"util", "utils", "common", "helpers", "misc", "base"}, path.Base(c.pkg.dir)) {
		c.report(c.pkg.dir, "a room is named by what it is about, not %q", path.Base(c.pkg.dir))
	}
	lines := 0
	for _, f := range c.pkg.files {
		c.imports(f)
		if !f.test {
			c.forbidden(f)
		}
		if f.generated {
			continue
		}
		if !f.test {
			lines += f.lines
		}
		c.size(f.name, "file", path.Base(f.name), f.lines, fileLines)
		c.declarations(f)
	}
	c.size(c.pkg.dir, "room", "", lines, roomLines)
	return c.findings
}

func (c *checker) report(place, format string, args ...any) {
	c.findings = append(c.findings, Finding{place, fmt.Sprintf(format, args...)})
}

func at(f source, n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.name, f.positions.Position(n.Pos()).Line)
}

// imports reports what the room may not import, of plat and of others.
func (c *checker) imports(f source) {
	for _, spec := range f.tree.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has refused it already
		}
		switch ours, ok := local(target); {
		case ok && ours == c.pkg.dir:
		case ok:
			allowed := c.room.mayImport(c.pkg.dir, ours, f.test)
			if law := broken(c.pkg.dir, ours); law != "" {
				c.report(at(f, spec), "imports %s: %s", ours, law)
			} else if !allowed {
				c.report(at(f, spec), "imports %s, which rooms.txt does not allow %s", ours, c.pkg.dir)
			}
		case foreign(target):
			if !c.house.mayUse(c.room, target, f.test) {
				c.report(at(f, spec), "imports %s, which rooms.txt does not allow %s (%s)", target, c.pkg.dir, c.house.homes(target))
			}
		}
		if spec.Name != nil && spec.Name.Name == "." {
			c.report(at(f, spec), "imports %s by a dot, which hides where names come from", target)
		}
	}
}

// local gives the folder of an import path of ours.
func local(target string) (dir string, ok bool) {
	if target == Module {
		return ".", true
	}
	return strings.CutPrefix(target, Module+"/")
}

// foreign tells an import of others from the standard library.
func foreign(target string) bool {
	host, _, _ := strings.Cut(target, "/")
	return strings.Contains(host, ".")
}

// broken names the law that no line in rooms.txt can relax, or is empty.
func broken(from, to string) string {
	switch {
	case matches("control", to) && !matches("cmd/plat", from) && !matches("internal/...", from):
		return "control is imported by cmd/plat and internal alone"
	case matches("kit/...", from) && !matches("kit/...", to):
		return "the kit imports nothing of plat"
	case matches("musiccorp/...", to) && !matches("musiccorp/...", from):
		return "MusicCorp is an example, and nobody depends on it"
	case matches("musiccorp/services/*/...", from):
		own := strings.Join(strings.Split(from, "/")[:3], "/")
		if !matches("kit/...", to) && !matches(own+"/...", to) {
			return "a service of MusicCorp imports the kit and its own folder alone"
		}
	}
	return ""
}

// forbidden reports the packages and names that the room must never use.
func (c *checker) forbidden(f source) {
	names := map[string]string{} // as the file calls it → import path
	for _, spec := range f.tree.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if slices.Contains(c.room.Never, target) {
			c.report(at(f, spec), "imports %s, which rooms.txt says %s never does", target, c.room.Pattern)
		}
		name := path.Base(target)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = target
	}
	ast.Inspect(f.tree, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok {
			if full := names[x.Name] + "." + sel.Sel.Name; slices.Contains(c.room.Never, full) {
				c.report(at(f, sel), "uses %s, which rooms.txt says %s never does", full, c.room.Pattern)
			}
		}
		return true
	})
}

// declarations measures functions, structs and interfaces.
func (c *checker) declarations(f source) {
	for _, d := range f.tree.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if !f.test {
				lines := f.positions.Position(d.End()).Line - f.positions.Position(d.Pos()).Line + 1
				c.size(at(f, d), "func", funcName(d), lines, funcLines)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok {
					c.typeSize(f, t)
				}
			}
		}
	}
}

func (c *checker) typeSize(f source, t *ast.TypeSpec) {
	switch shape := t.Type.(type) {
	case *ast.StructType:
		c.size(at(f, t), "struct", t.Name.Name, shape.Fields.NumFields(), structFields)
	case *ast.InterfaceType:
		c.size(at(f, t), "interface", t.Name.Name, shape.Methods.NumFields(), interfaceMethods)
	}
}

// funcName is Name, or Type.Name for a method.
func funcName(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + d.Name.Name
		default:
			return d.Name.Name
		}
	}
}

// size compares with the budget, or with the exception that the room wrote.
func (c *checker) size(place, kind, name string, is, budget int) {
	if is <= budget {
		return
	}
	if b := c.room.budget(kind, name); b != nil {
		b.used = true
		budget = b.Limit
	}
	if is > budget {
		c.report(place, "%s is %d, over the budget of %d: split it, or write the reason into rooms.txt", strings.TrimSpace(kind+" "+name), is, budget)
	}
}

// ErrMap is what every fault in the text of rooms.txt wraps.
var ErrMap = errors.New("rooms.txt")
