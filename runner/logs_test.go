package runner_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/runner"
)

func at(seconds int) time.Time { return time.Date(2026, 1, 2, 3, 4, seconds, 5000, time.UTC) }

// write appends lines of the form "second text" to a log file.
func write(t *testing.T, path string, lines ...string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, line := range lines {
		var second int
		var text string
		if _, err := fmt.Sscanf(line, "%d %s", &second, &text); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(runner.AppendLine(nil, at(second), "i-1", "out", text)); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, dir string, q runner.LogQuery) (got []string, err error) {
	t.Helper()
	err = runner.ReadLogs(t.Context(), dir, q, func(l runner.Line) error {
		got = append(got, l.Service+" "+l.Text)
		return nil
	})
	return got, err
}

func TestReadLogs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.log.2"), "1 a1", "2 a2")
	write(t, filepath.Join(dir, "a.log.1"), "4 a4", "5 a5")
	write(t, filepath.Join(dir, "a.log"), "8 a8", "9 a9")
	write(t, filepath.Join(dir, "b.log"), "3 b3", "5 b5", "7 b7")
	if err := os.WriteFile(filepath.Join(dir, "c.log"), []byte("foreign\n\n2026 x y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		query runner.LogQuery
		want  string
	}{
		"all":             {runner.LogQuery{}, "a a1,a a2,b b3,a a4,a a5,b b5,b b7,a a8,a a9"},
		"one service":     {runner.LogQuery{Services: []string{"b"}}, "b b3,b b5,b b7"},
		"since":           {runner.LogQuery{Since: at(5)}, "a a5,b b5,b b7,a a8,a a9"},
		"tail":            {runner.LogQuery{Tail: 1}, "b b7,a a9"},
		"tail over files": {runner.LogQuery{Tail: 3, Services: []string{"a"}}, "a a5,a a8,a a9"},
		"tail of a file":  {runner.LogQuery{Tail: 2, Services: []string{"a"}}, "a a8,a a9"},
		"tail of all":     {runner.LogQuery{Tail: 99, Services: []string{"a"}}, "a a1,a a2,a a4,a a5,a a8,a a9"},
		"foreign lines":   {runner.LogQuery{Services: []string{"c"}}, ""},
	} {
		got, err := read(t, dir, c.query)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, strings.Join(got, ",")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, name := range []string{"nobody", "../a"} {
		if _, err := read(t, dir, runner.LogQuery{Services: []string{name}}); !fault.Is(err, fault.RunLogUnreadable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	stop := errors.New("enough")
	if err := runner.ReadLogs(t.Context(), dir, runner.LogQuery{}, func(runner.Line) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func TestReadLogsFollows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := filepath.Join(dir, "a.log")
	write(t, a, "1 old", "2 a2")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := make(chan string, 100)
	done := make(chan error, 1)
	go func() {
		done <- runner.ReadLogs(ctx, dir, runner.LogQuery{Tail: 1, Follow: true}, func(l runner.Line) error {
			lines <- l.Text
			return nil
		})
	}()
	expect := func(want ...string) {
		t.Helper()
		for _, w := range want {
			select {
			case got := <-lines:
				if got != w {
					t.Fatalf("got %q, want %q", got, w)
				}
			case <-time.After(time.Minute):
				t.Fatalf("no %q within a minute", w)
			}
		}
	}
	expect("a2")
	write(t, a, "3 a3")
	expect("a3")
	// Rotated twice between two looks, with lines in each file.
	write(t, a, "4 a4")
	for n := range 2 {
		_ = os.Rename(a+".1", a+".2")
		if err := os.Rename(a, a+".1"); err != nil {
			t.Fatal(err)
		}
		write(t, a, fmt.Sprintf("%d a%d", 5+n, 5+n))
	}
	expect("a4", "a5", "a6")
	// A line in two pieces, and a service that comes to be.
	line := runner.AppendLine(nil, at(7), "i-1", "err", "in two pieces")
	f, err := os.OpenFile(a, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, _ = f.Write(line[:40])
	write(t, filepath.Join(dir, "b.log"), "6 b6")
	expect("b6")
	_, _ = f.Write(line[40:])
	expect("in two pieces")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFollowSaysWhenItFellBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := filepath.Join(dir, "a.log")
	write(t, a, "1 a1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	err := runner.ReadLogs(ctx, dir, runner.LogQuery{Follow: true}, func(l runner.Line) error {
		got = append(got, l.Stream+" "+l.Text)
		switch len(got) {
		case 1: // the file that is read goes, with what came after it
			if err := os.Remove(a); err != nil {
				return err
			}
			write(t, a, "3 a3")
		case 3:
			cancel()
		}
		return nil
	})
	want := []string{"out a1", "plat lines lost: the log was rotated faster than it was read", "out a3"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add("2026-01-02T15:04:05.000000Z order-1 out hello", "order-1", "\x1b\xff")
	f.Fuzz(func(t *testing.T, line, instance, text string) {
		if l, ok := runner.ParseLine("s", line); ok && !strings.HasSuffix(line, " "+l.Instance+" "+l.Stream+" "+l.Text) {
			t.Fatalf("%q read as %+v", line, l)
		}
		if instance == "" || strings.ContainsAny(instance, " \n") {
			return
		}
		b := runner.AppendLine(nil, at(1), instance, "out", text)
		if strings.Count(string(b), "\n") != 1 {
			t.Fatalf("%q is not one line", b)
		}
		l, ok := runner.ParseLine("s", strings.TrimSuffix(string(b), "\n"))
		if !ok || l.Instance != instance || l.Text != runner.Harmless(text) || !l.Time.Equal(at(1)) {
			t.Fatalf("%q read as %+v, %t", b, l, ok)
		}
	})
}
