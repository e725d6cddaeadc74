package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// airVersion is the peer that rebuilds a program when a file is saved.
const airVersion = "github.com/air-verse/air@v1.67.4"

const saveService = `package main

import (
	"io"
	"net/http"

	"github.com/plat-dev/plat/kit"
)

const mark = "MARK"

func main() {
	kit.Main("hello", func(s *kit.Service) error {
		s.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, mark) })
		return nil
	})
}
`

// The same build and the same patience for both. Without the interrupt and
// its pause, air starts the new program while the old one holds the port.
const airConfig = `root = "."
tmp_dir = "tmp"
[build]
cmd = "go build -o ./tmp/hello -buildvcs=false -ldflags='-s -w' ."
entrypoint = ["./tmp/hello"]
delay = 100
exclude_dir = ["tmp"]
send_interrupt = true
kill_delay = "200ms"
[misc]
clean_on_exit = true
`

// save measures how long after a file is saved its new code answers, for one
// small service on the kit: under plat up --watch, and under air, one save of
// each in turn.
func (b bench) save(ctx context.Context) (err error) {
	ours, err := b.saveSystem("ours")
	if err != nil {
		return err
	}
	gateway, err := freeAddr()
	if err != nil {
		return err
	}
	api, err := freeAddr()
	if err != nil {
		return err
	}
	if err := b.run(ctx, ours, "up", "-d", "--watch", "--gateway", gateway, "--api", api); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.run(context.WithoutCancel(ctx), ours, "down")) }()

	theirs, err := b.saveSystem("theirs")
	if err != nil {
		return err
	}
	addr, stop, err := b.air(ctx, filepath.Join(theirs, "hello"))
	if err != nil {
		fmt.Println("air is left out:", err)
	} else {
		defer stop()
	}
	const rounds = 9
	var platTimes, airTimes []time.Duration
	for n := range rounds + 1 { // the first warms the caches
		took, err := saveOnce(ctx, ours, gateway, fmt.Sprintf("ours %d", n))
		if err != nil {
			return err
		}
		platTimes = append(platTimes, took)
		if addr == "" {
			continue
		}
		if took, err = saveOnce(ctx, theirs, addr, fmt.Sprintf("theirs %d", n)); err != nil {
			return err
		}
		airTimes = append(airTimes, took)
	}
	show("save to new code serving, plat up --watch, no gap", sorted(platTimes[1:]), "≤ 3 s")
	if addr != "" {
		show("the same under air, which stops the old one first", sorted(airTimes[1:]), "-")
	}
	alone, err := b.saveSystem("alone")
	if err != nil {
		return err
	}
	goBuild, err := timed(rounds, func() error {
		if err := writeMark(alone, fmt.Sprint(time.Now().UnixNano())); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "go", "build", "-o", "hello", "-buildvcs=false", "-ldflags=-s -w", ".")
		cmd.Dir = filepath.Join(alone, "hello")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		return cmd.Run()
	})
	if err != nil {
		return err
	}
	show("of which go build alone", goBuild, "-")
	return nil
}

// saveSystem makes a system of one service, in a module of its own that has
// the kit's requirements.
func (b bench) saveSystem(name string) (dir string, err error) {
	dir = filepath.Join(b.dir, "save", name)
	kit := filepath.Join(b.root, "kit")
	mod, err := os.ReadFile(filepath.Join(kit, "go.mod")) //nolint:gosec // the repository's
	if err != nil {
		return "", err
	}
	sum, err := os.ReadFile(filepath.Join(kit, "go.sum")) //nolint:gosec // the repository's
	if err != nil {
		return "", err
	}
	_, requires, _ := strings.Cut(string(mod), "\n")
	for file, text := range map[string]string{
		"plat.yaml":          "system: save\nowners:\n  team: {mail: team@save.example}\nservices:\n  - path: hello\ngateways:\n  public:\n    routes:\n      - {path: /, service: hello}\n",
		"hello/service.yaml": "service: hello\nowner: team\nbuild: {go: .}\n",
		"hello/main.go":      saveService,
		"hello/.air.toml":    airConfig,
		"hello/go.mod":       "module save.example/hello\n" + requires + "\nrequire github.com/plat-dev/plat/kit v0.0.0\n\nreplace github.com/plat-dev/plat/kit => " + kit + "\n",
		"hello/go.sum":       string(sum),
	} {
		path := filepath.Join(dir, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// air installs the peer and starts it on a folder; it answers on addr.
func (b bench) air(ctx context.Context, dir string) (addr string, stop func(), err error) {
	install := exec.CommandContext(ctx, "go", "install", airVersion)
	install.Env = append(os.Environ(), "GOBIN="+b.dir, "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
	install.Dir = b.dir
	if out, err := install.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("%w: %s", err, out)
	}
	if addr, err = freeAddr(); err != nil {
		return "", nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, "air"), "-c", ".air.toml") //nolint:gosec // what was installed
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PORT="+port, "CGO_ENABLED=0", "GOWORK=off")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt) // then it ends its program too
		_ = cmd.Wait()
	}
	if err := answers(ctx, addr, "MARK"); err != nil {
		stop()
		return "", nil, fmt.Errorf("%w\n%s", err, out.String())
	}
	return addr, stop, nil
}

// saveOnce saves a new mark and waits until it is served.
func saveOnce(ctx context.Context, system, addr, mark string) (time.Duration, error) {
	if err := writeMark(system, mark); err != nil {
		return 0, err
	}
	began := time.Now()
	err := answers(ctx, addr, mark)
	return time.Since(began), err
}

func writeMark(system, mark string) error {
	quoted, err := json.Marshal(mark)
	if err != nil {
		return err
	}
	text := strings.Replace(saveService, `"MARK"`, string(quoted), 1)
	return os.WriteFile(filepath.Join(system, "hello", "main.go"), []byte(text), 0o600)
}

// answers asks until the answer is the mark.
func answers(ctx context.Context, addr, mark string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/hello", nil); err != nil {
			return err
		} else if resp, err := client.Do(req); err == nil {
			body, _ := io.ReadAll(resp.Body) // what is no mark is asked for again
			_ = resp.Body.Close()
			if string(body) == mark {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer %q within a minute", addr, mark)
		case <-tick.C:
		}
	}
}

// freeAddr is a loopback address on which nobody listens now.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}
