package control

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/plat-dev/plat/drift"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// livePlan is what runs, and what the files last said.
type livePlan struct {
	system   *plan.System
	refused  bool           // the files have errors: system is the last good plan
	findings []*fault.Fault // of the files
	since    time.Time
	files    plan.Result // that system came from: they know the places of declarations
}

// reloadEvery is how often the plan's files are looked at.
const reloadEvery = 500 * time.Millisecond

// loadPlan reads the plan and remembers which files it was made of.
func loadPlan(o Options) (plan.Result, *watchedFiles) {
	files := &watchedFiles{FS: os.DirFS(o.Root), seen: map[string]stamp{}}
	return plan.Check(files, plan.Options{Environment: o.Environment}), files
}

// usable joins what forbids to run a plan: its errors, or what this plat does
// not have; nil when it may run.
func usable(result plan.Result) error {
	if err := result.Err(); err != nil {
		return err
	}
	errs := []error{result.System.Usable()}
	for _, svc := range result.System.Services {
		errs = append(errs, svc.Usable())
	}
	return errors.Join(errs...)
}

// live is the plan that runs.
func (p *plane) live() *plan.System {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.plan.system
}

// files are those that the live plan came from.
func (p *plane) files() plan.Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.plan.files
}

// followPlan applies the plan anew when its files change. Files with errors
// are refused whole and the last good plan stays live.
func (p *plane) followPlan(ctx context.Context, files *watchedFiles) error {
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if p.folder.Lost() {
			return fault.New(fault.StateLost, p.folder.Path+" was removed or replaced while plat ran")
		}
		if !files.changed() {
			continue
		}
		var result plan.Result
		result, files = loadPlan(p.o)
		p.reload(ctx, result)
	}
}

func (p *plane) reload(ctx context.Context, result plan.Result) {
	p.applying.Lock()
	defer p.applying.Unlock()
	old := p.live()
	err := usable(result)
	if err == nil {
		_, err = p.wanted(result.System)
	}
	if err == nil && !sameGateways(old, result.System) {
		err = fault.New(fault.PlanNeedsRestart, "the set of gateways changed").Why("their addresses are opened when plat starts").Fix("plat down, then plat up")
	}
	if err == nil && result.System.Revision != old.Revision {
		p.set(livePlan{system: result.System, findings: result.Findings, since: time.Now(), files: result})
		err = p.apply(ctx, result.System)
		if err != nil { // a later rule than the plan's own: take everything back
			err = errors.Join(err, p.apply(ctx, old))
		}
	}
	if err != nil {
		p.set(livePlan{system: old, refused: true, findings: fault.All(err), since: time.Now(), files: p.files()})
		p.log.ErrorContext(ctx, "the changed plan is refused", "errors", len(fault.All(err)), "first", fault.All(err)[0].Error())
		return
	}
	p.set(livePlan{system: p.live(), findings: result.Findings, since: time.Now(), files: result})
	p.log.InfoContext(ctx, "the changed plan is live", "revision", result.System.Revision)
}

// wanted is the part of a plan that should run: all of it, or what plat up was
// asked for with what that needs. The rest of the plan holds all the same: its
// events are kept, its routes answer that nobody is there.
func (p *plane) wanted(sys *plan.System) (*plan.System, error) {
	if len(p.o.Only) == 0 {
		return sys, nil
	}
	names, err := plan.Needed(sys, p.o.Only)
	if err != nil {
		return nil, err
	}
	part := *sys
	part.Services = slices.DeleteFunc(slices.Clone(sys.Services), func(svc plan.Service) bool { return !slices.Contains(names, svc.Name) })
	return &part, nil
}

func (p *plane) set(l livePlan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = l
	p.access.Store(drift.NewAccess(l.system, p.outsider))
	for c := range p.planWatchers {
		select {
		case c <- struct{}{}:
		default: // it is poked already
		}
	}
}

func sameGateways(a, b *plan.System) bool {
	names := func(s *plan.System) map[string]bool {
		set := map[string]bool{}
		for _, g := range s.Gateways {
			set[g.Name] = true
		}
		return set
	}
	return maps.Equal(names(a), names(b))
}

// watchedFiles is a file system that remembers what was read through it, the
// missing files too, so that a change of any of it is seen.
type watchedFiles struct {
	fs.FS

	mu   sync.Mutex
	seen map[string]stamp
}

type stamp struct {
	size     int64
	modified time.Time
	missing  bool
}

// Open opens a file and remembers it.
func (w *watchedFiles) Open(name string) (fs.File, error) {
	w.remember(name)
	return w.FS.Open(name)
}

// Stat asks for a file and remembers it.
func (w *watchedFiles) Stat(name string) (fs.FileInfo, error) {
	w.remember(name)
	return fs.Stat(w.FS, name)
}

// ReadDir lists a folder and remembers it.
func (w *watchedFiles) ReadDir(name string) ([]fs.DirEntry, error) {
	w.remember(name)
	return fs.ReadDir(w.FS, name)
}

// ReadFile reads a file and remembers it.
func (w *watchedFiles) ReadFile(name string) ([]byte, error) {
	w.remember(name)
	return fs.ReadFile(w.FS, name)
}

func (w *watchedFiles) remember(name string) {
	s := w.look(name) // before it is read: a change in between is seen next time
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.seen[name]; !ok {
		w.seen[name] = s
	}
}

func (w *watchedFiles) look(name string) stamp {
	info, err := fs.Stat(w.FS, name)
	if err != nil {
		return stamp{missing: true}
	}
	if info.IsDir() { // .plat lies in the system's folder: its size means nothing
		return stamp{modified: w.entries(name)}
	}
	return stamp{size: info.Size(), modified: info.ModTime()}
}

// entries is when a folder's list of names last changed.
func (w *watchedFiles) entries(name string) time.Time {
	info, err := fs.Stat(w.FS, name)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func (w *watchedFiles) changed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, s := range w.seen {
		if w.look(name) != s {
			return true
		}
	}
	return false
}
