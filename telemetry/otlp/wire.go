package otlp

import (
	"errors"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The request is read straight from its bytes, without generated types: those
// refuse a whole request for one invalid UTF-8 string, and cost several times
// as much (see BenchmarkIntake).

var errMalformed = errors.New("the protobuf message is malformed")

// tag is a field's number with its wire type, as it stands on the wire. A
// known field of the wrong wire type is so an unknown one, and skipped.
type tag uint64

const (
	asVarint  = tag(protowire.VarintType)
	asFixed64 = tag(protowire.Fixed64Type)
	asBytes   = tag(protowire.BytesType)
)

// body is a message: its bytes, and the same as text, of which the rows'
// strings are parts.
type body struct {
	raw  []byte
	text string
}

// part is where a message or a string lies within the body.
type part struct{ from, to int }

// cursor walks over the fields of one message.
type cursor struct {
	body *body
	part
	tag   tag
	value uint64 // of a varint, a fixed64, a fixed32
	bytes part   // of a length-delimited field
	err   error
}

func (b *body) fields(p part) cursor { return cursor{body: b, part: p} }

func (b *body) whole() part { return part{0, len(b.raw)} }

func (b *body) string(p part) string { return b.text[p.from:p.to] }

// next reads a field; false at the end, or when err is set.
func (c *cursor) next() bool {
	if c.from >= c.to {
		return false
	}
	rest := c.body.raw[c.from:c.to]
	// Nearly every field is short and length-delimited.
	if len(rest) > 1 && rest[0]&0x87 == byte(asBytes) && rest[0]>>3 != 0 && rest[1] < 0x80 && int(rest[1]) <= len(rest)-2 {
		c.tag = tag(rest[0])
		c.bytes = part{c.from + 2, c.from + 2 + int(rest[1])}
		c.from = c.bytes.to
		return true
	}
	number, n := protowire.ConsumeVarint(rest)
	if n < 0 || number>>3 == 0 || number>>3 > uint64(protowire.MaxValidNumber) {
		c.err = errMalformed
		return false
	}
	rest = rest[n:]
	c.tag = tag(number)
	var size int
	switch protowire.Type(number & 7) {
	case protowire.VarintType:
		c.value, size = protowire.ConsumeVarint(rest)
	case protowire.Fixed64Type:
		c.value, size = protowire.ConsumeFixed64(rest)
	case protowire.Fixed32Type:
		var v uint32
		v, size = protowire.ConsumeFixed32(rest)
		c.value = uint64(v)
	case protowire.BytesType:
		var v []byte
		if v, size = protowire.ConsumeBytes(rest); size >= 0 {
			c.bytes = part{c.from + n + size - len(v), c.from + n + size}
		}
	default: // groups, which OTLP has none of
		size = protowire.ConsumeFieldValue(protowire.Number(number>>3), protowire.Type(number&7), rest) // #nosec G115 -- bounded above
	}
	if size < 0 {
		c.err = errMalformed
		return false
	}
	c.from += n + size
	return true
}

// clip gives valid text of at most limit bytes; what is longer ends with the
// mark that it was cut.
func (d *decoder) clip(s string, limit int) string {
	if len(s) <= limit && (ascii(s) || utf8.ValidString(s)) {
		return s
	}
	whole := len(s)
	if whole > limit {
		d.cut.Strings++
		d.wasted += whole - limit
		s = s[:limit-len(cutMark)]
		for i := 0; i < utf8.UTFMax-1 && len(s) > 0; i++ { // not amid a character
			if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
				break
			}
			s = s[:len(s)-1]
		}
		s += cutMark
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// cutMark ends a text that was cut.
const cutMark = "… [cut]"

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
