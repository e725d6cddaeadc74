package state_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/state"
)

// TestMain is also the other process of TestLockNamesItsHolder.
func TestMain(m *testing.M) {
	if root := os.Getenv("STATE_TEST_HOLD"); root != "" {
		if _, err := state.Open(root); err != nil {
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString("held\n")
		_, _ = os.Stdin.Read(make([]byte, 1)) // until the test closes it
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func open(t *testing.T, root string) *state.Folder {
	t.Helper()
	f, err := state.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestOpenMakesAPrivateFolder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	f := open(t, root)
	info, err := os.Stat(f.Path)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("folder: %v, %v", info.Mode(), err)
	}
	token, err := f.NewToken()
	if err != nil || len(token) != 64 {
		t.Fatalf("token %q, %v", token, err)
	}
	info, err = os.Stat(filepath.Join(f.Path, "token"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("token file: %v, %v", info.Mode(), err)
	}
	if read, err := state.ReadToken(f.Path); err != nil || read != token {
		t.Fatalf("read back %q, %v", read, err)
	}
	if err := f.Publish(state.Run{PID: 7, API: "http://127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	if run, err := state.ReadRun(f.Path); err != nil || run.PID != 7 {
		t.Fatalf("run %+v, %v", run, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if run, err := state.ReadRun(f.Path); err != nil || run != nil {
		t.Fatalf("run after close: %+v, %v", run, err)
	}
	if err := open(t, root).Close(); err != nil { // opens again
		t.Fatal(err)
	}
}

func TestLockNamesItsHolder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	holder := exec.CommandContext(t.Context(), self)
	holder.Env = append(os.Environ(), "STATE_TEST_HOLD="+root)
	stdin, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	_, err = state.Open(root)
	if !fault.Is(err, fault.StateLocked) {
		t.Fatalf("second open: %v, want state-locked", err)
	}
	var h struct{ PID int }
	text, _ := os.ReadFile(filepath.Join(root, state.Name, "lock"))
	if json.Unmarshal(text, &h) != nil || h.PID != holder.Process.Pid || !strings.Contains(err.Error(), "process") {
		t.Fatalf("the lock says %s, the holder is %d; error %v", text, holder.Process.Pid, err)
	}
	if folder := filepath.Join(root, state.Name); !state.Held(folder) {
		t.Fatal("the folder is held, and Held says no")
	}
	if err := holder.Process.Kill(); err != nil { // SIGKILL gives the lock free
		t.Fatal(err)
	}
	_ = holder.Wait()
	if state.Held(filepath.Join(root, state.Name)) {
		t.Fatal("the holder is dead, and Held says that it holds")
	}
	_ = stdin.Close()
	if err := open(t, root).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, folder string)
		code    fault.Code
	}{
		"a file in its place": {func(t *testing.T, folder string) { write(t, folder, "x") }, fault.StateForeign},
		"a folder of something else": {func(t *testing.T, folder string) {
			mkdir(t, folder)
			write(t, filepath.Join(folder, "photos.txt"), "x")
		}, fault.StateForeign},
		"a later version": {func(t *testing.T, folder string) {
			mkdir(t, folder)
			write(t, filepath.Join(folder, "format"), "plat-state 2\n")
		}, fault.StateForeign},
		"a torn mark": {func(t *testing.T, folder string) {
			mkdir(t, folder)
			write(t, filepath.Join(folder, "format"), "plat-st")
		}, fault.StateTorn},
		"a torn run.json": {func(t *testing.T, folder string) {
			mkdir(t, folder)
			write(t, filepath.Join(folder, "format"), state.Format)
			write(t, filepath.Join(folder, "run.json"), `{"pid": 1`)
		}, fault.StateTorn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			folder := filepath.Join(root, state.Name)
			c.prepare(t, folder)
			before := tree(t, root)
			_, err := state.Open(root)
			if !fault.Is(err, c.code) {
				t.Fatalf("Open = %v, want %s", err, c.code)
			}
			for _, f := range fault.All(err) {
				if f.Remedy == "" {
					t.Errorf("no remedy: %v", f)
				}
			}
			for name, text := range before {
				if after := tree(t, root); after[name] != text {
					t.Errorf("%s was changed from %q to %q", name, text, after[name])
				}
			}
		})
	}
}

func TestOpenWithoutPermission(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		// Root may do everything in a folder, but not make one below a file.
		root := filepath.Join(t.TempDir(), "file")
		write(t, root, "")
		if _, err := state.Open(root); !fault.Is(err, fault.StateDenied) {
			t.Fatalf("Open below a file = %v, want state-denied", err)
		}
		return
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Open(root); !fault.Is(err, fault.StateDenied) {
		t.Fatalf("Open = %v, want state-denied", err)
	}
}

func TestSecretIsMadeOnce(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	f := open(t, root)
	first, err := f.Secret()
	if err != nil || len(first) != 32 {
		t.Fatalf("secret of %d bytes, %v", len(first), err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = open(t, root)
	defer func() { _ = f.Close() }()
	if again, err := f.Secret(); err != nil || !bytes.Equal(first, again) {
		t.Fatalf("the next run has another secret (%v)", err)
	}
	write(t, filepath.Join(f.Path, "secret"), "torn")
	if _, err := f.Secret(); !fault.Is(err, fault.StateTorn) {
		t.Fatalf("a torn secret: %v, want state-torn", err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o750); err != nil {
		t.Fatal(err)
	}
	if got, found := state.Find(deep); found || got != deep {
		t.Fatalf("without plat.yaml: %s, %v", got, found)
	}
	write(t, filepath.Join(root, "plat.yaml"), "")
	if got, found := state.Find(deep); !found || got != root {
		t.Fatalf("found %s, %v, want %s", got, found, root)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, name string) {
	t.Helper()
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
}

// tree is every file below root with its text, but for the lock.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "lock" {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // below the test's own folder
		files[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestReadingToken: it lasts over runs, is for its owner alone, and half of one
// is none.
func TestReadingToken(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	f, err := state.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	if token, err := state.ReadingToken(f.Path); token != "" || err != nil {
		t.Errorf("before there is one: %q, %v", token, err)
	}
	made, err := state.NewReadingToken(f.Path)
	if err != nil || len(made) != 64 {
		t.Fatalf("%q, %v", made, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(f.Path, "reading-token")
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if token, err := state.ReadingToken(f.Path); token != made || err != nil {
		t.Errorf("after the run: %q, %v", token, err)
	}
	if again, err := state.NewReadingToken(f.Path); again == made || err != nil {
		t.Errorf("a new one is the old one: %v", err)
	}
	write(t, name, made[:10])
	if token, err := state.ReadingToken(f.Path); token != "" || err != nil {
		t.Errorf("half of one: %q, %v", token, err)
	}
	if err := errors.Join(state.EndReadingToken(f.Path), state.EndReadingToken(f.Path)); err != nil {
		t.Error(err)
	}
}
