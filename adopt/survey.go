// Package adopt finds the services of a repository that knows nothing of plat
// yet, and proposes the files that would make it a system: by go.mod, by
// package.json, Dockerfile, Procfile and docker-compose.yml. It reads through
// an fs.FS and writes nothing.
//
// What it says is a proposal with its evidence: people correct it. It must
// never import another room than plan and fault.
package adopt

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/plat-dev/plat/plan"
)

// Bounds of a survey. What lies beyond is noted.
const (
	maxFolders = 20_000
	maxDepth   = 10
	maxFile    = 1 << 20 // bytes of a file that is read
)

// Proposal is one file that would be written.
type Proposal struct {
	File    string   `json:"file"` // slash-separated, relative to the repository
	Text    string   `json:"text"`
	Because []string `json:"because"` // files that told of it
	Exists  bool     `json:"exists"`  // it is there already, and stays as it is
}

// Survey is what was found.
type Survey struct {
	System   Proposal   `json:"system"`
	Services []Proposal `json:"services"` // sorted by file
	Bypasses []Bypass   `json:"bypasses"` // sorted by service and variable
	Notes    []string   `json:"notes"`    // what was seen and not proposed, and why
}

// Bypass is a variable in which a service that is new to the plan looks for the
// address of another. Its calls go past plat until it looks elsewhere.
type Bypass struct {
	Service  string `json:"service"`
	Variable string `json:"variable"`
	Callee   string `json:"callee"`
	Instead  string `json:"instead"` // the variable in which plat gives the address
}

// Look surveys the repository in fsys; name is the system's, as the folder is
// called. It follows no links. Errors are those of reading folders.
func Look(fsys fs.FS, name string) (Survey, error) {
	s := &surveyor{fsys: fsys, system: label(name), found: map[string]*service{}, modules: map[string]*module{}}
	if err := s.walk(); err != nil {
		return Survey{}, err
	}
	for _, dir := range s.folders {
		s.lookAt(dir)
	}
	s.goMains()
	s.joinCompose()
	s.declared()
	return s.sound(), nil
}

// service is what is known of one service before it is written down.
type service struct {
	name    string
	dir     string // of its declaration
	because []string
	buildGo string
	build   []string
	run     []string
	needs   []string
	port    int
	portBy  string // where the port was found
	calls   []string
	bypass  []Bypass
	config  []setting
	remarks []string
	process bool // of a Procfile, in a folder that is not there yet
	mute    bool // it listens nowhere
	owner   string
	fixed   bool // its declaration is there already
}

type setting struct {
	name, value string
	secret      bool
}

type surveyor struct {
	fsys    fs.FS
	system  string
	folders []string
	entries map[string][]fs.DirEntry
	found   map[string]*service // by folder
	modules map[string]*module  // by folder
	compose []composed
	notes   []string
	owner   string // of what is proposed
	alone   bool   // folders of other systems are passed over
}

// passedOver are folders in which nobody keeps services of his own.
func passedOver(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") ||
		slices.Contains([]string{"node_modules", "vendor", "testdata", "dist", "build", "target", "venv", "__pycache__", "bower_components"}, name)
}

// writable tells whether a plan's path can name a folder: as text, and not as a
// pattern.
func writable(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsAny(name, "*?[\\") && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// walk lists the folders, the upper ones first.
func (s *surveyor) walk() error {
	s.entries = map[string][]fs.DirEntry{}
	queue := []string{"."}
	for len(queue) > 0 {
		dir := queue[0]
		queue = queue[1:]
		if len(s.folders) >= maxFolders {
			s.note("the repository has more than 20,000 folders: the rest was not looked at")
			break
		}
		entries, err := fs.ReadDir(s.fsys, dir)
		if err != nil {
			if dir == "." {
				return err
			}
			s.note(dir + " cannot be read")
			continue
		}
		s.entries[dir] = entries
		if _, other := s.has(dir, "plat.yaml"); other && s.alone && dir != "." {
			continue
		}
		s.folders = append(s.folders, dir)
		if strings.Count(dir, "/") >= maxDepth {
			continue
		}
		for _, e := range entries {
			switch {
			case !e.IsDir() || passedOver(e.Name()):
			case !writable(e.Name()):
				s.note(strconv.Quote(path.Join(dir, e.Name())) + " was not looked at: plat.yaml cannot name such a folder")
			default:
				queue = append(queue, path.Join(dir, e.Name()))
			}
		}
	}
	return nil
}

func (s *surveyor) note(text string) { s.notes = append(s.notes, text) }

// has tells whether a folder has a file of one of these names, and which.
func (s *surveyor) has(dir string, names ...string) (file string, ok bool) {
	for _, name := range names {
		for _, e := range s.entries[dir] {
			if e.Name() == name && e.Type().IsRegular() {
				return path.Join(dir, name), true
			}
		}
	}
	return "", false
}

// read reads a file; "" for one that is too large or cannot be read, which is
// noted.
func (s *surveyor) read(file string) string {
	info, err := fs.Stat(s.fsys, file)
	if err == nil && info.Size() > maxFile {
		err = errors.New("it is over 1 MiB")
	}
	var text []byte
	if err == nil {
		text, err = fs.ReadFile(s.fsys, file)
	}
	if err != nil {
		s.note(file + " was not read: " + err.Error())
		return ""
	}
	return string(text)
}

// lookAt looks for what tells of services in one folder. What is said more
// plainly comes first: a Procfile says how a program is started, a Dockerfile
// only how it is in a container.
func (s *surveyor) lookAt(dir string) {
	if file, ok := s.has(dir, "go.mod"); ok {
		s.goModule(dir, file)
	}
	if file, ok := s.has(dir, "Procfile"); ok {
		s.procfile(dir, file)
	}
	if file, ok := s.has(dir, "package.json"); ok {
		s.packageJSON(dir, file)
	}
	if file, ok := s.has(dir, "Dockerfile", "Containerfile"); ok {
		s.dockerfile(dir, file)
	}
	if file, ok := s.has(dir, "compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"); ok {
		s.composeFile(dir, file)
	}
}

// at finds or begins the service of a folder.
func (s *surveyor) at(dir, because string) *service {
	svc := s.found[dir]
	if svc == nil {
		svc = &service{dir: dir, name: path.Base(dir)}
		if dir == "." {
			svc.name = s.system
		}
		s.found[dir] = svc
	}
	if !slices.Contains(svc.because, because) {
		svc.because = append(svc.because, because)
	}
	return svc
}

// label makes a DNS label of a name.
func label(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	out := strings.TrimRight(b.String()[:min(b.Len(), 40)], "-")
	if out == "" || plan.ValidService(out) != nil {
		return strings.TrimRight("service-"+out, "-")
	}
	return out
}
