package process

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/runner"
)

// listTimeout bounds one go list.
const listTimeout = 30 * time.Second

// listBytes bounds what one go list says.
const listBytes = 32 << 20

// Sources tells of which files services are made: see runner.Builder. Of a
// Go service these are the packages that it is built from, as far as they lie
// outside of the module cache; of others, the service's folder.
func (b *Builder) Sources(ctx context.Context, services []plan.Service) []runner.Sources {
	var all []runner.Sources
	modules := map[string][]goPackage{}
	for _, svc := range services {
		switch {
		case svc.Build.Go != "":
			p, f := b.locate(svc)
			if f != nil { // no package yet: what appears in the folder is news
				all = append(all, runner.Sources{Service: svc.Name, Trees: []string{b.dir(svc)}})
				continue
			}
			modules[p.module] = append(modules[p.module], p)
		case svc.Dir != "" && svc.Build.Image == "":
			all = append(all, runner.Sources{Service: svc.Name, Trees: []string{b.dir(svc)}})
		}
	}
	for module, packages := range modules {
		listed, err := goList(ctx, module, packages)
		if ctx.Err() != nil {
			return nil
		}
		work := workFile(module)
		for _, p := range packages {
			src := runner.Sources{Service: p.svc.Name, Packages: []string{filepath.Join(module, filepath.FromSlash(p.rel))}}
			if err == nil {
				src = sourcesOf(listed, p)
			}
			src.Files = append(src.Files, filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum"))
			if work != "" {
				src.Files = append(src.Files, work)
			}
			all = append(all, tidied(src))
		}
	}
	return all
}

func tidied(s runner.Sources) runner.Sources {
	for _, list := range []*[]string{&s.Packages, &s.Folders, &s.Files} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return s
}

// listedPackage is what is asked of go list.
type listedPackage struct {
	ImportPath string
	Dir        string
	Standard   bool
	DepOnly    bool
	Imports    []string
	ImportMap  map[string]string
	EmbedFiles []string
	Module     *struct {
		Main    bool
		GoMod   string
		Replace *struct{ Version string }
	}
}

// local reports whether the package may be edited: it is neither of the
// standard library nor of the module cache.
func (p listedPackage) local() bool {
	if p.Standard || p.Dir == "" {
		return false
	}
	return p.Module == nil || p.Module.Main || p.Module.Replace != nil && p.Module.Replace.Version == ""
}

// goList asks for the packages from which those of one module are built, by
// import path. Packages with errors are listed too.
func goList(ctx context.Context, module string, packages []goPackage) (map[string]listedPackage, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	args := []string{"list", "-e", "-deps", "-json=ImportPath,Dir,Standard,DepOnly,Imports,ImportMap,EmbedFiles,Module"}
	for _, p := range packages {
		args = append(args, p.rel)
	}
	cmd := exec.CommandContext(ctx, "go", args...) // #nosec G204 -- packages of the plan
	cmd.Dir = module
	cmd.Env = append(os.Environ(), goEnv()...)
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	listed := map[string]listedPackage{}
	in := json.NewDecoder(io.LimitReader(out, listBytes))
	for {
		var p listedPackage
		if err = in.Decode(&p); err != nil {
			break
		}
		listed[p.ImportPath] = p
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return listed, errors.Join(err, cmd.Wait())
}

// goEnv is what plat adds to the environment of the go command.
func goEnv() []string {
	if _, set := os.LookupEnv("CGO_ENABLED"); set {
		return nil
	}
	return []string{"CGO_ENABLED=0"} // no C compiler is asked for
}

// sourcesOf follows the imports of one service's package through what may be
// edited.
func sourcesOf(listed map[string]listedPackage, p goPackage) runner.Sources {
	src := runner.Sources{Service: p.svc.Name}
	root := filepath.Join(p.module, filepath.FromSlash(p.rel))
	src.Packages = append(src.Packages, root)
	var queue []string
	for name, l := range listed {
		if l.Dir == root {
			queue = append(queue, name)
		}
	}
	seen := map[string]bool{}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		l, ok := listed[name]
		if !ok || seen[name] || l.Standard {
			continue
		}
		seen[name] = true
		for _, imported := range l.Imports {
			if mapped := l.ImportMap[imported]; mapped != "" {
				imported = mapped
			}
			queue = append(queue, imported)
		}
		if !l.local() {
			continue
		}
		src.Packages = append(src.Packages, l.Dir)
		if l.Module != nil && l.Module.GoMod != "" {
			src.Files = append(src.Files, l.Module.GoMod)
		}
		for _, file := range l.EmbedFiles {
			file = filepath.Join(l.Dir, filepath.FromSlash(file))
			src.Files = append(src.Files, file)
			if dir := filepath.Dir(file); dir != l.Dir { // a new file in it is embedded as well
				src.Folders = append(src.Folders, dir)
			}
		}
	}
	return src
}

// workFile finds the go.work that holds for a module; empty when none does.
func workFile(module string) string {
	switch set := os.Getenv("GOWORK"); {
	case set == "off":
		return ""
	case set != "":
		return set
	}
	for dir := module; ; dir = filepath.Dir(dir) {
		file := filepath.Join(dir, "go.work")
		if _, err := os.Stat(file); err == nil {
			return file
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}
