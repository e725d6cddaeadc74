package plan

import (
	"fmt"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/yaml"
)

// document is one parsed file, kept to find places again while checking, and
// collects its findings. A declaration that was not read from a file has a
// document without a root, which knows no places.
type document struct {
	file   string
	root   *yaml.Node
	parsed bool // it was read from a file, so that it has lines
	broken bool // its text could not be read as a plan at all
	// meant are the keys of the top that unknown ones stand for, about whose
	// lack nothing is to be said.
	meant  []string
	faults faultList
}

// find walks the path (keys as string, positions in lists as int) as far as
// it exists and returns the last node and the key that led to it.
func (d *document) find(path []any) (n *yaml.Node, key yaml.Entry, whole bool) {
	if d.root == nil {
		return nil, yaml.Entry{}, false
	}
	n = d.root
	key = yaml.Entry{Line: n.Line, Col: n.Col}
	for _, step := range path {
		switch step := step.(type) {
		case string:
			e, ok := n.Lookup(step)
			if !ok {
				return n, key, false
			}
			n, key = e.Value, e
		case int:
			if step >= len(n.Items) {
				return n, key, false
			}
			n = n.Items[step]
			key = yaml.Entry{Line: n.Line, Col: n.Col}
		}
	}
	return n, key, true
}

// has reports whether something other than nothing stands at the path.
func (d *document) has(path ...any) bool {
	n, _, whole := d.find(path)
	return whole && n.Kind != yaml.Null
}

// is reports whether the node at the path is of this kind, or absent.
func (d *document) isOrAbsent(k yaml.Kind, path ...any) bool {
	n, _, whole := d.find(path)
	return !whole || n.Kind == yaml.Null || n.Kind == k
}

// value places the fault at the value of the path, or at the nearest thing
// above it that exists.
func (d *document) value(f *fault.Fault, path ...any) {
	if d.faults.full() {
		d.faults.add(f) // only counted
		return
	}
	n, key, whole := d.find(path)
	switch {
	case n == nil:
		d.top(f)
	case whole && n.Kind != yaml.Mapping && n.Kind != yaml.Null:
		f.At(d.file, n.Line, n.Col)
	default:
		f.At(d.file, key.Line, key.Col)
	}
	d.faults.add(f)
}

// key places the fault at the key that the path ends with.
func (d *document) key(f *fault.Fault, path ...any) {
	if d.faults.full() {
		d.faults.add(f) // only counted
		return
	}
	if _, key, _ := d.find(path); key.Line > 0 {
		f.At(d.file, key.Line, key.Col)
	} else {
		d.top(f)
	}
	d.faults.add(f)
}

// top places the fault at the file's beginning.
func (d *document) top(f *fault.Fault) {
	if d.parsed {
		f.At(d.file, 1, 1)
	} else {
		f.At(d.file, 0, 0)
	}
}

// place is where the key that the path ends with stands, for mention in
// another fault's text.
func (d *document) place(path ...any) string {
	_, key, _ := d.find(path)
	return (&fault.Fault{File: d.file, Line: key.Line, Column: key.Col}).Place()
}

// maxFindings bounds what is reported of one file.
const maxFindings = 100

// faultList collects the findings of one file up to maxFindings and counts
// the rest.
type faultList struct {
	all     []*fault.Fault
	dropped int
}

func (l *faultList) add(f *fault.Fault) {
	if len(l.all) >= maxFindings {
		l.dropped++
		return
	}
	l.all = append(l.all, f)
}

func (l *faultList) count() int { return len(l.all) + l.dropped }

func (l *faultList) full() bool { return len(l.all) >= maxFindings }

// take returns what was collected, with a last finding that counts what was
// dropped.
func (l *faultList) take(file string) []*fault.Fault {
	if l.dropped == 0 {
		return l.all
	}
	return append(l.all, fault.Newf(fault.PlanTooManyFindings, "%d more findings in this file are not shown", l.dropped).
		At(file, 0, 0).Why(fmt.Sprintf("of one file %d are shown", maxFindings)).Fix("mend the first ones and check again"))
}
