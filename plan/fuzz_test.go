package plan_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// hostile texts were slow, crashed the parser or slipped through once, or
// would in a naive loader.
func hostile() []string {
	return []string{
		strings.Repeat("[", 20_000), strings.Repeat("{", 20_000), strings.Repeat("- ", 20_000), strings.Repeat("? ", 20_000), strings.Repeat("a: [", 20_000),
		strings.Repeat("a: b\n", 20_000), strings.Repeat("- a\n", 20_000), strings.Repeat("- - a\n", 9_000), strings.Repeat("x: {a: b}\n", 9_000), strings.Repeat("a: |\n x\n", 4_000),
		"a: {" + strings.Repeat("a: b, ", 5_000) + "}", "a: [" + strings.Repeat("a, ", 20_000) + "]", strings.Repeat("&a ", 10_000), strings.Repeat("!!a ", 2_500),
		strings.Repeat("*a ", 5_000), strings.Repeat("\"", 20_000), strings.Repeat("]", 20_000), strings.Repeat("#", 90_000), strings.Repeat(": ", 20_000),
		"about: " + strings.Repeat("é ", 20_000), "about: \"" + strings.Repeat(`\u00e9`, 5_000) + "\"",
		"", "\n", "#", "---\n---\na: b\n", "a: b\n...\n", "a: b\n--- \n", "?", "? a", ": a", "- ? - : -", "[a]: b", "{a: b}: c", "a: !!binary x", "<<: {a: b}", "a: *b",
		"a: |2\n x", "a: >+\n\n\n", "'", "\"", "\"\\", "a: \"\\xZZ\"", "\t", "a:\t- b", "%TAG ! x\n---\na: b", "a: b #c\n #d\n", "\x00", "\xff", "\xef\xbb\xbfa: b",
		"plat: 1\nservice: order\nowner: us\nrun: [./order]\n", "service: 1.10\nowner: 010\n", "service: a\r\nowner: b\r\n", "config: {a: {type: int, default: 010}}\n",
		"consumes: {services: {order: {timeout: 5}}, events: {a.b: {}}}\n", "provides: {events: {a.b: {schema: ../x}}, http: {openapi: x}}\n", "objectives: {latency: {p90: 1s, p5x: 2s}}\n",
	}
}

func load(system, service string) plan.Result {
	return plan.Check(fstest.MapFS{"plat.yaml": {Data: []byte(system)}, "a/service.yaml": {Data: []byte(service)}, "a/x": {Data: nil}}, plan.Options{})
}

const sound = "system: s\nowners: {us: {}}\nservices: [{path: a}]\n"

// FuzzLoad holds that no text crashes or delays the loader, that findings
// have a code that is explained and a place inside the file, and that what
// is accepted prints as JSON.
func FuzzLoad(f *testing.F) {
	for _, text := range hostile() {
		if len(text) < 1000 {
			f.Add(sound, text)
			f.Add(text, "service: a\nowner: us\nrun: [a]\n")
		}
	}
	for _, path := range stories(f, "testdata/*/*.txtar") {
		s := readStory(f, path)
		for name, file := range s.files {
			if strings.HasSuffix(name, "service.yaml") && len(file.Data) < 1000 {
				f.Add(sound, string(file.Data))
			}
		}
		if system := s.files["plat.yaml"]; system != nil {
			f.Add(string(system.Data), "service: a\nowner: us\nrun: [a]\n")
		}
	}
	f.Fuzz(func(t *testing.T, system, service string) {
		r := load(system, service)
		examine(t, r, map[string]string{"plat.yaml": system, "a/service.yaml": service})
	})
}

