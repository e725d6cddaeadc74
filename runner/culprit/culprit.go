// Package culprit finds in the output of a build the line that says why it
// failed, and where. The output of build tools has no common form: it guesses,
// and owns the forms by which it does. It never imports another room.
package culprit

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// What of a build's output is looked at beside the line of the error itself,
// for where it is: compilers name the place before it, in it or after it.
const (
	placeAfter  = 3
	placeBefore = 4
)

// maxText is how many bytes of an error's line are told.
const maxText = 300

// Error is why a build failed, as far as its output tells.
type Error struct {
	Text         string // at most 300 bytes; empty when no line looks like an error
	File         string // absolute; empty when no place is known
	Line, Column int    // from 1; 0 when unknown
}

var (
	colours   = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)
	errorWord = regexp.MustCompile(`(?i:\berror\b)|\b[A-Z]\w*(?:Error|Exception):|\bERR!`)
	mildWord  = regexp.MustCompile(`(?i)\b(?:warning|warn|note|info|remark)\b`)
	// file(12,3)  file:12:3  file:12  file:[12,3]  file (12:3)
	placeInLine = regexp.MustCompile(`([^\s:()\[\]"'<>|]+)(?:\((\d+),(\d+)\)|:(\d+)(?::(\d+))?|:\[(\d+),(\d+)\]| \((\d+):(\d+)\))`)
	placeQuoted = regexp.MustCompile(`File "([^"]+)", line (\d+)`)
)

// Find looks for the first line of a build's output that tells of an error,
// and for its place in a file of the folder dir, an absolute path. The error
// is zero when no line looks like one.
func Find(dir string, lines []string) Error {
	at := -1
	for n, line := range lines {
		line = colours.ReplaceAllString(line, "")
		word := errorWord.FindStringIndex(line)
		if word == nil {
			continue
		}
		if mild := mildWord.FindStringIndex(line); mild != nil && mild[0] < word[0] {
			continue // warning: unused variable "error"
		}
		at = n
		break
	}
	if at < 0 {
		return findPlaced(dir, lines)
	}
	e := Error{Text: plainLine(lines[at])}
	if strings.HasSuffix(e.Text, ":") { // "error during build:"; the next line says which
		for n := at + 1; n < min(len(lines), at+1+placeAfter); n++ {
			if next := plainLine(lines[n]); next != "" {
				e.Text += " " + next
				break
			}
		}
	}
	for _, n := range around(at, len(lines)) {
		if rest, ok := e.locate(dir, plainLine(lines[n])); ok {
			if n == at && rest != "" {
				e.Text = rest
			}
			break
		}
	}
	e.Text = shortened(e.Text)
	return e
}

// findPlaced is for compilers that do not use the word: the first line that
// begins with a place, and is not a warning.
func findPlaced(dir string, lines []string) Error {
	for _, line := range lines {
		line = plainLine(line)
		var e Error
		if rest, ok := e.locate(dir, line); ok && rest != "" && !mildWord.MatchString(line) {
			e.Text = shortened(rest)
			return e
		}
	}
	return Error{}
}

// around are the lines in which the place of the error in line at may be: its
// own, those after it, those before it.
func around(at, lines int) []int {
	order := []int{at}
	for n := at + 1; n < min(lines, at+1+placeAfter); n++ {
		order = append(order, n)
	}
	for n := at - 1; n >= max(0, at-placeBefore); n-- {
		order = append(order, n)
	}
	return order
}

// locate takes the first place in a line that is in a file of the folder dir.
// rest is what follows the place if the line begins with it.
func (e *Error) locate(dir, line string) (rest string, ok bool) {
	if m := placeQuoted.FindStringSubmatch(line); m != nil {
		if name, ok := fileBelow(dir, m[1]); ok {
			e.File, e.Line, _ = name, number(m[2]), 0
			return "", true
		}
	}
	for _, m := range placeInLine.FindAllStringSubmatchIndex(line, 8) {
		part := func(group int) string {
			if m[2*group] < 0 {
				return ""
			}
			return line[m[2*group]:m[2*group+1]]
		}
		name, ok := fileBelow(dir, part(1))
		if !ok {
			continue
		}
		e.File = name
		e.Line, e.Column = number(part(2)+part(4)+part(6)+part(8)), number(part(3)+part(5)+part(7)+part(9))
		if m[0] == 0 {
			rest = strings.TrimSpace(strings.TrimLeft(line[m[1]:], " :-"))
		}
		return rest, true
	}
	return "", false
}

// number is a line or column; 0 for what is none.
func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// fileBelow tells whether a name that a compiler printed is a file of the
// folder dir, and gives its absolute path.
func fileBelow(dir, name string) (string, bool) {
	name = strings.TrimPrefix(name, "//") // of file:///srv/order/Main.kt
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	rel, err := filepath.Rel(dir, name)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	info, err := os.Stat(name)
	return filepath.Clean(name), err == nil && info.Mode().IsRegular()
}

// plainLine is a line without colours and space around it.
func plainLine(line string) string {
	return strings.TrimSpace(colours.ReplaceAllString(line, ""))
}

// shortened is a line of which no more is told than people read.
func shortened(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}
