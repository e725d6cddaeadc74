package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// guardEnv makes the binary a guard; its value is a guardSetup.
const guardEnv = "PLAT_GUARD"

// markEnv marks every process below a guard: STATE.NONCE.RUN. By it what
// left its parents, its session and its guard is still found.
const markEnv = "PLAT_RUN"

// guardSetup is what a guard is told when it starts.
type guardSetup struct {
	Version string `json:"version"`
	Logs    string `json:"logs"` // folder
	Mark    string `json:"mark"` // STATE.NONCE
}

// GuardMain turns the process into plat's guard and never returns, if that is
// what it was started for; else it returns at once. A program that opens a
// Guard calls it first of all, before it reads flags or opens anything.
func GuardMain() {
	text, ok := os.LookupEnv(guardEnv)
	if !ok {
		return
	}
	var setup guardSetup
	if err := json.Unmarshal([]byte(text), &setup); err != nil {
		fmt.Fprintln(os.Stderr, "plat guard:", err)
		os.Exit(2)
	}
	if err := serveGuard(setup); err != nil {
		fmt.Fprintln(os.Stderr, "plat guard:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// keeper is the guard: it forks programs, reaps them and everything that is
// left to it, and reports.
type keeper struct {
	setup  guardSetup
	logs   *logFiles
	limits *limiter
	out    chan message

	// mu is held across fork and across reap.
	// INVARIANT: a process is in the maps before its end is looked up.
	mu    sync.Mutex
	byPID map[int]*child
	byRun map[uint64]*child
}

func serveGuard(setup guardSetup) error {
	debug.SetGCPercent(50) // small rather than quick
	socket := os.NewFile(3, "plat")
	conn, err := net.FileConn(socket)
	if err != nil {
		return fmt.Errorf("no socket to plat: %w", err)
	}
	_ = socket.Close() // conn is a copy that programs do not inherit
	if err := becomeGuard(); err != nil {
		return err
	}
	// Notified and not ignored: what is ignored stays ignored in programs.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)

	k := &keeper{
		setup: setup, logs: newLogFiles(setup.Logs), limits: newLimiter(setup.Mark),
		out: make(chan message, 1024), byPID: map[int]*child{}, byRun: map[uint64]*child{},
	}
	go k.report(conn)
	go func() {
		for range children {
			k.reap()
		}
	}()
	k.out <- message{Event: "hello", Text: wireVersion, PID: os.Getpid()}
	if setup.Version != wireVersion {
		return fmt.Errorf("plat speaks version %s of the guard's wire, this is %s", setup.Version, wireVersion)
	}
	err = k.obey(newReader(conn))
	k.endAll()
	return err
}

// report writes messages to plat; when plat is gone it goes on draining, so
// that nobody waits.
func (k *keeper) report(conn net.Conn) {
	broken := false
	for m := range k.out {
		b, err := encode(m)
		if err != nil || broken {
			continue
		}
		if _, err := conn.Write(b); err != nil {
			broken = true
		}
	}
}

// obey does what plat says until plat is gone. A message that makes no sense
// is as the end of plat: the two no longer understand each other.
func (k *keeper) obey(in reader) error {
	for {
		m, err := in.next()
		if err != nil {
			return nil //nolint:nilerr // end of file, or as good as it
		}
		switch m.Do {
		case "launch":
			k.launch(m)
		case "stop":
			k.mu.Lock()
			c := k.byRun[m.Run]
			k.mu.Unlock()
			if c != nil {
				c.stop(time.Duration(m.GraceMS) * time.Millisecond)
			}
		case "pause", "kill":
			k.mu.Lock()
			c := k.byRun[m.Run]
			k.mu.Unlock()
			if c != nil && m.Do == "kill" {
				c.signal(syscall.SIGKILL)
			} else if c != nil {
				c.pause(time.Duration(m.GraceMS) * time.Millisecond)
			}
		case "note":
			instance := m.Instance
			if instance == "" {
				instance = "-"
			}
			k.logs.of(m.Service).write(instance, "plat", [][]byte{[]byte(m.Text)})
		default:
			return fmt.Errorf("unknown message %q", m.Do)
		}
	}
}

// launch starts one program and says how that went.
func (k *keeper) launch(m message) {
	c, err := k.fork(m)
	if err != nil {
		k.out <- message{Event: "failed", Run: m.Run, Text: err.Error()}
		return
	}
	go c.see()
}

func (k *keeper) fork(m message) (*child, error) {
	if len(m.Argv) == 0 {
		return nil, fmt.Errorf("no program is named")
	}
	path, err := lookup(m.Argv[0], m.Dir, m.Env)
	if err != nil {
		return nil, err
	}
	c := &child{k: k, m: m, secrets: redactorOf(m), ended: make(chan struct{}), stopping: make(chan time.Duration, 1)}
	mark := fmt.Sprintf("%s.%d", k.setup.Mark, m.Run)
	c.mark = []byte(markEnv + "=" + mark)
	if m.Memory > 0 || m.CPU > 0 {
		c.group, c.unenforced = k.limits.group(fmt.Sprintf("%d", m.Run), m.Memory, m.CPU)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	ends := []*os.File{null}
	defer func() {
		for _, f := range ends {
			_ = f.Close()
		}
	}()
	files := []uintptr{null.Fd()}
	for _, stream := range []string{"out", "err"} {
		r, w, err := os.Pipe()
		if err != nil {
			c.discard()
			return nil, err
		}
		// Fd makes the program's end blocking, as programs expect it.
		files = append(files, w.Fd())
		ends = append(ends, w)
		c.pumps = append(c.pumps, c.newPump(stream, r))
	}
	attr := &syscall.ProcAttr{Dir: m.Dir, Env: marking(m.Env, mark), Files: files, Sys: &syscall.SysProcAttr{Setsid: true}}
	c.group.before(attr.Sys)

	k.mu.Lock()
	defer k.mu.Unlock()
	c.pid, err = syscall.ForkExec(path, m.Argv, attr) // #nosec G204 -- what the plan says
	if err != nil && c.group.inside() {               // rather without limits than not at all
		c.group.remove()
		attr.Sys = &syscall.SysProcAttr{Setsid: true}
		if c.pid, err = syscall.ForkExec(path, m.Argv, attr); err == nil { // #nosec G204 -- as above
			c.group, c.unenforced = nil, "the kernel does not let plat start a program in a control group"
		}
	}
	if err != nil {
		c.discard()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if why := c.group.after(c.pid); why != "" {
		c.unenforced = why
	}
	k.byPID[c.pid], k.byRun[m.Run] = c, c
	// Said under the lock, so that plat hears of the start before the end.
	k.out <- message{Event: "launched", Run: m.Run, PID: c.pid, Reason: c.unenforced}
	return c, nil
}

// marking puts the mark into an environment, in the place of another plat's.
func marking(env []string, mark string) []string {
	env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, markEnv+"=") })
	return append(env, markEnv+"="+mark)
}

// lookup finds the program as a shell in the program's own folder and with
// its own PATH would.
func lookup(name, dir string, env []string) (string, error) {
	if strings.ContainsRune(name, '/') {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		return path, executable(path)
	}
	for _, v := range env {
		list, ok := strings.CutPrefix(v, "PATH=")
		if !ok {
			continue
		}
		for _, folder := range filepath.SplitList(list) {
			path := filepath.Join(folder, name)
			if filepath.IsAbs(folder) && executable(path) == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%s: not found on the PATH", name)
}

func executable(path string) error {
	info, err := os.Stat(path) // #nosec G703 -- the program that the plan names, on the PATH of who runs plat
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s: is a folder", path)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("%s: is not executable", path)
	}
	return nil
}

// reap takes every process that has ended: programs, and what was left to the
// guard as their heir. It reports whether there is no child left.
func (k *keeper) reap() (none bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return errors.Is(err, syscall.ECHILD)
		}
		c := k.byPID[pid]
		if c == nil {
			continue
		}
		delete(k.byPID, pid)
		c.exit = message{Event: "exit", Run: c.m.Run, Code: status.ExitStatus(), Reaped: time.Now().UnixNano()}
		if status.Signaled() {
			c.exit.Signal = signalName(status.Signal())
		}
		k.out <- c.exit
		close(c.ended)
	}
}

// forget is called when everything of a program is gone.
func (k *keeper) forget(c *child) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byRun, c.m.Run)
}

