package lines_test

import (
	"strings"
	"testing"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/cli/lines"
)

func TestHarmless(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain, größer\tby a tab":    "plain, größer\tby a tab",
		"\x1b[31mred\x07":            `\x1b[31mred\x07`,
		"a\r\nb":                     `a\x0d|b`,
		"\u009b2J":                   `\x9b2J`,
		"order\u202e txt":            `order\u202e txt`,
		"\xff\xfe":                   `\xff\xfe`,
		"the sign \ufffd is a text":  "the sign \ufffd is a text",
		"the end\n":                  "the end|",
		"\x00":                       `\x00`,
		"\u2066isolated\u2069 again": `\u2066isolated\u2069 again`,
	} {
		if got := lines.Harmless(in, "|"); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

// TestPrinterCommandsNoTerminal: what a program writes stays text, whether it is
// a JSON line or not, for a person or a pipe.
func TestPrinterCommandsNoTerminal(t *testing.T) {
	t.Parallel()
	for _, person := range []bool{true, false} {
		for _, text := range []string{
			"plain \x1b]0;title\x07", `{"msg":"json \u001b[31mred","level":"INFO"}`, `{"msg":"a","level":"\u001b[2J"}`,
			`{"msg":"a","key\u001b[2J":"value"}`, `{"msg":"a","key":"value\u001b[2J"}`, "{\"msg\":\"a\"} \x1b[2J",
		} {
			for _, stream := range []string{"out", "err", "plat"} {
				var b strings.Builder
				p := lines.Printer{Out: &b, Paint: func(_, s string) string { return s }, Person: person}
				if err := p.Print(api.LogLine{Service: "a", Instance: "a-1", Stream: stream, Text: text}); err != nil {
					t.Fatal(err)
				}
				if strings.ContainsAny(b.String(), "\x1b\x07") {
					t.Errorf("%q is printed as %q", text, b.String())
				}
			}
		}
	}
}
