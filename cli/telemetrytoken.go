package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/state"
)

func (a *app) telemetryToken() *cobra.Command {
	var fresh, end bool
	cmd := &cobra.Command{
		Use:     "token",
		Short:   "Print a token that lasts, for Grafana and other readers",
		Long:    "Prints a token by which other programs read metrics and traces, under /prometheus and\n/jaeger of the control API, and nothing else. It is made the first time and lasts over\nrestarts, until --new replaces it or --revoke takes it away; both hold at once. It lies\nin .plat/reading-token, for its owner alone. The token of .plat/token opens everything\nand is new at each start.",
		Example: "  plat telemetry token\n  plat telemetry token --new\n  plat telemetry token --revoke",
		Args:    args(0, 0, "no arguments"),
	}
	cmd.Flags().BoolVar(&fresh, "new", false, "make another one: the old one opens nothing any more")
	cmd.Flags().BoolVar(&end, "revoke", false, "take it away")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if fresh && end {
			return usage(cmd, "--new makes a token and --revoke takes it away: one of them")
		}
		root, err := a.system()
		if err != nil {
			return err
		}
		folder := filepath.Join(root, state.Name)
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			return fault.New(fault.NotRunning, "the system has never run here").Why("there is no " + folder).Fix("plat up")
		}
		if end {
			if err := state.EndReadingToken(folder); err != nil {
				return err
			}
			a.words("the reading token opens nothing any more")
			return nil
		}
		token, err := state.ReadingToken(folder)
		if err == nil && (token == "" || fresh) {
			token, err = state.NewReadingToken(folder)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.Out, token)
		return err
	}
	return cmd
}
