// Command plat runs, connects and observes a system of services from its
// plan. See plat --help.
package main

import (
	"context"
	"log"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/plat-dev/plat/cli"
	"github.com/plat-dev/plat/control"
	"github.com/plat-dev/plat/kit/reuse"
	"github.com/plat-dev/plat/runner/process"
)

// version is set by the release build; else the module's own is told.
var version = ""

func main() {
	process.GuardMain() // does not return in the process that is the guard
	machine := cli.Machine{
		Serve: func(ctx context.Context, o cli.ServeOptions, ready func()) error {
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(50) // half of what lives, not as much again: a hundredth of a core under load
			}
			log.SetOutput(reuse.Log(log.Writer()))
			return control.Serve(ctx, control.Options(o), ready)
		},
		KitDir:     kitBeside(),
		PortHolder: process.PortHolder,
		Logs:       control.ReadLogs,
	}
	os.Exit(cli.Main(context.Background(), os.Args[1:], cli.IO{Out: os.Stdout, Err: os.Stderr}, ownVersion(), machine))
}

func ownVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}

// kitBeside finds the kit's sources in the checkout that this plat was built
// in as bin/plat.
func kitBeside() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	dir := filepath.Join(filepath.Dir(filepath.Dir(self)), "kit")
	text, err := os.ReadFile(filepath.Join(dir, "go.mod")) //nolint:gosec // beside the program itself
	if err != nil || !strings.HasPrefix(string(text), "module github.com/plat-dev/plat/kit\n") {
		return ""
	}
	return dir
}
