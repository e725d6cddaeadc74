// Command bench prints plat's figures on this machine, each the median of
// several rounds: how long MusicCorp takes to be up, what plat costs while it
// idles, how soon the console is there and what it weighs, how soon a saved
// file is served (beside air), how fast a large plan is checked and a dead
// instance leaves rotation, the gateway beside its peers, and what telemetry costs.
//
//	go run .            all of it
//	go run . up check   some of it: up, console, save, check, rotation, gateway, telemetry
//	go run . soak       ten minutes' load through MusicCorp; soak=1m is a minute of it
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/plat-dev/plat/runner/process"
)

// bench has what the parts share.
type bench struct {
	root string // the repository
	dir  string // for copies and programs, removed at the end
	plat string // the binary, as users have it
}

func main() {
	process.GuardMain() // the rotation rig starts its service through a real guard
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, chosen []string) error {
	_, file, _, _ := runtime.Caller(0)
	b := bench{root: filepath.Dir(filepath.Dir(file))}
	soakFor := soakLength
	for i, name := range chosen {
		if text, ok := strings.CutPrefix(name, "soak="); ok {
			d, err := time.ParseDuration(text)
			if err != nil || d <= 0 {
				return fmt.Errorf("%s: expected a duration, as soak=1m", name)
			}
			chosen[i], soakFor = "soak", d
		}
	}
	dir, err := os.MkdirTemp("", "plat-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b.dir, b.plat = dir, filepath.Join(dir, "plat")
	if err := b.build(ctx, b.plat, "./cmd/plat"); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"up", b.up}, {"console", b.console}, {"save", b.save}, {"check", b.check}, {"rotation", b.rotation}, {"gateway", b.gateway}, {"telemetry", b.telemetry}, {"soak", func(ctx context.Context) error { return b.soak(ctx, soakFor) }}} {
		if len(chosen) > 0 && !slices.Contains(chosen, part.name) || len(chosen) == 0 && part.name == "soak" { // it takes long
			continue
		}
		fmt.Printf("\n== %s\n", part.name)
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// build makes a program of the root module as a release does.
func (b bench) build(ctx context.Context, to, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", to, pkg) //nolint:gosec // fixed arguments
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// gateway is a command of its own, since it brings peers.
func (b bench) gateway(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "run", "./gateway")
	cmd.Dir = filepath.Join(b.root, "bench")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// telemetry is a command of its own, so that its memory is its own.
func (b bench) telemetry(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "run", "./telemetry")
	cmd.Dir = filepath.Join(b.root, "bench")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// timed runs f several times and returns the sorted times.
func timed(rounds int, f func() error) ([]time.Duration, error) {
	times := make([]time.Duration, 0, rounds)
	for range rounds {
		began := time.Now()
		if err := f(); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return times, nil
}

// show prints a figure with its spread and what it aims for.
func show(what string, times []time.Duration, aim string) {
	round := func(d time.Duration) time.Duration {
		if d > time.Second {
			return d.Round(10 * time.Millisecond)
		}
		return d.Round(10 * time.Microsecond)
	}
	fmt.Printf("%-58s %10v  (%v to %v, %d rounds)  aim %s\n", what, round(times[len(times)/2]), round(times[0]), round(times[len(times)-1]), len(times), aim)
}

func sorted(times []time.Duration) []time.Duration {
	slices.Sort(times)
	return times
}
