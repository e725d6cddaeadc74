package plan

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/plat-dev/plat/fault"
)

// Bounds of a plan file. The parser's time grows with the square of nesting
// and of the number of lines, so all are checked before it sees a byte.
const (
	maxBytes    = 1 << 20
	maxLines    = 10_000
	maxDepth    = 32
	maxBrackets = 2 * maxDepth // counted without regard to quotes, hence generous
)

// parse reads one file of the plan's strict subset of YAML into nodes. What
// is wrong is added to the document's findings; the document is broken when
// nothing can be said about its content.
func parse(file string, data []byte) *document {
	d := &document{file: file, parsed: true}
	if bytes.IndexByte(data, '\r') >= 0 {
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	}
	lengths, f := scan(data)
	if f != nil {
		d.refuse(f)
		return d
	}
	d.lengths = lengths
	body, f := parseYAML(data)
	if f != nil {
		d.refuse(f)
		return d
	}
	if body != nil {
		d.root = d.convert(body, 0)
		d.broken = d.root == nil
	}
	return d
}

func (d *document) refuse(f *fault.Fault) {
	line, col := f.Line, f.Column
	if d.lengths != nil {
		line, col = d.inside(line, col)
	}
	d.faults.add(f.At(d.file, line, col))
	d.broken = true
}

// scanner goes over the text before it is parsed, and refuses what is not
// text or beyond the bounds.
type scanner struct {
	line, col int
	brackets  int   // open ones, without regard to quotes
	run       int   // indicators - ? : at the head of this line
	head      bool  // nothing but indicators and spaces so far in this line
	comment   bool  // behind a # that begins a comment, unless it is in quotes
	before    rune  // the character before this one
	lengths   []int // characters of each line so far
}

// scan gives the lengths of the lines.
func scan(data []byte) ([]int, *fault.Fault) {
	if len(data) > maxBytes {
		return nil, fault.Newf(codeTooLarge, "the file has more than %d KiB", maxBytes>>10).At("", 1, 1).
			Why("a plan file is written by people").Fix("check that this is the right file; split large descriptions off")
	}
	s := scanner{line: 1, head: true, before: '\n', lengths: make([]int, 0, 64)}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		s.col++
		if f := s.refuse(r, n); f != nil {
			return nil, f.At("", s.line, s.col)
		}
		s.next(r)
		i += n
	}
	return append(s.lengths, s.col), nil
}

// refuse tells what is wrong with the next character, which is malformed when
// it has the size of one byte only.
func (s *scanner) refuse(r rune, size int) *fault.Fault {
	notText := func(what, fix string) *fault.Fault {
		return fault.New(codeNotText, what).Why("a plan is plain UTF-8 text").Fix(fix)
	}
	switch {
	case r == '\t' && !s.comment:
		// The parser drops tabs out of the middle of plain text.
		return fault.New(codeSyntax, "a tab").Why("YAML is indented by spaces, and programs read other tabs differently").
			Fix("replace it by spaces; in a text write it in double quotes as \\t")
	case r == utf8.RuneError && size == 1:
		return notText("a byte that is not UTF-8", "save the file as UTF-8")
	case r == '\ufeff':
		return notText("a byte order mark", "save the file as UTF-8 without a byte order mark")
	case r == '\r':
		return notText("a carriage return without a line feed", "end lines with LF or CRLF")
	case !printable(r):
		return notText(fmt.Sprintf("the invisible character %U", r), "delete it")
	case (r == '[' || r == '{') && s.brackets == maxBrackets, r == ' ' && s.head && s.run > maxDepth:
		return tooDeep(s.line, s.col)
	case r == '\n' && s.line == maxLines:
		return fault.Newf(codeTooLarge, "the file has more than %d lines", maxLines).
			Why("a plan file is written by people").Fix("give each service its own service.yaml")
	}
	return nil
}

