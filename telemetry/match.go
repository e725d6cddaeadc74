package telemetry

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Terms are what a text search asks for.
type Terms struct {
	Words   []string // each stands somewhere as a whole word; in lower case
	Phrases []string // each stands somewhere as it is
}

// ParseText reads the text of a query: words, and phrases in double quotes. A
// phrase's words are among the words, so that they can be looked up first.
func ParseText(text string) Terms {
	var t Terms
	for i, part := range strings.Split(text, `"`) {
		if phrase := strings.TrimSpace(part); i%2 == 1 && phrase != "" {
			t.Phrases = append(t.Phrases, phrase)
		}
		for word := range Words(strings.ToLower(part)) {
			if !slices.Contains(t.Words, word) {
				t.Words = append(t.Words, word)
			}
		}
	}
	return t
}

// Words gives the words of a text as they stand in it: runs of letters,
// digits and underscores.
func Words(s string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		begin := -1
		for i := 0; i < len(s); {
			c, size := rune(s[i]), 1
			if c >= utf8.RuneSelf {
				c, size = utf8.DecodeRuneInString(s[i:])
			}
			if in := c == '_' || c < utf8.RuneSelf && wordByte(s[i]) || c >= utf8.RuneSelf && (unicode.IsLetter(c) || unicode.IsDigit(c)); in && begin < 0 {
				begin = i
			} else if !in && begin >= 0 {
				if !yield(s[begin:i]) {
					return
				}
				begin = -1
			}
			i += size
		}
		if begin >= 0 {
			yield(s[begin:])
		}
	}
}

// None tells whether nothing is asked for.
func (t Terms) None() bool { return len(t.Words) == 0 && len(t.Phrases) == 0 }

// In tells whether all terms stand in the texts, each in any of them.
func (t Terms) In(texts ...string) bool {
	for _, p := range t.Phrases {
		if !slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, p) }) {
			return false
		}
	}
	for _, w := range t.Words {
		if !slices.ContainsFunc(texts, func(s string) bool { return hasWord(s, w) }) {
			return false
		}
	}
	return true
}

// hasWord tells whether a word, in lower case, stands by itself in a text of
// any case.
func hasWord(s, word string) bool {
	if len(s) < len(word) {
		return false
	}
	for w := range Words(s) {
		if len(w) == len(word) && strings.EqualFold(w, word) || len(w) != len(word) && strings.ToLower(w) == word {
			return true
		}
	}
	return false
}

// Of tells whether a condition holds of a value that may lack.
func (m Match) Of(value string, ok bool) bool { return (ok && value == m.Value) != m.Not }

// column is the value of a row's own column, by the name that OpenTelemetry
// gives it.
func column(res *Resource, correlation, key string) (value string, ok bool) {
	switch key {
	case "service.name":
		return res.Service, true
	case "service.instance.id":
		return res.Instance, res.Instance != ""
	case "service.version":
		return res.Version, res.Version != ""
	case "plat.correlation_id":
		return correlation, correlation != ""
	}
	return "", false
}

// matchWhere tests conditions on a row: its columns, its attributes, those of
// its resource, in this order.
func matchWhere(where []Match, res *Resource, correlation string, attributes []Attribute) bool {
	for _, m := range where {
		value, ok := column(res, correlation, m.Key)
		if !ok {
			value, ok = Find(attributes, m.Key)
		}
		if !ok {
			value, ok = Find(res.Attributes, m.Key)
		}
		if !m.Of(value, ok) {
			return false
		}
	}
	return true
}

// values are the texts of attributes.
func values(attributes []Attribute, more ...string) []string {
	texts := append(make([]string, 0, len(attributes)+len(more)), more...)
	for i := range attributes {
		texts = append(texts, attributes[i].Value)
	}
	return texts
}

// Matches tells whether a record is asked for. Terms are those of q.Text, read
// once by [ParseText].
func (q *LogQuery) Matches(l *Log, terms Terms) bool {
	switch {
	case !q.From.IsZero() && l.Time < q.From.UnixNano(),
		!q.To.IsZero() && l.Time >= q.To.UnixNano(),
		!q.TraceID.IsZero() && l.TraceID != q.TraceID,
		!q.SpanID.IsZero() && l.SpanID != q.SpanID,
		len(q.Services) > 0 && !slices.Contains(q.Services, l.Resource.Service),
		q.Instance != "" && l.Resource.Instance != q.Instance,
		l.Severity < q.MinSeverity,
		q.Correlation != "" && l.CorrelationID != q.Correlation,
		!matchWhere(q.Where, l.Resource, l.CorrelationID, l.Attributes):
		return false
	}
	return terms.None() || terms.In(values(l.Attributes, l.Body)...)
}

// Matches tells whether a span is asked for. Terms are those of q.Text, read
// once by [ParseText].
func (q *SpanQuery) Matches(s *Span, terms Terms) bool {
	switch {
	case !q.From.IsZero() && s.Start < q.From.UnixNano(),
		!q.To.IsZero() && s.Start >= q.To.UnixNano(),
		!q.TraceID.IsZero() && s.TraceID != q.TraceID,
		len(q.Services) > 0 && !slices.Contains(q.Services, s.Resource.Service),
		q.Name != "" && s.Name != q.Name,
		len(q.Kinds) > 0 && !slices.Contains(q.Kinds, s.Kind),
		q.ErrorsOnly && s.Status != StatusError,
		s.Duration < int64(q.MinDuration),
		q.MaxDuration > 0 && s.Duration > int64(q.MaxDuration),
		q.Correlation != "" && s.CorrelationID != q.Correlation,
		!matchWhere(q.Where, s.Resource, s.CorrelationID, s.Attributes):
		return false
	}
	return terms.None() || terms.In(values(s.Attributes, s.Name, s.StatusMessage)...)
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
