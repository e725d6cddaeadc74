package process

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/runner"
)

// goPackage is one service's main package.
type goPackage struct {
	svc    plan.Service
	module string // folder of its go.mod
	rel    string // package, relative to it: ./services/order
	name   string // what go build calls the program
	stage  string // folder where go build puts it
}

// buildGo builds all Go services, one go build for each module: linking
// dominates, and one go command schedules it best.
func (b *Builder) buildGo(ctx context.Context, services []plan.Service, say func(runner.Built)) {
	var batches [][]goPackage
	for _, svc := range services {
		p, f := b.locate(svc)
		if f != nil {
			say(runner.Built{Service: svc.Name, Fault: f})
			continue
		}
		batches = add(batches, p)
	}
	for n, batch := range batches {
		for i := range batch {
			batch[i].stage = b.stage(batch[i].module, n)
		}
		if ctx.Err() == nil {
			b.buildBatch(ctx, batch, say)
		}
	}
}

// add puts a package into the first batch of its module that has no program
// of the same name.
func add(batches [][]goPackage, p goPackage) [][]goPackage {
next:
	for i, batch := range batches {
		for _, q := range batch {
			if q.module != p.module || q.name == p.name {
				continue next
			}
		}
		batches[i] = append(batch, p)
		return batches
	}
	return append(batches, []goPackage{p})
}

// stage is where go build puts programs by its own names: kept, so that what
// has not changed is not linked again.
func (b *Builder) stage(module string, n int) string {
	sum := sha256.Sum256([]byte(module))
	return filepath.Join(b.bin, ".go", fmt.Sprintf("%x-%d", sum[:4], n))
}

// locate finds the module and the package of a service.
func (b *Builder) locate(svc plan.Service) (goPackage, *fault.Fault) {
	dir := filepath.Join(b.dir(svc), filepath.FromSlash(svc.Build.Go))
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return goPackage{}, fault.Newf(fault.RunBuildFailed, "the package of service %q is missing", svc.Name).
			Why("there is no folder "+b.relative(dir)).Fix("correct build: in its service.yaml").At(file(svc), 0, 0)
	}
	for module := dir; ; module = filepath.Dir(module) {
		text, err := os.ReadFile(filepath.Join(module, "go.mod")) // #nosec G304 -- a file of the system
		if err == nil {
			rel, err := filepath.Rel(module, dir)
			if err != nil {
				return goPackage{}, fault.New(fault.Internal, err.Error()).Because(err)
			}
			rel = filepath.ToSlash(rel)
			return goPackage{svc: svc, module: module, rel: "./" + rel, name: programName(path.Join(modulePath(text), rel))}, nil
		}
		if module == filepath.Dir(module) {
			return goPackage{}, fault.Newf(fault.RunBuildFailed, "service %q is in no Go module", svc.Name).
				Why("there is no go.mod in its folder, nor above it").Fix("run go mod init in "+b.relative(dir)).At(file(svc), 0, 0)
		}
	}
}

// modulePath reads the path from a go.mod.
func modulePath(text []byte) string {
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) >= 2 && fields[0] == "module" {
			return strings.Trim(fields[1], "\"`")
		}
	}
	return ""
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// programName is what go build calls the program of a package: the last
// element of its path that is no major version.
func programName(pkg string) string {
	dir, name := path.Split(pkg)
	if majorVersion.MatchString(name) && dir != "" {
		name = path.Base(dir)
	}
	return name
}

// buildBatch builds packages of one module together; when that fails, one by
// one, so that each error is told of its own service and the others run.
func (b *Builder) buildBatch(ctx context.Context, batch []goPackage, say func(runner.Built)) {
	if err := os.MkdirAll(batch[0].stage, 0o750); err != nil {
		for _, p := range batch {
			say(runner.Built{Service: p.svc.Name, Fault: fault.Newf(fault.RunBuildFailed, "service %q cannot be built", p.svc.Name).Why(err.Error()).Because(err)})
		}
		return
	}
	var rels []string
	for _, p := range batch {
		rels = append(rels, p.rel)
	}
	_, err := b.goBuild(ctx, batch[0], batch[0].stage+"/", rels...)
	for _, p := range batch {
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			if built, ok := b.install(p); ok {
				say(built)
				continue
			}
		}
		lines, err := b.goBuild(ctx, p, filepath.Join(p.stage, p.name), p.rel)
		if err != nil {
			say(runner.Built{Service: p.svc.Name, Fault: b.compileFault(p, lines, err), Lines: last(lines)})
			continue
		}
		built, ok := b.install(p)
		if !ok {
			built.Fault = fault.Newf(fault.RunBuildFailed, "service %q has no program", p.svc.Name).
				Why("its package "+p.rel+" is not package main").Fix("let build: {go: …} name the folder of its main package").At(file(p.svc), 0, 0)
		}
		say(built)
	}
}