func examine(t *testing.T, r plan.Result, texts map[string]string) {
	t.Helper()
	if (r.System == nil) != (r.Err() != nil) {
		t.Errorf("system %v beside error %v", r.System != nil, r.Err())
	}
	for _, f := range r.Findings {
		if _, known := fault.Lookup(f.Code); !known {
			t.Errorf("the code %s is not explained", f.Code)
		}
		text, known := texts[f.File]
		if !known {
			t.Errorf("a finding in no file: %v", f)
			continue
		}
		lines := strings.Split(text, "\n")
		if f.Line < 0 || f.Line > len(lines) || f.Line == 0 && f.Column != 0 {
			t.Errorf("a finding outside of the file's %d lines: %v", len(lines), f)
		}
		if f.Line > 0 && (f.Column < 1 || f.Column > len([]rune(lines[f.Line-1]))+2) {
			t.Errorf("a finding outside of its line %q: %v", lines[f.Line-1], f)
		}
	}
	if r.System != nil {
		usableNames(t, r.System)
		if _, err := json.Marshal(r.System); err != nil {
			t.Error(err)
		}
	}
}

// usableNames holds that what others make addresses and requests of is fit for
// that in every accepted plan.
func usableNames(t *testing.T, s *plan.System) {
	t.Helper()
	for _, e := range s.External {
		if internal := strings.HasSuffix(strings.ToLower(e.URL), ".internal"); internal != (e.Registered != "") ||
			internal && (e.URL != "http://"+e.Registered+".internal" || plan.ValidService(e.Registered) != nil) {
			t.Errorf("accepted %s as registered %q", e.URL, e.Registered)
		}
		if _, ours := s.Service(e.Registered); ours {
			t.Errorf("accepted the service %s as external", e.Registered)
		}
	}
	for _, c := range plan.Consumers(s) {
		if c.Push == "" {
			continue
		}
		r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:80"+c.Push, nil)
		if err != nil || r.URL.Host != "127.0.0.1:80" || r.URL.RawQuery != "" || r.URL.Fragment != "" || strings.Contains(r.URL.Path, "/../") || !strings.HasPrefix(c.Push, "/") {
			t.Errorf("accepted %q as a path to deliver to: %v", c.Push, err)
		}
	}
	for _, svc := range s.Services {
		for i, name := range svc.Needs {
			if filepath.Base(name) != name || strings.ContainsAny(name, " /\\\x00") || slices.Index(svc.Needs, name) < i {
				t.Errorf("accepted %q as a program", name)
			}
		}
	}
}

// TestHostileTexts holds that the loader is sound on each of them.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	for i, text := range hostile() {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			r := load(sound, text)
			examine(t, r, map[string]string{"plat.yaml": sound, "a/service.yaml": text})
		})
	}
}

// TestManyMistakes holds that names in great numbers, all wrong, are told up to
// a bound.
func TestManyMistakes(t *testing.T) {
	t.Parallel()
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	service := "service: a\nowner: us\nrun: [a]\n"
	for name, texts := range map[string][2]string{
		"bad names":         {sound, service + "consumes:\n  services:\n" + many("    A_%d: {}\n", 2_000)},
		"unknown services":  {sound + "external:\n" + many("  e%d: {url: 'http://e', owner: us}\n", 5_000), service + "consumes:\n  services:\n" + many("    f%d: {}\n", 2_000)},
		"unknown fields":    {sound, many("y%d: 1\n", 5_000)},
		"missing fields":    {sound + "external:\n" + many("  e%d: {}\n", 3_000), service},
		"unknown overrides": {sound + "environments: {prod: {set: {a: {config: {\n" + many("  s%d: 1,\n", 2_500) + "}}}}}\n", service + "config:\n" + many("  c%d: {}\n", 2_000)},
		"routes":            {sound + "gateways:\n  g:\n    routes:\n" + many("      - {path: /r%d, service: b}\n", 2_500), service},
		"patterns":          {"system: s\nowners: {us: {}}\nservices:\n" + many("  - {path: x%d*}\n", 4_000), service},
		"duplicate keys":    {sound, strings.Repeat("a: b\n", 20_000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := load(texts[0], texts[1])
			if len(r.Findings) > 2*101 || r.Err() == nil {
				t.Errorf("%d findings", len(r.Findings))
			}
		})
	}
}
