package cache

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

// maxDelta is the longest time that a field can say (RFC 9111, 1.2.2).
const maxDelta = 1<<31 - 1

// directives are what Cache-Control says, by name in lower case. The first of
// several of one name counts (RFC 9111, 4.2.1).
type directives map[string]string

// bare is the value of a directive that has none.
const bare = "\x00"

// parseDirectives reads Cache-Control. What is malformed is passed over, but
// for a known name with a bad value, which is found by seconds.
func parseDirectives(lines []string) directives {
	var d directives
	for _, line := range lines {
		for line != "" {
			var item string
			item, line = cutUnquoted(line)
			name, value, valued := strings.Cut(item, "=")
			name = strings.ToLower(strings.TrimLeft(name, " \t"))
			if !valued {
				name, value = strings.TrimRight(name, " \t"), bare
			}
			if !isToken(name) {
				continue
			}
			if valued {
				value = strings.TrimRight(value, " \t")
				if unquoted, ok := unquote(value); ok {
					value = unquoted
				}
			}
			if d == nil {
				d = directives{}
			}
			if _, known := d[name]; !known {
				d[name] = value
			}
		}
	}
	return d
}

// cutUnquoted cuts at the first comma that stands in no quotes.
func cutUnquoted(s string) (item, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case quoted && s[i] == '\\':
			i++
		case !quoted && s[i] == ',':
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s, false
	}
	if s = s[1 : len(s)-1]; strings.IndexByte(s, '\\') < 0 {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), true
}

func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// Says tells whether Cache-Control has a directive, with or without a value.
func Says(h http.Header, directive string) bool {
	return parseDirectives(h["Cache-Control"]).said(directive)
}

// has tells whether the directive is there without field names.
func (d directives) has(name string) bool {
	value, ok := d[name]
	return ok && value == bare
}

// said tells whether the directive is there at all.
func (d directives) said(name string) bool {
	_, ok := d[name]
	return ok
}

// fields are the header fields that a directive names, nil for none.
func (d directives) fields(name string) []string {
	value, ok := d[name]
	if !ok || value == bare {
		return nil
	}
	var names []string
	for field := range strings.SplitSeq(value, ",") {
		if field = strings.TrimSpace(field); isToken(field) {
			names = append(names, http.CanonicalHeaderKey(field))
		}
	}
	return names
}

// seconds reads a directive's time; one that is said but is no number counts
// as 0: stale (RFC 9111, 4.2.1).
func (d directives) seconds(name string) (time.Duration, bool) {
	value, ok := d[name]
	if !ok {
		return 0, false
	}
	t, _ := delta(value)
	return t, true
}

// delta reads a number of seconds; more than maxDelta is maxDelta.
func delta(s string) (time.Duration, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > maxDelta {
		n = maxDelta
	}
	return time.Duration(n) * time.Second, true // #nosec G115 -- at most maxDelta
}

// toUs is what an answer says to caches like this one, and whether it says so
// to them alone.
func toUs(h http.Header) (d directives, forCDNs bool) {
	if d = targeted(h["Cdn-Cache-Control"]); d != nil {
		return d, true
	}
	return parseDirectives(h["Cache-Control"]), false
}

// targeted reads CDN-Cache-Control, which is for caches like this one and
// stands above Cache-Control and Expires (RFC 9213). Nil: none that is valid.
func targeted(lines []string) directives {
	if len(lines) == 0 {
		return nil
	}
	dict, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil || len(dict.Names()) == 0 {
		return nil
	}
	d := directives{}
	for _, name := range dict.Names() {
		member, _ := dict.Get(name)
		item, ok := member.(httpsfv.Item)
		if !ok {
			continue
		}
		switch value := item.Value.(type) {
		case bool:
			if value {
				d[name] = bare
			}
		case int64:
			if value >= 0 {
				d[name] = strconv.FormatInt(value, 10)
			}
		case string:
			if name == "private" || name == "no-cache" {
				d[name] = value
			}
		}
	}
	return d
}

// ageOf reads Age: its first value, as RFC 9111 (5.1) has it; what is no
// number is passed over.
func ageOf(h http.Header) time.Duration {
	lines := h["Age"]
	if len(lines) == 0 {
		return 0
	}
	first, _, _ := strings.Cut(lines[0], ",")
	first, _, _ = strings.Cut(first, ";")
	age, _ := delta(strings.TrimSpace(first))
	return age
}
