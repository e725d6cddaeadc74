package runner

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// Watcher follows the files that services are made of. It is safe for
// concurrent use.
type Watcher interface {
	// Run follows until ctx ends and calls changed, one call at a time, when
	// the contents of services' files are not what they were: with some of the
	// paths of each service, at most ten.
	Run(ctx context.Context, changed func(map[string][]string)) error
	// Set tells what a service is made of. It takes the place of what was set
	// before; without any file the service is forgotten.
	Set(Sources)
	// Building says that a build which may write into the service's folder
	// begins, or has ended: what it writes is no change.
	Building(service string, on bool)
	// Warning is what it cannot do for a service; nil: nothing.
	Warning(service string) *fault.Fault
}

// Sources are the files that one service is made of; all paths are absolute.
type Sources struct {
	Service  string
	Trees    []string  // folders that count with all below them, but for what git ignores and what belongs to another service
	Packages []string  // Go packages: the Go sources in them count, not those below
	Folders  []string  // folders in which each file counts, not those below
	Files    []string  // single files
	Read     time.Time // when the build that read them began: what is newer is a change
}

// Empty reports whether there is nothing to follow.
func (s Sources) Empty() bool {
	return len(s.Trees)+len(s.Packages)+len(s.Folders)+len(s.Files) == 0
}

// watched reports whether saving a file of a service builds it.
func (r *Runner) watched(spec plan.Service) bool { return r.o.Watch != nil && spec.Dir != "" }

// watching follows the sources until ctx ends.
func (r *Runner) watching(ctx context.Context) {
	if err := r.o.Watch.Run(ctx, r.saved); err != nil && ctx.Err() == nil {
		r.o.Log.Error("saved files are no longer followed", "error", err)
	}
}

// saved is told of files that are not what they were; all of one moment at
// once, so that one go build makes what belongs together. A Go build says
// itself whether the program is another; of others, plat cannot know.
func (r *Runner) saved(changes map[string][]string) {
	r.mu.Lock()
	for name := range changes {
		s := r.services[name]
		if s == nil || s.removed || s.skipped != nil || r.stopping {
			delete(changes, name)
			continue
		}
		s.queued = true
		if s.spec.Build.Go == "" {
			s.renew = true
		}
	}
	r.changed()
	poke(r.build)
	r.mu.Unlock()
	for name, paths := range changes {
		var names []string
		for _, p := range paths {
			names = append(names, filepath.Base(p))
		}
		r.o.Launcher.Note(name, "", "changed: "+strings.Join(names, ", "))
	}
}

// beforeBuild makes sure that what is saved from now on is noticed, as far as
// it is known before the build.
func (r *Runner) beforeBuild(ctx context.Context, specs []plan.Service) {
	if r.o.Watch == nil {
		return
	}
	var known []plan.Service
	for _, spec := range specs {
		if spec.Build.Go == "" {
			known = append(known, spec)
		}
	}
	for _, src := range r.o.Builder.Sources(ctx, known) {
		r.o.Watch.Set(src)
	}
	for _, spec := range known {
		if len(spec.Build.Command) > 0 {
			r.o.Watch.Building(spec.Name, true)
		}
	}
}

// afterBuild asks what the Go services of a batch are made of now.
func (r *Runner) afterBuild(ctx context.Context, specs []plan.Service, begun time.Time) {
	if r.o.Watch == nil {
		return
	}
	var golang []plan.Service
	for _, spec := range specs {
		if spec.Build.Go != "" {
			golang = append(golang, spec)
		}
	}
	for _, src := range r.o.Builder.Sources(ctx, golang) {
		src.Read = begun
		r.o.Watch.Set(src)
	}
}

// unfollow forgets services that are no longer in the plan.
func (r *Runner) unfollow(names []string) {
	if r.o.Watch == nil {
		return
	}
	for _, name := range names {
		r.o.Watch.Set(Sources{Service: name})
	}
}
