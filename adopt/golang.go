package adopt

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
)

// module is one Go module of the repository.
type module struct {
	dir, path string
}

func (s *surveyor) goModule(dir, file string) {
	name := modfile.ModulePath([]byte(s.read(file)))
	if name == "" {
		s.note(file + " names no module")
		return
	}
	s.modules[dir] = &module{dir: dir, path: name}
}

// goMains finds the programs of all modules. A program that serves nothing, as
// far as its imports tell, is taken for a tool and noted.
func (s *surveyor) goMains() {
	packages := map[string]*goPackage{}
	for _, dir := range s.folders {
		if p := s.goPackage(dir); p != nil {
			packages[dir] = p
		}
	}
	for _, dir := range s.folders {
		p := packages[dir]
		if p == nil || !p.main || s.found[dir] != nil && len(s.found[dir].run) > 0 {
			continue
		}
		if !serves(p, packages, map[*goPackage]bool{}) {
			s.note(dir + " is a Go program that listens nowhere, as far as its imports tell: a tool, and no service")
			continue
		}
		svc := s.at(dir, path.Join(dir, p.mainFile))
		svc.buildGo = "."
		if dir == p.module.dir {
			svc.name = lastSegment(p.module.path)
		}
	}
}

// lastSegment is a module's name without a major version.
func lastSegment(module string) string {
	base := path.Base(module)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(module))
	}
	return base
}

// goPackage is what the Go files of one folder tell.
type goPackage struct {
	module   *module
	main     bool
	mainFile string
	imports  []string // folders of the same module
	network  bool     // it imports what serves
}

func (s *surveyor) goPackage(dir string) *goPackage {
	p := &goPackage{module: s.moduleOf(dir)}
	if p.module == nil {
		return nil
	}
	ctx := build.Default
	ctx.CgoEnabled = true
	ctx.JoinPath = path.Join
	ctx.OpenFile = func(name string) (io.ReadCloser, error) { return s.fsys.Open(name) }
	found := false
	for _, e := range s.entries[dir] {
		name := e.Name()
		if !e.Type().IsRegular() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if match, err := ctx.MatchFile(dir, name); err != nil || !match {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, s.read(path.Join(dir, name)), parser.SkipObjectResolution)
		if err != nil {
			s.note(path.Join(dir, name) + " is no Go that can be read")
			continue
		}
		found = true
		p.add(file, name)
	}
	if !found {
		return nil
	}
	return p
}

func (p *goPackage) add(file *ast.File, name string) {
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if below, ok := strings.CutPrefix(imported, p.module.path); ok && (below == "" || below[0] == '/') {
			p.imports = append(p.imports, path.Join(p.module.dir, below))
		}
		p.network = p.network || servesNetwork(imported)
	}
	if file.Name.Name != "main" {
		return
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "main" {
			p.main, p.mainFile = true, name
		}
	}
}

// servesNetwork tells whether a package is one by which programs listen, or
// receive messages.
func servesNetwork(imported string) bool {
	if imported == "net" || imported == "net/http" || strings.HasPrefix(imported, "net/http/") || imported == "net/rpc" {
		return true
	}
	return slices.ContainsFunc([]string{
		"google.golang.org/grpc", "connectrpc.com/connect", "github.com/gin-gonic/gin", "github.com/labstack/echo",
		"github.com/gofiber/fiber", "github.com/go-chi/chi", "github.com/gorilla/mux", "github.com/valyala/fasthttp", "github.com/nats-io/nats.go",
		"github.com/segmentio/kafka-go", "github.com/twmb/franz-go", "github.com/rabbitmq/amqp091-go", "github.com/plat-dev/plat/kit",
	}, func(known string) bool { return imported == known || strings.HasPrefix(imported, known+"/") })
}

// serves tells whether a package, or one of its module that it uses, listens.
func serves(p *goPackage, packages map[string]*goPackage, seen map[*goPackage]bool) bool {
	if p == nil || seen[p] {
		return false
	}
	seen[p] = true
	return p.network || slices.ContainsFunc(p.imports, func(dir string) bool { return serves(packages[dir], packages, seen) })
}

// moduleOf is the innermost module that a folder belongs to.
func (s *surveyor) moduleOf(dir string) *module {
	for {
		if m := s.modules[dir]; m != nil {
			return m
		}
		if dir == "." {
			return nil
		}
		dir = path.Dir(dir)
	}
}
