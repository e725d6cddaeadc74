package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/fault"
)

func (a *app) down() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:     "down",
		Short:   "Stop the system",
		Long:    "Takes every service out of rotation, lets it finish what it has begun, and ends\nit; then plat ends. What the services stored stays in .plat. Where nothing runs,\nit says so and that is no error.",
		Example: "  plat down\n  plat down -C musiccorp --timeout 30s",
		GroupID: "app",
		Args:    args(0, 0, "no arguments"),
	}
	lengthVar(cmd, &timeout, "timeout", time.Minute, "give up waiting after this time")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, run, err := a.connect()
		if fault.Is(err, fault.NotRunning) {
			a.words("nothing runs here")
			return nil
		}
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		if err := client.Stop(ctx); err != nil {
			return err
		}
		tick := time.NewTicker(poll)
		defer tick.Stop()
		for !ended(run.PID) {
			select {
			case <-ctx.Done():
				return fault.Newf(fault.WaitTimeout, "plat (process %d) still stops its services", run.PID).
					Fix(fmt.Sprintf("plat ps shows which; kill -9 %d ends everything at once", run.PID))
			case <-tick.C:
			}
		}
		a.words("stopped")
		return nil
	}
	return cmd
}
