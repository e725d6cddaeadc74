package yaml

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/plat-dev/plat/fault"
)

// flow reads a value in brackets or quotes, or a plain one within brackets.
func (p *parser) flow(depth int) *Node {
	p.marks()
	r := p.rest()
	if r == "" {
		panic(p.wrong("no value where one should be").Why("expected a value").Fix("write one, or delete the comma or colon"))
	}
	switch r[0] {
	case '*':
		n := &Node{Kind: Bad}
		n.Line, n.Col = p.at()
		f := p.notPlain("an alias", "write the value out; put a text that begins with * in quotes")
		p.report(f.At(p.file, f.Line, f.Column))
		p.word()
		return n
	case '[':
		return p.flowList(p.deeper(depth))
	case '{':
		return p.flowMapping(p.deeper(depth))
	case '"':
		return p.doubleQuoted()
	case '\'':
		return p.singleQuoted()
	}
	n := p.plainIn(true)
	resolve(n)
	return n
}

// gap passes over spaces, comments and line ends within brackets.
func (p *parser) gap(opened *Node) {
	for {
		p.spaces()
		r := p.rest()
		switch {
		case r != "" && r[0] == '\t':
			panic(p.tab())
		case r != "" && (r[0] != '#' || !p.spaced()):
			if p.marker("---") || p.marker("...") {
				panic(p.unclosed(opened))
			}
			return
		case p.line+1 == len(p.lines):
			panic(p.unclosed(opened))
		}
		p.line, p.off = p.line+1, 0
	}
}

func (p *parser) unclosed(n *Node) *fault.Fault {
	bracket := "["
	if n.Kind == Mapping {
		bracket = "{"
	}
	return fault.Newf(fault.PlanSyntax, "a %s that is not closed", bracket).At("", n.Line, n.Col).
		Why("brackets come in pairs").Fix("close it where its content ends")
}

// separator passes over the comma or the closing bracket behind an item, and
// reports whether it was the bracket.
func (p *parser) separator(n *Node, closing byte) bool {
	p.gap(n)
	switch p.rest()[0] {
	case closing:
		p.off++
		return true
	case ',':
		p.off++
		p.gap(n)
		if p.rest()[0] == closing {
			p.off++
			return true
		}
		return false
	case ':':
		if closing == '}' {
			panic(p.wrong("a second colon").Why("a value has one key").Fix("put a text that contains a colon with a space in quotes"))
		}
		panic(p.wrong("a key in a list").Why("a list in brackets holds values").Fix("put braces around it: {key: value}"))
	}
	panic(p.wrong("no comma or " + string(closing) + " behind a value").Why("values in brackets are separated by commas").
		Fix("put a comma between, or put the text in quotes"))
}

func (p *parser) flowList(depth int) *Node {
	n := &Node{Kind: List}
	n.Line, n.Col = p.at()
	p.off++
	p.gap(n)
	if p.rest()[0] == ']' {
		p.off++
		return n
	}
	for {
		n.Items = append(n.Items, p.flow(depth))
		if p.separator(n, ']') {
			return n
		}
	}
}

func (p *parser) flowMapping(depth int) *Node {
	n := &Node{Kind: Mapping}
	n.Line, n.Col = p.at()
	keys := newKeys(p, n)
	p.off++
	p.gap(n)
	if p.rest()[0] == '}' {
		p.off++
		return n
	}
	for {
		e, add := keys.readFlow()
		line, col := p.at()
		p.off++ // the colon
		p.gap(n)
		if r := p.rest()[0]; r == ',' || r == '}' {
			e.Value = &Node{Line: line, Col: col}
		} else {
			e.Value = p.flow(depth)
		}
		if add {
			n.Entries = append(n.Entries, e)
		}
		if p.separator(n, '}') {
			return n
		}
	}
}

// keys reads the keys of one mapping.
type keys struct {
	p    *parser
	of   *Node
	seen map[string]int // the line of each
}

func newKeys(p *parser, of *Node) *keys { return &keys{p: p, of: of, seen: map[string]int{}} }

// isKey reports whether a key with its colon stands here: plain or quoted
// text, a colon, and a space or the end of the line.
func (p *parser) isKey() bool {
	r := p.rest()
	switch {
	case r[0] == '[' || r[0] == '{' || r[0] == '#' || p.isItem():
		return false
	case r[0] == '"' || r[0] == '\'':
		end := quoteEnd(r)
		if end < 0 {
			return false
		}
		r = strings.TrimLeft(r[end:], " ")
		return r != "" && r[0] == ':' && (len(r) == 1 || r[1] == ' ')
	}
	if i := strings.Index(r, " #"); i >= 0 {
		r = r[:i]
	}
	return strings.HasSuffix(r, ":") || strings.Contains(r, ": ")
}

// quoteEnd is the offset behind the closing quote, -1 when there is none.
func quoteEnd(r string) int {
	for i := 1; i < len(r); i++ {
		switch {
		case r[i] == '\\' && r[0] == '"':
			i++
		case r[i] == r[0] && r[0] == '\'' && i+1 < len(r) && r[i+1] == '\'':
			i++
		case r[i] == r[0]:
			return i + 1
		}
	}
	return -1
}

