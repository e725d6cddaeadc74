package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/adopt"
	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/edit"
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
		Long:    "Makes the folder services/NAME with a program, its test, its API document and\nits declaration, and adds it to plat.yaml where no item of services leads to it\nyet. The program stands on the kit (go), or on nothing of plat's (node,\nTypeScript). A running plat up starts it at once.",
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
	if above, found := state.Find(a.dir); found {
		return fault.Newf(fault.AlreadyThere, "%s is inside a system already, that of %s", a.dir, filepath.Join(above, "plat.yaml")).
			Why("a system inside another would be none of its services").Fix("plat new service NAME makes a service of it; or make the system in another folder")
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
		return fault.New(fault.NotRunning, "there is no plat.yaml in "+a.dir+" or above it").
			Fix("plat init proposes a plan for the programs here; plat new system NAME makes a new one")
	}
	a.env = "local"
	result := a.load(root)
	if err := result.Err(); err != nil {
		return err
	}
	if there, taken := result.System.Service(name); taken {
		return fault.Newf(fault.AlreadyThere, "the system has a service %s already, in %s", name, a.display(filepath.Join(root, there.Dir))).Fix("choose another name")
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
	if err := a.list(root, name); err != nil {
		return err
	}
	return a.nextAfter(ctx, name)
}

// list sees to it that plat.yaml leads to a new service, and prints what is
// wrong with the plan then.
func (a *app) list(root, name string) error {
	result := a.load(root)
	if _, _, _, known := result.Where(name); !known {
		text, err := os.ReadFile(filepath.Join(root, "plat.yaml")) //nolint:gosec // of the user's system
		if err != nil {
			return err
		}
		patch, err := edit.AddService("plat.yaml", text, "services/"+name)
		if err != nil {
			return err
		}
		if err := a.patch(root, patch, false); err != nil {
			return err
		}
		result = a.load(root)
	}
	for _, f := range result.Findings {
		a.printFault(a.Err, f)
	}
	return nil
}

// takenUpTime is how long a running plat may take to see a new service and to
// start it, before the user is told to wait. It looks at the files twice a
// second.
const takenUpTime = 5 * time.Second

// nextAfter says what to do with a new service: a plat that runs may have
// taken it up.
func (a *app) nextAfter(ctx context.Context, name string) error {
	client, _, err := a.connect()
	if err != nil {
		a.words("next: plat up, then plat call %s GET /", name)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, takenUpTime)
	defer cancel()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	taken := false
	for ctx.Err() == nil {
		services, _ := client.Services(ctx) // one that cannot be asked does not know it
		at := slices.IndexFunc(services, func(s api.Service) bool { return s.Name == name && !s.Outside })
		taken = taken || at >= 0
		switch {
		case at >= 0 && services[at].Ready > 0:
			a.words("it is started now; next: plat call %s GET /", name)
			return nil
		case at >= 0 && services[at].Settled:
			a.words("the plat that runs took it up, and it is %s; next: plat ps %s", services[at].State, name)
			return nil
		}
		select {
		case <-ctx.Done():
		case <-look.C:
		}
	}
	if taken {
		a.words("it is being built and started; next: plat wait %s, then plat call %s GET /", name, name)
		return nil
	}
	a.words("the plat that runs does not know it; next: plat down, plat up, then plat call %s GET /", name)
	return nil
}

// make writes files that are not there yet and, for Go, sees to the module.
func (a *app) make(ctx context.Context, root, system, language string, files []scaffold.File) error {
	if language == "go" {
		if _, found := above(filepath.Join(root, "services"), "go.mod"); !found {
			files = append(files, scaffold.GoModule(system, a.kitVersion(), a.machine.KitDir))
			if a.machine.KitDir != "" {
				defer a.words("go.mod uses the kit in %s, until the kit's first release", a.machine.KitDir)
			}
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
