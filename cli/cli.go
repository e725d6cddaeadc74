// Package cli holds plat's verbs, one file each. A verb reads files or asks a
// running plat through api; it never reaches into a room. Data goes to
// standard output, words to standard error.
//
// It must never import control: what serves a system is handed to Main.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/state"
)

// Exit codes of every verb.
const (
	exitOK          = 0
	exitNo          = 1 // the answer is no: findings, a service that failed
	exitUsage       = 2
	exitUnreachable = 3
	exitTimeout     = 4
)

// ServeOptions say which system a plat serves, and where.
type ServeOptions struct {
	Root        string // folder with plat.yaml
	Environment string
	Gateway     string   // address that a flag named; empty: the default, or any free one
	API         string   // likewise
	Version     string   // of plat
	Only        []string // services to run, with what they need; empty: all
	Watch       bool     // build and start anew what is saved
}

// Server runs a system until ctx ends, calling ready once its control API
// answers. It returns when nothing runs any more.
type Server func(ctx context.Context, o ServeOptions, ready func()) error

// Machine is what main hands to the verbs beside the API: how a system is
// served, and what is known of this machine without a running plat.
type Machine struct {
	Serve      Server
	KitDir     string                                                                                       // sources of the kit beside a plat that was built from a checkout; else empty
	PortHolder func(addr string) (program string)                                                           // who listens there; "" when it cannot be told
	Logs       func(ctx context.Context, folder string, q api.LogQuery, each func(api.LogLine) error) error // of the state folder
}

// IO is where a verb writes.
type IO struct {
	Out, Err io.Writer
	Width    int // columns that a table may have; 0: those of Out, where it is a terminal
}

// app is what every verb has in common.
type app struct {
	IO
	machine Machine
	version string
	dir     string // -C
	output  string // -o
	env     string // -e
	paint   painter
}

// Main runs one command line and returns its exit code.
func Main(ctx context.Context, args []string, stdio IO, version string, machine Machine) int {
	a := &app{IO: stdio, machine: machine, version: version, paint: newPainter(stdio.Err)}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdio.Out)
	root.SetErr(stdio.Err)
	return a.exit(root.ExecuteContext(ctx))
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "plat",
		Short:         "The plan of your microservices, kept true",
		Long:          "plat runs, connects and observes a system of services from its plan:\none plat.yaml for the system, one service.yaml for each service.",
		Example:       "  plat check            say what is wrong with the plan\n  plat up               build and run the system here\n  plat ps               see what runs\n  plat logs -f order    follow one service's output",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       a.version,
	}
	root.PersistentFlags().StringVarP(&a.dir, "directory", "C", ".", "run as if started in this folder")
	root.AddGroup(&cobra.Group{ID: "app", Title: "App"}, &cobra.Group{ID: "resources", Title: "Resources"}, &cobra.Group{ID: "monitoring", Title: "Monitoring"}, &cobra.Group{ID: "release", Title: "Release"}, &cobra.Group{ID: "tools", Title: "Tools"})
	root.CompletionOptions.DisableDefaultCmd = true // see completion
	root.SetVersionTemplate("plat {{.Version}}\n")
	root.SetFlagErrorFunc(flagMistake)
	_ = root.MarkPersistentFlagDirname("directory") // the flag was just made
	root.AddCommand(
		a.new(), a.init(), a.up(), a.down(), a.wait(),
		a.ps(), a.get(), a.describe(), a.plan(),
		a.top(), a.logs(), a.traces(), a.trace(), a.telemetry(), a.events(), a.mapVerb(), a.drift(), a.mail(), a.why(), a.console(), a.probe(), a.rehearse(), a.chaos(), a.cache(), a.queue(),
		a.alerts(), a.objectives(), a.silence(),
		a.check(), a.restart(), a.scale(),
		a.call(), a.publish(), a.apiVerb(), a.doctor(), a.explain(), a.schema(), a.completion(), a.versionVerb(),
	)
	root.SetHelpCommand(a.help())
	root.Args = func(cmd *cobra.Command, given []string) error {
		if len(given) > 0 {
			return unknownVerb(cmd, given[0])
		}
		return nil
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return root
}

// answered is an answer of "no" that was printed already.
var errAnswered = errors.New("the answer is no")

