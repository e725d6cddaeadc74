package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/edit"
)

func (a *app) plan() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "plan",
		Short:   "Print the resolved plan",
		Long:    "Prints the plan as plat understands it: defaults applied, the environment\noverlaid, every name resolved. Reads the files, not a running system.",
		Example: "  plat plan\n  plat plan -o json | jq '.services[].service'\n  plat plan -e prod -o name",
		GroupID: "resources",
		Args:    args(0, 0, "no arguments"),
	}
	a.outputs(cmd, "yaml", "json", "name", "table")
	a.environment(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		root, err := a.system()
		if err != nil {
			return err
		}
		result := a.load(root)
		if err := result.Err(); err != nil {
			return err
		}
		for _, f := range result.Findings {
			a.printFault(a.Err, f)
		}
		t := table{header: []string{"SERVICE", "OWNER", "CONTEXT", "CALLS", "PUBLISHES", "CONSUMES"}}
		for _, svc := range result.System.Services {
			t.rows = append(t.rows, []string{svc.Name, svc.Owner, svc.Context,
				list(svc.Calls, func(i int) string { return svc.Calls[i].Service }),
				list(svc.Events, func(i int) string { return svc.Events[i].Type }),
				list(svc.Consumes, func(i int) string { return svc.Consumes[i].Type })})
		}
		return a.print(result.System, t)
	}
	cmd.AddCommand(a.planAdd(), a.planRemove())
	return cmd
}

func (a *app) planAdd() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:     "add SERVICE consumes NAME",
		Short:   "Declare that a service uses another, or receives an event",
		Long:    "Writes the line into the service's own service.yaml that declares a call of\nanother service, or of an external one, or (a name with a dot) the subscription to\nan event. Everything else in the file stays as it is; what is declared already is\nsaid to be.",
		Example: "  plat plan add order consumes catalog\n  plat plan add loyalty consumes order.dispatched\n  plat plan add order consumes catalog --dry-run",
		Args:    args(3, 3, "SERVICE consumes NAME"),
		ValidArgsFunction: func(cmd *cobra.Command, given []string, start string) ([]string, cobra.ShellCompDirective) {
			switch len(given) {
			case 1:
				return []string{"consumes"}, cobra.ShellCompDirectiveNoFileComp
			case 0:
				return a.plannedNames(cmd, given, start)
			case 2:
				return a.consumable(cmd, given, start)
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print the lines, and write nothing")
	a.environment(cmd)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if given[1] != "consumes" {
			return usage(cmd, fmt.Sprintf("the second word is consumes, not %q", given[1]))
		}
		root, err := a.system()
		if err != nil {
			return err
		}
		result := a.load(root)
		if err := result.Err(); err != nil {
			return err
		}
		patch, err := edit.Consume(os.DirFS(root), result.System, given[0], given[2])
		if fault.Is(err, fault.EditAlreadyDeclared) { // as the user wants it
			at := fault.All(err)[0]
			a.words("already declared at %s:%d", a.display(filepath.Join(root, at.File)), at.Line)
			return nil
		}
		if err != nil {
			return err
		}
		return a.patch(root, patch, dry)
	}
	return cmd
}

// patch writes a patch of one of the plan's files, and prints its lines.
func (a *app) patch(root string, p edit.Edit, dry bool) error {
	if !dry {
		if err := overwrite(filepath.Join(root, filepath.FromSlash(p.File)), p.Source); err != nil {
			return err
		}
	}
	a.words("%s:%d", a.display(filepath.Join(root, p.File)), p.Line)
	for _, line := range p.Lines {
		if _, err := fmt.Fprintln(a.Out, line); err != nil {
			return err
		}
	}
	return nil
}

// overwrite replaces a file's text, whole or not at all, and keeps its mode.
func overwrite(path string, text []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil { // a link stays one
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".plat-*")
	if err != nil {
		return unwritable(path, err)
	}
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Chmod(info.Mode().Perm()), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(unwritable(path, err), os.Remove(temp.Name()))
	}
	return nil
}

func list[T any](items []T, name func(int) string) string {
	out := ""
	for i := range items {
		if i > 0 {
			out += ","
		}
		out += name(i)
	}
	return out
}
