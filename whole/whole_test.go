package whole_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/plat-dev/plat/whole"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "a.json")
	for _, text := range []string{"one, which is longer", "two"} {
		if err := whole.Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q, %v; want %q", got, err, text)
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if whole.Write(filepath.Join(folder, "taken"), nil) == nil || whole.Write(filepath.Join(folder, "none", "a"), nil) == nil {
		t.Error("a folder was replaced, or a file written into none")
	}
	if left, err := filepath.Glob(filepath.Join(folder, "*.tmp")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
