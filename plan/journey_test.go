package plan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/plan"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                   "",
		"plain":              "plain",
		"{a}":                "<a>",
		"{a}{b-1}x{a}":       "<a><b-1>x<a>",
		"{":                  "{",
		"}{":                 "}{",
		"{}":                 "{}",
		"{not a name} {a}":   "{not a name} <a>",
		"{{a}}":              "{<a>}",
		`{"json": "{a}"}`:    `{"json": "<a>"}`,
		"{A} {1} {a_b} {-a}": "{A} {1} {a_b} {-a}",
		"{a":                 "{a",
	} {
		got := plan.Expand(text, func(name string) string { return "<" + name + ">" })
		if got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if d := cmp.Diff([]string{"a", "b", "a"}, plan.Names("{a} {b} {C} {a}")); d != "" {
		t.Error(d)
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("{a}{b} {not this} {{c}}")
	f.Fuzz(func(t *testing.T, text string) {
		same := plan.Expand(text, func(name string) string { return "{" + name + "}" })
		if same != text {
			t.Errorf("%q put together again is %q", text, same)
		}
		for _, name := range plan.Names(text) {
			if !strings.Contains(text, "{"+name+"}") {
				t.Errorf("%q has no {%s}", text, name)
			}
		}
	})
}

// TestValueIsJSON holds that values come back as they went: the plan's revision
// and who reads it as JSON stand on it.
func TestValueIsJSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`null`, `true`, `1`, `0.5`, `"x"`, `[1,"a",null]`, `{"a":{"b":[]}}`, `12345678901234567890`} {
		var v plan.Value
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(v); err != nil || string(got) != text {
			t.Errorf("%s comes back as %s (%v)", text, got, err)
		}
	}
}
