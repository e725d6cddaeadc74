package cli_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/plat-dev/plat/internal/house"
)

// TestStories plays testdata/stories: each is something that a user could
// tell, with the real plat.
func TestStories(t *testing.T) {
	t.Parallel()
	bin := house.Bin(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/stories",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("GORACE", "atexit_sleep_ms=10")                 // else each command of a race build sleeps a second
			env.Setenv("HOME", os.Getenv("HOME"))                      // Go's caches
			for _, name := range []string{"GATEWAY", "API", "OTHER"} { // for all stories until the last ends
				env.Setenv(name, house.FreeAddr(t))
			}
			env.Setenv("ROOT", house.Root())
			env.Setenv("PLAT", filepath.Join(bin, "plat"))
			env.Setenv("DUMMY", filepath.Join(bin, "dummy"))
			env.Defer(func() { stopAll(env.WorkDir, bin) })
			return nil
		},
		Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"await":  await,
			"listen": listen,
			"fetch":  fetch,
		},
	})
}

// condition tells whether a story can be played here: [compiler] means that
// the TypeScript compiler of the repository is installed, [root] that the user
// may do everything.
func condition(cond string) (bool, error) {
	switch cond {
	case "compiler":
		_, err := os.Stat(filepath.Join(house.Root(), "musiccorp", "services", "recommendation", "node_modules", "typescript"))
		return err == nil, nil
	case "root":
		return os.Getuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %s", cond)
}

// stopAll ends what a story left running.
func stopAll(dir, bin string) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == "run.json" {
			_ = exec.Command(filepath.Join(bin, "plat"), "down", "-C", filepath.Dir(filepath.Dir(path)), "--timeout", "1m").Run()
		}
		return nil
	})
}

// exits runs a command and wants one exit code: exits CODE COMMAND ARG…
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// await repeats a command until its output holds a text: await TEXT COMMAND ARG…
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await TEXT COMMAND ARG…")
	}
	end := time.Now().Add(3 * time.Minute)
	for {
		_ = ts.Exec(args[1], args[2:]...)
		said := ts.ReadFile("stdout") + ts.ReadFile("stderr")
		if strings.Contains(said, args[0]) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%q did not come; last:\n%s", args[0], said)
		}
		time.Sleep(50 * time.Millisecond) // between two looks, under the deadline above
	}
}

// fetch sends a request and wants a status; its answer's Cache-Status and body
// are the output: fetch STATUS METHOD URL ['Name: value']…
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: fetch STATUS METHOD URL ['Name: value']…")
	}
	req, err := http.NewRequest(args[1], args[2], nil)
	ts.Check(err)
	for _, field := range args[3:] {
		name, value, _ := strings.Cut(field, ": ")
		req.Header.Add(name, value)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	client := http.Client{Timeout: time.Minute}
	res, err := client.Do(req)
	ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "%s\n%s", res.Header.Get("Cache-Status"), body)
	ts.Check(err)
	if got := strconv.Itoa(res.StatusCode); got != args[0] {
		ts.Fatalf("status %s, want %s", got, args[0])
	}
}

// listen takes an address until the story ends: listen ADDR
func listen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: listen ADDR")
	}
	l, err := net.Listen("tcp", args[0])
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
}

// write makes a file with its folders.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
