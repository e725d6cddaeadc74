package yaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/plat-dev/plat/fault"
)

// MaxBytes is how large a file may be.
const MaxBytes = 1 << 20

// Bounds of nesting. The brackets are counted before the library sees a byte
// and without regard to quotes, hence generously.
const (
	maxDepth    = 32
	maxBrackets = 4 * maxDepth
)

// Parse reads one file; its name is for the findings, which go to report as
// they are found. It is false when nothing can be said about the content: the
// text breaks a rule of YAML, or a bound. The root of an empty file is nil.
//
// It takes block and flow mappings and lists, plain and quoted text, and the
// block texts | and >. What YAML has beyond (anchors, tags, merge keys, several
// documents) is refused.
func Parse(file string, data []byte, report func(*fault.Fault)) (root *Node, ok bool) {
	text, f := decodeText(data)
	var body *yaml.Node
	if f == nil {
		body, f = load(text)
	}
	if f != nil {
		report(f.At(file, f.Line, f.Column))
		return nil, false
	}
	if body == nil {
		return nil, true
	}
	c := converter{file: file, report: report}
	root = c.convert(body, 1)
	return root, !c.deep && root.Kind != Bad
}

// decodeText refuses what is not plain text or nested beyond reason, and ends
// lines with LF.
func decodeText(data []byte) (string, *fault.Fault) {
	if len(data) > MaxBytes {
		return "", fault.Newf(fault.PlanTooLarge, "the file has more than %d KiB", MaxBytes>>10).At("", 1, 1).
			Why("a plan file is written by people").Fix("check that this is the right file; split large descriptions off")
	}
	if bytes.IndexByte(data, '\r') >= 0 {
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	}
	line, col, open := 1, 0, 0
	for i := 0; i < len(data); {
		r, n := rune(data[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(data[i:])
		}
		col++
		if f := unprintable(r, n); f != nil {
			return "", f.At("", line, col)
		}
		switch r {
		case '\n':
			line, col = line+1, 0
		case '[', '{':
			if open++; open > maxBrackets {
				return "", tooDeep(line, col)
			}
		case ']', '}':
			open = max(open-1, 0)
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
	case printable(r) && (r != utf8.RuneError || size > 1):
		return nil
	case r == utf8.RuneError:
		return notText("a byte that is not UTF-8", "save the file as UTF-8")
	case r == '\ufeff':
		return notText("a byte order mark", "save the file as UTF-8 without a byte order mark")
	case r == '\r':
		return notText("a carriage return without a line feed", "end lines with LF or CRLF")
	}
	return notText(fmt.Sprintf("the invisible character %U", r), "delete it")
}

// printable reports whether YAML and the eye agree on what r is: no control
// characters, no line separators that only some parsers break lines at, and
// nothing that reorders the text around it.
func printable(r rune) bool {
	switch {
	case r == '\n' || r == '\t' || r >= ' ' && r < 0x7f:
		return true
	case r <= 0x9f, r == 0x2028, r == 0x2029, r == 0xfeff,
		r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfffe, r == 0xffff:
		return false
	}
	return true
}

// load gives the only document's body, nil when it is empty.
func load(text string) (*yaml.Node, *fault.Fault) {
	if at, ok := directive(text); ok {
		return nil, notPlain("a directive", "delete the line that begins with %").At("", at, 1)
	}
	loader, err := yaml.NewLoader(strings.NewReader(text))
	if err != nil {
		return nil, syntax(text, err)
	}
	var first, second yaml.Node
	switch err := loader.Load(&first); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntax(text, err)
	}
	switch err := loader.Load(&second); {
	case err == nil:
		return nil, notPlain("a second document", "keep one document: delete everything from its --- on").At("", max(second.Line, 1), max(second.Column, 1))
	case !errors.Is(err, io.EOF):
		return nil, syntax(text, err)
	}
	if len(first.Content) == 0 {
		return nil, nil
	}
	return first.Content[0], nil
}

// directive finds a line that begins with % before the document does.
func directive(text string) (line int, found bool) {
	for l := range strings.Lines(text) {
		line++
		switch {
		case l[0] == '%':
			return line, true
		case l[0] != '#' && strings.TrimSpace(l) != "":
			return 0, false
		}
	}
	return 0, false
}

// hint says more about what the library says, by a part of it.
type hint struct{ part, why, fix string }

func hints() []hint {
	return []hint{
		{"mapping values are not allowed", "a key in a place where none can be, often from wrong indentation or a text with a colon", `indent keys of one level alike; put a text that contains ": " in quotes`},
		{"could not find expected ':'", "expected key: value", "write it as key: value, or indent it below the key that it belongs to"},
		{"cannot start any token", "a tab, or a character that has a meaning of its own in YAML", "indent by spaces; put the text in quotes"},
		{"unknown anchor", "a text that begins with * names an anchor in YAML", "put the text in quotes"},
		{"unexpected end of stream", "a quote that is not closed", "close it"},
		{"did not find expected", "a bracket or quote that is not closed, or lines of one level that are indented differently", "close it, or indent them alike"},
	}
}

// syntax places what the library says: where it stands, or where the bracket
// or quote begins that is open at the end of the file.
func syntax(text string, err error) *fault.Fault {
	f := fault.New(fault.PlanSyntax, "this is not YAML").At("", 1, 1).Because(err).
		Why("the text breaks YAML's rules here").Fix("check indentation, brackets and quotes at this place")
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		return f
	}
	f.What = e.Message
	mark, lines := e.Mark, strings.Count(text, "\n")
	if !strings.HasSuffix(text, "\n") {
		lines++
	}
	if (mark.Line == 0 || mark.Line > lines) && e.ContextMark.Line > 0 {
		mark = e.ContextMark
	}
	f.At("", min(max(mark.Line, 1), max(lines, 1)), max(mark.Column, 1))
	for _, h := range hints() {
		if strings.Contains(e.Message, h.part) {
			return f.Why(h.why).Fix(h.fix)
		}
	}
	return f
}

