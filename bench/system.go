package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// up measures plat up on a copy of MusicCorp, and what plat costs then.
func (b bench) up(ctx context.Context) (err error) {
	system, err := b.musiccorp(ctx)
	if err != nil {
		return err
	}
	state := filepath.Join(system, ".plat")
	start := func() error { return b.run(ctx, system, "up", "-d") }
	stop := func() error { return b.run(ctx, system, "down") }
	defer func() {
		if _, running := os.Stat(filepath.Join(state, "run.json")); running == nil {
			err = errors.Join(err, stop())
		}
	}()
	rounds := func(n int, before func() error) ([]time.Duration, error) {
		var all []time.Duration
		for range n {
			if err := before(); err != nil {
				return nil, err
			}
			times, err := timed(1, start)
			if err != nil {
				return nil, err
			}
			all = append(all, times...)
			if err := stop(); err != nil {
				return nil, err
			}
		}
		return sorted(all), nil
	}
	if _, err := rounds(1, func() error { return os.RemoveAll(state) }); err != nil { // warms Go's build cache
		return err
	}
	times, err := rounds(3, func() error { return os.RemoveAll(state) })
	if err != nil {
		return err
	}
	show("MusicCorp ready, from a warm build cache", times, "≤ 20 s")
	if times, err = rounds(5, func() error { return nil }); err != nil {
		return err
	}
	show("MusicCorp ready, with .plat/bin present", times, "≤ 8 s")
	if err := start(); err != nil {
		return err
	}
	select { // idle: the checks go on, nothing else
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(5 * time.Second):
	}
	return memory(state)
}

// musiccorp is a copy of MusicCorp, made once, with the kit that it builds with.
func (b bench) musiccorp(ctx context.Context) (system string, err error) {
	system = filepath.Join(b.dir, "musiccorp")
	if _, err := os.Stat(system); err == nil {
		return system, nil
	}
	for _, module := range []string{"kit", "musiccorp"} {
		cp := exec.CommandContext(ctx, "cp", "-r", filepath.Join(b.root, module), filepath.Join(b.dir, module)) //nolint:gosec // fixed arguments
		if out, err := cp.CombinedOutput(); err != nil {
			return "", fmt.Errorf("copy %s: %w\n%s", module, err, out)
		}
	}
	return system, os.RemoveAll(filepath.Join(system, ".plat"))
}

// memory prints what the running plat and its guard hold.
func memory(state string) error {
	text, err := os.ReadFile(filepath.Join(state, "run.json")) //nolint:gosec // below the bench's own folder
	if err != nil {
		return err
	}
	var run struct{ PID, Guard int }
	if err := json.Unmarshal(text, &run); err != nil {
		return err
	}
	for _, p := range []struct {
		name, aim string
		pid       int
	}{{"plat", "≤ 120 MiB", run.PID}, {"its guard", "-", run.Guard}} {
		resident, err := residentOf(p.pid)
		if err != nil {
			return err
		}
		fmt.Printf("%-58s %6d MiB  aim %s\n", "resident memory of "+p.name+", idle", resident>>20, p.aim)
	}
	return nil
}

// check measures plat check on a plan of 1,000 services.
func (b bench) check(ctx context.Context) error {
	const services = 1000
	system := filepath.Join(b.dir, "thousand")
	write := func(name, text string) error {
		file := filepath.Join(system, name)
		return errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600))
	}
	err := write("plat.yaml", "system: thousand\nowners:\n  team: {mail: team@thousand.example}\nservices:\n  - path: services/*\n")
	for i := range services {
		text := fmt.Sprintf("service: s%d\nowner: team\nabout: Number %d.\nrun: [./s%d]\nprovides:\n  http: {ready: /health/ready}\n  events:\n    s%d.done: {key: /id}\n", i, i, i, i)
		if i > 0 { // ten layers, so that no chain is a thousand long
			text += "consumes:\n  services:\n"
			for _, callee := range []int{i - 1, i - 7} {
				if callee >= 0 && callee/100 < i/100 {
					text += fmt.Sprintf("    s%d: {timeout: %dms}\n", callee, 100+i)
				}
			}
			if strings.HasSuffix(text, "services:\n") {
				text = strings.TrimSuffix(text, "  services:\n")
			}
			text += fmt.Sprintf("  events:\n    s%d.done: {retries: 3}\n", i-1)
		}
		err = errors.Join(err, write(fmt.Sprintf("services/s%d/service.yaml", i), text))
	}
	if err != nil {
		return err
	}
	times, err := timed(9, func() error { return b.run(ctx, system, "check") })
	if err != nil {
		return err
	}
	show("plat check of 1,000 services, the whole process", times, "≤ 300 ms")
	return nil
}

// run runs one plat command on a system.
func (b bench) run(ctx context.Context, system string, args ...string) error {
	_, err := b.output(ctx, system, args...)
	return err
}

// output is what one plat command prints.
func (b bench) output(ctx context.Context, system string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, b.plat, append(args, "-C", system)...) //nolint:gosec // plat itself
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("plat %v: %w\n%s", args, err, out.String())
	}
	return out.String(), nil
}
