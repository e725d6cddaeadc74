package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/runner"
	"github.com/plat-dev/plat/runner/culprit"
)

// buildTimeout bounds one build command.
const buildTimeout = 10 * time.Minute

// versionBytes bounds how much of a file named in run: counts for a version.
const versionBytes = 64 << 20

// Builder makes programs: Go services by one go build a module, others by
// their own command. Builds run below the guard too, so that none survives
// plat. It is a runner.Builder; one Build at a time.
type Builder struct {
	guard *Guard
	root  string // the system's folder
	bin   string // where programs are put
}

// NewBuilder makes a Builder for the system in the folder root, which puts
// programs into bin in the guard's state folder.
func NewBuilder(guard *Guard, root string) (*Builder, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(filepath.Dir(guard.logs), "bin")
	return &Builder{guard: guard, root: root, bin: bin}, os.MkdirAll(bin, 0o750)
}

// Build makes the programs of services: see runner.Builder.
func (b *Builder) Build(ctx context.Context, services []plan.Service, done func(runner.Built)) error {
	var mu sync.Mutex
	say := func(built runner.Built) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() == nil {
			done(built)
		}
	}
	var golang, commands []plan.Service
	for _, svc := range services {
		switch {
		case svc.Build.Go != "":
			golang = append(golang, svc)
		case len(svc.Build.Command) > 0:
			commands = append(commands, svc)
		default:
			say(b.ready(svc))
		}
	}
	var lanes sync.WaitGroup // two, as linking alone fills the machine
	lanes.Go(func() { b.buildGo(ctx, golang, say) })
	lanes.Go(func() {
		for _, svc := range commands {
			if ctx.Err() == nil {
				say(b.buildByCommand(ctx, svc))
			}
		}
	})
	lanes.Wait()
	return ctx.Err()
}

// dir is the folder of a service.
func (b *Builder) dir(svc plan.Service) string {
	return filepath.Join(b.root, filepath.FromSlash(svc.Dir))
}

// file is where a service is declared, as people know it.
func file(svc plan.Service) string {
	if svc.Dir == "" {
		return ""
	}
	return strings.TrimPrefix(svc.Dir+"/service.yaml", "./")
}

// ready is for a service whose program is there already.
func (b *Builder) ready(svc plan.Service) runner.Built {
	built := runner.Built{Service: svc.Name, Argv: svc.Run, Dir: b.dir(svc)}
	switch {
	case svc.Build.Image != "" || svc.Dir == "":
		what := "image " + svc.Build.Image
		if svc.Build.Image == "" {
			what = "artefact " + svc.Artifact
		}
		built.Fault = fault.Newf(fault.RunImageUnavailable, "service %q cannot be run here", svc.Name).
			Why("the process runtime has no engine for its "+what).Fix("declare build: {go: …}, build: {command: […]} or run: for this environment").At(file(svc), 0, 0)
	case len(svc.Run) == 0:
		built.Fault = fault.Newf(fault.RunNoProgram, "service %q declares no program", svc.Name).
			Fix("add run: with the program and its arguments").At(file(svc), 0, 0)
	default:
		built.Version = version(built.Argv, built.Dir)
	}
	return built
}

func (b *Builder) buildByCommand(ctx context.Context, svc plan.Service) runner.Built {
	argv := svc.Build.Command
	lines, err := b.run(ctx, svc.Name, argv, b.dir(svc), os.Environ())
	if err == nil {
		return b.ready(svc)
	}
	return runner.Built{Service: svc.Name, Fault: b.commandFault(svc, lines, err), Lines: last(lines)}
}

// commandFault says why a build command failed: by its first error, with the
// place of it, as far as its output tells; else by how it ended.
func (b *Builder) commandFault(svc plan.Service, lines []string, err error) *fault.Fault {
	command := strings.Join(svc.Build.Command, " ")
	f := fault.Newf(fault.RunBuildFailed, "the build of service %q failed", svc.Name).Why(fmt.Sprintf("%s: %s", command, err)).
		Fix("correct it, then plat restart "+svc.Name+" (plat logs "+svc.Name+" has the whole output)").At(file(svc), 0, 0).Because(err)
	var ended exitError
	if !errors.As(err, &ended) {
		return f // it did not come to its end: what it printed is not why
	}
	e := culprit.Find(b.dir(svc), lines)
	if e.Text == "" {
		return f
	}
	f.Why(fmt.Sprintf("%s (%s: %s)", e.Text, command, err))
	if e.File != "" {
		f.At(b.relative(e.File), e.Line, e.Column)
	}
	return f
}

// exitError is the end of a command that failed by itself.
type exitError struct{ runner.Exit }

func (e exitError) Error() string { return e.String() }

// run runs one build command to its end; the error says how it failed.
func (b *Builder) run(ctx context.Context, name string, argv []string, dir string, env []string) (lines []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	// Not ended by ctx: what was started is to be waited for.
	p, err := b.guard.launch(context.WithoutCancel(ctx), message{Instance: "build", Service: name, Argv: argv, Dir: dir, Env: env, Capture: true},
		nil, func(line string) { lines = append(lines, line) })
	if err != nil {
		return nil, err
	}
	var exit runner.Exit
	select {
	case exit = <-p.Gone():
	case <-ctx.Done():
		p.Stop(time.Second)
		<-p.Gone()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return lines, fmt.Errorf("not finished after %s", buildTimeout)
		}
		return lines, ctx.Err()
	}
	if exit.Code != 0 || exit.Signal != "" {
		return lines, exitError{exit}
	}
	return lines, nil
}

// last is the end of a build's output, as much as a status carries.
func last(lines []string) []string { return lines[max(0, len(lines)-tailLines):] }

// version changes with the command line and with the files of the service's
// folder (or elsewhere, by absolute path) that it names.
func version(argv []string, dir string) string {
	sum := sha256.New()
	for _, arg := range argv {
		_, _ = fmt.Fprintf(sum, "%d:%s", len(arg), arg) // a hash does not fail
		path := arg
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		f, err := os.Open(path) // #nosec G304 -- a file that the plan names
		if err != nil {
			continue
		}
		_, _ = io.Copy(sum, io.LimitReader(f, versionBytes)) // what cannot be read cannot be run
		_ = f.Close()
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}
