package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plat-dev/plat/runner"
)

func contents(t *testing.T, path string) (texts []string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		l, ok := runner.ParseLine("order", strings.TrimSuffix(line, "\n"))
		if !ok {
			l.Text = "torn: " + line
		}
		texts = append(texts, l.Stream+" "+strings.TrimSuffix(l.Text, "\n"))
	}
	return texts
}

func one(text string) [][]byte { return [][]byte{[]byte(text)} }

func TestLinesThatCannotBeWrittenAreCounted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	f := newLogFiles(dir).of("order")
	f.write("order-1", "out", one("lost"))
	f.write("order-1", "out", append(one("lost"), one("lost")...))
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	f.write("order-1", "out", one("kept"))
	f.write("order-1", "out", one("kept"))
	want := "plat 3 lines lost: the log could not be written|out kept|out kept"
	if got := strings.Join(contents(t, f.path), "|"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTornLineOfAKilledGuardIsEnded(t *testing.T) {
	t.Parallel()
	logs := newLogFiles(t.TempDir())
	f := logs.of("order")
	if err := os.WriteFile(f.path, []byte("2026-01-02T"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.write("order-1", "err", one("next"))
	if got := strings.Join(contents(t, f.path), "|"); got != " torn: 2026-01-02T|err next" {
		t.Errorf("got %q", got)
	}
}

func TestRotationKeepsFiveFiles(t *testing.T) {
	t.Parallel()
	logs := newLogFiles(t.TempDir())
	logs.max = 100
	f := logs.of("order")
	for n := range 20 {
		f.write("order-1", "out", one(strings.Repeat("x", 20)+string(rune('a'+n)))) // one to a file
	}
	files, err := filepath.Glob(f.path + "*")
	if err != nil || len(files) != runner.LogFiles {
		t.Errorf("files are %v, %v", files, err)
	}
	for n := range runner.LogFiles {
		got := contents(t, runner.LogPath(f.path, n))
		if want := string(rune('a' + 19 - n)); len(got) != 1 || !strings.HasSuffix(got[0], want) {
			t.Errorf("file %d holds %v, want %s", n, got, want)
		}
	}
}
