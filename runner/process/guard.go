package process

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/runner"
)

// launchTimeout bounds how long the guard may take to start a program, and to
// take a message.
const launchTimeout = 10 * time.Second

// Guard starts programs through a process of its own, so that nothing of them
// survives plat: when plat dies in whatever way, that process kills all that
// is below it. When the guard itself dies, every program that it started is
// killed and reported as ended, and the next launch starts a new guard.
//
// It is a runner.Launcher, and safe for concurrent use.
type Guard struct {
	logs  string // folder
	state string // first part of the mark: names the state folder
	log   *slog.Logger

	secrets atomic.Pointer[secretRules] // nil: those that always hold

	mu     sync.Mutex // guards what follows; held while a guard is started
	link   *link      // nil before the first launch, and when the guard died
	closed bool
}

// Open prepares a guard for the state folder, which must exist and be locked
// by the caller. It kills what an earlier plat and its guard, both killed at
// once, may have left running, and then starts the guard. log may be nil.
func Open(ctx context.Context, state string, log *slog.Logger) (*Guard, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	state, err := filepath.Abs(state)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(state)
	if err != nil {
		return nil, err
	}
	g := &Guard{logs: filepath.Join(state, "logs"), state: stateMark(state, info), log: log}
	if err := os.MkdirAll(g.logs, 0o750); err != nil {
		return nil, err
	}
	if n := endSurvivors(g.state+".", 2*time.Second); n > 0 {
		log.Warn("killed processes that an earlier plat left", "count", n)
	}
	removeGroups(g.state + ".")
	if _, err := g.connect(ctx); err != nil {
		return nil, err
	}
	return g, nil
}

// stateMark names a state folder by where it is and which it is, so that the
// same path on another disk is another.
func stateMark(path string, info os.FileInfo) string {
	id := path
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id = fmt.Sprintf("%s %d %d", path, st.Dev, st.Ino)
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:6])
}

// endSurvivors kills what carries the mark until none is left, and tells how
// many there were. A guard among them (run 0) has a moment to end by itself:
// it finds more than a mark does.
func endSurvivors(mark string, timeout time.Duration) int {
	count := 0
	begun := time.Now()
	for pause := 2 * time.Millisecond; time.Since(begun) < timeout; pause = min(2*pause, 50*time.Millisecond) {
		found := survivors(mark)
		if len(found) == 0 {
			break
		}
		count = max(count, len(found))
		for pid, run := range found {
			if !strings.HasSuffix(run, ".0") || time.Since(begun) > timeout/4 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		time.Sleep(pause)
	}
	return count
}

// PID is the guard's process; 0 when there is none.
func (g *Guard) PID() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.link == nil {
		return 0
	}
	return g.link.cmd.Process.Pid
}

// Close ends the guard and with it everything that it started, at once. It
// returns when the guard has ended.
func (g *Guard) Close() error {
	g.mu.Lock()
	l := g.link
	g.closed, g.link = true, nil
	g.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.close()
}

// connect gives the link to the guard, starting one if there is none.
func (g *Guard) connect(ctx context.Context) (*link, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, fault.New(fault.RunGuardFailed, "plat is ending and starts no more programs")
	}
	if g.link != nil && !g.link.dead() {
		return g.link, nil
	}
	var nonce [6]byte
	_, _ = rand.Read(nonce[:]) // never fails
	setup := guardSetup{Version: wireVersion, Logs: g.logs, Mark: g.state + "." + hex.EncodeToString(nonce[:])}
	l, err := startGuard(ctx, setup, g.log)
	if err != nil {
		return nil, fault.New(fault.RunGuardFailed, "the guard could not be started").Why(err.Error()).
			Fix("see " + filepath.Join(g.logs, "guard.err")).Because(err)
	}
	g.link = l
	return l, nil
}

// link is one guard process and the socket to it.
type link struct {
	cmd   *exec.Cmd
	conn  net.Conn
	setup guardSetup
	log   *slog.Logger
	ended chan struct{} // closed when the guard is gone and its programs too

	send sync.Mutex // held while a message is written

	mu      sync.Mutex // guards what follows
	last    uint64     // run
	running map[uint64]*process
	broken  bool
	closing bool
}

