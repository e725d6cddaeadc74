package lines

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Harmless shows what could command a terminal, or turn the order of a line
// around, as an escape such as \x1b: what programs and senders of telemetry say is
// not to be trusted. Tabs stay; newline stands for the end of a line.
func Harmless(s, newline string) string {
	if !strings.ContainsFunc(s, harmful) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\n':
			b.WriteString(newline)
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !harmful(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// harmful are the controls of ASCII and Latin-1 but the tab, and those that turn
// the direction of a text (Unicode TR 36).
func harmful(r rune) bool {
	return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