// exit prints an error's faults and turns it into an exit code.
func (a *app) exit(err error) int {
	if err == nil || errors.Is(err, context.Canceled) {
		return exitOK
	}
	if errors.Is(err, errAnswered) {
		return exitNo
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fault.New(fault.WaitTimeout, "plat did not answer in time").Because(err)
	}
	code := exitNo
	for _, f := range fault.All(err) {
		a.printFault(a.Err, f)
		switch f.Code {
		case fault.BadArgument, fault.TelemetryBadQuery, fault.NoSuchCode:
			code = exitUsage
		case fault.NotRunning, fault.Unreachable, fault.Unauthorized:
			code = exitUnreachable
		case fault.WaitTimeout:
			code = exitTimeout
		}
	}
	return code
}

// printFault prints one fault for a person: place, what, why, remedy, code.
func (a *app) printFault(w io.Writer, f *fault.Fault) {
	kind := a.paint.red("error")
	if f.Severity == fault.Warning {
		kind = a.paint.yellow("warning")
	}
	place := ""
	if f.Place() != "" {
		place = a.paint.bold(f.Place()) + ": "
	}
	_, _ = fmt.Fprintf(w, "%s%s: %s [%s]\n", place, kind, f.What, f.Code)
	if f.Expected != "" {
		_, _ = fmt.Fprintln(w, indent("why: "+f.Expected))
	}
	remedy := f.Remedy
	if remedy == "" {
		entry, _ := fault.Lookup(f.Code)
		remedy = entry.Remedy
	}
	if remedy != "" {
		_, _ = fmt.Fprintln(w, indent("fix: "+a.here(remedy)))
	}
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n       ") }

// words prints a line for the person at the terminal. The commands in it can be
// copied: they repeat -C.
func (a *app) words(format string, args ...any) {
	_, _ = fmt.Fprintln(a.Err, a.here(fmt.Sprintf(format, args...)))
}

// system finds the folder with plat.yaml, in -C and above it.
func (a *app) system() (string, error) {
	info, err := os.Stat(a.dir)
	if err != nil || !info.IsDir() {
		return "", fault.Newf(fault.BadArgument, "%s is not a folder", a.dir).Fix("name the system's folder with -C")
	}
	root, _ := state.Find(a.dir)
	return root, nil
}

// asking makes the run of a verb that asks the plat that runs.
func (a *app) asking(ask func(cmd *cobra.Command, client *api.Client, given []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, given []string) error {
		client, _, err := a.connect()
		if err != nil {
			return err
		}
		return ask(cmd, client, given)
	}
}

// connect opens a client to the plat that runs this system.
func (a *app) connect() (*api.Client, *state.Run, error) {
	root, err := a.system()
	if err != nil {
		return nil, nil, err
	}
	if _, found := state.Find(root); !found {
		return nil, nil, fault.New(fault.NotRunning, "there is no plat.yaml in "+a.dir+" or above it").
			Fix("go to the system's folder, or name it with -C; plat init proposes a plan, plat new system makes one")
	}
	folder := filepath.Join(root, state.Name)
	run, err := state.ReadRun(folder)
	if err != nil {
		return nil, nil, err
	}
	if run == nil || !state.Held(folder) { // a plat that was killed leaves its run.json: another program may have its port
		return nil, nil, fault.New(fault.NotRunning, "nothing runs in "+a.folder(root)).Fix("plat up")
	}
	token, err := state.ReadToken(folder)
	if err != nil {
		return nil, nil, err
	}
	return api.NewClient(run.API, token), run, nil
}

// inDir repeats the -C of this command line, for remedies.
func (a *app) inDir() string {
	if a.dir == "." {
		return ""
	}
	if strings.ContainsAny(a.dir, " '\"$&();|<>*?") { // as a shell takes it
		return " -C '" + strings.ReplaceAll(a.dir, "'", `'\''`) + "'"
	}
	return " -C " + a.dir
}

// folder names a folder in a sentence.
func (a *app) folder(path string) string {
	if name := a.display(path); name != "." {
		return name
	}
	return "this folder"
}

// display is a path as the user would write it: relative where that is shorter.
func (a *app) display(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(wd, path)
	if err != nil || len(rel) > len(path) {
		return path
	}
	return rel
}
