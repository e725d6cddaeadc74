package segment

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/plat-dev/plat/telemetry"
)

// Attributes in Parquet are a JSON object: text as a string, numbers and
// booleans as themselves, lists and maps as they came. A value that would not
// come back the same stands in {"$KIND": TEXT}, and so do bytes.

func escape(k telemetry.ValueKind) string {
	return [...]string{"$text", "$int", "$float", "$bool", "$json", "$bytes"}[min(k, telemetry.Bytes)]
}

// natural tells whether the value can stand in JSON as itself.
func natural(a *telemetry.Attribute) bool {
	switch a.Kind {
	case telemetry.Text:
		return true
	case telemetry.Int:
		n, err := strconv.ParseInt(a.Value, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == a.Value
	case telemetry.Float:
		// A float without point or exponent would come back as an integer.
		f, err := strconv.ParseFloat(a.Value, 64)
		return err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) && strings.ContainsAny(a.Value, ".eE") && json.Valid([]byte(a.Value))
	case telemetry.Bool:
		return a.Value == "true" || a.Value == "false"
	case telemetry.JSON:
		if a.Value == "" || a.Value[0] != '[' && a.Value[0] != '{' || strings.HasPrefix(a.Value, `{"$`) {
			return false
		}
		last := a.Value[len(a.Value)-1]
		return (last == ']' || last == '}') && json.Valid([]byte(a.Value))
	}
	return false
}

// appendObject appends attributes.
func appendObject(b []byte, list []telemetry.Attribute) []byte {
	b = append(b, '{')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendMember(b, &list[i])
	}
	return append(b, '}')
}

func appendMember(b []byte, a *telemetry.Attribute) []byte {
	b = append(appendString(b, a.Key), ':')
	switch {
	case a.Kind == telemetry.Text:
		return appendString(b, a.Value)
	case natural(a):
		return append(b, a.Value...)
	}
	b = append(appendString(append(b, '{'), escape(a.Kind)), ':')
	return append(appendString(b, a.Value), '}')
}

// appendString appends a JSON string. Letters and digits stand as they are, so
// that words can be found in the text.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		default:
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		start = i + 1
	}
	return append(append(b, s[start:]...), '"')
}

var errObject = errors.New("attributes are not as they were written")

// parseObject reads what appendObject wrote.
func parseObject(s string, into []telemetry.Attribute) ([]telemetry.Attribute, error) {
	if s == "" {
		return into, nil
	}
	p := parser{s: s}
	if !p.skip('{') {
		return nil, errObject
	}
	if p.skip('}') {
		return into, p.done()
	}
	for {
		a := telemetry.Attribute{Key: p.string()}
		if p.bad || !p.skip(':') {
			return nil, errObject
		}
		p.value(&a)
		into = append(into, a)
		if p.skip('}') {
			return into, p.done()
		}
		if p.bad || !p.skip(',') {
			return nil, errObject
		}
	}
}

// parser reads JSON of our own making.
type parser struct {
	s   string
	i   int
	bad bool
}

func (p *parser) done() error {
	if p.bad || p.i != len(p.s) {
		return errObject
	}
	return nil
}

func (p *parser) skip(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) fail() string {
	p.bad = true
	return ""
}

// string reads a string; without an escape it is a part of the text.
func (p *parser) string() string {
	if !p.skip('"') {
		return p.fail()
	}
	start := p.i
	for ; p.i < len(p.s); p.i++ {
		switch p.s[p.i] {
		case '"':
			p.i++
			return p.s[start : p.i-1]
		case '\\':
			return p.escaped(start)
		}
	}
	return p.fail()
}

func (p *parser) escaped(start int) string {
	b := []byte(p.s[start:p.i])
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		switch {
		case c == '"':
			return string(b)
		case c != '\\':
			b = append(b, c)
		case p.i >= len(p.s):
			return p.fail()
		default:
			c = p.s[p.i]
			p.i++
			switch c {
			case 'n':
				b = append(b, '\n')
			case 't':
				b = append(b, '\t')
			case 'u':
				if len(p.s)-p.i < 4 {
					return p.fail()
				}
				v, err := strconv.ParseUint(p.s[p.i:p.i+4], 16, 16)
				if err != nil {
					return p.fail()
				}
				p.i += 4
				b = utf8.AppendRune(b, rune(v)) // #nosec G115 -- 16 bits
			default:
				b = append(b, c)
			}
		}
	}
	return p.fail()
}

