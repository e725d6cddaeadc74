package plan

import (
	"reflect"

	"github.com/plat-dev/plat/fault"
)

// Beside is a file that lies beside the plan and is read by the plan's rules:
// strict YAML, unknown keys are findings, and each finding has its place.
type Beside struct{ doc *document }

// ReadBeside fills the struct that target points to, whose tags are those of
// the plan's files, from a file's text. A file that cannot be read at all is
// not filled.
func ReadBeside(file string, text []byte, target any) *Beside {
	d := newDecoder()
	d.learn(reflect.TypeOf(target).Elem())
	return &Beside{d.parse(file, text, target)}
}

// Readable tells whether the file could be read as such at all.
func (b *Beside) Readable() bool { return !b.doc.broken }

// Has tells whether something stands at the path: keys as string, places in
// lists as int.
func (b *Beside) Has(path ...any) bool { return b.doc.has(path...) }

// Value adds a finding about the value at the path, or about the nearest thing
// above it that is there; Key about the key that leads to it.
func (b *Beside) Value(f *fault.Fault, path ...any) { b.doc.value(f, path...) }

// Key adds a finding about the key that the path ends with.
func (b *Beside) Key(f *fault.Fault, path ...any) { b.doc.key(f, path...) }

// Findings are those of reading and those that were added, by place.
func (b *Beside) Findings() []*fault.Fault {
	all := b.doc.faults.take(b.doc.file)
	sortFindings(all)
	return all
}