func (s *scanner) next(r rune) {
	switch r {
	case '[', '{':
		s.brackets++
	case ']', '}':
		s.brackets = max(s.brackets-1, 0)
	case '-', '?', ':':
		if s.head {
			s.run++
		}
	case '#':
		s.comment = s.comment || s.before == ' ' || s.before == '\n'
	}
	s.head = s.head && strings.ContainsRune(" -?:", r)
	s.before = r
	if r == '\n' {
		s.lengths = append(s.lengths, s.col-1)
		s.line, s.col, s.run, s.head, s.comment = s.line+1, 0, 0, true, false
	}
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

func tooDeep(line, col int) *fault.Fault {
	return fault.Newf(codeTooDeep, "nested more than %d levels deep", maxDepth).At("", line, col).
		Why("no field of the plan lies deeper").Fix("look for a bracket that is never closed")
}

// parseYAML gives the only document's body, nil when it is empty.
func parseYAML(data []byte) (body ast.Node, f *fault.Fault) {
	defer func() {
		// The parser has paths that end in a panic on malformed text.
		if r := recover(); r != nil {
			body, f = nil, fault.New(codeSyntax, "this is not YAML").At("", 1, 1).
				Why("the text breaks YAML's rules").Fix("check indentation and brackets")
		}
	}()
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntax(err)
	}
	var bodies []ast.Node
	for i, doc := range file.Docs {
		line := 1
		if doc.Start != nil {
			line = doc.Start.Position.Line
		}
		if _, is := doc.Body.(*ast.DirectiveNode); is {
			return nil, notPlain("a directive", "delete the line that begins with %").At("", 1, 1)
		}
		if i > 0 {
			return nil, notPlain("a second document", "keep one document: delete everything from this line on").At("", line, 1)
		}
		bodies = append(bodies, doc.Body)
	}
	if len(bodies) == 0 {
		return nil, nil
	}
	return bodies[0], nil
}

func syntax(err error) *fault.Fault {
	f := fault.New(codeSyntax, "this is not YAML").At("", 1, 1).Because(err).
		Why("the text breaks YAML's rules here").Fix("check indentation, brackets and quotes at this place")
	var s *yaml.SyntaxError
	if !errors.As(err, &s) {
		return f
	}
	f.What = s.Message
	if s.Token != nil && s.Token.Position != nil {
		f.Line, f.Column = s.Token.Position.Line, s.Token.Position.Column
	}
	switch {
	case strings.Contains(s.Message, "mapping value is not allowed"):
		f.Why("a key in a place where none can be, often from wrong indentation or a text with a colon").
			Fix("indent keys of one level alike; put a text that contains \": \" in quotes")
	case strings.Contains(s.Message, "alias name"), strings.Contains(s.Message, "anchor name"):
		f.Fix("put a text that begins with * or & in quotes")
	case strings.Contains(s.Message, "reserved character"):
		f.Fix("put the text in quotes")
	}
	return f
}

func notPlain(what, fix string) *fault.Fault {
	return fault.New(codeNotPlain, what+" in the plan").
		Why("a plan says each thing where it stands, in one plain document").Fix(fix)
}