// read reads a key of a block mapping up to its colon. It is false for a key
// that has a finding and does not count.
func (k *keys) read() (Entry, bool) {
	start := k.p.off
	n := k.p.keyText(false)
	k.p.spaces()
	return k.add(n, k.p.off-start)
}

// readFlow reads a key in braces up to its colon.
func (k *keys) readFlow() (Entry, bool) {
	p := k.p
	start := p.off
	n := p.keyText(true)
	p.spaces()
	r := p.rest()
	if r == "" || r[0] != ':' || len(r) > 1 && r[1] != ' ' && !n.Quoted {
		panic(p.wrong("a key without a value").Why("expected key: value, with a space after the colon").Fix("write {key: value}"))
	}
	return k.add(n, p.off-start)
}

func (p *parser) keyText(inBrackets bool) *Node {
	r := p.rest()
	switch r[0] {
	case '"':
		return p.doubleQuoted()
	case '\'':
		return p.singleQuoted()
	}
	n := p.plainIn(inBrackets)
	resolve(n)
	return n
}

// add takes a key that is written in so many bytes.
func (k *keys) add(n *Node, bytes int) (Entry, bool) {
	p := k.p
	if bytes > maxKey {
		panic(fault.Newf(fault.PlanSyntax, "a key of more than %d bytes", maxKey).At("", n.Line, n.Col).
			Why("keys are names").Fix("look for a quote or a line break that is missing"))
	}
	e := Entry{Key: n.Text, Line: n.Line, Col: n.Col}
	switch first, twice := k.seen[e.Key]; {
	case e.Key == "<<" && !n.Quoted:
		p.report(fault.New(fault.PlanNotPlain, "a merge key in the plan").At(p.file, e.Line, e.Col).
			Why("a plan says each thing where it stands, in one plain document").Fix("delete the << and write the keys out"))
		return e, false
	case n.Kind != Text:
		p.report(fault.Newf(fault.PlanAmbiguousValue, "the key %s is not text", n.Text).At(p.file, e.Line, e.Col).
			Why("YAML reads it as a number, a truth value or nothing").Fix("put it in quotes"))
		return e, false
	case twice:
		p.report(fault.Newf(fault.PlanDuplicateKey, "the key %q stands here again", e.Key).At(p.file, e.Line, e.Col).
			Why(fmt.Sprintf("it stands already in line %d, and one of the two would be lost", first)).Fix("delete or join one of them"))
		return e, false
	}
	k.seen[e.Key] = e.Line
	return e, true
}

// plain reads plain text outside of brackets.
func (p *parser) plain() *Node { return p.plainIn(false) }

// plainIn reads plain text up to the end of the line, a comment, a colon with
// a space, or within brackets a comma or bracket.
func (p *parser) plainIn(brackets bool) *Node {
	n := &Node{Kind: Text}
	n.Line, n.Col = p.at()
	r := p.rest()
	p.begin(r)
	end := len(r)
	for i := range len(r) {
		c := r[i]
		next := byte(' ')
		if i+1 < len(r) {
			next = r[i+1]
		}
		if c == '\t' {
			p.off += i
			panic(p.tab())
		}
		if c == ' ' && next == '#' || c == ':' && next == ' ' || brackets && strings.IndexByte(",[]{}", c) >= 0 {
			end = i
			break
		}
		if brackets && (c == '?' || c == ':' && (i == 0 || strings.IndexByte(",[]{}", next) >= 0)) {
			p.off += i
			panic(p.wrong("a " + string(c) + " in a text in brackets").Why("programs read it differently").Fix("put the text in quotes; behind a key put a space after the colon"))
		}
	}
	n.Text = strings.TrimRight(r[:end], " ")
	if n.Text == "" || brackets && n.Text == "-" {
		panic(p.wrong("no value where one should be").Why("expected a value").Fix("write one, or delete the comma or colon"))
	}
	p.off += len(n.Text)
	return n
}

// begin refuses what plain text cannot begin with.
func (p *parser) begin(r string) {
	switch c := r[0]; {
	case c == '?' && (len(r) == 1 || r[1] == ' '):
		panic(p.notPlain("a key marked by a question mark", "write it as key: value"))
	case strings.IndexByte("&*!", c) >= 0:
		panic(p.notPlain("a key with an anchor, alias or tag", "write the key as text; put it in quotes if it begins with & * or !"))
	case strings.IndexByte("]},|>%@`?#", c) >= 0, c == '-' && (len(r) == 1 || r[1] == ' '), c == ':' && (len(r) == 1 || r[1] == ' '):
		panic(p.wrong("a value that begins with " + string(c)).Why("in YAML this character has a meaning of its own").Fix("put the text in quotes"))
	case c == '\t':
		panic(p.tab())
	}
}

