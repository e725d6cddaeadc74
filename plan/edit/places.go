package edit

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/yaml"
)

// text is a file with what is read of it.
type text struct {
	source []byte
	starts []int // offset of each line, and the end
	root   *yaml.Node
}

// place is where a patch may go: text at an offset, instead of so many bytes.
type place struct {
	at, instead int
	text        string
}

// order is that of the keys of a service.yaml before consumes.
func order() []string {
	return []string{"plat", "service", "owner", "context", "about", "build", "run", "needs", "port", "instances", "grace", "start", "provides"}
}

// places gives the places where the keys may go, the nicest first. Whether one
// of them does what it should only reading the result can tell.
func (t *text) places(file string, keys []string) ([]place, error) {
	n, end := t.root, len(t.starts) // end: the line after the last of n
	for i, key := range keys {
		at := slices.IndexFunc(n.Entries, func(e yaml.Entry) bool { return e.Key == key })
		if at < 0 {
			return t.into(n, end, keys[i:]), nil
		}
		e := n.Entries[at]
		switch {
		case i == len(keys)-1:
			return nil, fault.Newf(fault.EditAlreadyDeclared, "%s is declared already", strings.Join(keys, ".")).At(file, e.Line, e.Col).
				Why("the plan says each thing once").Fix("nothing is to be done")
		case e.Value.Kind == yaml.Null:
			return t.fill(n, e, keys[i+1:]), nil
		case e.Value.Kind != yaml.Mapping:
			f := byHand(file, "expected keys below "+e.Key+", found "+e.Value.Kind.String(), keys)
			return nil, f.At(file, e.Value.Line, e.Value.Col)
		}
		if !n.Flow && at+1 < len(n.Entries) {
			end = n.Entries[at+1].Line
		}
		n = e.Value
	}
	return nil, nil // not reached: the last key ends the loop
}

// into gives the places for a new key of a mapping that has others, or is
// written {}.
func (t *text) into(n *yaml.Node, end int, keys []string) []place {
	if n.Flow {
		return t.intoFlow(n, keys)
	}
	last := len(n.Entries) - 1
	if n == t.root {
		for i, e := range n.Entries {
			if slices.Contains(order(), e.Key) {
				last = i
			}
		}
	}
	if last+1 < len(n.Entries) {
		end = n.Entries[last+1].Line
	}
	first := n.Entries[0]
	block := t.block(keys, strings.Repeat(" ", first.Col-1), t.quote(first))
	after := end - 1
	for after > n.Entries[last].Line && idle(t.line(after), first.Col-1) {
		after--
	}
	return []place{t.below(after, block), t.below(end-1, block), t.below(first.Line-1, block)}
}

// idle reports whether a line says nothing about what stands above it: blank,
// the end of the document, or a comment that is indented no deeper.
func idle(line []byte, indent int) bool {
	text := bytes.TrimSpace(line)
	return len(text) == 0 || string(text) == "..." || text[0] == '#' && bytes.IndexByte(line, '#') <= indent
}

// maxClosers bounds how many closing brackets are tried.
const maxClosers = 8

// intoFlow puts the key behind the last one, before the bracket that closes
// the mapping. Which of the brackets after the last key that is, trying tells.
func (t *text) intoFlow(n *yaml.Node, keys []string) []place {
	open := t.offset(n.Line, n.Col) + 1
	if len(n.Entries) == 0 {
		flow := flow(keys, "")
		if open < len(t.source) && t.source[open] == ' ' {
			flow = " " + flow
		}
		return []place{{at: open, text: flow}}
	}
	last := n.Entries[len(n.Entries)-1]
	key := t.offset(last.Line, last.Col)
	text, between := flow(keys, t.quote(last)), " "
	if before := t.source[t.starts[last.Line-1]:key]; len(bytes.TrimSpace(before)) == 0 {
		between = t.lineEnd(last.Line) + string(before)
	}
	var all []place
	for at := key; len(all) < maxClosers; {
		closer := bytes.IndexByte(t.source[at:], '}')
		if closer < 0 {
			break
		}
		behind := len(bytes.TrimRight(t.source[:at+closer], " \t\r\n"))
		if t.source[behind-1] == ',' {
			all = append(all, place{at: behind, text: between + text + ","})
		} else {
			all = append(all, place{at: behind, text: "," + between + text})
		}
		at += closer + 1
	}
	first := n.Entries[0]
	start := t.starts[first.Line-1]
	if before := t.source[start:t.offset(first.Line, first.Col)]; first.Line > n.Line && len(bytes.TrimSpace(before)) == 0 {
		all = append(all, place{at: start, text: string(before) + text + "," + t.lineEnd(first.Line)})
	}
	return append(all, place{at: open, text: text + ", "})
}

