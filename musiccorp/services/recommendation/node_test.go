// Package recommendation runs the tests of a service that is not written in
// Go, so that they run with all others.
package recommendation

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// TestNode runs the service's own tests by Node 20 or newer, and is skipped
// where there is none.
func TestNode(t *testing.T) {
	t.Parallel()
	node, err := filepath.Abs("../../../tools/node") // which looks for one
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, "src", "dist", "test", "fixture", "api", "build.mjs", "package.json", "tsconfig.json")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "--test", "--test-reporter", "tap")
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 127 {
		t.Skipf("the tests of recommendation: %s", out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	passed := regexp.MustCompile(`(?m)^# pass ([1-9][0-9]*)$`).FindSubmatch(out)
	if passed == nil {
		t.Fatalf("no test ran\n%s", out)
	}
	t.Logf("%s tests passed", passed[1])
}

// readAll reads files and folders, so that the go command, which keeps the
// results of tests, knows what this one depends on.
func readAll(t *testing.T, names ...string) {
	t.Helper()
	folder := os.DirFS(".")
	for _, name := range names {
		err := fs.WalkDir(folder, name, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			_, err = fs.ReadFile(folder, path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
