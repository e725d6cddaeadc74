package cache

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// varyOf reads Vary: the fields in order, or why the answer cannot be kept.
func varyOf(h http.Header) (fields []string, why string) {
	for _, line := range h["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			switch name = strings.TrimSpace(name); {
			case name == "":
			case !isToken(name):
				return nil, "Vary is malformed"
			case name == "*":
				return nil, "Vary: *"
			default:
				fields = append(fields, http.CanonicalHeaderKey(name))
			}
		}
	}
	slices.Sort(fields)
	if fields = slices.Compact(fields); len(fields) > maxVary {
		return nil, "Vary names too many fields"
	}
	return fields, ""
}

// selecting is what the fields of a request come to, normalised; the same for
// requests that mean the same (RFC 9111, 4.1).
func selecting(h http.Header, fields []string) []string {
	values := make([]string, len(fields))
	for i, name := range fields {
		values[i] = normal(name, h[name])
	}
	return values
}

// absent is the value of a field that is not there, which is another than an
// empty one.
const absent = "\x00"

func normal(name string, lines []string) string {
	if len(lines) == 0 {
		return absent
	}
	switch name {
	case "Accept-Language", "Accept-Encoding", "Accept-Charset":
		return strings.Join(preferences(lines), ",")
	}
	var items []string
	for _, line := range lines {
		for line != "" {
			var item string
			item, line = cutUnquoted(line)
			items = append(items, strings.TrimSpace(item))
		}
	}
	return strings.Join(items, ",")
}

// preferences are the members of an Accept field in lower case, the most
// wanted first, those that are wanted alike by name; with their weight where
// it is not 1.
func preferences(lines []string) []string {
	type wish struct {
		name   string
		weight float64
	}
	var wishes []wish
	for _, line := range lines {
		for item := range strings.SplitSeq(strings.ToLower(line), ",") {
			name, params, _ := strings.Cut(item, ";")
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			w := wish{name, 1}
			if q, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
				if f, err := strconv.ParseFloat(strings.TrimSpace(q), 64); err == nil && f >= 0 && f <= 1 {
					w.weight = f
				}
			}
			wishes = append(wishes, w)
		}
	}
	slices.SortStableFunc(wishes, func(a, b wish) int {
		if a.weight != b.weight {
			if a.weight > b.weight {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	names := make([]string, len(wishes))
	for i, w := range wishes {
		if names[i] = w.name; w.weight != 1 {
			names[i] += ";q=" + strconv.FormatFloat(w.weight, 'f', -1, 64)
		}
	}
	return names
}

// speaks tells whether a kept answer is in the one language that the request
// wants most: then whoever was asked for it before, it is the right one.
func speaks(kept, asked http.Header) bool {
	languages := kept["Content-Language"]
	wishes := preferences(asked["Accept-Language"])
	if len(languages) != 1 || len(wishes) == 0 {
		return false
	}
	if len(wishes) > 1 && weight(wishes[1]) == weight(wishes[0]) {
		return false
	}
	name, _, _ := strings.Cut(wishes[0], ";")
	return name == strings.ToLower(strings.TrimSpace(languages[0]))
}

func weight(wish string) string {
	_, q, _ := strings.Cut(wish, ";")
	return q
}
