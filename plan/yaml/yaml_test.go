package yaml_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	other "go.yaml.in/yaml/v3"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/yaml"
)

func read(text string) (root *yaml.Node, faults []*fault.Fault, ok bool) {
	root, ok = yaml.Parse("f", []byte(text), func(f *fault.Fault) { faults = append(faults, f) })
	return root, faults, ok
}

// outline prints a tree of nodes in one line.
func outline(n *yaml.Node) string {
	if n == nil {
		return "nothing"
	}
	var parts []string
	switch n.Kind {
	case yaml.List:
		for _, item := range n.Items {
			parts = append(parts, outline(item))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case yaml.Mapping:
		for _, e := range n.Entries {
			parts = append(parts, e.Key+"="+outline(e.Value))
		}
		return "{" + strings.Join(parts, " ") + "}"
	case yaml.Null:
		return "null"
	case yaml.Integer, yaml.Number, yaml.Boolean:
		return n.Text
	}
	return fmt.Sprintf("%q", n.Text)
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                         "nothing",
		"# only a comment\n":       "nothing",
		"---\na: b\n...\n":         `{a="b"}`,
		"a: b # c\n":               `{a="b"}`,
		"a: b#c\n":                 `{a="b#c"}`,
		"a:\n  b: c\n  d:\ne: ~\n": `{a={b="c" d=null} e=null}`,
		"a:\n- b\n- c: d\n  e: f\n-\n  g: h\n- - i\n  - j\n": `{a=["b" {c="d" e="f"} {g="h"} ["i" "j"]]}`,
		"a: [b, 'c', \"d\\te\", {f: g}, ]\n":                 `{a=["b" "c" "d\te" {f="g"}]}`,
		"a: [\n  b, # c\n  d\n]\n":                           `{a=["b" "d"]}`,
		"a: {b: c, \"d\":e, f: }\n":                          `{a={b="c" d="e" f=null}}`,
		"a: http://b/c\nd: [x, -addr=localhost:80]\n":        `{a="http://b/c" d=["x" "-addr=localhost:80"]}`,
		"a: one\n  two\n\n  three\nb: c\n":                   `{a="one two\nthree" b="c"}`,
		"a: |\n  one\n   two\n\n  # three\nb: c\n":           `{a="one\n two\n\n# three\n" b="c"}`,
		"a: >-\n  one\n  two\n\n  three\n\n":                 `{a="one two\nthree"}`,
		"a: 'it''s' \n'b c' : \"\\u00e9\\\\\"\n":             `{a="it's" b c="é\\"}`,
		"a: [1, 1.10, 010, 0x1F, 1e3, .5, -2, True, .inf]\n": `{a=[1 1.10 010 0x1F 1e3 .5 -2 True .inf]}`,
		"a: [1s, 1.2.3, 12:30, 2020-01-01, no, -x, 1a, +]\n": `{a=["1s" "1.2.3" "12:30" "2020-01-01" "no" "-x" "1a" "+"]}`,
		"a: b\r\nc: d\r\n":                                   `{a="b" c="d"}`,
		"a: \"tab\there\" #\tand here\n":                     `{a="tab\there"}`,
	} {
		root, faults, _ := read(text)
		if len(faults) > 0 {
			t.Errorf("%q: %v", text, faults[0])
		} else if got := outline(root); got != want {
			t.Errorf("%q is read as %s, want %s", text, got, want)
		}
	}
}

