package runner_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plat-dev/plat/runner"
)

// journal is a folder with logs, and who counts in them.
type journal struct {
	*runner.ErrorLines
	t   *testing.T
	dir string
}

func openJournal(t *testing.T) *journal {
	t.Helper()
	dir := t.TempDir()
	return &journal{ErrorLines: runner.NewErrorLines(dir), t: t, dir: dir}
}

// run follows until the test ends.
func (j *journal) run() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(j.t.Context()))
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	j.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			j.t.Error(err)
		}
	})
}

func (j *journal) append(service string, at time.Time, stream string, lines ...string) {
	j.t.Helper()
	var b []byte
	for _, line := range lines {
		b = runner.AppendLine(b, at, service+"-1", stream, line)
	}
	f, err := os.OpenFile(filepath.Join(j.dir, service+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(b)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		j.t.Fatal(err)
	}
}

// counts waits until so many are counted.
func (j *journal) counts(service string, want int) runner.ErrorCount {
	j.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		c := j.Count(service)
		if c.Count == want {
			return c
		}
		if time.Now().After(end) {
			j.t.Fatalf("%s has %+v, want %d", service, c, want)
		}
	}
}

func TestErrorLines(t *testing.T) {
	t.Parallel()
	j := openJournal(t)
	now := time.Now()
	j.append("order", now.Add(-20*time.Minute), "err", "ERROR too old")
	j.append("order", now.Add(-10*time.Minute), "err", "ERROR old")
	j.run()
	j.counts("order", 1)
	// Later ones, of a service that had no log before as well, and over a
	// rotation.
	j.append("order", now, "out", `{"level":"ERROR","msg":"no database"}`, `{"level":"INFO","msg":"ERROR in a message"}`)
	j.append("web", now, "err", "TypeError: undefined is not a function")
	j.append("web", now, "plat", "ERROR is a word of plat's own")
	j.counts("order", 2)
	j.counts("web", 1)
	log := filepath.Join(j.dir, "order.log")
	j.append("order", now, "err", "FATAL just before the rotation")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	last := now.Add(time.Second).Truncate(time.Microsecond)
	j.append("order", last, "err", "panic: "+strings.Repeat("é", 400))
	c := j.counts("order", 4)
	if !c.Last.Equal(last) || !strings.HasPrefix(c.Text, "panic: é") || len(c.Text) > 303 || !strings.HasSuffix(c.Text, "é…") {
		t.Errorf("the last one is %+v", c)
	}
	if c := j.Count("nobody"); c != (runner.ErrorCount{}) {
		t.Errorf("nobody has %+v", c)
	}
}

func TestErrorLinesOfAFloodAreCountedAsSkipped(t *testing.T) {
	t.Parallel()
	j := openJournal(t)
	j.append("order", time.Now(), "out", "begin")
	j.run()
	j.append("order", time.Now(), "err", "ERROR first")
	j.counts("order", 1)
	flood := make([]string, 30_000)
	for n := range flood {
		flood[n] = fmt.Sprintf("%d %s", n, strings.Repeat("x", 80))
	}
	j.append("order", time.Now(), "out", flood...) // 3 MiB in one moment
	for end := time.Now().Add(time.Minute); j.Count("order").Skipped == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing is skipped")
		}
	}
	j.append("order", time.Now(), "err", "ERROR after the flood")
	if c := j.counts("order", 2); c.Skipped < 1<<20 || c.Skipped > 4<<20 {
		t.Errorf("counted %+v", c)
	}
}

func TestWhatTellsOfAnError(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		`{"time":"x","level":"ERROR","msg":"x"}`:             true, // slog
		`{"level":"ERROR+4","msg":"x"}`:                      true,
		`{"level":"error","ts":1,"msg":"x"}`:                 true, // zap
		`{"level":"dpanic"}`:                                 true,
		`{"level":"fatal","msg":"x","time":"x"}`:             true, // logrus
		`{"level":50,"time":1,"msg":"x"}`:                    true, // pino, bunyan
		`{"level":60}`:                                       true,
		`{"severity":"CRITICAL"}`:                            true, // Google
		`{"levelname":"ERROR","message":"x"}`:                true, // Python
		`  {"level":"error"}`:                                true,
		`{"level":"INFO","msg":"an ERROR was avoided"}`:      false,
		`{"level":40,"error":"x"}`:                           false,
		`{"msg":"FATAL"}`:                                    false, // no level: structured all the same
		`{"level":null}`:                                     false,
		`{"level":{"x":1}}`:                                  false,
		`{"broken ERROR`:                                     true,
		`2026-01-01 ERROR Something broke`:                   true,
		`[ERROR] x`:                                          true,
		`time=x level=ERROR msg=x`:                           true, // slog as text
		`time=x level=error msg=x`:                           true, // logrus as text
		`level=info msg="no error here"`:                     false,
		`panic: runtime error: index out of range`:           true,
		`fatal error: all goroutines are asleep`:             true,
		`Traceback (most recent call last):`:                 true,
		`ValueError: bad`:                                    true,
		`Error: Cannot find module 'x'`:                      true,
		`Exception in thread "main" java.lang.Error`:         true,
		`Unhandled promise rejection`:                        true,
		`2026/01/01 12:00:00 [error] 12#0: *1 open() failed`: true, // nginx
		`error: no such file`:                                true,
		`0 errors, 0 warnings`:                               false,
		`ERRORS_TOTAL 0`:                                     false,
		`MAX_ERROR=3`:                                        false,
		`handled the error: it is fine`:                      false,
		`GET /errors/FATALITY 200`:                           false,
		``:                                                   false,
	} {
		j := openJournal(t)
		j.append("order", time.Now(), "out", line, "ERROR the end")
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // one look
		if err := j.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if got := j.Count("order").Count == 2; got != want {
			t.Errorf("%s: %t, want %t", line, got, want)
		}
	}
}

func FuzzErrorLines(f *testing.F) {
	f.Add(`{"level":50}`)
	f.Add("panic: x")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		log := filepath.Join(dir, "order.log")
		if err := os.WriteFile(log, runner.AppendLine(nil, time.Now(), "order-1", "out", text), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		e := runner.NewErrorLines(dir)
		if err := e.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if c := e.Count("order"); c.Count > 1 || len(c.Text) > 303 {
			t.Fatalf("%q counts as %+v", text, c)
		}
	})
}
