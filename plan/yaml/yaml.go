package yaml

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/plat-dev/plat/fault"
)

// MaxBytes is how large a file may be. Reading takes time in proportion to it.
const MaxBytes = 1 << 20

const (
	maxDepth = 32
	maxKey   = 256
)

// Parse reads one file; its name is for the findings, which go to report as
// they are found. It is false when nothing can be said about the content: the
// text breaks a rule of YAML, or a bound. The root of an empty file is nil.
//
// It takes block and flow mappings and lists, plain and quoted text, and the
// block texts | and >. All that YAML has beyond, or that its readers read
// differently, is refused. INVARIANT: what is accepted here without a finding,
// every other reader of YAML reads alike.
func Parse(file string, data []byte, report func(*fault.Fault)) (root *Node, ok bool) {
	text, f := decodeText(data)
	if f == nil {
		p := &parser{file: file, report: report, lines: strings.Split(text, "\n")}
		root, f = p.document()
	}
	if f != nil {
		report(f.At(file, f.Line, f.Column))
		return nil, false
	}
	return root, true
}

// decodeText refuses what is not plain text, and ends lines with LF.
func decodeText(data []byte) (string, *fault.Fault) {
	if len(data) > MaxBytes {
		return "", fault.Newf(fault.PlanTooLarge, "the file has more than %d KiB", MaxBytes>>10).At("", 1, 1).
			Why("a plan file is written by people").Fix("check that this is the right file; split large descriptions off")
	}
	if bytes.IndexByte(data, '\r') >= 0 {
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	}
	line, col := 1, 0
	for i := 0; i < len(data); {
		r, n := rune(data[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(data[i:])
		}
		col++
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f {
			if f := unprintable(r, n); f != nil {
				return "", f.At("", line, col)
			}
		}
		if r == '\n' {
			line, col = line+1, 0
		}
		i += n
	}
	return string(data), nil
}

// unprintable tells what is wrong with a character, which is malformed when
// it has the size of one byte only.
func unprintable(r rune, size int) *fault.Fault {
	notText := func(what, fix string) *fault.Fault {
		return fault.New(fault.PlanNotText, what).Why("a plan is plain UTF-8 text").Fix(fix)
	}
	switch {
	case r == utf8.RuneError && size == 1:
		return notText("a byte that is not UTF-8", "save the file as UTF-8")
	case r == '\ufeff':
		return notText("a byte order mark", "save the file as UTF-8 without a byte order mark")
	case r == '\r':
		return notText("a carriage return without a line feed", "end lines with LF or CRLF")
	case !printable(r):
		return notText(fmt.Sprintf("the invisible character %U", r), "delete it")
	}
	return nil
}

// printable reports whether YAML and the eye agree on what r is: no control
// characters, no line separators that only some parsers break lines at, and
// nothing that reorders the text around it.
func printable(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return true
	case r < 0x20 || r >= 0x7f && r <= 0x9f, r == 0x2028, r == 0x2029, r == 0xfeff,
		r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfffe, r == 0xffff:
		return false
	}
	return true
}

// parser stands at a byte of a line. Its methods panic with a *fault.Fault
// where the text breaks a rule; document recovers it.
type parser struct {
	file   string
	report func(*fault.Fault)
	lines  []string
	line   int // index
	off    int // byte offset in the line

	counted struct{ line, off, col int } // where at counted last
}

// document reads the one document of the file; nil when it is empty.
func (p *parser) document() (root *Node, f *fault.Fault) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *fault.Fault:
			root, f = nil, r
		default:
			panic(r)
		}
	}()
	more := p.content()
	if more && p.marker("---") {
		p.off += 3
		p.endLine()
		p.line++
		more = p.content()
	}
	if !more {
		return nil, nil
	}
	if p.marker("---") {
		panic(p.secondDocument())
	}
	if p.rest()[0] == '%' && p.off == 0 {
		panic(p.notPlain("a directive", "delete the line that begins with %"))
	}
	if !p.marker("...") {
		root = p.block(0, 0)
		more = p.content()
	}
	if more && p.marker("...") {
		p.off += 3
		p.endLine()
		p.line++
		more = p.content()
	}
	if more {
		if p.marker("---") || p.marker("...") {
			panic(p.secondDocument())
		}
		panic(p.misplaced())
	}
	return root, nil
}

func (p *parser) secondDocument() *fault.Fault {
	return p.notPlain("a second document", "keep one document: delete everything from this line on")
}

// content goes on to the next line that has more than a comment, and to its
// first character. It is false at the end of the file.
func (p *parser) content() bool {
	for ; p.line < len(p.lines); p.line++ {
		l := p.lines[p.line]
		p.off = indent(l)
		if p.off == len(l) || l[p.off] == '#' {
			continue
		}
		if l[p.off] == '\t' {
			panic(p.tab())
		}
		return true
	}
	return false
}

