package adopt

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// declared takes over what is declared already: its names hold, and what is
// proposed beside it has an owner whom plat.yaml knows.
func (s *surveyor) declared() {
	for _, dir := range s.folders {
		file, ok := s.has(dir, "service.yaml")
		if !ok {
			continue
		}
		var d struct {
			Service string `yaml:"service"`
			Owner   string `yaml:"owner"`
			Listens *bool  `yaml:"listens"`
		}
		if err := yaml.Unmarshal([]byte(s.read(file)), &d); err != nil || plan.ValidService(d.Service) != nil || plan.ValidService(d.Owner) != nil {
			s.note(file + " is there, and is no declaration that can be read: plat check tells why")
			continue
		}
		svc := s.at(dir, file)
		svc.name, svc.owner, svc.fixed = d.Service, d.Owner, true
		svc.mute = d.Listens != nil && !*d.Listens
	}
	if _, ok := s.has(".", "plat.yaml"); !ok {
		return
	}
	var d struct {
		Owners map[string]any `yaml:"owners"`
	}
	if err := yaml.Unmarshal([]byte(s.read("plat.yaml")), &d); err != nil || len(d.Owners) == 0 {
		return
	}
	if _, ok := d.Owners["team"]; !ok {
		s.owner = sorted(d.Owners)[0]
	}
}

// sound proposes what passes plan.Check. What stands in a repository may be
// anything, such as names that mean something to plat: the settings of a
// service that would not pass are left out, then the service, each with a note.
func (s *surveyor) sound() Survey {
	for {
		out := s.propose()
		refused := map[string]*fault.Fault{} // the first error, by folder
		for _, f := range plan.Check(overlaid(s.fsys, out), plan.Options{}).Findings {
			dir := path.Dir(f.File)
			if f.Severity == fault.Error && path.Base(f.File) == "service.yaml" && s.found[dir] != nil && refused[dir] == nil {
				refused[dir] = f
			}
		}
		again := false
		for _, dir := range sorted(refused) {
			svc := s.found[dir]
			if svc.fixed {
				continue // the user's own
			}
			again = true
			if len(svc.config) > 0 {
				svc.config = nil
				s.note(fmt.Sprintf("%s: its settings were left out: %s", dir, refused[dir].What))
				continue
			}
			delete(s.found, dir)
			s.note(fmt.Sprintf("%s was left out: %s", dir, refused[dir].What))
		}
		if !again {
			return out
		}
	}
}

// overlay is the repository with the proposals in it.
type overlay struct {
	fs.FS
	files   map[string]string // text of what is not there yet
	folders map[string]bool   // that hold it
}

// overlaid puts the proposals into a repository. plat.yaml is always the
// proposed one, since one that is there may be for other services.
func overlaid(fsys fs.FS, survey Survey) overlay {
	o := overlay{fsys, map[string]string{"plat.yaml": survey.System.Text}, map[string]bool{}}
	for _, p := range survey.Services {
		if !p.Exists {
			o.files[p.File] = p.Text
			for dir := path.Dir(p.File); dir != "."; dir = path.Dir(dir) {
				o.folders[dir] = true
			}
		}
	}
	return o
}

// Open opens a proposed file, or one of the repository.
func (o overlay) Open(name string) (fs.File, error) {
	if text, ok := o.files[name]; ok {
		return &proposedFile{&entry{name: path.Base(name), size: len(text)}, strings.NewReader(text)}, nil
	}
	return o.FS.Open(name)
}

// Stat describes what Open opens, and folders that are not there yet.
func (o overlay) Stat(name string) (fs.FileInfo, error) {
	if text, ok := o.files[name]; ok {
		return &entry{name: path.Base(name), size: len(text)}, nil
	}
	info, err := fs.Stat(o.FS, name)
	if err != nil && o.folders[name] {
		return &entry{name: path.Base(name), mode: fs.ModeDir}, nil
	}
	return info, err
}

// entry is the fs.FileInfo of what is proposed.
type entry struct {
	name string
	size int
	mode fs.FileMode
}

func (e *entry) Name() string       { return e.name }
func (e *entry) Size() int64        { return int64(e.size) }
func (e *entry) Mode() fs.FileMode  { return e.mode }
func (e *entry) ModTime() time.Time { return time.Time{} }
func (e *entry) IsDir() bool        { return e.mode.IsDir() }
func (e *entry) Sys() any           { return nil }

// proposedFile is an open proposal.
type proposedFile struct {
	info *entry
	*strings.Reader
}

func (f *proposedFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// Close does nothing: the text is in memory.
func (f *proposedFile) Close() error { return nil }
