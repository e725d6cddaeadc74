package kit_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write api.txt anew")

// What services see is written down, so that a change shows in review.
func TestTheExportedAPI(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, dir := range []string{".", "fresh", "idempotency", "message"} {
		fmt.Fprintf(&b, "package %s\n\n", filepath.Join("kit", dir))
		for _, decl := range exported(t, dir) {
			fmt.Fprintf(&b, "%s\n", decl)
		}
		b.WriteByte('\n')
	}
	got := strings.TrimRight(b.String(), "\n") + "\n"
	if *update {
		if err := os.WriteFile("api.txt", []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("api.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("the API has changed; if that is meant: go test . -run API -update (-want +got):\n%s", d)
	}
}

// exported prints the exported declarations of a package, sorted, without
// comments and bodies.
func exported(t *testing.T, dir string) []string {
	t.Helper()
	var decls []string
	for file, fset := range sources(t, dir) {
		ast.FileExports(file)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv != nil && !receiver(d).IsExported() {
					continue
				}
				d.Body = nil
			case *ast.GenDecl:
				if d.Tok == token.IMPORT {
					continue
				}
			}
			var b bytes.Buffer
			if err := format.Node(&b, fset, d); err != nil {
				t.Fatal(err)
			}
			decls = append(decls, b.String())
		}
	}
	slices.Sort(decls)
	return decls
}

// receiver is the type whose method it is.
func receiver(d *ast.FuncDecl) *ast.Ident {
	x := d.Recv.List[0].Type
	if star, ok := x.(*ast.StarExpr); ok {
		x = star.X
	}
	name, _ := x.(*ast.Ident)
	return name
}

// sources parses the files of a package, without tests and comments.
func sources(t *testing.T, dir string) map[*ast.File]*token.FileSet {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no sources in %s: %v", dir, err)
	}
	files := map[*ast.File]*token.FileSet{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files[f] = fset
	}
	return files
}

// Direct requires stand in DEPENDENCIES.md with their reason.
func TestDirectRequires(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("DEPENDENCIES.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{} // module → code or tests
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "/") {
			continue
		}
		module, in, why := strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])
		if in != "code" && in != "tests" || why == "" {
			t.Errorf("%s: in %q, why %q", module, in, why)
		}
		listed[module] = in
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) == 2 && strings.Contains(fields[0], ".") && strings.HasPrefix(fields[1], "v") {
			got = append(got, fields[0])
		}
	}
	var want []string
	for module := range listed {
		want = append(want, module)
	}
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("direct requires (-DEPENDENCIES.md +go.mod):\n%s", d)
	}
	used := map[string]bool{}
	for _, dir := range []string{".", "idempotency", "message", "internal/uuid"} {
		for file := range sources(t, dir) {
			for _, spec := range file.Imports {
				path := strings.Trim(spec.Path.Value, `"`)
				if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") || strings.HasPrefix(path, "github.com/plat-dev/plat/kit") {
					continue
				}
				module := moduleOf(path, listed)
				if listed[module] != "code" {
					t.Errorf("%s is imported by code; DEPENDENCIES.md says %q", path, listed[module])
				}
				used[module] = true
			}
		}
	}
	for module, in := range listed {
		if in == "code" && !used[module] {
			t.Errorf("%s is not imported by code", module)
		}
	}
}

// moduleOf is the longest listed module that path belongs to.
func moduleOf(path string, listed map[string]string) string {
	best := ""
	for module := range listed {
		if (path == module || strings.HasPrefix(path, module+"/")) && len(module) > len(best) {
			best = module
		}
	}
	return best
}
