package watch

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/plat-dev/plat/runner"
)

// limits bound what is looked at.
type limits struct {
	files   int   // of one service
	folders int   // that are watched, of all services
	sum     int64 // bytes of a file whose contents are compared; of larger ones size and time are
}

func defaultLimits() limits { return limits{files: 20_000, folders: 4096, sum: 8 << 20} }

// service is what is known of the files of one service. The watcher's mutex
// guards it.
type service struct {
	src     runner.Sources
	files   map[string]stamp
	folders map[string]kind // that count
	watched map[string]bool // that the system tells of
	beyond  bool            // it has more files than are looked at

	ignore  ignorer
	ignored map[string]bool // by git: files, and folders with all below them

	edited   map[string]bool  // changed while nothing was built: surely no output
	building map[string]stamp // the files when the build began; nil when none is on
	strikes  map[string]int   // builds in a row during which a file changed

	last   time.Time       // when a change was found last
	echoes map[string]int  // how often in a row a file changed soon after that
	own    map[string]bool // what the program writes itself
}

func newService(src runner.Sources, ignore ignorer) *service {
	return &service{
		src: runner.Sources{Service: src.Service}, files: map[string]stamp{}, folders: map[string]kind{}, watched: map[string]bool{},
		ignore: ignore, ignored: map[string]bool{}, edited: map[string]bool{}, strikes: map[string]int{},
		echoes: map[string]int{}, own: map[string]bool{},
	}
}

// same reports whether the service is made of the same as before.
func (s *service) same(src runner.Sources) bool {
	return slices.Equal(s.src.Trees, src.Trees) && slices.Equal(s.src.Packages, src.Packages) &&
		slices.Equal(s.src.Folders, src.Folders) && slices.Equal(s.src.Files, src.Files)
}

// become takes new sources, and asks git what does not count in them.
func (s *service) become(src runner.Sources) {
	s.src = src
	clear(s.ignored)
	for _, tree := range src.Trees {
		for _, path := range s.ignore(tree, nil) {
			s.ignored[path] = true
		}
	}
}

// minds reports whether a notice of a path in a folder may tell of a change.
func (s *service) minds(dir, path string) bool {
	if _, ok := s.folders[path]; ok {
		return true
	}
	switch s.folders[dir] {
	case wholeTree, wholeFolder:
		return !s.ignored[path]
	case goPackage:
		return goSource(filepath.Base(path)) || slices.Contains(s.src.Files, path)
	case someFiles:
		return slices.Contains(s.src.Files, path)
	case missing:
		return true
	}
	return false
}

