package watch

import (
	"crypto/sha256"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// kind says what counts in a folder.
type kind int

const (
	_           kind = iota
	wholeTree        // everything
	wholeFolder      // every file
	goPackage        // Go sources
	someFiles        // those that are named
	missing          // a folder that should be below it is not there
)

// stamp is what a file looks like.
type stamp struct {
	size     int64
	modified time.Time
	sum      [sha256.Size]byte // zero for a large file
	at       time.Time         // when it was looked at
}

func (a stamp) alike(b stamp) bool {
	if a.size != b.size || a.sum != b.sum {
		return false
	}
	return a.sum != [sha256.Size]byte{} || a.modified.Equal(b.modified)
}

// settledAfter is how old a file must be for its time to tell that it did not
// change: clocks of file systems are coarse.
const settledAfter = 50 * time.Millisecond

// picture is the files of a service at one moment.
type picture struct {
	files   map[string]stamp
	folders map[string]kind
	beyond  bool

	before map[string]stamp
	limits limits
	now    time.Time
}

// scan looks at all files of a service. A file whose size and time are as
// before is not read again.
func (s *service) scan(l limits) *picture {
	p := &picture{files: make(map[string]stamp, len(s.files)), folders: map[string]kind{}, before: s.files, limits: l, now: time.Now()}
	for _, dir := range s.src.Trees {
		p.tree(dir, s.ignored)
	}
	for _, dir := range s.src.Folders {
		p.folder(dir, wholeFolder, func(name string) bool { return !passing(name) })
	}
	for _, dir := range s.src.Packages {
		p.folder(dir, goPackage, goSource)
	}
	for _, path := range s.src.Files {
		p.mark(filepath.Dir(path), someFiles)
		if info, err := os.Stat(path); err == nil {
			p.add(path, info)
		}
	}
	return p
}

// mark notes that a folder counts; where it is not there, the nearest one
// above it does.
func (p *picture) mark(dir string, k kind) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		for up := filepath.Dir(dir); ; up = filepath.Dir(up) {
			if info, err := os.Stat(up); err == nil && info.IsDir() {
				dir, k = up, missing
				break
			}
			if up == filepath.Dir(up) {
				return
			}
		}
	}
	if old, ok := p.folders[dir]; !ok || k == missing || old != missing && k < old {
		p.folders[dir] = k
	}
}

// tree takes a folder with all below it.
func (p *picture) tree(root string, ignored map[string]bool) {
	p.mark(root, wholeTree)
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil: // gone meanwhile, or not to be read: it is not there
			if d != nil && d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case d.IsDir():
			if path != root && (ignored[path] || foreign(path, d.Name())) {
				return filepath.SkipDir
			}
			if len(p.folders) >= p.limits.folders {
				p.beyond = true
				return filepath.SkipAll
			}
			p.mark(path, wholeTree)
		case !ignored[path] && !passing(d.Name()) && !data(d.Name()):
			if len(p.files) >= p.limits.files {
				p.beyond = true
				return filepath.SkipAll
			}
			if info, err := os.Stat(path); err == nil {
				p.add(path, info)
			}
		}
		return nil
	})
}

// folder takes the files in a folder that count.
func (p *picture) folder(dir string, k kind, counts func(string) bool) {
	p.mark(dir, k)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if len(p.files) >= p.limits.files {
			p.beyond = true
			return
		}
		path := filepath.Join(dir, e.Name())
		if e.IsDir() || !counts(e.Name()) {
			continue
		}
		if info, err := os.Stat(path); err == nil {
			p.add(path, info)
		}
	}
}

// add takes one file; what is no regular file does not count.
func (p *picture) add(path string, info fs.FileInfo) {
	if !info.Mode().IsRegular() {
		return
	}
	s := stamp{size: info.Size(), modified: info.ModTime(), at: p.now}
	if was, ok := p.before[path]; ok && was.size == s.size && was.modified.Equal(s.modified) && was.at.Sub(was.modified) > settledAfter {
		s.sum = was.sum
	} else if s.size <= p.limits.sum {
		sum, err := checksum(path, p.limits.sum)
		if err != nil {
			return // gone meanwhile
		}
		s.sum = sum
	}
	p.files[path] = s
}

func checksum(path string, limit int64) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path) // #nosec G304 -- a source of the system
	if err != nil {
		return sum, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, limit)); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, nil
}

// without takes out what is ignored.
func (p *picture) without(ignored map[string]bool) {
	maps.DeleteFunc(p.files, func(path string, _ stamp) bool { return within(ignored, path) })
	maps.DeleteFunc(p.folders, func(path string, _ kind) bool { return within(ignored, path) })
}

// within reports whether a path, or a folder above it, is in a set.
func within(set map[string]bool, path string) bool {
	for dir := path; ; dir = filepath.Dir(dir) {
		if set[dir] {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

// below reports whether a path is in a folder, or is it.
func below(dir, path string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// notSources are folders in which nobody edits what a program is made of.
const notSources = " .git .hg .svn .jj .plat node_modules __pycache__ .venv .tox .nox .mypy_cache .pytest_cache .ruff_cache" +
	" .gradle .idea .vscode .cache .parcel-cache .turbo .nyc_output .next .nuxt .svelte-kit .astro .terraform .direnv "

// foreign reports whether a folder below a service's own does not count: it
// holds no sources, or belongs to another service or system.
func foreign(path, name string) bool {
	if strings.Contains(notSources, " "+name+" ") {
		return true
	}
	for _, file := range []string{"service.yaml", "plat.yaml", "pyvenv.cfg"} {
		if _, err := os.Lstat(filepath.Join(path, file)); err == nil {
			return true
		}
	}
	return false
}

// passing reports whether a name is one that editors use for a moment, or
// that plat follows itself.
func passing(name string) bool {
	switch name {
	case "4913", ".DS_Store", "Thumbs.db", "service.yaml", "plat.yaml":
		return true
	}
	for _, end := range []string{"~", ".swp", ".swo", ".swx", ".swpx", ".tmp", ".bak", ".orig", "___jb_tmp___", "___jb_old___", ".crswap", ".kate-swp"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return strings.HasPrefix(name, ".#") || strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#") || strings.HasPrefix(name, ".goutputstream-")
}

// data reports whether a file is one that programs write while they run.
func data(name string) bool {
	for _, end := range []string{".log", ".pid", ".sock", ".pyc", ".db", ".db-wal", ".db-shm", ".db-journal", ".sqlite", ".sqlite-wal", ".sqlite-shm", ".sqlite-journal", ".sqlite3", ".sqlite3-wal", ".sqlite3-shm", ".sqlite3-journal"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// goSource reports whether a file in a package may be built into a program.
func goSource(name string) bool {
	if passing(name) || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") {
		return false
	}
	switch filepath.Ext(name) {
	case ".go":
		return !strings.HasSuffix(name, "_test.go")
	case ".s", ".S", ".sx", ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".m", ".f", ".F", ".for", ".f90", ".syso", ".swig", ".swigcxx":
		return true
	}
	return false
}