// endAll kills everything below the guard: plat is gone.
func (k *keeper) endAll() {
	k.mu.Lock()
	running := slices.Collect(maps.Values(k.byRun))
	k.mu.Unlock()
	killAll(k.pids, k.reap)
	for _, c := range running {
		if !c.m.Capture {
			k.logs.of(c.m.Service).write(c.m.Instance, "plat", [][]byte{[]byte("killed, since plat ended")})
		}
		c.group.remove()
	}
}

// pids are the programs that have not ended.
func (k *keeper) pids() []int {
	k.mu.Lock()
	defer k.mu.Unlock()
	pids := make([]int, 0, len(k.byPID))
	for pid := range k.byPID {
		pids = append(pids, pid)
	}
	return pids
}

func signalName(s syscall.Signal) string {
	for name, signal := range map[string]syscall.Signal{
		"SIGKILL": syscall.SIGKILL, "SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT, "SIGSEGV": syscall.SIGSEGV, "SIGABRT": syscall.SIGABRT,
		"SIGBUS": syscall.SIGBUS, "SIGHUP": syscall.SIGHUP, "SIGPIPE": syscall.SIGPIPE, "SIGQUIT": syscall.SIGQUIT, "SIGILL": syscall.SIGILL, "SIGFPE": syscall.SIGFPE,
	} {
		if s == signal {
			return name
		}
	}
	return s.String()
}