// differs lists the paths whose contents are not what they were. What is new
// and ignored by git does not count, and is taken out of now.
func (s *service) differs(now *picture) (paths []string) {
	s.sift(now)
	for path, stamp := range now.files {
		if was, ok := s.files[path]; !ok || !was.alike(stamp) {
			paths = append(paths, path)
		}
	}
	for path := range s.files {
		if _, ok := now.files[path]; !ok && !now.beyond {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for _, path := range paths {
		s.edited[path] = true
	}
	return paths
}

// reread asks git anew when what it ignores has changed, and looks again.
// That is no change of the program.
func (s *service) reread(paths []string, now *picture, l limits) ([]string, *picture) {
	rules := func(path string) bool { return filepath.Base(path) == ".gitignore" }
	if !slices.ContainsFunc(paths, rules) {
		return paths, now
	}
	s.become(s.src)
	now = s.scan(l)
	return slices.DeleteFunc(paths, func(path string) bool { return rules(path) || within(s.ignored, path) }), now
}

// A file that changes so often in a row, so soon after the change before, is
// written by the program, which is started anew for it each time. Nobody saves
// data like that.
const (
	echoMost = 8
	echoSoon = 3 * time.Second
)

// isSource tells whether a file is one that people write: no program writes its
// own source at each start, however quickly somebody may save it.
func isSource(path string) bool {
	switch filepath.Ext(path) {
	case ".go", ".mod", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".py", ".rb", ".php", ".pl", ".pm", ".sh",
		".java", ".kt", ".scala", ".cs", ".fs", ".rs", ".c", ".h", ".cc", ".cpp", ".hpp", ".swift", ".ex", ".exs", ".erl", ".clj", ".lua",
		".html", ".tmpl", ".css", ".scss", ".vue", ".svelte", ".sql", ".proto":
		return true
	}
	return false
}

// foreignHand leaves out what the program writes itself.
func (s *service) foreignHand(paths []string, now time.Time) []string {
	paths = slices.DeleteFunc(paths, func(path string) bool { return s.own[path] })
	if len(paths) == 0 {
		return nil
	}
	soon := now.Sub(s.last) < echoSoon
	s.last = now
	echoes := map[string]int{}
	for _, path := range paths {
		if soon {
			echoes[path] = s.echoes[path]
		}
		echoes[path]++
		if echoes[path] >= echoMost && !isSource(path) {
			s.own[path] = true
		}
	}
	s.echoes = echoes
	return slices.DeleteFunc(paths, func(path string) bool { return s.own[path] })
}

// sift asks git about what is new.
func (s *service) sift(now *picture) {
	for _, tree := range s.src.Trees {
		var fresh []string
		for dir := range now.folders {
			if _, known := s.folders[dir]; !known && below(tree, dir) {
				fresh = append(fresh, dir)
			}
		}
		for path := range now.files {
			if _, known := s.files[path]; !known && below(tree, path) {
				fresh = append(fresh, path)
			}
		}
		if len(fresh) == 0 || len(s.files) == 0 {
			continue
		}
		for _, path := range s.ignore(tree, fresh) {
			s.ignored[path] = true
		}
		now.without(s.ignored)
	}
}

// newer lists what changed since the build that read the files began: of
// files that were known before, by contents; of others, by time.
func (s *service) newer(now *picture, read time.Time) (paths []string) {
	for path, stamp := range now.files {
		was, known := s.files[path]
		switch {
		case known && !was.alike(stamp), !known && !read.IsZero() && stamp.modified.After(read):
			paths = append(paths, path)
		}
	}
	for path := range s.files {
		if _, ok := now.files[path]; !ok && s.watched[filepath.Dir(path)] {
			if _, err := os.Lstat(path); os.IsNotExist(err) {
				paths = append(paths, path)
			}
		}
	}
	slices.Sort(paths)
	return paths
}

func (s *service) accept(now *picture) {
	s.files, s.folders, s.beyond = now.files, now.folders, now.beyond
	maps.DeleteFunc(s.edited, func(path string, _ bool) bool { _, ok := now.files[path]; return !ok })
	if len(s.ignored) > ignoredMost { // of files that came and went: git names what is there
		s.become(s.src)
	}
}

// ignoredMost is how many paths that git ignores are remembered.
const ignoredMost = 50_000

// begin notes what is there when a build begins.
func (s *service) begin() { s.building = maps.Clone(s.files) }

// strikesOut is how many builds in a row a file must change in to be taken
// for what the build writes.
const strikesOut = 2

// finish tells what changed during a build and is not what the build wrote.
// A file that the build made is its output. One that was there before may be
// a source that was saved meanwhile: then it is built once more, and what
// changes again is an output too, unless somebody once changed it while
// nothing was built.
func (s *service) finish(now *picture) (paths []string) {
	s.sift(now)
	strikes := map[string]int{}
	for path, was := range s.building {
		if stamp, ok := now.files[path]; ok && was.alike(stamp) {
			continue
		}
		if _, err := os.Lstat(path); now.beyond && err == nil {
			continue
		}
		strikes[path] = min(s.strikes[path]+1, strikesOut)
		if s.edited[path] || strikes[path] < strikesOut {
			paths = append(paths, path)
		}
	}
	s.strikes, s.building = strikes, nil
	slices.Sort(paths)
	return paths
}
