package runner

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Line is one line of a service's log.
type Line struct {
	Time     time.Time
	Service  string
	Instance string // "-" for what concerns the whole service
	Stream   string // out, err, plat
	Text     string
}

// LineTime is how a line's time is written: UTC, microseconds, fixed width,
// so that lines sort as text.
const LineTime = "2006-01-02T15:04:05.000000Z"

// MaxLine is the most bytes of a program's line that are kept.
const MaxLine = 64 << 10

// AppendLine writes a line as it stands in the file: time, instance, stream,
// text, newline. Text that could harm a terminal or the file's form is made
// harmless: bytes that are not UTF-8 and control characters become \xNN.
func AppendLine(b []byte, at time.Time, instance, stream, text string) []byte {
	b = at.UTC().AppendFormat(b, LineTime)
	b = append(b, ' ')
	b = append(b, instance...)
	b = append(b, ' ')
	b = append(b, stream...)
	b = append(b, ' ')
	b = appendHarmless(b, text)
	return append(b, '\n')
}

// ParseLine reads what AppendLine wrote, without the newline; ok is false for
// what is no such line.
func ParseLine(service, s string) (l Line, ok bool) {
	at, rest, _ := strings.Cut(s, " ")
	instance, rest, _ := strings.Cut(rest, " ")
	stream, text, ok := strings.Cut(rest, " ")
	if !ok {
		return Line{}, false
	}
	t, err := time.Parse(LineTime, at)
	if err != nil {
		return Line{}, false
	}
	return Line{Time: t, Service: service, Instance: instance, Stream: stream, Text: text}, true
}

// Harmless makes text that a program wrote harmless, as AppendLine does.
func Harmless(s string) string { return string(appendHarmless(nil, s)) }

func appendHarmless(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	for len(s) > 0 {
		// The common case, a run of printable ASCII, in one step.
		n := 0
		for n < len(s) && (s[n] >= ' ' && s[n] < 0x7f || s[n] == '\t') {
			n++
		}
		b, s = append(b, s[:n]...), s[n:]
		if len(s) == 0 {
			break
		}
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 || r < ' ' || r >= 0x7f && r < 0xa0 {
			for _, c := range []byte(s[:size]) {
				b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
			}
		} else {
			b = append(b, s[:size]...)
		}
		s = s[size:]
	}
	return b
}
