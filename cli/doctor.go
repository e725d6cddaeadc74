package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/doctor"
)

func (a *app) doctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Look whether this machine and folder can run the system",
		Long:    "Looks at the toolchain, the ports, the permissions, the plan and the state\nfolder; each check passes, warns or fails, and says how to mend it. Changes\nnothing. Exit code 1 when a check fails.",
		Example: "  plat doctor\n  plat doctor -e prod\n  plat doctor -o json | jq '.[] | select(.result != \"pass\")'",
		GroupID: "tools",
		Args:    args(0, 0, "no arguments"),
	}
	a.outputs(cmd, "table", "json", "yaml", "name")
	a.environment(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		root, err := a.system()
		if err != nil {
			return err
		}
		found := doctor.Examine(cmd.Context(), doctor.Options{
			Root: root, Environment: a.env, Plan: a.loadAll(root), In: a.inDir(), PortHolder: a.machine.PortHolder,
			Answers: func(ctx context.Context) error {
				client, _, err := a.connect()
				if err == nil {
					_, err = client.System(ctx)
				}
				return err
			},
		})
		if err := a.printDiagnoses(found); err != nil {
			return err
		}
		if slices.ContainsFunc(found, func(d doctor.Diagnosis) bool { return d.Result == doctor.Fail }) {
			return errAnswered
		}
		return nil
	}
	return cmd
}

func (a *app) printDiagnoses(found []doctor.Diagnosis) error {
	if a.output != "table" {
		t := table{header: []string{"CHECK"}}
		for _, d := range found {
			t.rows = append(t.rows, []string{d.Check})
		}
		return a.print(found, t)
	}
	paint := newPainter(a.Out)
	mark := map[doctor.Result]string{doctor.Pass: "pass   ", doctor.Warning: paint.yellow("warning"), doctor.Fail: paint.red("FAIL   ")}
	for _, d := range found {
		if _, err := fmt.Fprintf(a.Out, "%s  %-12s %s\n", mark[d.Result], d.Check, d.What); err != nil {
			return err
		}
		if d.Fix != "" {
			if _, err := fmt.Fprintf(a.Out, "%23sfix: %s\n", "", a.here(d.Fix)); err != nil {
				return err
			}
		}
	}
	return nil
}
