package segment

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// term is one word or phrase of a text query.
type term struct {
	text   string   // in lower case unless exact
	exact  bool     // a phrase: stands as it is
	tokens []string // its words in lower case
}

// parseTerms splits a query at spaces, and takes what stands in quotes whole.
// A quote that is not closed is closed by the end.
func parseTerms(q string) []term {
	var terms []term
	add := func(s string, exact bool) {
		t := term{text: s, exact: exact}
		if !exact {
			t.text = strings.ToLower(s)
		}
		eachToken(s, func(token string) { t.tokens = append(t.tokens, strings.ToLower(token)) })
		if s != "" {
			terms = append(terms, t)
		}
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

func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// eachToken gives the words of a text: letters, digits, marks and underscores
// that stand together.
func eachToken(s string, yield func(string)) {
	start := -1
	for i, r := range s {
		if isWord(r) {
			if start < 0 {
				start = i
			}
		} else if start >= 0 {
			yield(s[start:i])
			start = -1
		}
	}
	if start >= 0 {
		yield(s[start:])
	}
}

// in tells whether the term stands in a value, not as a part of longer words.
func (t *term) in(value string) bool {
	if len(value) < len(t.text) && len(value)*3 < len(t.text) { // lower case may be longer, by little
		return false
	}
	if !t.exact {
		value = lower(value)
	}
	for from := 0; ; {
		i := strings.Index(value[from:], t.text)
		if i < 0 {
			return false
		}
		i += from
		if !joined(value, i) && !joined(value, i+len(t.text)) {
			return true
		}
		_, n := utf8.DecodeRuneInString(value[i:])
		from = i + n
	}
}

// lower is strings.ToLower, which gives its argument when nothing changes.
func lower(s string) string { return strings.ToLower(s) }

// joined tells whether a word goes on across a place of a text.
func joined(s string, at int) bool {
	if at == 0 || at == len(s) {
		return false
	}
	before, _ := utf8.DecodeLastRuneInString(s[:at])
	after, _ := utf8.DecodeRuneInString(s[at:])
	return isWord(before) && isWord(after)
}

// tokenHash is FNV-1a of the word in lower case, mixed.
func tokenHash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		b := s[i]
		if b >= utf8.RuneSelf {
			return tokenHash2(strings.ToLower(s))
		}
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		h = (h ^ uint64(b)) * 1099511628211
	}
	return mix(h)
}

// tokenHash2 is of a word that is in lower case already.
func tokenHash2(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	return h ^ h>>33
}

// bloom is a set of words: three bits each, in a number of bits that is a
// power of two, so that half of it can be laid over the other half.
type bloom []byte

const (
	bloomMost  = 8 << 10 // bytes
	bloomLeast = 64
)

func (b bloom) add(h uint64) {
	mask := uint64(len(b)*8 - 1) // #nosec G115 -- a length
	for range 3 {
		b[h&mask>>3] |= 1 << (h & 7)
		h = h>>21 | h<<43
	}
}

func (b bloom) has(h uint64) bool {
	mask := uint64(len(b)*8 - 1) // #nosec G115 -- a length
	for range 3 {
		if b[h&mask>>3]&(1<<(h&7)) == 0 {
			return false
		}
		h = h>>21 | h<<43
	}
	return true
}

// fold makes the set as small as a third of its bits allow. It works in place.
func (b bloom) fold() bloom {
	for len(b) > bloomLeast {
		half := len(b) / 2
		ones := 0
		for i := range half {
			ones += popcount(b[i] | b[i+half])
		}
		if ones*100 > half*8*35 {
			break
		}
		for i := range half {
			b[i] |= b[i+half]
		}
		b = b[:half]
	}
	return b
}

func popcount(b byte) int {
	n := 0
	for ; b != 0; b &= b - 1 {
		n++
	}
	return n
}
