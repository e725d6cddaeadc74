package kit_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plat-dev/plat/kit"
)

// slowProgram is a service whose handler takes a while: the test binary runs
// it when KIT_TEST_PROGRAM is set.
func slowProgram() {
	kit.Main("slow", func(s *kit.Service) error {
		s.HandleFunc("GET /slow", func(w http.ResponseWriter, _ *http.Request) {
			s.Log().Info("in the handler")
			<-s.Draining()
			time.Sleep(50 * time.Millisecond)
			_, _ = io.WriteString(w, "answered")
		})
		s.OnStop("mark", func(context.Context) error { s.Log().Info("stop hook"); return nil })
		return nil
	})
}

// process is a started program whose log lines are read.
type process struct {
	cmd  *exec.Cmd
	read *bufio.Scanner
}

func launch(t *testing.T, program string, env ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "PORT=0"}, env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return &process{cmd, bufio.NewScanner(out)}
}

// line reads on to the line with this msg.
func (p *process) line(t *testing.T, msg string) map[string]any {
	t.Helper()
	for p.read.Scan() {
		var m map[string]any
		if err := json.Unmarshal(p.read.Bytes(), &m); err != nil {
			t.Fatalf("no JSON: %s", p.read.Bytes())
		}
		if m["msg"] == msg {
			return m
		}
	}
	t.Fatalf("the output ends without %q", msg)
	return nil
}

func (p *process) serving(t *testing.T) string {
	t.Helper()
	url, _ := p.line(t, "serving")["url"].(string)
	if url == "" {
		t.Fatal("no url")
	}
	return url
}

func TestTheHelloService(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("testdata/hello/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), "\n"); n >= 30 {
		t.Errorf("the hello service has %d lines, want under 30", n)
	}
	program := filepath.Join(t.TempDir(), "hello")
	if out, err := exec.Command("go", "build", "-o", program, "./testdata/hello").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p := launch(t, program, "GREETING=Good day")
	url := p.serving(t)
	if a := ask(t, http.MethodGet, url+"/hello/Ada", "", "X-Correlation-ID", "c-1"); a.status != http.StatusOK || a.body != "Good day, Ada!\n" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if line := p.line(t, "greeting"); line["name"] != "Ada" || line["correlation_id"] != "c-1" || line["service"] != "hello" {
		t.Errorf("logged %v", line)
	}
	if a := ask(t, http.MethodGet, url+"/health/ready", ""); a.status != http.StatusOK {
		t.Errorf("ready: %d", a.status)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.line(t, "stopped")
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
}

func TestASignalDrains(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			p := launch(t, os.Args[0], "KIT_TEST_PROGRAM=slow")
			url := p.serving(t)
			got := make(chan answer, 1)
			go func() { got <- ask(t, http.MethodGet, url+"/slow", "") }()
			p.line(t, "in the handler")
			if err := p.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if a := <-got; a.status != http.StatusOK || a.body != "answered" {
				t.Errorf("in flight: %d %s", a.status, a.body)
			}
			p.line(t, "stop hook")
			p.line(t, "stopped")
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("exit: %v", err)
			}
		})
	}
}

func TestAFailureIsLoggedAndExits1(t *testing.T) {
	t.Parallel()
	p := launch(t, os.Args[0], "KIT_TEST_PROGRAM=slow", "PORT=none")
	line := p.line(t, "service failed")
	if line["error"] != `PORT: "none" is wrong, expected a port from 0 (any) to 65535` || line["service"] != "slow" {
		t.Errorf("logged %v", line)
	}
	var exit *exec.ExitError
	if err := p.cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("exit: %v", err)
	}
}