// TestParseRefuses holds what other readers of YAML refuse too or would read
// otherwise, each with its place.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a: b: c\n":                        "1:5 a second colon",
		"a: b\n c: d\n":                    "2:2 the line is indented",
		"a:\n  b: c\n d: e\n":              "3:2 the line is indented",
		"a:\n  - b\n c: d\n":               "3:2 the line is indented",
		"a: b\n- c\n":                      "2:1 an item of a list among keys",
		"a: - b\n":                         "1:4 an item of a list behind a key",
		"- a\nb: c\n":                      "2:1 the line is indented",
		"a: b\nc\n":                        "2:1 a line without a key",
		"a: b\nc:d\n":                      "2:1 a line without a key",
		"a: [b\nc: d\n":                    "2:1 no comma",
		"a: [b\n":                          "1:4 a [ that is not closed",
		"a: {b: c\n":                       "1:4 a { that is not closed",
		"a: {b: c d: e}\n":                 "1:11 a second colon",
		"a: {b c: d, e}\n":                 "1:14 a key without a value",
		"a: {b:c}\n":                       "1:8 a key without a value",
		"a: [b c: d]\n":                    "1:8 a key in a list",
		"a: [b]c\n":                        "1:7 more text behind",
		"a: [b,,c]\n":                      "1:7 a value that begins with ,",
		"a: b]\n":                          "",
		"a: ]\n":                           "1:4 a value that begins with ]",
		"a: 'b' c\n":                       "1:8 more text behind",
		"a: 'b'# c\n":                      "1:7 a # right behind",
		"a: \"b\nc\"\n":                    "1:4 a double quote that is not closed",
		"a: 'b\n":                          "1:4 a single quote that is not closed",
		"a: \"\\q\"\n":                     "1:5 an unknown escape",
		"a: \"\\uD800\"\n":                 "1:5 an unknown escape",
		"a: \"\\0\"\n":                     "1:4 the invisible character U+0000",
		"a: @b\n":                          "1:4 a value that begins with @",
		"a: %b\n":                          "1:4 a value that begins with %",
		"a:\tb\n":                          "1:3 a tab",
		"a: b\tc\n":                        "1:5 a tab",
		"\ta: b\n":                         "1:1 a tab",
		"a:\n\t- b\n":                      "2:1 a tab",
		"a: &b c\n":                        "1:4 an anchor",
		"a: *b\n":                          "1:4 an alias",
		"a: !b c\n":                        "1:4 a tag",
		"a: [&b c, *b]\n":                  "1:5 an anchor",
		"<<: {a: b}\n":                     "1:1 a merge key",
		"? a\n: b\n":                       "1:1 a key marked",
		"a: |2\n  b\n":                     "1:5 an indicator",
		"a: >+\n  b\n":                     "1:5 an indicator",
		"a: >\n  b\n    c\n":               "3:5 a line of the text",
		"a: b\n---\nc: d\n":                "2:1 a second document",
		"---\n---\n":                       "2:1 a second document",
		"%YAML 1.2\n---\na: b\n":           "1:1 a directive",
		"a: b\na: c\n":                     "2:1 the key \"a\" stands here again",
		"1: b\n":                           "1:1 the key 1 is not text",
		"a: ü: b\n":                        "1:5 a second colon",
		strings.Repeat("a", 300) + ": b\n": "1:1 a key of more than",
		"a: " + strings.Repeat("[", 40):    "1:35 nested more than",
		strings.Repeat("- ", 40) + "a\n":   "1:65 nested more than",
		"a: one\n  b: two\n":               "2:3 the line is indented",
		"a: one # c\n  two\n":              "2:3 the line is indented",
		"a: [x, :80]\n":                    "1:8 a : in a text in brackets",
		"a: [b?c]\n":                       "1:6 a ? in a text in brackets",
	} {
		_, faults, _ := read(text)
		got := ""
		if len(faults) > 0 {
			f := faults[0]
			got = fmt.Sprintf("%d:%d %s", f.Line, f.Column, f.What)
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzYAML holds the invariant of parse: another reader of YAML accepts what
// is accepted here, and reads the same at the same places.
func FuzzYAML(f *testing.F) {
	for _, seed := range []string{
		"a: b\n", "a:\n  - b\n  - c: d\n    e: f\n", "a: {b: c, d: [e, 'f', \"g\"]}\n", "a: |\n  x\n  y\nb: >-\n  c\n  d\n", "a: foo\n  bar\n",
		"# c\na: b # d\n", "a:\n- b\n- - c\n  - d\n", "---\na: b\n...\n", "a: \"x\\ny\"\n", "a: 'b''c'\n", "a: >\n\n b\n\n", "a: ~\nb:\nc: null\n",
		"a: {b, c: }\n", "a: \"b\n  c\"\n", "a: 'b\n\n  c'\n", "a: [x, y: z]\n", "a: b\tc\n", "a: {b:c}\n", "a: [\n b, # c\n d ]\n", "|\n  x", "a: \"x\\/\"",
		"plat: 1\nservice: order\nowner: us\nrun: [./order]\nconsumes:\n  services:\n    a: {timeout: 1s}\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		root, faults, ok := read(text)
		if !ok && len(faults) == 0 {
			t.Fatal("refused without a finding")
		}
		if !ok || len(faults) > 0 || root == nil {
			return
		}
		var there other.Node
		if err := other.Unmarshal([]byte(strings.ReplaceAll(text, "\r\n", "\n")), &there); err != nil {
			t.Fatalf("accepted, but not by others: %v", err)
		}
		if d := cmp.Diff(places(root), otherPlaces(&there)); d != "" {
			t.Errorf("read otherwise by others (-here +there):\n%s", d)
		}
	})
}

// places lists all values of a tree with their kind, text and place.
func places(n *yaml.Node) []string {
	switch n.Kind {
	case yaml.Null:
		return []string{"null"}
	case yaml.List:
		all := []string{fmt.Sprintf("list of %d", len(n.Items))}
		for _, item := range n.Items {
			all = append(all, places(item)...)
		}
		return all
	case yaml.Mapping:
		all := []string{fmt.Sprintf("mapping of %d", len(n.Entries))}
		for _, e := range n.Entries {
			all = append(all, fmt.Sprintf("%d:%d %q", e.Line, e.Col, e.Key))
			all = append(all, places(e.Value)...)
		}
		return all
	}
	return []string{fmt.Sprintf("%d:%d %q", n.Line, n.Col, n.Text)}
}

func otherPlaces(n *other.Node) []string {
	var all []string
	switch n.Kind {
	case other.DocumentNode:
		return otherPlaces(n.Content[0])
	case other.SequenceNode:
		all = append(all, fmt.Sprintf("list of %d", len(n.Content)))
		for _, item := range n.Content {
			all = append(all, otherPlaces(item)...)
		}
		return all
	case other.MappingNode:
		all = append(all, fmt.Sprintf("mapping of %d", len(n.Content)/2))
		for i := 0; i < len(n.Content); i += 2 {
			all = append(all, fmt.Sprintf("%d:%d %q", n.Content[i].Line, n.Content[i].Column, n.Content[i].Value))
			all = append(all, otherPlaces(n.Content[i+1])...)
		}
		return all
	}
	if n.Kind == 0 || n.Tag == "!!null" {
		return []string{"null"}
	}
	return []string{fmt.Sprintf("%d:%d %q", n.Line, n.Column, n.Value)}
}
