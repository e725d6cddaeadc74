// Package watch follows the files that services are made of. It is the door
// of runner to the operating system's notices of changed files (fsnotify).
//
// A notice only says where to look. What counts is the contents: at each look
// the files of a service are compared with what they were, by size, time and
// checksum, so that a touch, an editor's detour over temporary files, or a
// burst of notices is no change, or one. Where the system does not tell,
// everything is looked at every second.
//
// The package may import runner and fault, and must never import another room.
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/runner"
)

const (
	quiet     = 100 * time.Millisecond // after the last notice, before one looks
	longest   = time.Second            // after the first notice, however many follow
	pollEvery = time.Second            // between looks where the system does not tell
	reported  = 10                     // paths that are told of one change
	pollShare = 10                     // times that a look lasts, at least, until the next one
)

// Watcher is a runner.Watcher.
type Watcher struct {
	log    *slog.Logger
	ignore ignorer
	limits limits
	wake   chan struct{} // something is to be told
	sight  func() (*fsnotify.Watcher, error)
	tells  func(folder string) error // why its file system does not tell of changes

	mu       sync.Mutex // guards what follows; held while files are looked at
	services map[string]*service
	fs       *fsnotify.Watcher    // nil before Run, and when polling
	folders  map[string]int       // watched folders, and how many services need each
	polling  error                // why the system does not tell
	looking  time.Duration        // how long the last look at everything lasted
	due      map[string]time.Time // services to look at, since when
	last     time.Time            // the newest notice
	changes  map[string][]string  // found, not told yet

	warn     sync.Mutex // guards what follows; taken after mu, never before it
	warnings map[string]*fault.Fault
	all      *fault.Fault // for every service that is followed
	followed map[string]bool
}

// ignorer tells which paths below a folder do not count: see gitIgnored.
type ignorer func(folder string, paths []string) []string

// New makes a Watcher that follows nothing yet. log may be nil.
func New(log *slog.Logger) *Watcher {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Watcher{
		log: log, ignore: gitIgnored, limits: defaultLimits(), wake: make(chan struct{}, 1), sight: fsnotify.NewWatcher, tells: tells,
		services: map[string]*service{}, folders: map[string]int{}, due: map[string]time.Time{}, changes: map[string][]string{},
		warnings: map[string]*fault.Fault{}, followed: map[string]bool{},
	}
}

// Run follows until ctx ends: see runner.Watcher. It is called once.
func (w *Watcher) Run(ctx context.Context, changed func(map[string][]string)) error {
	w.begin()
	defer w.end()
	timer := time.NewTimer(pollEvery)
	defer timer.Stop()
	for {
		if changes := w.take(); len(changes) > 0 {
			changed(changes)
		}
		timer.Reset(w.pause())
		events, errs := w.channels()
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		case <-timer.C:
			w.lookDue()
		case e, ok := <-events:
			if !ok {
				w.lost()
				continue
			}
			w.notice(e)
		case err, ok := <-errs:
			if !ok {
				w.lost()
				continue
			}
			w.trouble(err)
		}
	}
}

// begin asks the system to tell of changes.
func (w *Watcher) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var err error
	if w.fs, err = w.sight(); err != nil {
		w.fs = nil
		w.poll(err)
	}
	for _, s := range w.services {
		w.subscribe(s)
		w.due[s.src.Service] = time.Now() // what came to pass before
	}
}

func (w *Watcher) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fs != nil {
		_ = w.fs.Close()
		w.fs = nil
	}
}

func (w *Watcher) channels() (events chan fsnotify.Event, errs chan error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fs == nil {
		return nil, nil
	}
	return w.fs.Events, w.fs.Errors
}

// take hands out the changes that were found.
func (w *Watcher) take() map[string][]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := w.changes
	w.changes = map[string][]string{}
	return found
}

// pause is how long nothing need be done.
func (w *Watcher) pause() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.due) == 0 {
		if w.polling != nil {
			return max(pollEvery, pollShare*w.looking)
		}
		return time.Hour
	}
	at := w.last.Add(quiet)
	for _, first := range w.due {
		if limit := first.Add(longest); limit.Before(at) {
			at = limit
		}
	}
	return max(time.Millisecond, time.Until(at))
}

// notice takes one notice of the system.
func (w *Watcher) notice(e fsnotify.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Op == fsnotify.Chmod && !w.known(e.Name) || passing(filepath.Base(e.Name)) {
		return
	}
	dir := filepath.Dir(e.Name)
	if w.folders[e.Name] > 0 && (e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename)) { // no longer watched, even if it comes back
		delete(w.folders, e.Name)
		_ = w.fs.Remove(e.Name) // most often it is so already
		for _, s := range w.services {
			delete(s.watched, e.Name)
		}
	}
	for name, s := range w.services {
		if s.minds(dir, e.Name) {
			w.dueNow(name)
		}
	}
}

// known reports whether any service has the file; a change of its mode may go
// with one of its time.
func (w *Watcher) known(path string) bool {
	for _, s := range w.services {
		if _, ok := s.files[path]; ok {
			return true
		}
	}
	return false
}

func (w *Watcher) dueNow(service string) {
	w.last = time.Now()
	if _, waits := w.due[service]; !waits {
		w.due[service] = w.last
	}
}

// trouble is what the system says instead of a notice: most often that there
// were too many to keep.
func (w *Watcher) trouble(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !errors.Is(err, fsnotify.ErrEventOverflow) {
		w.log.Warn("watching files", "error", err)
	}
	for name := range w.services {
		w.dueNow(name)
	}
}

// lost is called when the system tells no more, whether plat gave it up or not.
func (w *Watcher) lost() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fs != nil {
		w.poll(errors.New("the system tells no more"))
	}
}

