// Package redact takes secrets out of text: the one rule for what programs
// write and what they tell. It is pure, and must never import a room of plat.
package redact

import (
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
)

// Mark stands where a secret was.
const Mark = "[redacted]"

// secretWords are parts of names whose values are secret by default.
var secretWords = []string{ //nolint:gochecknoglobals // a constant, but for the language
	"password", "passwd", "passphrase", "secret", "token", "authorization", "cookie", "apikey", "credential", "privatekey", "cardnumber", "cvv",
}

// notSecret are names that hold such a part and no secret.
var notSecret = []string{ //nolint:gochecknoglobals // likewise
	"tokencount", "tokens", "inputtokens", "outputtokens", "totaltokens", "maxtokens", "tokentype", "authorizationtype", "cookiecount", "secretname",
}

// Redactor takes secrets out: values
// whose name tells of a secret (password, token, Authorization, Set-Cookie
// and the like, as attributes, in JSON, in key=value and in headers), what
// follows Bearer or Basic, passwords in URLs, card numbers (13 to 19 digits that
// pass Luhn's check, ISO/IEC 7812-1), and what the plan's own rules name. It is
// safe for concurrent use.
type Redactor struct {
	words    []string
	patterns []*regexp.Regexp
	count    atomic.Uint64

	mu    sync.RWMutex    // guards what follows
	names map[string]bool // secret or not, by name as written; bounded
}

// maxNames bounds the names that are remembered; beyond that they are judged
// each time.
const maxNames = 4096

// New makes one that knows the default rules, more parts of names, and
// patterns whose whole match is taken out.
func New(names []string, patterns []*regexp.Regexp) *Redactor {
	r := &Redactor{words: append([]string{}, secretWords...), patterns: patterns, names: map[string]bool{}}
	for _, n := range names {
		if n = plainName(n); n != "" {
			r.words = append(r.words, n)
		}
	}
	return r
}

// Count is how many values were taken out.
func (r *Redactor) Count() uint64 { return r.count.Load() }

// Name tells whether a name is that of a secret. OpenTelemetry's names of
// headers (http.request.header.authorization) are, too.
func (r *Redactor) Name(name string) bool {
	r.mu.RLock()
	known, ok := r.names[name]
	r.mu.RUnlock()
	if ok {
		return known
	}
	judged := r.judge(plainName(name))
	r.mu.Lock()
	if len(r.names) < maxNames && len(name) < 256 {
		r.names[strings.Clone(name)] = judged
	}
	r.mu.Unlock()
	return judged
}

func (r *Redactor) judge(name string) bool {
	for _, n := range notSecret {
		if strings.HasSuffix(name, n) {
			return false
		}
	}
	for _, w := range r.words {
		if strings.Contains(name, w) {
			return true
		}
	}
	return false
}

// plainName is a name in lower case with letters and digits alone.
func plainName(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		case c < 0x80:
			return -1
		}
		return c
	}, name)
}

// Value is what may be kept of a named value; changed tells whether it is not
// all of it.
func (r *Redactor) Value(name, value string) (kept string, changed bool) {
	switch {
	case value == "":
		return value, false
	case r.Name(name):
		r.count.Add(1)
		return Mark, true
	}
	kept = r.Text(value)
	return kept, kept != value
}

// Text redacts free text: a log line, a URL, JSON.
func (r *Redactor) Text(s string) string {
	cuts := r.find(s)
	if len(cuts) > 0 {
		var b strings.Builder
		at := 0
		for _, c := range cuts {
			if c.from < at {
				continue // within the one before
			}
			b.WriteString(s[at:c.from])
			b.WriteString(Mark)
			at = c.to
			r.count.Add(1)
		}
		b.WriteString(s[at:])
		s = b.String()
	}
	for _, p := range r.patterns {
		if p.MatchString(s) {
			r.count.Add(1)
			s = p.ReplaceAllLiteralString(s, Mark)
		}
	}
	return s
}

// Finds tells whether Text would change a text.
func (r *Redactor) Finds(s string) bool {
	for _, p := range r.patterns {
		if p.MatchString(s) {
			return true
		}
	}
	return len(r.find(s)) > 0
}

type extent struct{ from, to int }

// stops are the bytes at which find looks closer.
var stops = func() (t [256]bool) { //nolint:gochecknoglobals // a constant, but for the language
	for _, c := range []byte(":=Bb0123456789") {
		t[c] = true
	}
	return t
}()

