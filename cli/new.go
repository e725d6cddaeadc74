package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/adopt"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/scaffold"
	"github.com/plat-dev/plat/state"
)

func (a *app) new() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "new",
		Short:   "Make a new system or service that starts at once",
		Example: "  plat new system shop && plat up -C shop\n  plat new service order\n  plat new service pages --template node",
		GroupID: "app",
		Args:    args(0, 0, "system or service"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var language string
	template := func(cmd *cobra.Command) {
		cmd.Flags().StringVarP(&language, "template", "t", "go", "language of the service: "+strings.Join(scaffold.Languages(), ", "))
		_ = cmd.RegisterFlagCompletionFunc("template", cobra.FixedCompletions(scaffold.Languages(), cobra.ShellCompDirectiveNoFileComp)) // the flag was just made
	}
	system := &cobra.Command{
		Use:     "system NAME",
		Short:   "Make a folder with a system of one service",
		Long:    "Makes the folder NAME with a plat.yaml and one service, hello.",
		Example: "  plat new system shop && plat up -C shop\n  plat new system shop --template node",
		Args:    args(1, 1, "one name"),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.newSystem(cmd.Context(), given[0], language)
		},
	}
	service := &cobra.Command{
		Use:     "service NAME",
		Short:   "Make a service in the system here",
		Long:    "Makes the folder services/NAME with a program, its test, its API document and\nits declaration. The program stands on the kit (go), or on nothing of plat's\n(node, TypeScript). A running plat up starts it at once.",
		Example: "  plat new service order\n  plat new service pages --template node",
		Args:    args(1, 1, "one name"),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.newService(cmd.Context(), given[0], language)
		},
	}
	template(system)
	template(service)
	cmd.AddCommand(system, service)
	return cmd
}

func (a *app) newSystem(ctx context.Context, name, language string) error {
	files, err := scaffold.System(scaffold.Names{System: name, Service: "hello"}, language)
	if err != nil {
		return err
	}
	root := filepath.Join(a.dir, name)
	if entries, err := os.ReadDir(root); err == nil && len(entries) > 0 {
		return fault.Newf(fault.AlreadyThere, "the folder %s is there already, and not empty", root).Fix("choose another name; plat init adopts what a folder holds")
	}
	if err := a.make(ctx, root, name, language, files); err != nil {
		return err
	}
	a.words("next: plat up -C %s", root)
	return nil
}

func (a *app) newService(ctx context.Context, name, language string) error {
	root, err := a.system()
	if err != nil {
		return err
	}
	if _, found := state.Find(root); !found {
		return fault.New(fault.NotRunning, "there is no plat.yaml in "+a.dir+" or above it").Fix("plat new system NAME makes one; or name the system's folder with -C")
	}
	a.env = "local"
	result := a.load(root)
	if err := result.Err(); err != nil {
		return err
	}
	n := scaffold.Names{Service: name}
	for owner := range result.System.Owners { // the only one there is
		n.Owner = owner
	}
	if len(result.System.Owners) != 1 {
		n.Owner = ""
	}
	files, err := scaffold.Service(n, language)
	if err != nil {
		return err
	}
	dir := filepath.Join(root, "services", name)
	if _, err := os.Lstat(dir); err == nil {
		return fault.Newf(fault.AlreadyThere, "the folder %s is there already", a.display(dir)).Fix("choose another name")
	}
	if err := a.make(ctx, root, result.System.Name, language, files); err != nil {
		return err
	}
	after := a.load(root)
	for _, f := range after.Findings {
		a.printFault(a.Err, f)
	}
	if after.System != nil {
		if _, known := after.System.Service(name); !known {
			a.words("plat.yaml does not list it yet: add - path: services/%s under services", name)
		}
	}
	if _, _, err := a.connect(); err == nil {
		a.words("it is started now; next: plat call %s GET /", name)
		return nil
	}
	a.words("next: plat up, then plat call %s GET /", name)
	return nil
}

// make writes files that are not there yet and, for Go, sees to the module.
func (a *app) make(ctx context.Context, root, system, language string, files []scaffold.File) error {
	if language == "go" {
		if _, found := above(filepath.Join(root, "services"), "go.mod"); !found {
			files = append(files, scaffold.GoModule(system, a.kitVersion(), a.machine.KitDir))
		}
	}
	for _, f := range files {
		if err := writeNew(root, adopt.Proposal{File: f.Path, Text: string(f.Text)}); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(a.Out, a.display(filepath.Join(root, filepath.FromSlash(f.Path)))); err != nil {
			return err
		}
	}
	if language == "go" {
		return a.tidy(ctx, root)
	}
	return nil
}

// above finds a file in a folder or above it.
func above(dir, name string) (path string, found bool) {
	for {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", false
		}
		dir = up
	}
}

// kitVersion is the kit's that belongs to this plat: both are released
// together. A plat that was not released says none.
func (a *app) kitVersion() string {
	if strings.HasPrefix(a.version, "v") && !strings.Contains(a.version, "-") {
		return a.version
	}
	return "v0.0.0"
}

// tidyTime is allowed for go mod tidy, which may have to fetch.
const tidyTime = 2 * time.Minute

// tidy completes go.mod and go.sum. Without Go, or without what the module
// needs, the files are as they should be and the user is told what lacks.
func (a *app) tidy(ctx context.Context, root string) error {
	file, found := above(filepath.Join(root, "services"), "go.mod")
	if !found {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tidyTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "mod", "tidy")
	cmd.Dir = filepath.Dir(file)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fault.New(fault.ToolMissing, "Go is not on the PATH, and the service is written in it").Fix("install Go, then: go mod tidy, in " + cmd.Dir)
	}
	if err != nil {
		return fault.New(fault.ToolMissing, "go mod tidy failed in "+cmd.Dir).Why(strings.TrimSpace(string(out))).
			Fix("see that the kit can be had (until its first release: go mod edit -replace github.com/plat-dev/plat/kit=FOLDER), then go mod tidy")
	}
	return nil
}