func indent(l string) int { return len(l) - len(strings.TrimLeft(l, " ")) }

// rest is the current line from here on.
func (p *parser) rest() string { return p.lines[p.line][p.off:] }

// marker reports whether a document marker stands here.
func (p *parser) marker(m string) bool {
	return p.off == 0 && strings.HasPrefix(p.rest(), m) && (len(p.rest()) == 3 || p.rest()[3] == ' ')
}

// spaces passes over spaces.
func (p *parser) spaces() { p.off += indent(p.rest()) }

// spaced reports whether a # here begins a comment.
func (p *parser) spaced() bool { return p.off == 0 || p.lines[p.line][p.off-1] == ' ' }

// endLine passes over the rest of a line that may hold only a comment.
func (p *parser) endLine() {
	p.spaces()
	switch r := p.rest(); {
	case r == "" || r[0] == '#' && p.spaced():
		p.off += len(r)
	case r[0] == ':':
		panic(p.wrong("a second colon in the line").Why("a key in a place where none can be").
			Fix("put a text that contains a colon with a space in quotes, or move the key to a line of its own"))
	case r[0] == '\t':
		panic(p.tab())
	case r[0] == '#':
		panic(p.wrong("a # right behind a value").Why("a comment begins with a space before its #").Fix("put a space before the #"))
	default:
		panic(p.wrong("more text behind the value").Why("a value ends with its line, bracket or quote").
			Fix("delete it, put a comma or a line break between, or put all of it in quotes"))
	}
}

// at is this place as line and column. It counts on from where it counted
// last, so that a long line costs no more than its length.
func (p *parser) at() (line, col int) {
	c := &p.counted
	if c.line != p.line || c.off > p.off {
		c.line, c.off, c.col = p.line, 0, 0
	}
	c.col += utf8.RuneCountInString(p.lines[p.line][c.off:p.off])
	c.off = p.off
	return p.line + 1, c.col + 1
}

func (p *parser) wrong(what string) *fault.Fault {
	line, col := p.at()
	return fault.New(fault.PlanSyntax, what).At("", line, col)
}

func (p *parser) tab() *fault.Fault {
	return p.wrong("a tab").Why("YAML is indented by spaces, and programs read other tabs differently").
		Fix(`replace it by spaces; in a text write it in double quotes as \t`)
}

func (p *parser) misplaced() *fault.Fault {
	return p.wrong("the line is indented unlike its neighbours").Why("keys of one level begin in one column").Fix("indent it like the lines that it belongs to")
}

func (p *parser) notPlain(what, fix string) *fault.Fault {
	f := p.wrong(what + " in the plan")
	f.Code = fault.PlanNotPlain
	return f.Why("a plan says each thing where it stands, in one plain document").Fix(fix)
}

func (p *parser) deeper(depth int) int {
	if depth >= maxDepth {
		f := p.wrong(fmt.Sprintf("nested more than %d levels deep", maxDepth))
		f.Code = fault.PlanTooDeep
		panic(f.Why("no field of the plan lies deeper").Fix("look for a bracket that is never closed"))
	}
	return depth + 1
}

// isItem reports whether an item of a list begins here.
func (p *parser) isItem() bool {
	r := p.rest()
	return r[0] == '-' && (len(r) == 1 || r[1] == ' ')
}

// block reads a list, a mapping or a single value that begins in this line,
// at least at the column of this indentation.
func (p *parser) block(column, depth int) *Node {
	switch {
	case p.off < column:
		panic(p.misplaced())
	case p.isItem():
		return p.blockList(p.off, depth)
	case p.isKey():
		return p.blockMapping(p.off, depth)
	}
	return p.value(column-1, depth)
}

// blockList reads the items that begin in this column.
func (p *parser) blockList(column, depth int) *Node {
	depth = p.deeper(depth)
	n := &Node{Kind: List}
	n.Line, n.Col = p.at()
	for {
		p.off++
		n.Items = append(n.Items, p.item(column, depth))
		if !p.content() || p.off < column || p.off == column && (!p.isItem() || p.marker("---")) {
			return n
		}
		if p.off > column {
			panic(p.misplaced())
		}
	}
}

// item reads what stands behind the hyphen of an item: a value, or a list or
// mapping that begins in the same line.
func (p *parser) item(column, depth int) *Node {
	p.spaces()
	if r := p.rest(); r != "" && r[0] != '#' && (p.isItem() || p.isKey()) {
		return p.block(p.off, depth)
	}
	return p.value(column, depth)
}