func notPlain(what, fix string) *fault.Fault {
	return fault.New(fault.PlanNotPlain, what+" in the plan").
		Why("a plan says each thing where it stands, in one plain document").Fix(fix)
}

func tooDeep(line, col int) *fault.Fault {
	return fault.Newf(fault.PlanTooDeep, "nested more than %d levels deep", maxDepth).At("", line, col).
		Why("no field of the plan lies deeper").Fix("look for a bracket that is never closed")
}

// converter turns the library's tree into nodes.
type converter struct {
	file   string
	report func(*fault.Fault)
	deep   bool // something was nested too deep
}

func (c *converter) find(f *fault.Fault, n *yaml.Node) { c.report(f.At(c.file, n.Line, n.Column)) }

// convert turns the library's tree into nodes, and refuses in it what a plan
// does not use and what would be read otherwise than it is written.
func (c *converter) convert(n *yaml.Node, depth int) *Node {
	out := &Node{Line: n.Line, Col: n.Column, Flow: n.Style&yaml.FlowStyle != 0}
	bad := func(f *fault.Fault) *Node {
		out.Kind = Bad
		c.find(f, n)
		return out
	}
	switch {
	case depth > maxDepth:
		c.deep = true
		return bad(tooDeep(n.Line, n.Column))
	case n.Kind == yaml.AliasNode:
		return bad(notPlain("an alias", "write the value out; put a text that begins with * in quotes"))
	case n.Anchor != "":
		return bad(notPlain("an anchor", "delete the &name and write the value out where it is used"))
	case n.Style&yaml.TaggedStyle != 0:
		return bad(notPlain("a tag", "delete the !tag; put a text that begins with ! in quotes"))
	}
	switch n.Kind {
	case yaml.SequenceNode:
		out.Kind = List
		for _, item := range n.Content {
			out.Items = append(out.Items, c.convert(item, depth+1))
		}
	case yaml.MappingNode:
		out.Kind = Mapping
		c.convertEntries(out, n.Content, depth)
	case yaml.ScalarNode:
		c.convertScalar(out, n)
	default:
		return bad(notPlain("something that is neither a value, a list nor keys with values", "write it plainly"))
	}
	return out
}