// find is one pass over the text: it stops at what separates a name from its
// value, at digits, and at the schemes of authorization.
func (r *Redactor) find(s string) []extent {
	var cuts []extent
	for i := 0; i < len(s); {
		if !stops[s[i]] {
			i++
			continue
		}
		c := s[i]
		var cut extent
		switch {
		case c == ':' && strings.HasPrefix(s[i:], "://"):
			cut = userInfo(s, i+3)
		case c == '=' || c == ':':
			if name := nameBefore(s, i); name != "" && r.Name(name) {
				cut = valueAfter(s, i+1, wholeLine(name))
			}
		case (c == 'B' || c == 'b') && (i == 0 || !wordByte(s[i-1])):
			cut = scheme(s, i)
		case c >= '0' && c <= '9' && (i == 0 || !wordByte(s[i-1])):
			end := digitsEnd(s, i)
			if cardNumber(s[i:end]) {
				cut = extent{i, end}
			} else {
				i = end
				continue
			}
		}
		if cut.to > cut.from && s[cut.from:cut.to] != Mark {
			cuts = append(cuts, cut)
			i = max(cut.to, i+1)
			continue
		}
		i++
	}
	return cuts
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// nameBefore is the name that ends before a separator: in quotes or not,
// escaped JSON within a string included.
func nameBefore(s string, at int) string {
	end := at
	for end > 0 && (s[end-1] == ' ' || s[end-1] == '"' || s[end-1] == '\'' || s[end-1] == '\\') {
		end--
	}
	begin := end
	for begin > 0 && end-begin < 64 && (wordByte(s[begin-1]) || s[begin-1] == '-' || s[begin-1] == '.') {
		begin--
	}
	return s[begin:end]
}

// wholeLine tells whether a value goes on to the end of the line: headers whose
// values hold spaces and semicolons.
func wholeLine(name string) bool {
	n := plainName(name)
	return strings.HasSuffix(n, "authorization") || strings.HasSuffix(n, "cookie")
}

// valueAfter is the extent of a value after a separator.
func valueAfter(s string, at int, line bool) extent {
	for at < len(s) && (s[at] == ' ' || s[at] == '\t') {
		at++
	}
	escaped := strings.HasPrefix(s[at:], `\"`)
	switch {
	case at == len(s) || s[at] == '{' || strings.HasPrefix(s[at:], Mark):
		return extent{}
	case s[at] == '[': // of JSON: all its values
		if strings.HasPrefix(s[at+1:], Mark) {
			return extent{}
		}
		if end := strings.IndexByte(s[at:], ']'); end > 0 {
			return extent{at + 1, at + end}
		}
		return extent{at + 1, len(s)}
	case escaped:
		if end := strings.Index(s[at+2:], `\"`); end >= 0 {
			return extent{at + 2, at + 2 + end}
		}
		return extent{at + 2, len(s)}
	case s[at] == '"' || s[at] == '\'':
		return quoted(s, at)
	}
	stops := " \t\r\n,;&\"'<>)]}"
	if line {
		stops = "\r\n\"'"
	}
	end := strings.IndexAny(s[at:], stops)
	if end < 0 {
		end = len(s) - at
	}
	value := s[at : at+end]
	if value == "null" || value == "true" || value == "false" || value == "" {
		return extent{}
	}
	return extent{at, at + end}
}

// quoted is what stands between quotes.
func quoted(s string, at int) extent {
	for end := at + 1; end < len(s); end++ {
		switch s[end] {
		case '\\':
			end++
		case s[at]:
			return extent{at + 1, end}
		}
	}
	return extent{at + 1, len(s)}
}

// scheme is what follows Bearer or Basic.
func scheme(s string, at int) extent {
	rest := s[at:]
	n := 0
	switch {
	case len(rest) > 7 && strings.EqualFold(rest[:7], "bearer "):
		n = 7
	case len(rest) > 6 && strings.EqualFold(rest[:6], "basic "):
		n = 6
	default:
		return extent{}
	}
	end, prose := n, true // Basic training, bearer of
	for end < len(rest) && (wordByte(rest[end]) || strings.IndexByte("-._~+/=", rest[end]) >= 0) {
		prose = prose && rest[end] >= 'a' && rest[end] <= 'z'
		end++
	}
	if end-n < 8 || prose {
		return extent{}
	}
	return extent{at + n, at + end}
}

// userInfo is the password of a URL.
func userInfo(s string, at int) extent {
	for end := at; end < len(s); end++ {
		switch c := s[end]; {
		case c == '@':
			if colon := strings.IndexByte(s[at:end], ':'); colon >= 0 {
				return extent{at + colon + 1, end}
			}
			return extent{}
		case c == '/' || c == '?' || c == '#' || c <= ' ' || c == '"' || c == '\'':
			return extent{}
		}
	}
	return extent{}
}

// digitsEnd is where a run of digits, in groups by single spaces or hyphens,
// ends.
func digitsEnd(s string, at int) int {
	end := at
	for i := at; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			end = i + 1
		case (c == ' ' || c == '-') && i == end: // one between groups
		default:
			return end
		}
	}
	return end
}

// cardNumber tells whether a run of digits may be a payment card's: 13 to 19
// of them that pass Luhn's check and begin as the large schemes' do. A time in
// nanoseconds begins with 1 and is none.
func cardNumber(s string) bool {
	var digits [19]byte
	n := 0
	for i := range len(s) {
		if c := s[i]; c >= '0' && c <= '9' {
			if n == len(digits) {
				return false
			}
			digits[n] = c - '0'
			n++
		}
	}
	if n < 13 || digits[0] < 2 || digits[0] > 6 {
		return false
	}
	sum := 0
	for i := range n {
		d := int(digits[n-1-i])
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