func (p *parser) value(a *telemetry.Attribute) {
	if p.i >= len(p.s) {
		p.bad = true
		return
	}
	switch p.s[p.i] {
	case '"':
		a.Kind, a.Value = telemetry.Text, p.string()
	case 't', 'f':
		a.Kind, a.Value = telemetry.Bool, p.word()
	case '[':
		a.Kind, a.Value = telemetry.JSON, p.nested()
	case '{':
		if strings.HasPrefix(p.s[p.i:], `{"$`) {
			p.i++
			name := p.string()
			p.bad = p.bad || !p.skip(':')
			a.Value = p.string()
			p.bad = p.bad || !p.skip('}')
			for k := telemetry.Text; k <= telemetry.Bytes; k++ {
				if escape(k) == name {
					a.Kind = k
				}
			}
			return
		}
		a.Kind, a.Value = telemetry.JSON, p.nested()
	default:
		a.Kind, a.Value = telemetry.Int, p.word()
		if strings.ContainsAny(a.Value, ".eE") {
			a.Kind = telemetry.Float
		}
	}
}

// word reads a number or true or false.
func (p *parser) word() string {
	start := p.i
	for p.i < len(p.s) && p.s[p.i] != ',' && p.s[p.i] != '}' {
		p.i++
	}
	if p.i == start {
		return p.fail()
	}
	return p.s[start:p.i]
}

// nested reads a list or a map as it stands.
func (p *parser) nested() string {
	start, depth, quoted := p.i, 0, false
	for ; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case quoted && c == '\\':
			p.i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				p.i++
				return p.s[start:p.i]
			}
		}
	}
	return p.fail()
}

// jsonEvent and jsonLink are events and links in Parquet's JSON columns.
type jsonEvent struct {
	Time       int64           `json:"time"` // nanoseconds of Unix time
	Name       string          `json:"name"`
	Attributes json.RawMessage `json:"attributes"`
}

type jsonLink struct {
	TraceID    string          `json:"trace_id"`
	SpanID     string          `json:"span_id"`
	Attributes json.RawMessage `json:"attributes"`
}

func appendEvents(b []byte, events []telemetry.SpanEvent) []byte {
	b = append(b, '[')
	for i := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"time":`...), events[i].Time, 10)
		b = appendString(append(b, `,"name":`...), events[i].Name)
		b = append(appendObject(append(b, `,"attributes":`...), events[i].Attributes), '}')
	}
	return append(b, ']')
}

func parseEvents(s string) ([]telemetry.SpanEvent, error) {
	if s == "" {
		return nil, nil
	}
	var list []jsonEvent
	if err := json.Unmarshal([]byte(s), &list); err != nil {
		return nil, err
	}
	events := make([]telemetry.SpanEvent, len(list))
	for i, e := range list {
		attributes, err := parseObject(string(e.Attributes), nil)
		if err != nil {
			return nil, err
		}
		events[i] = telemetry.SpanEvent{Time: e.Time, Name: e.Name, Attributes: attributes}
	}
	return events, nil
}

func appendLinks(b []byte, links []telemetry.Link) []byte {
	b = append(b, '[')
	for i := range links {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, `{"trace_id":"`...), links[i].TraceID.String()...)
		b = append(append(b, `","span_id":"`...), links[i].SpanID.String()...)
		b = append(appendObject(append(b, `","attributes":`...), links[i].Attributes), '}')
	}
	return append(b, ']')
}

func parseLinks(s string) ([]telemetry.Link, error) {
	if s == "" {
		return nil, nil
	}
	var list []jsonLink
	if err := json.Unmarshal([]byte(s), &list); err != nil {
		return nil, err
	}
	links := make([]telemetry.Link, len(list))
	for i, l := range list {
		attributes, err := parseObject(string(l.Attributes), nil)
		if err != nil {
			return nil, err
		}
		links[i].Attributes = attributes
		if links[i].TraceID, err = telemetry.ParseTraceID(l.TraceID); err != nil && l.TraceID != (telemetry.TraceID{}).String() {
			return nil, err
		}
		if links[i].SpanID, err = telemetry.ParseSpanID(l.SpanID); err != nil && l.SpanID != (telemetry.SpanID{}).String() {
			return nil, err
		}
	}
	return links, nil
}
