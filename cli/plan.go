package cli

import "github.com/spf13/cobra"

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
	return cmd
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
