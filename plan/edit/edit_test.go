package edit_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/edit"
)

var update = flag.Bool("update", false, "write what the code says into the golden files")

// TestEdits holds the patches of testdata: each archive has a "source" (or
// "source.crlf", whose lines end with CRLF), and holds what a call to catalog
// and a subscription to order.placed make of it.
func TestEdits(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) < 10 {
		t.Fatal(len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			source := archive.Files[0].Data
			switch archive.Files[0].Name {
			case "source.crlf":
				source = bytes.ReplaceAll(source, []byte("\n"), []byte("\r\n"))
			case "source.unended":
				source = bytes.TrimSuffix(source, []byte("\n"))
			}
			before := bytes.Clone(source)
			call, callErr := edit.AddCall("service.yaml", source, "catalog")
			event, eventErr := edit.AddSubscription("service.yaml", source, "order.placed")
			if !bytes.Equal(before, source) {
				t.Error("the source was changed")
			}
			want := txtar.Format(archive)
			archive.Files = append(archive.Files[:1], txtar.File{Name: "want-call", Data: show(call, callErr)}, txtar.File{Name: "want-event", Data: show(event, eventErr)})
			got := txtar.Format(archive)
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// show prints the patched file, the patch's lines marked, ends of lines other
// than LF visible.
func show(e edit.Edit, err error) []byte {
	var b bytes.Buffer
	for _, f := range fault.All(err) {
		fmt.Fprintf(&b, "%s: %s [%s]\n    why: %s\n    fix: %s\n", f.Place(), f.What, f.Code, f.Expected, f.Remedy)
	}
	if err != nil {
		return b.Bytes()
	}
	fmt.Fprintf(&b, "line %d, instead of %d:\n", e.Line, e.Replaced)
	for _, l := range e.Lines {
		fmt.Fprintf(&b, "| %s\n", l)
	}
	b.WriteString("whole:\n")
	text := strings.ReplaceAll(string(e.Source), "\r", "␍")
	if !strings.HasSuffix(text, "\n") {
		text += "␄\n"
	}
	b.WriteString(text)
	return b.Bytes()
}