func (c *converter) convertScalar(out *Node, n *yaml.Node) {
	const quotes = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	out.Text, out.Quoted = n.Value, n.Style&quotes != 0
	out.Kind = Text
	if !out.Quoted {
		out.Kind = resolve(n.Value)
	}
	for _, r := range n.Value { // what an escape brought in
		if f := unprintable(r, utf8.UTFMax); f != nil {
			c.find(f.Fix("delete the escape that makes it"), n)
			return
		}
	}
}

func (c *converter) convertEntries(out *Node, content []*yaml.Node, depth int) {
	seen := make(map[string]int, len(content)/2) // the line where each key stands first
	out.Entries = make([]Entry, 0, len(content)/2)
	for i := 0; i+1 < len(content); i += 2 {
		k := content[i]
		if k.Kind != yaml.ScalarNode || k.Anchor != "" || k.Style&yaml.TaggedStyle != 0 {
			c.find(notPlain("a key that is not plain text", "write the key as text without & * or !"), k)
			continue
		}
		key := &Node{Line: k.Line, Col: k.Column}
		c.convertScalar(key, k)
		first, twice := seen[key.Text]
		switch {
		case key.Text == "<<" && !key.Quoted:
			c.find(notPlain("a merge key", "delete the << and write the keys out"), k)
			continue
		case key.Kind != Text:
			c.find(fault.Newf(fault.PlanAmbiguousValue, "the key %s is not text", k.Value).
				Why("YAML reads it as a number, a truth value or nothing").Fix("put it in quotes"), k)
			continue
		case twice:
			c.find(fault.Newf(fault.PlanDuplicateKey, "the key %q stands here again", key.Text).
				Why(fmt.Sprintf("it stands already in line %d, and one of the two would be lost", first)).Fix("delete or join one of them"), k)
			continue
		}
		seen[key.Text] = k.Line
		out.Entries = append(out.Entries, Entry{Key: key.Text, Line: k.Line, Col: k.Column, Value: c.convert(content[i+1], depth+1)})
	}
}

// resolve decides what an unquoted text is: a number or truth value to some
// reader of YAML, or text to all. The versions of YAML differ here, so the
// library's own answer is not asked.
func resolve(t string) Kind {
	switch t {
	case "", "~", "null", "Null", "NULL":
		return Null
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return Boolean
	}
	unsigned := strings.TrimLeft(t, "+-")
	if len(t)-len(unsigned) > 1 || unsigned == "" {
		return Text
	}
	switch c := unsigned[0]; {
	case c >= '0' && c <= '9':
		return number(unsigned)
	case c == '.' && len(unsigned) > 1:
		if lower := strings.ToLower(unsigned); lower == ".inf" || lower == ".nan" || unsigned[1] >= '0' && unsigned[1] <= '9' && number("0"+unsigned) == Number {
			return Number
		}
	}
	return Text
}

// number is what a text that begins with a digit is to the most generous
// reader of YAML.
func number(t string) Kind {
	plain := strings.ReplaceAll(t, "_", "")
	if strings.Trim(plain, "0123456789") == "" {
		return Integer
	}
	if _, err := strconv.ParseInt(plain, 0, 64); err == nil {
		return Integer
	}
	if _, err := strconv.ParseFloat(plain, 64); err == nil {
		return Number
	}
	if len(plain) > 2 && plain[0] == '0' && strings.IndexByte("xobXOB", plain[1]) >= 0 && strings.Trim(plain[2:], "0123456789abcdefABCDEF") == "" {
		return Integer
	}
	return Text
}
