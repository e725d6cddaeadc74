package plan

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"sync"

	"github.com/plat-dev/plat/fault"
)

// Options tell how a plan is loaded. The zero value loads the environment
// local and leaves artefacts unopened.
type Options struct {
	// Environment is whose overrides apply; empty means local, which is
	// always there.
	Environment string
	// Artifact opens an artefact by its reference: the folder that holds its
	// service.yaml and the files which that names. Nil: services that are
	// artefacts are known by name alone. It is called by several goroutines.
	Artifact func(reference string) (fs.FS, error)
}

// Result is what checking a plan found.
type Result struct {
	System   *System        // nil when a finding is an error
	Findings []*fault.Fault // sorted by file, line and column

	documents map[string]*document // of the declarations, by service
}

// Where tells where a service declares something: file, line and column of
// the last key of the path, as in Where("order", "consumes", "services",
// "catalog"); without a path, of its name. It is false for what no file of the
// plan says.
func (r Result) Where(service string, path ...string) (file string, line, column int, declared bool) {
	d := r.documents[service]
	if d == nil {
		return "", 0, 0, false
	}
	if len(path) == 0 {
		path = []string{"service"}
	}
	steps := make([]any, len(path))
	for i, key := range path {
		steps[i] = key
	}
	if _, key, whole := d.find(steps); whole {
		return d.file, key.Line, key.Col, true
	}
	return "", 0, 0, false
}

// Err joins the findings that are errors; nil when there is none. fault.All
// lists them.
func (r Result) Err() error {
	var errs []error
	for _, f := range r.Findings {
		if f.Severity == fault.Error {
			errs = append(errs, f)
		}
	}
	return errors.Join(errs...)
}

// Load reads the plan whose plat.yaml lies at the root of fsys, and resolves
// it for one environment. The error joins every mistake found (see
// fault.All); warnings are only in what Check returns.
func Load(fsys fs.FS, opts Options) (*System, error) {
	r := Check(fsys, opts)
	return r.System, r.Err()
}

// Check reads the plan like Load and returns all findings, warnings included.
func Check(fsys fs.FS, opts Options) Result {
	data, err := read(fsys, systemFile)
	if err != nil {
		f := unreadable(systemFile, err)
		if errors.Is(err, fs.ErrNotExist) {
			f = fault.New(fault.PlanNotFound, "there is no plat.yaml here").Because(err).
				Why("it is the root of every plan; -C DIR names a system elsewhere").
				Fix("plat init proposes a plan for the programs here; plat new system NAME makes a new one")
		}
		return Result{Findings: []*fault.Fault{f.At(systemFile, 0, 0)}}
	}
	decoder := newDecoder()
	system := &SystemDeclaration{}
	system.doc = decoder.parse(systemFile, data, &system.File)
	if system.doc.broken {
		return Result{Findings: system.doc.faults.take(systemFile)}
	}
	list := findSources(fsys, system)
	list.declarations = make([]*Declaration, len(list.sources))
	inParallel(len(list.sources), func(i int) {
		list.declarations[i] = list.sources[i].read(decoder, opts)
	})
	return Resolve(system, list.found(fsys, system), opts)
}

// inParallel calls f for 0 to n-1 on as many goroutines as run at once, and
// waits for them.
func inParallel(n int, f func(int)) {
	var wg sync.WaitGroup
	workers := max(1, min(n, runtime.GOMAXPROCS(0)))
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}

// source is a place where a declaration may be.
type source struct {
	fsys     fs.FS // of a folder: the system's
	dir      string
	artifact string
}

// listing is what the system's list of services leads to.
type listing struct {
	sources      []source
	declarations []*Declaration // of each source; nil where none is
	items        [][]int        // of each item of the list: its sources; nil for an item that has a finding already
}

