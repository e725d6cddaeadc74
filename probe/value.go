package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/plat-dev/plat/plan"
)

// Bounds of what is told of a value or a body.
const (
	maxShown   = 200
	maxExcerpt = 2 << 10
)

// maxDepth bounds the nesting of a body that is read as JSON.
const maxDepth = 200

// parse reads a body as JSON; numbers keep their digits.
func parse(body []byte) (any, error) {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return nil, fmt.Errorf("it is nested deeper than %d", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows its end")
	}
	return v, nil
}

// Lookup finds what a JSON pointer (RFC 6901) leads to in a document of
// [json.Unmarshal]'s types; false where nothing is.
func Lookup(document any, pointer string) (any, bool) {
	if pointer == "" {
		return document, true
	}
	if !plan.ValidPointer(pointer) {
		return nil, false
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for key := range strings.SplitSeq(pointer[1:], "/") {
		switch at := document.(type) {
		case map[string]any:
			next, ok := at[unescape.Replace(key)]
			if !ok {
				return nil, false
			}
			document = next
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(at) || strconv.Itoa(i) != key {
				return nil, false
			}
			document = at[i]
		default:
			return nil, false
		}
	}
	return document, true
}

// text is a value as it stands in a text: a string as it is, other JSON as it
// is written.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	written, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(written)
}

// shown is a value for people, as JSON, bounded.
func shown(v any) string {
	written, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return bounded(string(written), maxShown)
}

func bounded(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// equal tells whether two JSON values are the same; numbers by their value.
func equal(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return false
		}
		x, errX := a.Float64()
		y, errY := b.Float64()
		return a == b || errX == nil && errY == nil && x == y
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key := range a {
			other, there := b[key]
			if !there || !equal(a[key], other) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

// values are what is captured so far, by name.
type values map[string]any

func (v values) text(name string) string { return text(v[name]) }

// expand fills a text.
func (v values) expand(s string) string { return plan.Expand(s, v.text) }

// path fills a path with its query. What stands at its beginning is put there
// as it is, so that a captured Location can be followed; all else is escaped.
func (v values) path(s string) string {
	lead := ""
	if strings.HasPrefix(s, "{") {
		if end := strings.IndexByte(s, '}'); end > 0 {
			lead, s = v.expand(s[:end+1]), s[end+1:]
		}
	}
	p, query, asked := strings.Cut(s, "?")
	p = lead + plan.Expand(p, func(name string) string { return url.PathEscape(v.text(name)) })
	if asked {
		p += "?" + plan.Expand(query, func(name string) string { return url.QueryEscape(v.text(name)) })
	}
	return p
}

// json fills a JSON value; a text that is {NAME} alone becomes what was
// captured, with its type.
func (v values) json(x any) any {
	switch x := x.(type) {
	case string:
		if names := plan.Names(x); len(names) == 1 && x == "{"+names[0]+"}" {
			return v[names[0]]
		}
		return v.expand(x)
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = v.json(x[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for key := range x {
			out[key] = v.json(x[key])
		}
		return out
	}
	return x
}