func startGuard(ctx context.Context, setup guardSetup, log *slog.Logger) (*link, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer func() { _ = theirs.Close() }()
	text, err := json.Marshal(setup)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat("/proc/self/exe"); err == nil {
		self = "/proc/self/exe" // the very binary, even when it was replaced since
	}
	stderr, err := os.OpenFile(filepath.Join(setup.Logs, "guard.err"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = stderr.Close() }()
	cmd := exec.Command(self) //nolint:noctx,gosec // plat's own binary; it lives as long as plat, not as ctx
	cmd.Args = []string{"plat-guard"}
	cmd.Env = append(os.Environ(), guardEnv+"="+string(text), markEnv+"="+setup.Mark+".0")
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stderr = stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // out of the reach of the terminal's Ctrl-C
	if err := cmd.Start(); err != nil {
		_ = ours.Close()
		return nil, err
	}
	l := &link{cmd: cmd, conn: ours, setup: setup, log: log, ended: make(chan struct{}), running: map[uint64]*process{}}
	in := newReader(ours)
	deadline := time.Now().Add(launchTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = ours.SetReadDeadline(deadline)
	hello, err := in.next()
	if err == nil && (hello.Event != "hello" || hello.Text != wireVersion) {
		err = fmt.Errorf("it speaks version %q of the wire, plat speaks %s", hello.Text, wireVersion)
	}
	if err != nil {
		_ = ours.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("no word from it: %w", err)
	}
	_ = ours.SetReadDeadline(time.Time{})
	go l.listen(in)
	return l, nil
}

// socketPair makes the socket; both ends are closed in other programs.
func socketPair() (ours net.Conn, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, err
	}
	file := os.NewFile(uintptr(fds[0]), "guard") // #nosec G115 -- a descriptor
	theirs = os.NewFile(uintptr(fds[1]), "plat") // #nosec G115 -- a descriptor
	ours, err = net.FileConn(file)
	_ = file.Close()
	if err != nil {
		_ = theirs.Close()
	}
	return ours, theirs, err
}

func (l *link) dead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// close ends the guard: it sees the end of the socket and kills what is below
// it.
func (l *link) close() error {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	_ = l.conn.Close()
	select {
	case <-l.ended:
		return nil
	case <-time.After(5 * time.Second):
		_ = l.cmd.Process.Kill()
		<-l.ended
		return errors.New("the guard did not end by itself and was killed")
	}
}

// write sends one message.
func (l *link) write(m message) error {
	b, err := encode(m)
	if err != nil {
		return err
	}
	l.send.Lock()
	defer l.send.Unlock()
	_ = l.conn.SetWriteDeadline(time.Now().Add(launchTimeout))
	if _, err := l.conn.Write(b); err != nil {
		_ = l.conn.Close() // half a message may be out: the two no longer understand each other
		return err
	}
	return nil
}

// listen takes what the guard reports until it is gone.
func (l *link) listen(in reader) {
	for {
		m, err := in.next()
		if err != nil {
			break
		}
		l.mu.Lock()
		p := l.running[m.Run]
		if m.Event == "gone" || m.Event == "failed" {
			delete(l.running, m.Run)
		}
		l.mu.Unlock()
		if p != nil {
			p.take(m)
		}
	}
	l.bury()
}

// bury is what is done when the guard is gone: what it started must not run
// unguarded.
func (l *link) bury() {
	l.mu.Lock()
	l.broken = true
	closing := l.closing
	orphans := l.running
	l.running = map[uint64]*process{}
	l.mu.Unlock()
	_ = l.conn.Close()

	reason := "plat's guard ended"
	if !closing {
		l.log.Error("the guard ended; its programs are killed and started again", "pid", l.cmd.Process.Pid)
		_ = l.cmd.Process.Kill() // it may merely have fallen silent
	}
	ended := message{Code: -1, Signal: "SIGKILL", Reason: reason, Reaped: time.Now().UnixNano()}
	for _, p := range orphans { // out of rotation first
		ended.Event = "exit"
		p.take(ended)
	}
	_ = l.cmd.Wait() // its exit tells nothing more
	if !closing {
		for _, p := range orphans {
			p.killOrphan()
		}
		endSurvivors(l.setup.Mark+".", 2*time.Second)
		removeGroups(l.setup.Mark + ".")
	}
	for _, p := range orphans {
		ended.Event = "gone"
		p.take(ended)
	}
	close(l.ended)
}

// SetSecrets says what is taken out of the output of programs that are started
// from now on, before it is written anywhere, beside what always is: values of
// names that hold one of the parts, and what matches a pattern (RE2). Patterns
// that do not compile are passed over.
func (g *Guard) SetSecrets(names, patterns []string) {
	g.secrets.Store(&secretRules{slices.Clone(names), slices.Clone(patterns)})
}

// Launch starts a program: see runner.Launcher.
func (g *Guard) Launch(ctx context.Context, l runner.Launch) (runner.Process, error) {
	m := message{
		Instance: l.Instance, Service: l.Service, Argv: l.Argv, Dir: l.Dir, Env: l.Env,
		Memory: int64(l.Limits.Memory), CPU: l.Limits.CPU,
	}
	m.Secrets = g.secrets.Load()
	p, err := g.launch(ctx, m, l.Exited, nil)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (g *Guard) launch(ctx context.Context, m message, exited func(runner.Exit), output func(string)) (*process, error) {
	l, err := g.connect(ctx)
	if err != nil {
		return nil, err
	}
	p := &process{link: l, exited: exited, output: output, up: make(chan struct{}), started: make(chan message, 1), gone: make(chan runner.Exit, 1)}
	l.mu.Lock()
	if l.broken {
		l.mu.Unlock()
		return nil, fault.New(fault.RunGuardFailed, "the guard ended")
	}
	l.last++
	p.run = l.last
	l.running[p.run] = p
	l.mu.Unlock()

	m.Do, m.Run = "launch", p.run
	if err := l.write(m); err != nil {
		l.mu.Lock()
		delete(l.running, p.run)
		l.mu.Unlock()
		return nil, fault.New(fault.RunGuardFailed, "the guard cannot be told what to start").Why(err.Error()).Because(err)
	}
	ctx, cancel := context.WithTimeout(ctx, launchTimeout)
	defer cancel()
	select {
	case answer := <-p.started:
		if answer.Event != "launched" {
			return nil, noProgram(m, answer.Text)
		}
		return p, nil
	case <-ctx.Done():
		p.Stop(0) // it may start yet
		return nil, fault.Newf(fault.RunGuardFailed, "the guard did not start %s", m.Instance).Why(ctx.Err().Error()).Because(ctx.Err())
	}
}

// Note adds a line of plat's own to a service's log: see runner.Launcher. A
// line that the guard cannot be told goes to plat's own log.
func (g *Guard) Note(service, instance, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), launchTimeout)
	defer cancel()
	l, err := g.connect(ctx)
	if err == nil {
		err = l.write(message{Do: "note", Service: service, Instance: instance, Text: text[:min(len(text), runner.MaxLine)]})
	}
	if err != nil {
		g.log.Warn("a line for the log is lost", "service", service, "line", text, "error", err)
	}
}
