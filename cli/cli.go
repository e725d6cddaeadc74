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

// IO is where a verb reads and writes.
type IO struct {
	Out, Err io.Writer
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
	root.SetHelpCommandGroupID("tools")
	root.SetCompletionCommandGroupID("tools")
	root.SetVersionTemplate("plat {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		what, _, _ := strings.Cut(err.Error(), ": time: ")
		what, _, _ = strings.Cut(what, ": strconv.")
		if what != err.Error() && strings.Contains(err.Error(), "time: ") {
			what += ": a duration has its unit, as 5s or 10m"
		}
		return usage(cmd, what)
	})
	root.AddCommand(
		a.new(), a.init(), a.up(), a.down(), a.wait(),
		a.ps(), a.get(), a.describe(), a.plan(),
		a.logs(), a.events(), a.mail(), a.why(), a.console(),
		a.check(), a.restart(), a.scale(),
		a.call(), a.publish(), a.apiVerb(), a.doctor(), a.explain(), a.schema(), a.versionVerb(),
	)
	root.InitDefaultCompletionCmd(root.Commands()[0].Name())
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Args = nil
			cmd.RunE = func(cmd *cobra.Command, given []string) error {
				if len(given) == 0 {
					return cmd.Help()
				}
				return usage(cmd, given[0]+" is none of bash, zsh, fish and powershell")
			}
		}
	}
	return root
}

func (a *app) versionVerb() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of plat", Example: "  plat version", GroupID: "tools", Args: args(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.Out, "plat", a.version)
			return err
		},
	}
}

// usage is a mistake on the command line: exit 2.
func usage(cmd *cobra.Command, what string) error {
	return fault.New(fault.BadArgument, what).Fix(cmd.CommandPath() + " --help")
}

// args checks the number of arguments, as cobra does, in plat's words.
func args(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if len(given) < least || most >= 0 && len(given) > most {
			return usage(cmd, fmt.Sprintf("%s takes %s, not %d arguments", cmd.CommandPath(), what, len(given)))
		}
		return nil
	}
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
	if msg, ok := strings.CutPrefix(err.Error(), "unknown command "); ok { // cobra has no type for it
		err = unknownCommand(msg)
	}
	code := exitNo
	for _, f := range fault.All(err) {
		a.printFault(a.Err, f)
		switch f.Code {
		case fault.BadArgument, fault.NoSuchCode:
			code = exitUsage
		case fault.NotRunning, fault.Unreachable, fault.Unauthorized:
			code = exitUnreachable
		case fault.WaitTimeout:
			code = exitTimeout
		}
	}
	return code
}

// unknownCommand words what cobra says after "unknown command": the name and,
// a line each, what is near.
func unknownCommand(msg string) error {
	name, near, _ := strings.Cut(msg, "\n\n")
	name, _, _ = strings.Cut(name, " for ")
	f := fault.New(fault.BadArgument, "unknown command "+name).Fix("plat --help lists the commands")
	if names := strings.Fields(strings.TrimPrefix(near, "Did you mean this?")); len(names) > 0 {
		f.Fix("did you mean plat " + strings.Join(names, " or plat ") + "?")
	}
	return f
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
		_, _ = fmt.Fprintln(w, indent("fix: "+remedy))
	}
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n       ") }

// words prints a line for the person at the terminal.
func (a *app) words(format string, args ...any) {
	_, _ = fmt.Fprintf(a.Err, format+"\n", args...)
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

// connect opens a client to the plat that runs this system.
func (a *app) connect() (*api.Client, *state.Run, error) {
	root, err := a.system()
	if err != nil {
		return nil, nil, err
	}
	if _, found := state.Find(root); !found {
		return nil, nil, fault.New(fault.NotRunning, "there is no plat.yaml in "+a.dir+" or above it").
			Fix("go to the system's folder, or name it with -C")
	}
	folder := filepath.Join(root, state.Name)
	run, err := state.ReadRun(folder)
	if err != nil {
		return nil, nil, err
	}
	if run == nil || !state.Held(folder) { // a plat that was killed leaves its run.json: another program may have its port
		return nil, nil, fault.New(fault.NotRunning, "nothing runs in "+a.display(root)).Fix("plat up" + a.inDir())
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
	return " -C " + a.dir
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

// serviceNames completes arguments with the running plan's services.
func (a *app) serviceNames(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	client, _, err := a.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	services, err := client.Services(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := make([]string, len(services))
	for i, svc := range services {
		names[i] = svc.Name
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
