package telemetry

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Term is one word or phrase of a text query.
type Term struct {
	Text  string   // in lower case unless exact
	Exact bool     // a phrase: stands as it is
	Words []string // its words in lower case, to be looked up first
}

// Terms are what a text search asks for: all must stand somewhere.
type Terms []Term

// ParseText splits the text of a query at spaces, and takes what stands in
// quotes whole. A quote that is not closed is closed by the end.
func ParseText(q string) (terms Terms) {
	add := func(s string, exact bool) {
		if s == "" {
			return
		}
		t := Term{Text: s, Exact: exact}
		if !exact {
			t.Text = strings.ToLower(s)
		}
		for word := range Words(s) {
			t.Words = append(t.Words, strings.ToLower(word))
		}
		terms = append(terms, t)
	}
	for q != "" {
		before, after, quoted := strings.Cut(q, `"`)
		for _, w := range strings.Fields(before) {
			add(w, false)
		}
		if !quoted {
			break
		}
		var phrase string
		phrase, q, _ = strings.Cut(after, `"`)
		add(phrase, true)
	}
	return terms
}

// In tells whether each term stands in one of the texts, or in the value of an
// attribute.
func (t Terms) In(attributes []Attribute, texts ...string) bool {
	for i := range t {
		in := slices.ContainsFunc(texts, t[i].In)
		for j := 0; !in && j < len(attributes); j++ {
			in = t[i].In(attributes[j].Value)
		}
		if !in {
			return false
		}
	}
	return true
}

// In tells whether the term stands in a text, not as a part of longer words.
func (t *Term) In(text string) bool {
	if len(text)*3 < len(t.Text) { // lower case may be longer, by little
		return false
	}
	if !t.Exact {
		text = strings.ToLower(text)
	}
	for from := 0; ; {
		i := strings.Index(text[from:], t.Text)
		if i < 0 {
			return false
		}
		i += from
		if !joined(text, i) && !joined(text, i+len(t.Text)) {
			return true
		}
		_, n := utf8.DecodeRuneInString(text[i:])
		from = i + n
	}
}

// joined tells whether a word goes on across a place of a text.
func joined(s string, at int) bool {
	if at == 0 || at == len(s) {
		return false
	}
	before, _ := utf8.DecodeLastRuneInString(s[:at])
	after, _ := utf8.DecodeRuneInString(s[at:])
	return isWord(before) && isWord(after)
}

// Words gives the words of a text as they stand in it: letters, digits, marks
// and underscores that stand together.
func Words(s string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start := -1
		for i, r := range s {
			if isWord(r) {
				if start < 0 {
					start = i
				}
			} else if start >= 0 {
				if !yield(s[start:i]) {
					return
				}
				start = -1
			}
		}
		if start >= 0 {
			yield(s[start:])
		}
	}
}

func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}
