package roomstest_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/modfile"
)

// TestDependencies holds DEPENDENCIES.md to the files that its sections are
// named for: each direct requirement has one line there, with a reason.
func TestDependencies(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../DEPENDENCIES.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(text), "\n## ")[1:]
	for _, section := range sections {
		file, body, _ := strings.Cut(section, "\n")
		var listed []string
		for line := range strings.Lines(body) {
			cells := strings.Split(line, "|")
			if len(cells) != 5 || strings.HasPrefix(cells[1], " ---") || strings.HasSuffix(strings.TrimSpace(cells[2]), "in") {
				continue
			}
			in, why := strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])
			if !slices.Contains([]string{"code", "build", "tests"}, in) || why == "" {
				t.Errorf("%s: a line without place or reason: %s", file, line)
			}
			listed = append(listed, strings.TrimSpace(cells[1]))
		}
		slices.Sort(listed)
		if d := cmp.Diff(direct(t, file), listed); d != "" {
			t.Errorf("%s (-required +DEPENDENCIES.md):\n%s", file, d)
		}
	}
	if len(sections) < 8 {
		t.Errorf("%d sections", len(sections))
	}
}

// direct lists what a go.mod or package.json requires itself, sorted.
func direct(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(path.Join("../..", file))
	if err != nil {
		t.Fatal(err)
	}
	if path.Base(file) == "go.mod" {
		mod, err := modfile.Parse(file, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, r := range mod.Require {
			if !r.Indirect {
				names = append(names, r.Mod.Path)
			}
		}
		slices.Sort(names)
		return names
	}
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, key := range []string{"dependencies", "devDependencies", "optionalDependencies"} {
		if raw, ok := all[key]; ok {
			if err := json.Unmarshal(raw, &names); err != nil { // adds to what is there
				t.Fatal(err)
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	inCode  = regexp.MustCompile("`[^`\n]*`")
)

// TestLinks follows every link between the pages of this repository: what it
// names is there, and from README.md every page of docs is reached.
func TestLinks(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	reached := map[string]bool{}
	for queue := []string{"README.md"}; len(queue) > 0; queue = queue[1:] {
		page := queue[0]
		if reached[page] {
			continue
		}
		reached[page] = true
		for _, to := range links(t, root, page) {
			info, err := fs.Stat(root, to.file)
			if err != nil {
				t.Errorf("%s links to %s, which is not there", page, to.file)
				continue
			}
			if info.IsDir() || !strings.HasSuffix(to.file, ".md") {
				continue
			}
			if to.part != "" && !slices.Contains(parts(t, root, to.file), to.part) {
				t.Errorf("%s links to %s#%s, which has no such heading", page, to.file, to.part)
			}
			queue = append(queue, to.file)
		}
	}
	all, err := fs.Glob(root, "docs/*.md")
	deeper, err2 := fs.Glob(root, "docs/*/*.md")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for _, page := range slices.Concat(all, deeper) {
		if !reached[page] && page != "docs/adr/template.md" {
			t.Errorf("no link leads from README.md to %s", page)
		}
	}
}

type target struct{ file, part string }

// links lists where a page leads within the repository.
func links(t *testing.T, root fs.FS, page string) []target {
	t.Helper()
	text, err := fs.ReadFile(root, page)
	if err != nil {
		t.Fatal(err)
	}
	var all []target
	prose := inCode.ReplaceAll(fenced.ReplaceAll(text, nil), []byte("code"))
	for _, m := range link.FindAllSubmatch(prose, -1) {
		u, err := url.Parse(string(m[1]))
		if err != nil {
			t.Errorf("%s: %v", page, err)
			continue
		}
		if u.Scheme != "" {
			continue
		}
		file := page
		if u.Path != "" {
			file = path.Join(path.Dir(page), u.Path)
		}
		all = append(all, target{file, u.Fragment})
	}
	return all
}

// parts lists the anchors of a page, as GitHub makes them of headings.
func parts(t *testing.T, root fs.FS, page string) []string {
	t.Helper()
	text, err := fs.ReadFile(root, page)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range heading.FindAllSubmatch(fenced.ReplaceAll(text, nil), -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127:
				return r
			}
			return -1
		}, strings.ToLower(string(m[1])))
		all = append(all, anchor)
	}
	return all
}