// convert turns the parser's tree into nodes, and refuses in it what a plan
// does not use and what would be read otherwise than it is written.
func (d *document) convert(n ast.Node, depth int) *node {
	line, col := d.position(n)
	out := &node{line: line, col: col}
	if depth > maxDepth {
		out.kind = badNode
		d.faults.add(tooDeep(line, col).At(d.file, line, col))
		return out
	}
	switch n := n.(type) {
	case nil, *ast.NullNode:
	case *ast.StringNode:
		out.kind, out.text = textNode, n.Value
		out.quoted = n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType
		d.checkText(out)
	case *ast.LiteralNode:
		out.kind, out.text, out.quoted = textNode, n.Value.Value, true
		d.checkText(out)
	case *ast.IntegerNode:
		out.kind, out.text = integerNode, n.Token.Value
	case *ast.FloatNode:
		out.kind, out.text = numberNode, n.Token.Value
	case *ast.InfinityNode:
		out.kind, out.text = numberNode, n.Token.Value
	case *ast.NanNode:
		out.kind, out.text = numberNode, n.Token.Value
	case *ast.BoolNode:
		out.kind, out.text = booleanNode, n.Token.Value
	case *ast.SequenceNode:
		out.kind = listNode
		for _, item := range n.Values {
			out.items = append(out.items, d.convert(item, depth+1))
		}
	case *ast.MappingNode:
		out.kind = mappingNode
		d.convertEntries(out, n.Values, depth)
	case *ast.MappingValueNode:
		out.kind = mappingNode
		d.convertEntries(out, []*ast.MappingValueNode{n}, depth)
	case *ast.AnchorNode:
		out.kind = badNode
		d.faults.add(notPlain("an anchor", "delete the &name and write the value out where it is used").At(d.file, line, col))
	case *ast.AliasNode:
		out.kind = badNode
		d.faults.add(notPlain("an alias", "write the value out; put a text that begins with * in quotes").At(d.file, line, col))
	case *ast.TagNode:
		out.kind = badNode
		d.faults.add(notPlain("a tag", "delete the !tag; put a text that begins with ! in quotes").At(d.file, line, col))
	default:
		out.kind = badNode
		d.faults.add(notPlain("something that is neither a value, a list nor keys with values", "write it plainly").At(d.file, line, col))
	}
	return out
}

// checkText refuses what an escape brought in that scan would have refused.
func (d *document) checkText(n *node) {
	for _, r := range n.text {
		if !printable(r) {
			d.faults.add(fault.Newf(codeNotText, "the invisible character %U in a text", r).At(d.file, n.line, n.col).
				Why("a plan is plain UTF-8 text").Fix("delete the escape"))
			return
		}
	}
}

func (d *document) convertEntries(out *node, values []*ast.MappingValueNode, depth int) {
	seen := make(map[string]int, len(values)) // the line where each key stands first
	out.entries = make([]entry, 0, len(values))
	for _, v := range values {
		e := entry{}
		e.line, e.col = d.position(v.Key)
		switch key := v.Key.(type) {
		case *ast.StringNode:
			e.key = key.Value
		case *ast.MergeKeyNode:
			d.faults.add(notPlain("a merge key", "delete the << and write the keys out").At(d.file, e.line, e.col))
			continue
		case *ast.MappingKeyNode:
			d.faults.add(notPlain("a key marked by a question mark", "write it as key: value").At(d.file, e.line, e.col))
			continue
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
			d.faults.add(fault.Newf(codeAmbiguous, "the key %s is not text", v.Key.GetToken().Value).At(d.file, e.line, e.col).
				Why("YAML reads it as a number, a truth value or nothing").Fix("put it in quotes"))
			continue
		default:
			d.faults.add(notPlain("a key that is not plain text", "write the key as text without & * or !").At(d.file, e.line, e.col))
			continue
		}
		if first, twice := seen[e.key]; twice {
			d.faults.add(fault.Newf(codeDuplicateKey, "the key %q stands here again", e.key).At(d.file, e.line, e.col).
				Why(fmt.Sprintf("it stands already in line %d, and one of the two would be lost", first)).Fix("delete or join one of them"))
			continue
		}
		seen[e.key] = e.line
		d.checkText(&node{text: e.key, line: e.line, col: e.col})
		e.value = d.convert(v.Value, depth+1)
		out.entries = append(out.entries, e)
	}
}

// inside moves a place that the parser miscounted into the text.
func (d *document) inside(line, col int) (int, int) {
	line = min(max(line, 1), len(d.lengths))
	return line, min(max(col, 1), d.lengths[line-1]+1)
}

// position is where a node begins.
func (d *document) position(n ast.Node) (line, col int) { return d.inside(position(n)) }

// position is where the parser says that a node begins, 1:1 when it does not
// know.
func position(n ast.Node) (line, col int) {
	switch m := n.(type) {
	case nil:
		return 1, 1
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return position(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return position(m.Key)
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line, t.Position.Column
	}
	return 1, 1
}
