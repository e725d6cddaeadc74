package yaml_test

import (
	"fmt"
	"strings"
	"testing"

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

// TestParseRefuses holds what is no YAML, or more of it than a plan uses, each
// with its place.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a: b: c\n":                      "1:5 mapping values are not allowed in this context",
		"a: b\n c: d\n":                  "2:3 mapping values are not allowed in this context",
		"a:\n  b: c\n d: e\n":            "3:2 did not find expected key",
		"a: b\n- c\n":                    "2:1 did not find expected key",
		"a: b\nc\n":                      "2:1 could not find expected ':'",
		"a: [b\n":                        "1:4 did not find expected ',' or ']'",
		"a: {b: c\n":                     "1:4 did not find expected ',' or '}'",
		"a: 'b\n":                        "1:4 found unexpected end of stream",
		"a: \"\\q\"\n":                   "1:5 found unknown escape character",
		"a: \"\\0\"\n":                   "1:4 the invisible character U+0000",
		"a: @b\n":                        "1:4 found character that cannot start any token",
		"\ta: b\n":                       "1:1 found character that cannot start any token",
		"a: &b c\n":                      "1:4 an anchor in the plan",
		"a: *b\n":                        "1:4 unknown anchor 'b' referenced",
		"a: !b c\n":                      "1:4 a tag in the plan",
		"a: [&b c, *b]\n":                "1:5 an anchor in the plan",
		"<<: {a: b}\n":                   "1:1 a merge key in the plan",
		"[a, b]: c\n":                    "1:1 a key that is not plain text in the plan",
		"a: b\n---\nc: d\n":              "2:1 a second document in the plan",
		"---\n---\n":                     "2:1 a second document in the plan",
		"%YAML 1.2\n---\na: b\n":         "1:1 a directive in the plan",
		"a: b\na: c\n":                   "2:1 the key \"a\" stands here again",
		"1: b\n":                         "1:1 the key 1 is not text",
		"a: ü: b\n":                      "1:5 mapping values are not allowed in this context",
		"a: " + strings.Repeat("[", 40):  "1:1 did not find expected node content",
		strings.Repeat("- ", 40) + "a\n": "1:65 nested more than 32 levels deep",
		strings.Repeat("[", 20_000):      "1:129 nested more than 32 levels deep",
		"a: \xff\n":                      "1:4 a byte that is not UTF-8",
		"\ufeffa: b\n":                   "1:1 a byte order mark",
	} {
		_, faults, _ := read(text)
		got := ""
		if len(faults) > 0 {
			f := faults[0]
			got = fmt.Sprintf("%d:%d %s", f.Line, f.Column, f.What)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzParse wants findings for what is refused, places inside of the text, and
// no value of a tree that stands outside of it.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"a: b\n", "a:\n  - b\n  - c: d\n    e: f\n", "a: {b: c, d: [e, 'f', \"g\"]}\n", "a: |\n  x\n  y\nb: >-\n  c\n", "# c\na: b # d\n",
		"---\na: b\n...\n", "a: ~\nb:\nc: null\n", "a: {b:c}\n", "a: [\n b, # c\n d ]\n", "a: &x b\nc: *x\n", "? a\n: b\n", "a: [", "a: \"",
		"plat: 1\nservice: order\nowner: us\nrun: [./order]\nconsumes:\n  services:\n    a: {timeout: 1s}\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		root, faults, ok := read(text)
		if !ok && len(faults) == 0 {
			t.Fatal("refused without a finding")
		}
		lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
		for _, f := range faults {
			if f.Line < 1 || f.Line > len(lines) || f.Column < 1 {
				t.Errorf("a finding at %d:%d of %d lines: %s", f.Line, f.Column, len(lines), f.What)
			}
		}
		if root != nil {
			within(t, root, len(lines))
		}
	})
}

func within(t *testing.T, n *yaml.Node, lines int) {
	t.Helper()
	if n.Kind != yaml.Null && (n.Line < 1 || n.Line > lines || n.Col < 1) {
		t.Errorf("%s %q at %d:%d of %d lines", n.Kind, n.Text, n.Line, n.Col, lines)
	}
	for _, item := range n.Items {
		within(t, item, lines)
	}
	for _, e := range n.Entries {
		within(t, e.Value, lines)
	}
}