// resolve decides what a plain text is: a number or truth value to some
// reader of YAML, or text to all.
func resolve(n *Node) {
	t := n.Text
	switch t {
	case "~", "null", "Null", "NULL":
		n.Kind = Null
	case "true", "True", "TRUE", "false", "False", "FALSE":
		n.Kind = Boolean
	}
	unsigned := strings.TrimLeft(t, "+-")
	if len(t)-len(unsigned) > 1 || unsigned == "" {
		return
	}
	switch c := unsigned[0]; {
	case c >= '0' && c <= '9':
		n.Kind = number(unsigned)
	case c == '.' && len(unsigned) > 1:
		if lower := strings.ToLower(unsigned); lower == ".inf" || lower == ".nan" || unsigned[1] >= '0' && unsigned[1] <= '9' && number("0"+unsigned) == Number {
			n.Kind = Number
		}
	}
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

func (p *parser) openQuote(what string) *fault.Fault {
	return p.wrong("a " + what + " quote that is not closed in its line").Why("quoted text begins and ends on one line").
		Fix("close the quote; use | for a text of several lines")
}

func (p *parser) singleQuoted() *Node {
	n := &Node{Kind: Text, Quoted: true}
	n.Line, n.Col = p.at()
	end := quoteEnd(p.rest())
	if end < 0 {
		panic(p.openQuote("single"))
	}
	n.Text = strings.ReplaceAll(p.rest()[1:end-1], "''", "'")
	p.off += end
	return n
}

func (p *parser) doubleQuoted() *Node {
	n := &Node{Kind: Text, Quoted: true}
	n.Line, n.Col = p.at()
	r := p.rest()
	end := quoteEnd(r)
	if end < 0 {
		panic(p.openQuote("double"))
	}
	var b strings.Builder
	for i := 1; i < end-1; {
		if r[i] != '\\' {
			b.WriteByte(r[i])
			i++
			continue
		}
		c, size := escape(r[i : end-1])
		if size == 0 {
			p.off += i
			panic(p.wrong("an unknown escape").Why(`in double quotes a \ begins one of \n \t \" \\ \xHH \uHHHH \UHHHHHHHH`).
				Fix(`write \\ for a backslash, or use single quotes`))
		}
		if !printable(c) {
			f := p.wrong(fmt.Sprintf("the invisible character %U in a text", c))
			f.Code = fault.PlanNotText
			panic(f.Why("a plan is plain UTF-8 text").Fix("delete the escape"))
		}
		b.WriteRune(c)
		i += size
	}
	n.Text = b.String()
	p.off += end
	return n
}

// escape reads the escape that s begins with; size 0 when it is none.
func escape(s string) (c rune, size int) {
	if len(s) < 2 {
		return 0, 0
	}
	switch s[1] {
	case 'n':
		return '\n', 2
	case 't':
		return '\t', 2
	case '0':
		return 0, 2
	case '"', '\\':
		return rune(s[1]), 2
	}
	length := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[1]]
	if length == 0 || len(s) < 2+length {
		return 0, 0
	}
	n, err := strconv.ParseUint(s[2:2+length], 16, 32)
	if err != nil || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return 0, 0
	}
	return rune(n), 2 + length
}

// blockText reads the lines below | or >, which are indented deeper than this
// column.
func (p *parser) blockText(column int) *Node {
	n := &Node{Kind: Text, Quoted: true}
	n.Line, n.Col = p.at()
	folded := p.rest()[0] == '>'
	p.off++
	strip := strings.HasPrefix(p.rest(), "-")
	if strip {
		p.off++
	}
	if r := p.rest(); r != "" && (r[0] == '+' || r[0] >= '0' && r[0] <= '9') {
		panic(p.notPlain("an indicator behind | or >", "write | or > alone, or |- or >- for no line break at the end"))
	}
	p.endLine()
	var text []string
	width := 0 // of the indentation, known from the first line of text
	for p.line++; p.line < len(p.lines); p.line++ {
		l := p.lines[p.line]
		p.off = indent(l)
		blank := p.off == len(l)
		switch {
		case blank && (width == 0 || p.off <= width):
			text = append(text, "")
			if width == 0 && p.off > column+1 {
				panic(p.wrong("an empty line with spaces before the text").Why("programs read its spaces differently").Fix("delete the spaces"))
			}
			continue
		case width == 0 && p.off > column:
			width = p.off
		}
		if width == 0 || p.off < width || p.marker("---") || p.marker("...") {
			break
		}
		if folded && p.off > width || l[width:] != "" && l[width] == '\t' {
			panic(p.wrong("a line of the text that is indented deeper").Why("programs fold it differently").Fix("use | instead of >, or indent the lines alike"))
		}
		text = append(text, l[width:])
	}
	n.Text = joinBlock(text, folded)
	atEnd := p.line == len(p.lines) && len(text) > 0 && text[len(text)-1] != "" // the file ends without a line end
	if !strip && n.Text != "" && !atEnd {
		n.Text += "\n"
	}
	return n
}

// joinBlock makes one text of the lines, without the empty ones at its end.
func joinBlock(lines []string, folded bool) string {
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if !folded {
		return strings.Join(lines, "\n")
	}
	var b strings.Builder
	for i, l := range lines {
		switch {
		case l == "":
			b.WriteByte('\n')
			continue
		case i > 0 && lines[i-1] != "":
			b.WriteByte(' ')
		}
		b.WriteString(l)
	}
	return b.String()
}
