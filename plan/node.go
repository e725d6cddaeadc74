package plan

import (
	"fmt"

	"github.com/plat-dev/plat/fault"
)

// kind is what a node of a parsed file is.
type kind int

const (
	nullNode kind = iota
	badNode       // already reported: nothing more is said about it
	textNode
	integerNode
	numberNode // with a fraction
	booleanNode
	listNode
	mappingNode
)

// what names a kind in messages.
func (k kind) what() string {
	return [...]string{"nothing", "something unreadable", "text", "a whole number", "a number", "true or false", "a list", "keys with values"}[k]
}

// node is one value of a parsed file with its place.
type node struct {
	kind      kind
	text      string // of a scalar: as written, without quotes and escapes
	quoted    bool
	line, col int
	items     []*node // of a list
	entries   []entry // of a mapping, each key once
}

// entry is one key of a mapping with its place.
type entry struct {
	key       string
	line, col int
	value     *node
}

func (n *node) lookup(key string) (entry, bool) {
	for _, e := range n.entries {
		if e.key == key {
			return e, true
		}
	}
	return entry{}, false
}

// document is one parsed file, kept to find places again while checking, and
// collects its findings. A declaration that was not read from a file has a
// document without a root, which knows no places.
type document struct {
	file   string
	root   *node
	parsed bool // it was read from a file, so that it has lines
	broken bool // its text could not be read as a plan at all
	faults faultList
}

// find walks the path (keys as string, positions in lists as int) as far as
// it exists and returns the last node and the key that led to it.
func (d *document) find(path []any) (n *node, key entry, whole bool) {
	if d.root == nil {
		return nil, entry{}, false
	}
	n = d.root
	key = entry{line: n.line, col: n.col}
	for _, step := range path {
		switch step := step.(type) {
		case string:
			e, ok := n.lookup(step)
			if !ok {
				return n, key, false
			}
			n, key = e.value, e
		case int:
			if step >= len(n.items) {
				return n, key, false
			}
			n = n.items[step]
			key = entry{line: n.line, col: n.col}
		}
	}
	return n, key, true
}

// has reports whether something other than nothing stands at the path.
func (d *document) has(path ...any) bool {
	n, _, whole := d.find(path)
	return whole && n.kind != nullNode
}

// is reports whether the node at the path is of this kind, or absent.
func (d *document) isOrAbsent(k kind, path ...any) bool {
	n, _, whole := d.find(path)
	return !whole || n.kind == nullNode || n.kind == k
}

// value places the fault at the value of the path, or at the nearest thing
// above it that exists.
func (d *document) value(f *fault.Fault, path ...any) {
	n, key, whole := d.find(path)
	switch {
	case n == nil:
		d.top(f)
	case whole && n.kind != mappingNode && n.kind != nullNode:
		f.At(d.file, n.line, n.col)
	default:
		f.At(d.file, key.line, key.col)
	}
	d.faults.add(f)
}

// key places the fault at the key that the path ends with.
func (d *document) key(f *fault.Fault, path ...any) {
	if _, key, _ := d.find(path); key.line > 0 {
		f.At(d.file, key.line, key.col)
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
	return (&fault.Fault{File: d.file, Line: key.line, Column: key.col}).Place()
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
	return append(l.all, fault.Newf(codeTooMany, "%d more findings in this file are not shown", l.dropped).
		At(file, 0, 0).Why(fmt.Sprintf("of one file %d are shown", maxFindings)).Fix("mend the first ones and check again"))
}
