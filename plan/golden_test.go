package plan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

var update = flag.Bool("update", false, "write what the code says into the golden files")

// story is one plan in a txtar file. Its comment may hold lines "environment:
// NAME" and "artifact: REFERENCE FOLDER"; a file NAME.quoted is a Go
// string, NAME.repeat a count and a Go string.
type story struct {
	path    string
	archive *txtar.Archive
	files   fstest.MapFS
	opts    plan.Options
}

func readStory(t testing.TB, path string) story {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := story{path: path, archive: archive, files: fstest.MapFS{}}
	artifacts := map[string]string{}
	for _, line := range strings.Split(string(archive.Comment), "\n") {
		if name, ok := strings.CutPrefix(line, "environment: "); ok {
			s.opts.Environment = name
		}
		if words, ok := strings.CutPrefix(line, "artifact: "); ok {
			reference, folder, _ := strings.Cut(words, " ")
			artifacts[reference] = folder
		}
	}
	for _, f := range archive.Files {
		name, data := f.Name, f.Data
		if quoted, is := strings.CutSuffix(name, ".quoted"); is {
			text, err := strconv.Unquote(strings.TrimSpace(string(data)))
			if err != nil {
				t.Fatalf("%s: %s: %v", path, name, err)
			}
			name, data = quoted, []byte(text)
		}
		if repeated, is := strings.CutSuffix(name, ".repeat"); is {
			count, quoted, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
			n, err := strconv.Atoi(count)
			if err != nil {
				t.Fatalf("%s: %s: %v", path, name, err)
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				t.Fatalf("%s: %s: %v", path, name, err)
			}
			name, data = repeated, bytes.Repeat([]byte(text), n)
		}
		if !strings.HasPrefix(name, "want-") {
			s.files[name] = &fstest.MapFile{Data: data}
		}
	}
	if len(artifacts) > 0 {
		s.opts.Artifact = func(reference string) (fs.FS, error) {
			folder, ok := artifacts[reference]
			if !ok {
				return nil, errors.New("no such artefact")
			}
			return fs.Sub(s.files, folder)
		}
	}
	return s
}

// golden compares with the archive's file of this name, or writes it.
func (s *story) golden(t *testing.T, name string, got []byte) {
	t.Helper()
	for i, f := range s.archive.Files {
		if f.Name != name {
			continue
		}
		if *update {
			s.archive.Files[i].Data = got
			return
		}
		if d := cmp.Diff(string(f.Data), string(got)); d != "" {
			t.Errorf("%s: %s (-want +got):\n%s", s.path, name, d)
		}
		return
	}
	if !*update {
		t.Errorf("%s has no %s: run with -update", s.path, name)
		return
	}
	s.archive.Files = append(s.archive.Files, txtar.File{Name: name, Data: got})
}

func (s *story) save(t *testing.T) {
	t.Helper()
	if *update {
		if err := os.WriteFile(s.path, txtar.Format(s.archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func stories(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no stories match %s (%v)", pattern, err)
	}
	return paths
}

// write prints findings as the golden files hold them.
func write(b *bytes.Buffer, findings []*fault.Fault) {
	for _, f := range findings {
		fmt.Fprintf(b, "%s: %s: %s [%s]\n", f.Place(), f.Severity, f.What, f.Code)
		if f.Expected != "" {
			fmt.Fprintf(b, "    why: %s\n", f.Expected)
		}
		if f.Remedy != "" {
			fmt.Fprintf(b, "    fix: %s\n", f.Remedy)
		}
	}
}

// TestFindings holds every plan of testdata/findings to its findings, and
// what is used of it to the faults of use.
func TestFindings(t *testing.T) {
	t.Parallel()
	for _, path := range stories(t, "testdata/findings/*.txtar") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := readStory(t, path)
			result := plan.Check(s.files, s.opts)
			var got bytes.Buffer
			write(&got, result.Findings)
			if result.System != nil {
				write(&got, usable(result.System))
			}
			s.golden(t, "want-findings", got.Bytes())
			s.save(t)

			if (result.System == nil) != (result.Err() != nil) {
				t.Errorf("system %v beside error %v", result.System != nil, result.Err())
			}
			for _, f := range result.Findings {
				if f.What == "" || f.Expected == "" || f.Remedy == "" && !strings.Contains(f.Expected, "expected") && f.Severity == fault.Error {
					t.Errorf("a finding says too little: %+v", f)
				}
				if f.File == "" {
					t.Errorf("a finding has no place: %+v", f)
				}
			}
		})
	}
}

func usable(s *plan.System) []*fault.Fault {
	all := fault.All(s.Usable())
	for _, svc := range s.Services {
		all = append(all, fault.All(svc.Usable())...)
	}
	return all
}

// TestDerivations holds what derives from the plans of testdata/derive.
func TestDerivations(t *testing.T) {
	t.Parallel()
	for _, path := range stories(t, "testdata/derive/*.txtar") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := readStory(t, path)
			system, err := plan.Load(s.files, s.opts)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range []struct {
				name  string
				value any
			}{
				{"want-system.json", system}, {"want-routes.json", plan.Routes(system)}, {"want-edges.json", plan.Edges(system)},
				{"want-streams.json", plan.Streams(system)}, {"want-consumers.json", plan.Consumers(system)}, {"want-grants.json", plan.Grants(system)},
			} {
				text, err := json.MarshalIndent(d.value, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				s.golden(t, d.name, append(text, '\n'))
			}
			s.save(t)
		})
	}
}

// TestSchemas holds the schemas that editors get.
func TestSchemas(t *testing.T) {
	t.Parallel()
	for name, text := range plan.Schemas() {
		path := filepath.Join("testdata", "schemas", name)
		if *update {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(text)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
