package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is something started by this command, in a process group of its
// own.
type process struct {
	name    string
	addr    string
	cmd     *exec.Cmd
	log     string
	stopped bool
	samples []sample
}

// start starts a program that will listen on addr.
func start(ctx context.Context, name, addr, dir string, argv ...string) (*process, error) {
	p := &process{name: name, addr: addr, log: filepath.Join(dir, name+".out")}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) // #nosec G304 -- in our own folder
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()                     // the child has its own
	p.cmd = exec.CommandContext(ctx, argv[0], argv[1:]...) // #nosec G204 -- the peers and ourselves
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = out, out, dir
	p.cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = func() error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM) }
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// startSelf starts this binary in another role.
func startSelf(ctx context.Context, dir, role string, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, role, addr, dir, append([]string{self, "serve", role, addr}, args...)...)
	if err != nil {
		return nil, err
	}
	return p, p.listening(ctx)
}

// listening waits until the process takes connections; it is stopped when it
// does not.
func (p *process) listening(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			p.stop()
			said, _ := os.ReadFile(p.log) // as much as there is
			return fmt.Errorf("%s does not listen on %s: %w\n%s", p.name, p.addr, err, said)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the process group, and waits for the process; more than one call
// does no harm.
func (p *process) stop() {
	if p.stopped {
		return
	}
	p.stopped = true
	group := -p.cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM) // gone: nothing to end
	late := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
	_ = p.cmd.Wait() // ended by a signal
	late.Stop()
}

// cpu is the time that the process group has used.
func (p *process) cpu() (time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	var ticks int64
	found := false
	for _, path := range stats {
		b, err := os.ReadFile(path) // #nosec G304 -- of /proc
		if err != nil {
			continue // ended meanwhile
		}
		_, rest, ok := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 13 || fields[2] != strconv.Itoa(p.cmd.Process.Pid) {
			continue
		}
		found = true
		for _, field := range fields[11:13] { // utime, stime
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, err
			}
			ticks += n
		}
	}
	if !found {
		return 0, errors.New(p.name + " is gone")
	}
	return time.Duration(ticks) * (time.Second / 100), nil // USER_HZ is 100 on Linux
}

// freeAddr finds an address below the ephemeral ports.
func freeAddr() (string, error) {
	for port := 21000 + os.Getpid()%4000; port < 32000; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.New("no free port between 21000 and 32000")
}

// output runs a command and gives its first line.
func output(ctx context.Context, argv ...string) (string, error) {
	b, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output() // #nosec G204 -- fixed commands
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	line, _, _ := bufio.NewReader(strings.NewReader(string(b))).ReadLine()
	return string(line), nil
}
