// Package fault is how plat says what is wrong: a stable code, the place, what
// is wrong, why, and what to do next. One table of codes (see Catalogue) feeds
// the errors, `plat explain` and docs/errors.md.
//
// It imports nothing of plat, and everything of plat may import it.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Code names one kind of fault for ever: room, hyphen, words
// (plan-unknown-field). A code is never renamed and never reused.
type Code string

// Severity tells whether a fault stops what was asked.
type Severity string

// An Error stops what was asked; a Warning does not.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Fault is one thing that is wrong. Its zero fields are left out of the text.
type Fault struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	What     string   `json:"what"`               // what is wrong, lower case, no full stop
	Expected string   `json:"expected,omitempty"` // what was expected instead, or why it is wrong
	Remedy   string   `json:"remedy,omitempty"`   // the next command or edit

	cause error // private: for errors.Is and the log, never printed to users
}

// New makes a fault of severity Error.
func New(code Code, what string) *Fault { return &Fault{Code: code, Severity: Error, What: what} }

// Newf makes a fault of severity Error with a formatted text.
func Newf(code Code, format string, args ...any) *Fault {
	return New(code, fmt.Sprintf(format, args...))
}

// At sets the place and returns the fault.
func (f *Fault) At(file string, line, column int) *Fault {
	f.File, f.Line, f.Column = file, line, column
	return f
}

// Why sets what was expected, or the reason, and returns the fault.
func (f *Fault) Why(expected string) *Fault { f.Expected = expected; return f }

// Fix sets the remedy and returns the fault.
func (f *Fault) Fix(remedy string) *Fault { f.Remedy = remedy; return f }

// Because sets the private cause and returns the fault.
func (f *Fault) Because(err error) *Fault { f.cause = err; return f }

// Warn makes the fault a warning and returns it.
func (f *Fault) Warn() *Fault { f.Severity = Warning; return f }

// Place is file:line:column as far as it is known.
func (f *Fault) Place() string {
	switch {
	case f.File == "":
		return ""
	case f.Line == 0:
		return f.File
	case f.Column == 0:
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
}

// Error is the fault in one line: place, what, expected, code.
func (f *Fault) Error() string {
	var b strings.Builder
	if p := f.Place(); p != "" {
		b.WriteString(p + ": ")
	}
	b.WriteString(f.What)
	if f.Expected != "" {
		b.WriteString(": " + f.Expected)
	}
	fmt.Fprintf(&b, " [%s]", f.Code)
	return b.String()
}

// Unwrap gives the private cause.
func (f *Fault) Unwrap() error { return f.cause }

// Is makes errors.Is(err, fault.Code("…")) work through wrapping.
func (f *Fault) Is(target error) bool {
	var c codeError
	return errors.As(target, &c) && Code(c) == f.Code
}

type codeError Code

func (c codeError) Error() string { return string(c) }

// Is reports whether err is, wraps or joins a fault of this code.
func Is(err error, code Code) bool { return errors.Is(err, codeError(code)) }

// All lists the faults that err is, wraps or joins, in order. An error that
// is no fault becomes one of code "internal".
func All(err error) []*Fault {
	if err == nil {
		return nil
	}
	if f, ok := err.(*Fault); ok { //nolint:errorlint // the outermost only; wrapped ones are found below
		return []*Fault{f}
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Fault
		for _, e := range joined.Unwrap() {
			all = append(all, All(e)...)
		}
		return all
	}
	var f *Fault
	if errors.As(err, &f) {
		return []*Fault{f}
	}
	return []*Fault{New(Internal, err.Error()).Because(err)}
}

// Entry is one line of the catalogue: what `plat explain CODE` says.
type Entry struct {
	Code   Code
	Title  string // one line
	Why    string // when it happens, and why it is an error
	Remedy string // what to do
}

// Internal is the code of what nobody foresaw.
const Internal Code = "internal"

// Catalogue lists every code, sorted by room, then as written.
func Catalogue() []Entry {
	all := []Entry{{Internal, "Something went wrong inside plat", "An error reached the edge that has no code of its own: a defect of plat, or an environment that it does not know.", "Look at the log named in the message; report it with the correlation ID."}}
	for _, part := range [][]Entry{planEntries(), editEntries(), runEntries(), gatewayEntries(), eventEntries(), registryEntries(), consulEntries(), driftEntries(), mailEntries(), telemetryEntries(), objectiveEntries(), probeEntries(), chaosEntries(), controlEntries()} {
		all = append(all, part...)
	}
	return all
}

// Lookup finds the entry of a code.
func Lookup(code Code) (Entry, bool) {
	for _, e := range Catalogue() {
		if e.Code == code {
			return e, true
		}
	}
	return Entry{}, false
}
