package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/plan/edit"
)

func (a *app) planRemove() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:     "remove SERVICE consumes NAME",
		Short:   "Take out that a service uses another",
		Long:    "Takes the line out of the service's own service.yaml that declares a call of another\nservice, or of an external one, and what is left empty by that. Everything else in\nthe file stays as it is. Prints the change as a diff.",
		Example: "  plat plan remove order consumes catalog\n  plat plan remove order consumes catalog --dry-run",
		Args:    args(3, 3, "SERVICE consumes NAME"),
		ValidArgsFunction: func(cmd *cobra.Command, given []string, start string) ([]string, cobra.ShellCompDirective) {
			switch len(given) {
			case 0:
				return a.plannedNames(cmd, given, start)
			case 1:
				return []string{"consumes"}, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print the change, and write nothing")
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
		svc, known := result.System.Service(given[0])
		switch {
		case !known:
			f := fault.New(fault.PlanUnknownService, "there is no service "+given[0]).Fix("plat plan lists them")
			if near := plan.Nearest(given[0], names(result.System.Services, func(s plan.Service) string { return s.Name })); near != "" {
				f.Fix("did you mean " + near + "?")
			}
			return f
		case svc.Artifact != "":
			return fault.New(fault.EditByHand, "the declaration of "+svc.Name+" is inside "+svc.Artifact)
		}
		name := filepath.Join(svc.Dir, "service.yaml")
		source, err := os.ReadFile(filepath.Join(root, name)) //nolint:gosec // a file of the plan
		if err != nil {
			return err
		}
		patch, err := edit.RemoveCall(filepath.ToSlash(name), source, given[2])
		if err != nil {
			return err
		}
		if !dry {
			if err := overwrite(filepath.Join(root, name), patch.Source); err != nil {
				return err
			}
		}
		_, err = fmt.Fprint(a.Out, edit.Diff(patch.File, source, patch.Source))
		return err
	}
	return cmd
}
