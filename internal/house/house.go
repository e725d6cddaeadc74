// Package house runs the whole of plat for tests: its real binary on a copy of
// a real system, with addresses of its own, and nothing left behind.
package house

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// deadline bounds every wait of a house.
const deadline = 3 * time.Minute

// Root is the repository's folder.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Bin builds plat (race detector on) and the dummy service once for this test
// process, and returns the folder of both.
func Bin(t testing.TB) string {
	t.Helper()
	dir, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var build = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(Root(), "bin", "test")
	for _, pkg := range []string{"./cmd/plat", "./internal/house/dummy"} {
		cmd := exec.CommandContext(context.Background(), "go", "build", "-race", "-o", dir+"/", pkg)
		cmd.Dir = Root()
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	return dir, nil
})

// House is one system that runs, or ran, under a real plat.
type House struct {
	T       testing.TB
	Dir     string // the system's folder, a copy
	Gateway string // http://host:port
	API     string
	PID     int

	bin string
}

// MusicCorp takes a copy of MusicCorp, with the kit that it builds with, and
// returns the system's folder.
func MusicCorp(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, module := range []string{"kit", "musiccorp"} {
		duplicate(t, filepath.Join(Root(), module), filepath.Join(dir, module))
	}
	return filepath.Join(dir, "musiccorp")
}

// Shop3 takes a copy of a system of unmodified programs in several languages,
// none of which knows of plat, and returns its folder: catalog (Go) and legacy
// (Perl behind a shell script) read PORT, web (Node, started by npm) too;
// pricing (Python) listens on a fixed port, which is another in each copy.
func Shop3(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop3")
	duplicate(t, filepath.Join(Root(), "internal", "house", "testdata", "shop3"), dir)
	_, port, _ := strings.Cut(FreeAddr(t), ":")
	for _, name := range []string{"service.yaml", "pricing.py"} {
		Edit(t, filepath.Join(dir, "services", "pricing", name), "18731", port)
	}
	if err := os.Chmod(filepath.Join(dir, "services", "legacy", "serve.sh"), 0o700); err != nil { // #nosec G302 -- a script
		t.Fatal(err)
	}
	return dir
}

// Edit saves a file in which one text is replaced by another, which must be
// in it.
func Edit(t testing.TB, path, old, text string) {
	t.Helper()
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(was), old) {
		t.Fatalf("%s has no %q", path, old)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(was), old, text)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// duplicate copies a folder without what plat and npm keep in it.
func duplicate(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == ".plat" || name == "node_modules" {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o750)
		}
		text, err := os.ReadFile(path) //nolint:gosec // below the given folder
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Up starts plat in the background on the system in dir and waits until its
// services settle; more arguments are for plat up. Whatever happens, nothing
// of it runs after the test.
func Up(t testing.TB, dir string, more ...string) *House {
	t.Helper()
	h := &House{T: t, Dir: dir, bin: Bin(t)}
	t.Cleanup(h.end)
	out, code := h.Plat(append([]string{"up", "-d", "--gateway", FreeAddr(t), "--api", FreeAddr(t)}, more...)...)
	if code != 0 {
		t.Fatalf("plat up -d: exit %d\n%s", code, out)
	}
	h.Learn()
	return h
}

// Learn reads where the running plat is.
func (h *House) Learn() {
	h.T.Helper()
	text, err := os.ReadFile(filepath.Join(h.Dir, ".plat", "run.json"))
	if err != nil {
		h.T.Fatal(err)
	}
	var run struct {
		PID      int
		API      string
		Gateways map[string]string
	}
	if err := json.Unmarshal(text, &run); err != nil {
		h.T.Fatal(err)
	}
	h.PID, h.API, h.Gateway = run.PID, run.API, run.Gateways["public"]
}

// Plat runs one command line on the system and returns what it printed, on
// both outputs, and its exit code.
func (h *House) Plat(args ...string) (string, int) {
	h.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(Bin(h.T), "plat"), append(args, "-C", h.Dir)...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=10") // else every end takes a second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if cmd.ProcessState == nil {
		h.T.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// end stops plat, by force when it must.
func (h *House) end() {
	text, err := os.ReadFile(filepath.Join(h.Dir, ".plat", "run.json"))
	if err != nil {
		return // it never ran, or was stopped
	}
	if h.T.Failed() {
		log, _ := h.Plat("logs", "--tail", "60")
		h.T.Logf("the last lines of the services:\n%s", log)
	}
	if _, code := h.Plat("down", "--timeout", "30s"); code == 0 {
		return
	}
	var run struct{ PID int }
	if json.Unmarshal(text, &run) == nil && run.PID > 1 {
		_ = syscall.Kill(run.PID, syscall.SIGKILL) // the guard ends the rest
	}
}

// FreeAddr is a loopback address that nobody listens on at this moment, below
// the ports of outgoing connections. No other test gets it until this one ends,
// in whatever process: it is told before anybody listens there.
func FreeAddr(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := netip.MustParseAddrPort(l.Addr().String()).Port()
		_ = l.Close()
		addr := fmt.Sprintf("127.0.0.1:%d", 12000+port%6000)
		if !reserved(t, addr) {
			continue
		}
		if l, err = net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no free address")
	return ""
}

// reserved makes an address this test's, unless another has it. A lock ends
// with its process, whatever becomes of that.
func reserved(t testing.TB, addr string) bool {
	t.Helper()
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("plat-tests-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(addr, ":")
	f, err := os.OpenFile(filepath.Join(dir, port), os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- of this function's making
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return false
	}
	t.Cleanup(func() { _ = f.Close() })
	return true
}

// Until calls check until it is true; it fails the test after the deadline
// with what check last said.
func Until(t testing.TB, what string, check func() (bool, string)) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(deadline)
	for {
		ok, said := check()
		if ok {
			return
		}
		select {
		case <-end:
			t.Fatalf("%s: not within three minutes: %s", what, said)
		case <-tick.C:
		}
	}
}

// Answer is a response whose body was read.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON decodes the body.
func (a Answer) JSON(t testing.TB, out any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, out); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
}

// Call makes one request; body may be nil, headers are pairs.
func Call(t testing.TB, method, url string, body any, headers ...string) Answer {
	t.Helper()
	a, err := TryCall(method, url, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TryCall is Call for a request that may fail.
func TryCall(method, url string, body any, headers ...string) (Answer, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return Answer{}, err
		}
		reader = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return Answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return Send(http.DefaultClient, req)
}

// Send sends a request and reads its answer.
func Send(client *http.Client, req *http.Request) (Answer, error) {
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: text}, err
}

// Alive tells whether a process runs (a zombie does not).
func Alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(stat), ") ")
	return ok && !strings.HasPrefix(rest, "Z")
}