// blockMapping reads the keys that begin in this column.
func (p *parser) blockMapping(column, depth int) *Node {
	depth = p.deeper(depth)
	n := &Node{Kind: Mapping}
	n.Line, n.Col = p.at()
	keys := newKeys(p, n)
	for {
		if !p.isKey() {
			panic(p.notKey())
		}
		e, add := keys.read()
		p.off++ // the colon
		e.Value = p.mapped(column, depth)
		if add {
			n.Entries = append(n.Entries, e)
		}
		if !p.content() || p.off < column || p.marker("---") || p.marker("...") {
			return n
		}
		if p.off > column {
			panic(p.misplaced())
		}
	}
}

// notKey tells what stands where a key should.
func (p *parser) notKey() *fault.Fault {
	switch {
	case p.isItem():
		return p.wrong("an item of a list among keys").Why("a value is either a list or keys with values").Fix("indent the list below its key")
	case strings.Contains(p.rest(), ":") && !strings.Contains(p.rest(), ": "):
		return p.wrong("a line without a key").Why("expected key: value").Fix("put a space after the colon")
	}
	return p.wrong("a line without a key").Why("expected key: value").Fix("write it as key: value, or indent it below the key that it belongs to")
}

// mapped reads the value behind the colon of a key in this column.
func (p *parser) mapped(column, depth int) *Node {
	line, col := p.at()
	p.spaces()
	p.marks()
	if r := p.rest(); r != "" && (r[0] != '#' || !p.spaced()) {
		if p.isItem() {
			panic(p.wrong("an item of a list behind a key").Why("the items of a list begin on lines of their own").Fix("move it to the next line, or write [a, b]"))
		}
		return p.value(column, depth)
	}
	p.endLine()
	p.line++
	if p.content() && !p.marker("---") && !p.marker("...") {
		if p.off > column {
			return p.block(column+1, depth)
		}
		if p.off == column && p.isItem() {
			return p.blockList(column, depth)
		}
	}
	return &Node{Line: line, Col: col - 1}
}

// value reads a single value that belongs to something in this column, up to
// the end of its line: in brackets, in quotes, block text or plain text. It
// leaves the parser behind its last line.
func (p *parser) value(column, depth int) *Node {
	p.marks()
	line, col := p.at()
	r := p.rest()
	switch {
	case r == "" || r[0] == '#' && p.spaced():
		p.endLine()
		p.line++
		if p.content() && p.off > column && !p.marker("---") && !p.marker("...") {
			return p.block(column+1, depth)
		}
		return &Node{Line: line, Col: col}
	case r[0] == '|' || r[0] == '>':
		return p.blockText(column)
	case strings.IndexByte(`[{"'*`, r[0]) >= 0:
		n := p.flow(depth)
		p.endLine()
		p.line++
		return n
	}
	n := p.plain()
	n.Text = p.continued(n, column)
	resolve(n)
	return n
}

// continued reads the further lines of a plain text.
func (p *parser) continued(n *Node, column int) string {
	var text strings.Builder
	text.WriteString(n.Text)
	commented := strings.TrimLeft(p.rest(), " ") != ""
	p.endLine()
	for p.line++; p.line < len(p.lines); p.line++ {
		breaks := 0
		for ; p.line < len(p.lines) && strings.TrimLeft(p.lines[p.line], " ") == ""; p.line++ {
			breaks++
		}
		if p.line == len(p.lines) {
			break
		}
		p.off = indent(p.lines[p.line])
		if p.off <= column || p.rest()[0] == '#' || p.marker("---") || p.marker("...") {
			break
		}
		if commented || p.isKey() || strings.IndexByte("-?:,[]{}&*!|>'\"%@`", p.rest()[0]) >= 0 {
			panic(p.misplaced())
		}
		more := p.plain()
		if breaks == 0 {
			text.WriteByte(' ')
		}
		text.WriteString(strings.Repeat("\n", breaks) + more.Text)
		commented = strings.TrimLeft(p.rest(), " ") != ""
		p.endLine()
	}
	return text.String()
}

// marks passes over anchors and tags in front of a value, and reports them.
func (p *parser) marks() {
	for r := p.rest(); r != "" && (r[0] == '&' || r[0] == '!'); r = p.rest() {
		f := p.notPlain("an anchor", "delete the &name and write the value out where it is used; put a text that begins with & in quotes")
		if r[0] == '!' {
			f = p.notPlain("a tag", "delete the !tag; put a text that begins with ! in quotes")
		}
		p.report(f.At(p.file, f.Line, f.Column))
		p.word()
		p.spaces()
	}
}

// word passes over what is not a space, comma or bracket.
func (p *parser) word() {
	r := p.rest()
	if i := strings.IndexAny(r, " ,[]{}"); i >= 0 {
		r = r[:i]
	}
	p.off += len(r)
}
