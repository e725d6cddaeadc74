package probe

import (
	"regexp"
	"strings"
)

const mask = "••••"

// redactor takes what nobody should see out of evidence.
type redactor struct{ member, field, card *regexp.Regexp }

func newRedactor() redactor {
	const names = `[^"'=&\s]*(?:passw|secret|token|authorization|api[-_]?key|cookie|credential)[^"'=&\s]*`
	return redactor{
		member: regexp.MustCompile(`(?i)("` + names + `"\s*:\s*)(?:"(?:[^"\\]|\\.)*"?|[-0-9.eE+]+)`),
		field:  regexp.MustCompile(`(?i)((?:^|[?&\s])` + names + `=)[^&\s"'<]+`),
		card:   regexp.MustCompile(`\b(?:[0-9][ -]?){12,18}[0-9]\b`),
	}
}

// excerpt is the beginning of a body for people: bounded, redacted, without
// what could command a terminal.
func (r redactor) excerpt(body []byte) string {
	s := strings.ToValidUTF8(string(body[:min(len(body), 2*maxExcerpt)]), "�")
	s = r.member.ReplaceAllString(s, `${1}"`+mask+`"`)
	s = r.field.ReplaceAllString(s, "${1}"+mask)
	s = r.card.ReplaceAllString(s, mask)
	s = strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' && c != '\t' || c >= 0x7f && c < 0xa0 {
			return -1
		}
		return c
	}, s)
	return bounded(strings.TrimSpace(s), maxExcerpt)
}
