package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/registry"
	"github.com/plat-dev/plat/runner"
	"github.com/plat-dev/plat/runner/process"
)

// rig is a runner with the real guard and registry around one service, which
// notes when an instance left rotation.
type rig struct {
	registry *registry.Registry
	program  string

	mu   sync.Mutex
	left time.Time
}

// Build answers with the program that is there.
func (r *rig) Build(_ context.Context, services []plan.Service, done func(runner.Built)) error {
	for _, s := range services {
		done(runner.Built{Service: s.Name, Argv: []string{r.program}, Dir: filepath.Dir(r.program), Version: "bench"})
	}
	return nil
}

// Sources has nothing to tell: no file is watched.
func (r *rig) Sources(context.Context, []plan.Service) []runner.Sources { return nil }

// Up puts the instance in rotation.
func (r *rig) Up(in runner.Instance) {
	if err := r.registry.Register(registry.Instance{ID: in.ID, Service: in.Service, Addr: in.Addr}, 0); err != nil {
		panic(err) // the rig's own registry is empty
	}
}

// Down takes it out and notes when that was done.
func (r *rig) Down(id string) {
	r.registry.Deregister(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = time.Now()
}

// Gone has nothing to add to Down.
func (r *rig) Gone(string) {}

// Drained has nothing to wait for: there are no requests.
func (r *rig) Drained(context.Context, string) {}

// rotation measures how long a dead and a sick instance stay in rotation.
func (b bench) rotation(ctx context.Context) (err error) {
	state := filepath.Join(b.dir, "rotation")
	r := &rig{registry: registry.New(), program: filepath.Join(b.dir, "dummy")}
	if err := errors.Join(os.Mkdir(state, 0o700), b.build(ctx, r.program, "./internal/house/dummy")); err != nil {
		return err
	}
	guard, err := process.Open(ctx, state, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, guard.Close()) }()
	run := runner.New(runner.Options{Builder: r, Launcher: guard, Announcer: r})
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { err = errors.Join(err, run.Run(running)) })
	defer wg.Wait()
	defer stop()
	run.Apply(&plan.System{Name: "bench", Services: []plan.Service{{
		Name: "dummy", Instances: 1, Listens: true, Grace: plan.Duration(time.Second), Start: plan.Duration(10 * time.Second),
		HTTP: &plan.HTTP{Ready: "/health", Protocol: "http"},
	}}})

	var dead, sick []time.Duration
	for range 5 {
		took, err := r.kill(ctx, run)
		if err != nil {
			return err
		}
		dead = append(dead, took)
		if took, err = r.sicken(ctx, run); err != nil {
			return err
		}
		sick = append(sick, took)
	}
	show("from the reaping of a dead instance to its leaving rotation", sorted(dead), "≤ 50 ms")
	show("from a failing check to leaving rotation", sorted(sick), "≤ 1.1 s (the interval and 100 ms)")
	return nil
}

// kill ends the instance's process and tells how long after its reaping it
// left rotation.
func (r *rig) kill(ctx context.Context, run *runner.Runner) (time.Duration, error) {
	in, err := r.ready(ctx, run)
	if err != nil {
		return 0, err
	}
	if err := syscall.Kill(in.PID, syscall.SIGKILL); err != nil {
		return 0, err
	}
	left, err := r.gone(ctx, run)
	if err != nil {
		return 0, err
	}
	for {
		for _, now := range run.Status()[0].Instances {
			if now.LastExit != nil && now.LastExit.Reaped.After(in.Started) {
				return left.Sub(now.LastExit.Reaped), nil
			}
		}
		if err := pause(ctx); err != nil {
			return 0, err
		}
	}
}

// sicken makes the instance's check fail, and tells how long it stayed. It is
// killed then, so that the next round begins with a healthy one.
func (r *rig) sicken(ctx context.Context, run *runner.Runner) (time.Duration, error) {
	in, err := r.ready(ctx, run)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+in.Addr+"/sicken", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := resp.Body.Close(); err != nil {
		return 0, err
	}
	left, err := r.gone(ctx, run)
	if err != nil {
		return 0, err
	}
	return left.Sub(began), syscall.Kill(in.PID, syscall.SIGKILL)
}

// ready waits for the instance and forgets who left before.
func (r *rig) ready(ctx context.Context, run *runner.Runner) (runner.InstanceStatus, error) {
	for {
		if err := run.Wait(ctx, "dummy"); err != nil {
			return runner.InstanceStatus{}, err
		}
		if st := run.Status()[0]; len(st.Instances) == 1 && st.Instances[0].State == runner.Ready {
			r.mu.Lock()
			r.left = time.Time{}
			r.mu.Unlock()
			return st.Instances[0], nil
		}
		if err := pause(ctx); err != nil {
			return runner.InstanceStatus{}, err
		}
	}
}

// gone waits until the instance has left rotation.
func (r *rig) gone(ctx context.Context, run *runner.Runner) (time.Time, error) {
	for range 10_000 {
		r.mu.Lock()
		left := r.left
		r.mu.Unlock()
		if !left.IsZero() {
			return left, nil
		}
		if err := pause(ctx); err != nil {
			return time.Time{}, err
		}
	}
	return time.Time{}, fmt.Errorf("the instance is still in rotation: %+v", run.Status())
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Millisecond):
		return nil
	}
}
