package probe

import (
	"strings"

	"github.com/plat-dev/plat/redact"
)

// evidence makes excerpts of answers.
type evidence struct{ secrets *redact.Redactor }

// excerpt is the beginning of a body for people: bounded, redacted, without
// what could command a terminal.
func (e evidence) excerpt(body []byte) string {
	s := strings.ToValidUTF8(string(body[:min(len(body), 2*maxExcerpt)]), "\ufffd")
	s = strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' && c != '\t' || c >= 0x7f && c < 0xa0 {
			return -1
		}
		return c
	}, e.secrets.Text(s))
	return bounded(strings.TrimSpace(s), maxExcerpt)
}