// findSources follows the system's list of services, and reports in the
// system's file what cannot be followed.
func findSources(fsys fs.FS, s *SystemDeclaration) *listing {
	list := &listing{}
	seen := map[string]int{}
	known := folders{fsys: fsys, read: map[string][]fs.DirEntry{}}
	for _, ref := range s.File.Services {
		list.items = append(list.items, nil)
		i := len(list.items) - 1
		add := func(key string, src source) {
			if _, listed := seen[key]; !listed {
				seen[key] = len(list.sources)
				list.sources = append(list.sources, src)
			}
			list.items[i] = append(list.items[i], seen[key])
		}
		dir, ok := local(ref.Path)
		switch {
		case ref.Path == "" && ref.Artifact != "":
			add("artifact "+ref.Artifact, source{artifact: ref.Artifact})
		case ref.Path == "": // reported by the checks of the system
		case !ok:
			s.doc.value(escapes(ref.Path), "services", i, "path")
		default:
			matches, f := known.expand(dir)
			if f != nil {
				s.doc.value(f, "services", i, "path")
				continue
			}
			list.items[i] = []int{}
			for _, folder := range matches {
				add(folder, source{fsys: fsys, dir: folder})
			}
		}
	}
	return list
}

// found gives the declarations that are there, and reports the items of the
// list that lead to none. Folders without one that a pattern happens to match
// are passed over.
func (l *listing) found(fsys fs.FS, s *SystemDeclaration) []*Declaration {
	for i, item := range l.items {
		there := func(j int) bool { return l.declarations[j] != nil }
		if item == nil || slices.ContainsFunc(item, there) {
			continue
		}
		dir, _ := local(s.File.Services[i].Path)
		f := fault.Newf(fault.PlanNoService, "no folder that matches %s holds a service.yaml", dir).
			Why("services lists it").Fix("add a service there, or correct the pattern; * matches within one segment")
		if !wild(dir) {
			s.missing = append(s.missing, path.Base(dir))
			f = missingFolder(fsys, dir)
		}
		s.doc.value(f, "services", i, "path")
	}
	return slices.DeleteFunc(l.declarations, func(d *Declaration) bool { return d == nil })
}

func missingFolder(fsys fs.FS, dir string) *fault.Fault {
	if _, err := fs.Stat(fsys, dir); err != nil {
		return fault.Newf(fault.PlanMissingFolder, "there is no folder %s", dir).
			Why("services lists it").Fix("create it with a service.yaml, or correct the path").Because(err)
	}
	return fault.Newf(fault.PlanMissingFolder, "the folder %s holds no service.yaml", dir).
		Why("services lists it").Fix("create " + path.Join(dir, serviceFile) + ", or correct the path")
}

func escapes(p string) *fault.Fault {
	return fault.Newf(fault.PlanPathEscapes, "the path %q leads out of its folder", p).
		Why("expected a path below it, with slashes, neither absolute nor with ..").Fix("move the files below it, or correct the path")
}

// read opens and parses the declaration; what fails is a finding in it. Nil
// means that the folder holds none.
func (s source) read(d *decoder, opts Options) *Declaration {
	out := &Declaration{Dir: s.dir, Artifact: s.artifact}
	file := path.Join(s.dir, serviceFile)
	if s.artifact != "" {
		file = s.artifact
		out.doc = &document{file: file}
		if opts.Artifact == nil {
			out.absent = true
			return out
		}
		files, err := opts.Artifact(s.artifact)
		if err != nil {
			out.absent, out.doc.broken = true, true
			out.doc.faults.add(unreadable(s.artifact, err).At(file, 0, 0))
			return out
		}
		out.Files = files
	} else {
		out.Files = below{s.fsys, s.dir}
	}
	data, err := read(out.Files, serviceFile)
	if errors.Is(err, fs.ErrNotExist) && s.artifact == "" {
		return nil
	}
	if err != nil {
		out.doc = &document{file: file, broken: true}
		out.doc.faults.add(unreadable(file, err).At(file, 0, 0))
		return out
	}
	out.doc = d.parse(file, data, &out.File)
	return out
}

func sortFindings(all []*fault.Fault) {
	slices.SortFunc(all, func(a, b *fault.Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.What, b.What))
	})
}
