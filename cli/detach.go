package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/state"
)

// hello is what the process in the background says on descriptor 3, once:
// that its API answers, or why it does not start.
type hello struct {
	Started bool           `json:"started"`
	Faults  []*fault.Fault `json:"faults,omitempty"`
}

// upDetached starts this program again in a session of its own and waits
// until the services settle.
func (a *app) upDetached(ctx context.Context, o ServeOptions, timeout time.Duration) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = read.Close() }()
	argv := []string{"up", "--detached-child", "-C", o.Root, "-e", o.Environment}
	if o.Gateway != "" {
		argv = append(argv, "--gateway", o.Gateway)
	}
	if o.API != "" {
		argv = append(argv, "--api", o.API)
	}
	if o.Watch {
		argv = append(argv, "--watch")
	}
	argv = append(argv, o.Only...)
	child := exec.Command(self, argv...) //nolint:gosec,noctx // plat itself; it outlives this command
	child.ExtraFiles = []*os.File{write}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return errors.Join(err, write.Close())
	}
	_ = write.Close() // the child has its own
	answer := make(chan hello, 1)
	go func() {
		var h hello
		if err := json.NewDecoder(io.LimitReader(read, 1<<20)).Decode(&h); err != nil {
			h.Faults = []*fault.Fault{fault.New(fault.StartFailed, "plat ended while it started").
				Fix("read " + filepath.Join(o.Root, state.Name, "plat.log"))}
		}
		answer <- h
	}()
	var h hello
	select {
	case h = <-answer:
	case <-ctx.Done():
		return errors.Join(fault.New(fault.WaitTimeout, "plat did not start in time"), child.Process.Kill())
	}
	if !h.Started {
		errs := make([]error, len(h.Faults))
		for i, f := range h.Faults {
			errs[i] = f
		}
		_ = child.Wait() // it has said why it ends
		return errors.Join(errs...)
	}
	_ = child.Process.Release()
	client, _, err := a.connect()
	if err != nil {
		return err
	}
	services, err := a.settle(ctx, client, nil, a.progress())
	if err != nil {
		return err
	}
	if err := a.summary(ctx, client, began); err != nil {
		return err
	}
	return a.sayFailed(services)
}

// serveDetached is the process in the background: it serves, and says on
// descriptor 3 how the start went.
func (a *app) serveDetached(ctx context.Context, o ServeOptions) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGHUP)
	pipe := os.NewFile(3, "start")
	if pipe == nil {
		return fault.New(fault.BadArgument, "this flag is for plat up -d alone").Fix("plat up -d")
	}
	syscall.CloseOnExec(3)
	said := false
	say := func(h hello) {
		if !said {
			said = true
			_ = json.NewEncoder(pipe).Encode(h) // who started us may have given up
			_ = pipe.Close()
		}
	}
	err := a.machine.Serve(ctx, o, func() { say(hello{Started: true}) })
	if err != nil {
		say(hello{Faults: fault.All(err)})
	}
	return err
}

// ended tells whether a process is gone (or a zombie that nobody reaps).
func ended(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false // no /proc here: the signal has said it
	}
	for i := len(stat) - 1; i > 0; i-- {
		if stat[i] == ')' {
			return i+2 < len(stat) && stat[i+2] == 'Z'
		}
	}
	return false
}