// fill gives the places for keys below one that has no value yet.
func (t *text) fill(parent *yaml.Node, e yaml.Entry, keys []string) []place {
	quote := t.quote(e)
	value := t.offset(e.Value.Line, e.Value.Col)
	flow := "{" + flow(keys, quote) + "}"
	if e.Value.Text != "" { // ~ or null
		return []place{{at: value, instead: len(e.Value.Text), text: flow}}
	}
	var all []place
	if !parent.Flow {
		all = append(all, t.below(e.Line, t.block(keys, strings.Repeat(" ", e.Col-1+t.step()), quote)))
	}
	if colon := bytes.IndexByte(t.source[t.offset(e.Line, e.Col):], ':'); colon >= 0 {
		all = append(all, place{at: t.offset(e.Line, e.Col) + colon + 1, text: " " + flow})
	}
	return append(all, place{at: value, text: ": " + flow})
}

// block writes nested keys, the last with an empty mapping, a line each.
func (t *text) block(keys []string, indent, quote string) []string {
	var all []string
	for i, key := range keys {
		line := indent + strings.Repeat(" ", i*t.step()) + quote + key + quote + ":"
		if i == len(keys)-1 {
			line += " {}"
		}
		all = append(all, line)
	}
	return all
}

// flow writes nested keys, the last with an empty mapping, in brackets.
func flow(keys []string, quote string) string {
	inner := "{}"
	for i := len(keys) - 1; i > 0; i-- {
		inner = fmt.Sprintf("{%s%s%s: %s}", quote, keys[i], quote, inner)
	}
	return quote + keys[0] + quote + ": " + inner
}

// step is by how much the file indents, 2 where it does not.
func (t *text) step() int {
	step := 2
	var find func(n *yaml.Node) bool
	find = func(n *yaml.Node) bool {
		for _, e := range n.Entries {
			if v := e.Value; v.Kind == yaml.Mapping && !v.Flow && len(v.Entries) > 0 && v.Entries[0].Col > e.Col {
				step = v.Entries[0].Col - e.Col
				return true
			}
			if find(e.Value) {
				return true
			}
		}
		return false
	}
	find(t.root)
	return step
}

// quote is the quotation mark that a key stands in, or nothing.
func (t *text) quote(e yaml.Entry) string {
	switch c := t.source[t.offset(e.Line, e.Col)]; c {
	case '"', '\'':
		return string(c)
	}
	return ""
}

// below puts lines behind a line, from 1; behind line 0 they come first.
func (t *text) below(line int, lines []string) place {
	end := t.lineEnd(line)
	if line > 0 && !bytes.HasSuffix(t.line(line), []byte("\n")) {
		return place{at: t.starts[line], text: end + strings.Join(lines, end)} // the file ends without one
	}
	return place{at: t.starts[line], text: strings.Join(lines, end) + end}
}

// lineEnd is how a line ends, or where it does not, how the first one does.
func (t *text) lineEnd(line int) string {
	for _, l := range []int{line, 1} {
		switch text := t.line(l); {
		case bytes.HasSuffix(text, []byte("\r\n")):
			return "\r\n"
		case bytes.HasSuffix(text, []byte("\n")):
			return "\n"
		}
	}
	return "\n"
}

// line is a line with its end, from 1; empty for one that is not there.
func (t *text) line(line int) []byte {
	if line < 1 || line >= len(t.starts) {
		return nil
	}
	return t.source[t.starts[line-1]:t.starts[line]]
}

// offset is where a place is in the source. Columns count characters, from 1.
func (t *text) offset(line, col int) int {
	at := t.starts[min(line, len(t.starts))-1]
	for i := range string(t.source[at:]) {
		if col--; col == 0 {
			return at + i
		}
	}
	return len(t.source)
}

func lineStarts(source []byte) []int {
	starts := []int{0}
	for i, c := range source {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	if starts[len(starts)-1] != len(source) {
		starts = append(starts, len(source))
	}
	return starts
}