// goBuild runs one go build. Without the state of version control: asking for
// it takes time, can fail, and would make a new program of each commit.
func (b *Builder) goBuild(ctx context.Context, p goPackage, out string, pkgs ...string) ([]string, error) {
	argv := append([]string{"go", "build", "-o", out, "-buildvcs=false", "-ldflags=-s -w"}, pkgs...)
	return b.run(ctx, p.svc.Name, argv, p.module, append(os.Environ(), goEnv()...))
}

// install puts the program that go build made where it is run from, under
// the service's name. A running program keeps the file that it was started
// from. It reports false when there is no program.
func (b *Builder) install(p goPackage) (runner.Built, bool) {
	built := runner.Built{Service: p.svc.Name, Dir: b.dir(p.svc)}
	staged := filepath.Join(p.stage, p.name)
	if !isProgram(staged) {
		return built, false
	}
	target := filepath.Join(b.bin, p.svc.Name)
	if err := place(staged, target); err != nil {
		built.Fault = fault.Newf(fault.RunBuildFailed, "the program of service %q cannot be put in place", p.svc.Name).Why(err.Error()).Because(err)
		return built, true
	}
	built.Argv = append([]string{target}, p.arguments()...)
	if p.ownProgram() {
		built.Argv = p.svc.Run
	}
	built.Version = version([]string{staged}, "")
	return built, true
}

// ownProgram reports whether run: names something else than the program that
// is built: a script that starts it, say.
func (p goPackage) ownProgram() bool {
	if len(p.svc.Run) == 0 {
		return false
	}
	name := path.Base(p.svc.Run[0])
	return name != p.name && name != p.svc.Name
}

func (p goPackage) arguments() []string {
	if len(p.svc.Run) == 0 {
		return nil
	}
	return p.svc.Run[1:]
}

// isProgram tells a program from nothing and from the archive that go build
// makes of a package that is not main.
func isProgram(path string) bool {
	f, err := os.Open(path) // #nosec G304 -- what go build made
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	head, err := bufio.NewReader(f).Peek(8)
	return err == nil && string(head) != "!<arch>\n"
}

// place gives a file a second name, in one step.
func place(from, to string) error {
	a, errA := os.Stat(from)
	b, errB := os.Stat(to)
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return nil
	}
	fresh := to + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Link(from, fresh); err != nil {
		return err
	}
	return os.Rename(fresh, to)
}

var compileError = regexp.MustCompile(`^(?:vet: )?([^:\s]+\.go):(\d+)(?::(\d+))?: (.+)$`)

// compileFault makes a fault of what the compiler said: its first error's
// place, as people know the file.
func (b *Builder) compileFault(p goPackage, lines []string, err error) *fault.Fault {
	f := fault.Newf(fault.RunBuildFailed, "service %q does not build", p.svc.Name).Why(err.Error()).
		Fix("correct it, then plat restart "+p.svc.Name).At(file(p.svc), 0, 0).Because(err)
	if fault.Is(err, fault.RunNoProgram) {
		return f.Why("the go command cannot be started").Fix("install Go (go.dev/dl) and put it on the PATH")
	}
	for _, line := range lines {
		m := compileError.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := m[1]
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.module, name)
		}
		row, _ := strconv.Atoi(m[2])    // digits
		column, _ := strconv.Atoi(m[3]) // digits or nothing
		return f.Why(m[4]).At(b.relative(name), row, column)
	}
	for _, line := range lines {
		if line != "" && !strings.HasPrefix(line, "#") {
			return f.Why(line)
		}
	}
	return f
}

// relative is a path as people know it: from the system's folder, if it lies
// there.
func (b *Builder) relative(name string) string {
	rel, err := filepath.Rel(b.root, name)
	if err != nil || strings.HasPrefix(rel, "..") {
		return name
	}
	return filepath.ToSlash(rel)
}
