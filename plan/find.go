package plan

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/yaml"
)

// The names of the plan's files.
const (
	systemFile  = "plat.yaml"
	serviceFile = "service.yaml"
)

// read reads one file of the plan, up to a byte more than is allowed. It
// refuses what is no regular file, which might never end.
func read(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	data := make([]byte, 0, min(info.Size(), yaml.MaxBytes)+2)
	for len(data) <= yaml.MaxBytes {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(data) == cap(data) {
			data = slices.Grow(data, cap(data))
		}
	}
	return data, nil
}

var errNotRegular = errors.New("not a regular file")

// unreadable tells why a file or folder cannot be read.
func unreadable(name string, err error) *fault.Fault {
	f := fault.Newf(fault.PlanUnreadable, "cannot read %s", name).Because(err)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return f.Why("permission denied").Fix("let the user who runs plat read it")
	case errors.Is(err, errNotRegular):
		return f.Why("it is not a regular file").Fix("put a file of this name in its place")
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err // the operating system's word without its path
	}
	return f.Why(err.Error()).Fix("check the file and the disk that it lies on")
}

// local reports whether a path of the plan stays inside the folder that it is
// relative to, and gives its clean form.
func local(p string) (string, bool) {
	clean := path.Clean(p)
	if p == "" || path.IsAbs(p) || strings.Contains(p, `\`) || clean == ".." || strings.HasPrefix(clean, "../") || !fs.ValidPath(clean) {
		return "", false
	}
	return clean, true
}

func wild(p string) bool { return strings.ContainsAny(p, "*?[") }

// folders remembers what is in the folders that patterns lead through.
type folders struct {
	fsys fs.FS
	read map[string][]fs.DirEntry
}

func (f folders) entries(folder string) ([]fs.DirEntry, error) {
	if entries, known := f.read[folder]; known {
		return entries, nil
	}
	entries, err := fs.ReadDir(f.fsys, folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f.read[folder] = entries
	return entries, nil
}

// expand lists the folders that a pattern names, in order. Unlike fs.Glob it
// reports folders that cannot be read, and passes over hidden ones.
func (f folders) expand(pattern string) ([]string, *fault.Fault) {
	if strings.Contains(pattern, "**") {
		return nil, fault.Newf(fault.PlanBadValue, "%q is not a pattern", pattern).
			Why("** is not known: * matches within one segment").Fix("list each depth, such as services/* and services/*/*")
	}
	matches := []string{"."}
	for _, segment := range strings.Split(pattern, "/") {
		if !wild(segment) {
			for i := range matches {
				matches[i] = path.Join(matches[i], segment)
			}
			continue
		}
		var next []string
		for _, folder := range matches {
			entries, err := f.entries(folder)
			if err != nil {
				return nil, unreadable("the folder "+folder, err)
			}
			for _, e := range entries {
				match, err := path.Match(segment, e.Name())
				if err != nil {
					return nil, fault.Newf(fault.PlanBadValue, "%q is not a pattern", pattern).Why("a bracket is not closed").Fix("use * and ? only")
				}
				isFolder := e.IsDir() || e.Type()&fs.ModeSymlink != 0
				if match && isFolder && !strings.HasPrefix(e.Name(), ".") {
					next = append(next, path.Join(folder, e.Name()))
				}
			}
		}
		matches = next
	}
	return matches, nil
}

// below is a folder of a file system. Unlike what fs.Sub gives, it asks the
// system about a file without opening it where the system can.
type below struct {
	fsys fs.FS
	dir  string
}

// Open opens the file of this name in the folder.
func (b below) Open(name string) (fs.File, error) { return b.fsys.Open(path.Join(b.dir, name)) }

// Stat describes the file of this name in the folder.
func (b below) Stat(name string) (fs.FileInfo, error) {
	return fs.Stat(b.fsys, path.Join(b.dir, name))
}