// lookDue looks at what is due; when polling, at everything.
func (w *Watcher) lookDue() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.polling != nil && len(w.due) == 0 {
		defer func(begun time.Time) { w.looking = time.Since(begun) }(time.Now())
		for name := range w.services {
			w.due[name] = time.Now()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.due)) {
		delete(w.due, name)
		if s := w.services[name]; s != nil && s.building == nil {
			w.changed(s, w.look(s))
		}
	}
}

// look compares a service's files with what they were and takes what is as
// known.
func (w *Watcher) look(s *service) (changed []string) {
	now := s.scan(w.limits)
	changed, now = s.reread(s.differs(now), now, w.limits)
	changed = s.foreignHand(changed, time.Now())
	s.accept(now)
	w.subscribe(s)
	w.limited(s)
	return changed
}

// changed keeps the paths that are told of.
func (w *Watcher) changed(s *service, paths []string) {
	if len(paths) == 0 {
		return
	}
	told := append(w.changes[s.src.Service], paths...)
	slices.Sort(told)
	told = slices.Compact(told)
	w.changes[s.src.Service] = told[:min(len(told), reported)]
	w.poke()
}

func (w *Watcher) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Set tells what a service is made of: see runner.Watcher.
func (w *Watcher) Set(src runner.Sources) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.services[src.Service]
	if src.Empty() {
		if s != nil {
			w.unsubscribe(s)
			delete(w.services, src.Service)
			delete(w.due, src.Service)
		}
		w.follow(src.Service, false)
		return
	}
	if s == nil {
		s = newService(src, w.ignore)
		w.services[src.Service] = s
		w.follow(src.Service, true)
	} else if s.same(src) {
		return
	}
	s.become(src)
	now := s.scan(w.limits)
	w.changed(s, s.newer(now, src.Read))
	s.accept(now)
	w.subscribe(s)
	w.limited(s)
}

// Building says that a build begins or has ended: see runner.Watcher.
func (w *Watcher) Building(name string, on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.services[name]
	if s == nil || on == (s.building != nil) {
		return
	}
	if on {
		w.changed(s, w.look(s))
		s.begin()
		return
	}
	now := s.scan(w.limits)
	w.changed(s, s.finish(now))
	s.accept(now)
	w.subscribe(s)
	w.limited(s)
	delete(w.due, name)
}

// subscribe asks the system to tell of the folders of a service. Where that
// fails, files are looked at instead.
func (w *Watcher) subscribe(s *service) {
	if w.fs == nil {
		return
	}
	for dir := range s.folders {
		if s.watched[dir] {
			continue
		}
		if w.folders[dir] == 0 {
			if len(w.folders) >= w.limits.folders {
				w.poll(fmt.Errorf("more than %d folders", w.limits.folders))
				return
			}
			err := w.tells(dir)
			if err == nil {
				err = w.fs.Add(dir)
			}
			if err != nil {
				if errors.Is(err, syscall.ENOENT) {
					continue // gone again
				}
				w.poll(err)
				return
			}
		}
		w.folders[dir]++
		s.watched[dir] = true
		w.dueNow(s.src.Service) // what came into it before it was watched
	}
	for dir := range s.watched {
		if _, counts := s.folders[dir]; !counts {
			w.leave(s, dir)
		}
	}
}

func (w *Watcher) unsubscribe(s *service) {
	for dir := range s.watched {
		w.leave(s, dir)
	}
}

func (w *Watcher) leave(s *service, dir string) {
	delete(s.watched, dir)
	if w.folders[dir]--; w.folders[dir] <= 0 {
		delete(w.folders, dir)
		if w.fs != nil {
			_ = w.fs.Remove(dir) // it may be gone already
		}
	}
}

// poll gives up being told.
func (w *Watcher) poll(why error) {
	w.polling = why
	w.log.Warn("saved files are found by looking every second", "why", why)
	if w.fs != nil {
		_ = w.fs.Close()
		w.fs = nil
	}
	clear(w.folders)
	for _, s := range w.services {
		clear(s.watched)
	}
	w.warn.Lock()
	w.all = fault.New(fault.RunWatchPolling, "saved files are found by looking every second").Why(why.Error()).
		Fix("plat explain " + string(fault.RunWatchPolling)).Warn()
	w.warn.Unlock()
	w.poke()
}

func (w *Watcher) follow(service string, on bool) {
	w.warn.Lock()
	defer w.warn.Unlock()
	if on {
		w.followed[service] = true
		return
	}
	delete(w.followed, service)
	delete(w.warnings, service)
}

// limited keeps what is said of a service with too many files.
func (w *Watcher) limited(s *service) {
	w.warn.Lock()
	defer w.warn.Unlock()
	delete(w.warnings, s.src.Service)
	if len(s.own) > 0 {
		own := slices.Sorted(maps.Keys(s.own))
		w.warnings[s.src.Service] = fault.Newf(fault.RunWatchOwn, "service %q writes %s itself", s.src.Service, filepath.Base(own[0])).
			Why("it changes soon after each restart; it is no longer followed").Fix("put it into .gitignore: " + own[0]).Warn()
	}
	if s.beyond {
		w.warnings[s.src.Service] = fault.Newf(fault.RunWatchTooMany, "service %q has more than %d files", s.src.Service, w.limits.files).
			Why("changes of the others are not noticed").Fix("put what is no source into .gitignore").Warn()
	}
}

// Warning is what cannot be done for a service: see runner.Watcher.
func (w *Watcher) Warning(service string) *fault.Fault {
	w.warn.Lock()
	defer w.warn.Unlock()
	if f := w.warnings[service]; f != nil {
		return f
	}
	if w.followed[service] {
		return w.all
	}
	return nil
}
